"""What makes factors good: their quality without labels beside the peers', and goalspace with parts of it left out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from _data import CACHE, VECTORS, Dataset, bills, inspired, read_objects
from _tables import Table
from experiments import Options
from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import decision_tree_probe
from goalspace.evaluation.quality import SHARE, measure, refit
from goalspace.evaluation.topics import coherence, diversity, intrusion, stability, top_words
from goalspace.factors.fitting import build, choose_number
from goalspace.files import digest, write_atomic
from goalspace.links import Links, link
from goalspace.proposals import Proposals, propose
from goalspace.proposals.vocabulary import MERGE
from goalspace.run import discover
from methods import OURS, fit_all, log, size_of

_REFITS = 5

# ---------------------------------------------------------------- quality without labels


def rate_topics(options: Options) -> list[Table]:
    """Coherence, diversity, intruders and stability of the topics of all methods, of the bills and Inspired."""
    tables = []
    for data, goal in _data_sets(options):
        table = Table(
            f"Topics without labels: {data.name}, {len(data)} texts",
            ("scores", "NPMI", "diversity", "intruders", "stability", "in none", "note"),
            "of the words that mark each method's groups of texts (class-based TF-IDF): NPMI of the top 10, share of "
            "different ones among the top 25, intruders found among the top 5 by MiniLM; stability: adjusted Rand of "
            f"the groups of texts over {options.fits} seeds (1 where nothing is drawn); k = {options.n_topics}",
        )
        for method in options.rows():
            if not method.groups:
                continue
            fits, _ = fit_all(table, method, data, goal, options.n_topics, options.fits)
            if not fits:
                continue
            groups = [fitted.dominant for fitted in fits]
            words = [own for own in top_words(data.texts, groups[0]) if own]
            table.add(
                method.name,
                scores=size_of(fits),
                NPMI=coherence(words, data.texts),
                diversity=diversity(words),
                intruders=_intruders(words, options),
                stability=stability(groups) if len(groups) > 1 else None,
                in_none=float((groups[0] < 0).mean()),
                note=method.note,
            )
        tables.append(table)
    return [*tables, _stability(options), _quality(options)]


def _intruders(words: Sequence[Sequence[str]], options: Options) -> Estimate | None:
    """How often the intruder is found; nothing where a method has too few topics, or all of the same words."""
    try:
        return intrusion(words, cached("minilm", VECTORS), seeds=options.seeds).accuracy
    except InputError:
        return None


def _data_sets(options: Options) -> list[tuple[Dataset, str]]:
    """Data with recorded proposals, and the name of the goal."""
    return [(options.load(bills), "topic"), (inspired(300 if options.quick else None)[0], "movie")]


def _stability(options: Options) -> Table:
    """Agreement of the property groups between seeds, and between samples of the texts."""
    table = Table(
        "Stability of the property groups",
        ("factors", "seeds", "samples", "unassigned", "note"),
        f"adjusted Rand index over {_REFITS} fits: with other seeds of everything that is drawn, splits of the links "
        f"included; and of the factors on {SHARE:.0%} of the texts",
    )
    for data, goal in _data_sets(options):
        for source, recorded in (("offline", None), ("LLM", data.recorded[goal])):
            with log.status(f"stability: {data.name}, {source}"):
                run = _Stages(data, goal, recorded)
                linked = [run.link(seed=seed) for seed in range(_REFITS)]
                k = min(options.n_topics, len(run.proposals.properties) // 3)
                seeds = [build(own.text_vectors, own.property_vectors, k).assignment for own in linked]
            table.add(
                f"{data.name}, {source}",
                factors=k,
                seeds=stability(seeds),
                samples=refit(linked[0], k, _REFITS),
                unassigned=float((seeds[0] < 0).mean()),
            )
            if not options.quick:
                table.aim(f"{data.name}, {source}", seeds=0.8)
    return table


def _quality(options: Options) -> Table:
    """What `goalspace evaluate --run` prints of a run."""
    data, k = options.load(bills), options.n_topics
    table = Table(
        f"Measures of a run: {data.name}, recorded proposals, {k} factors",
        ("value", "chance"),
        "as evaluate --run prints them; ± s.e. over factors, of stability over the fits",
    )
    with log.status("measures of a run"), tempfile.TemporaryDirectory() as folder:
        encoder = cached("minilm", VECTORS)
        run = discover(
            data.write(),
            goal=data.goals["topic"],
            text="text",
            id="id",
            llm=data.recorded["topic"],
            encoder=encoder,
            n_factors=k,
            out=Path(folder) / "run",
        )
        for found in measure(run, seeds=_REFITS, encoder=encoder).measures:
            table.add(found.name, value=found.value, chance=found.chance)
    return table


# ---------------------------------------------------------------- goalspace with parts left out


@dataclass(frozen=True)
class _Stages:
    """The stages up to the links on a data set, so that parts can be exchanged."""

    data: Dataset
    goal: str
    recorded: str | None
    merge: float = MERGE

    @cached_property
    def corpus(self) -> Corpus:
        """The texts."""
        return Corpus.read(self.data.write(), text="text", id="id")

    @cached_property
    def proposals(self) -> Proposals:
        """Properties of the texts."""
        return propose(
            self.corpus,
            goal=self.data.goals[self.goal],
            llm=self.recorded,
            encoder=cached("minilm", VECTORS),
            merge=self.merge,
        )

    def link(self, *, tune: str = "heads", seed: int = 0) -> Links:
        """Links by the stage itself."""
        with tempfile.TemporaryDirectory() as folder:
            encoder = "minilm" if tune == "full" else cached("minilm", VECTORS)
            return link(
                self.corpus,
                self.proposals,
                encoder=encoder,
                tune=tune,
                seed=seed,
                tuned_folder=Path(folder) / "e",
            )


def leave_out(options: Options) -> list[Table]:
    """The bills' probe with one part of goalspace exchanged at a time."""
    data, axes = options.load(bills), ("topic", "subtopic")
    recorded = data.recorded["topic"]
    table = Table(
        f"Ablations: {len(data)} bills, balanced accuracy of a decision tree",
        ("scores", *axes, "properties", "recall@10", "note"),
        f"as the experiment on bills, one fit, mean ± s.e. of {options.seeds} tree seeds; recall@10: of held-out "
        "proposals by the links",
    )
    rows = data.rows_in(Corpus.read(data.write(), text="text", id="id"))

    def add(name: str, links: Links, scores: np.ndarray, note: str = "") -> None:
        found = {
            axis: decision_tree_probe(scores[rows], data.labels[axis], seeds=options.seeds) for axis in axes
        }
        recall = links.metrics.get("recall_at_10")
        table.add(
            name,
            scores=scores.shape[1],
            **found,
            properties=len(links.property_vectors),
            **{"recall@10": float(recall) if recall is not None else None},
            note=note,
        )

    for name, links, number, note in _variants(data, recorded, options):
        with log.status(name):
            scores = links.text_vectors if number == 0 else _scores(links, number)
            add(name, links, scores, note)
    return [table]


def _variants(data: Dataset, recorded: str, options: Options) -> Iterator[tuple[str, Links, int | None, str]]:
    """Name, links and number of factors of each row; 0 factors are the text vectors of the links."""
    k = options.n_topics
    whole = _Stages(data, "topic", recorded)
    links = whole.link()
    yield f"{OURS}, {k} factors", links, k, links.recipe
    for number in (10, 25, 100, None):
        if number is None or number < len(links.property_vectors) // 3:
            yield f"{number or 'own number of'} factors", links, number, ""
    yield "no factors: vectors of the links", links, 0, ""
    plain = whole.link(tune="none")
    yield "links of the untrained encoder", plain, k, ""
    yield "no factors, untrained: MiniLM", plain, 0, ""
    if not options.quick:
        tuned = whole.link(tune="full")
        yield "encoder fine-tuned (tune=full)", tuned, k, f"chosen: {tuned.recipe}"
    apart = _Stages(data, "topic", recorded, merge=1.1)
    yield "near-duplicate properties not merged", apart.link(), k, ""
    offline = _Stages(data, "topic", None)
    yield "proposals offline", offline.link(), k, ""
    yield (
        "proposals mixed: LLM and offline",
        _Stages(data, "topic", _mixed(recorded, offline)).link(),
        k,
        "",
    )
    half = _Stages(data, "topic", _every_other(recorded))
    yield "proposals of the LLM for every other text", half.link(), k, ""


def _scores(links: Links, number: int | None) -> np.ndarray:
    if number is None:
        number, _ = choose_number(links.text_vectors, links.property_vectors)
    return build(links.text_vectors, links.property_vectors, number).score(links.text_vectors)


def _mixed(recorded: str, offline: _Stages) -> str:
    """A file with the LLM's properties and the phrases of the texts together."""
    phrases: dict[str, list[str]] = {}
    corpus, proposals = offline.corpus, offline.proposals
    for text, prop in zip(proposals.text_index, proposals.property_index, strict=True):
        phrases.setdefault(corpus.ids[text], []).append(proposals.properties[prop])
    return _write(
        [{**r, "properties": [*r["properties"], *phrases.get(str(r["id"]), [])]} for r in _read(recorded)]
    )


def _every_other(recorded: str) -> str:
    return _write(_read(recorded)[::2])


def _read(recorded: str) -> list[dict[str, Any]]:
    return read_objects(Path(recorded.removeprefix("recorded:")))


def _write(records: Sequence[dict[str, Any]]) -> str:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path = CACHE / f"proposals-{digest(text)[:16]}.jsonl"
    write_atomic(path, text)
    return f"recorded:{path}"
