"""k-means under many wordings of a goal: whether the clusters are the classes that the goal asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.kit.console import log
from bench.kit.datasets import Dataset, banking77, bills, casino, cfpb, emotions, helpdesk, sgd, syngoalex
from bench.kit.tables import Cell, Table
from bench.uses.goal_methods import Method
from bench.uses.goal_wordings import GOALS, Goal
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import kmeans_groups

SEEDS, STARTS = 3, 10
N_SAMPLE = 300  # texts on which slow methods are measured
N_SAMPLE_WORDINGS = 2
N_QUICK = 40

READ: dict[str, Callable[[], Dataset]] = {
    "sgd": sgd,
    "casino": casino,
    "emotions": emotions,
    "syngoalex": syngoalex,
    "bills": bills,
    "cfpb": cfpb,
    "banking77": lambda: banking77().sample(2000),
    "helpdesk": helpdesk,
}


def measure_clusters(methods: Sequence[Method], *, n_wordings: int, quick: bool) -> list[Table]:
    """Compare methods on all goals: the mean over wordings, the worst wording, and slow methods on a sample."""
    names = list(dict.fromkeys(goal.data for goal in GOALS))
    full = {name: READ[name]() for name in names}
    small = {name: data.sample(N_QUICK if quick else N_SAMPLE) for name, data in full.items()}
    fast = [method for method in methods if not method.is_slow]
    tables: list[Table] = []
    if fast and quick:
        tables = _compare(fast, small, n_wordings=n_wordings, seeds=1)
    elif fast:
        tables = _compare(fast, full, n_wordings=n_wordings, seeds=SEEDS)
    if len(fast) < len(methods):
        mean, _ = _compare(methods, small, n_wordings=N_SAMPLE_WORDINGS, seeds=SEEDS)
        mean.title = f"k-means on {N_SAMPLE} texts of each data set, {N_SAMPLE_WORDINGS} wordings: mean ARI"
        mean.caption += "; a fixed sample and the first wordings of every goal only, because SmolLM2 is slow"
        tables.append(mean)
    return tables


def _compare(
    methods: Sequence[Method], data: dict[str, Dataset], *, n_wordings: int, seeds: int
) -> list[Table]:
    """Return the tables of the mean and of the worst wording."""
    columns = (*(goal.name for goal in GOALS), "mean")
    sizes = ", ".join(f"{name} {len(own)}" for name, own in data.items())
    count = min(len(goal.wordings[:n_wordings]) for goal in GOALS)
    caption = (
        f"ARI of k-means with as many clusters as classes and {STARTS} starts, on unit vectors; {count} wordings of every "
        f"goal, none of which names a class; ± s.e. over {seeds} seeds; texts: {sizes}"
    )
    tables = [
        Table(f"k-means: mean ARI over {count} wordings of the goal", (*columns, "note"), caption),
        Table(f"k-means: ARI of the worst of {count} wordings", columns, "as above"),
    ]
    for method in methods:
        rows: tuple[dict[str, Cell], dict[str, Cell]] = ({}, {})
        by_seed: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for goal in GOALS:
            with log.status(f"{method.name}: {goal.name}"):
                found = score_wordings(method, data[goal.data], goal, n_wordings=n_wordings, seeds=seeds)
            worst = int(found.mean(axis=1).argmin())
            log.log(f"{method.name}: {goal.name}: {found.mean():.3f}, worst: {goal.wordings[worst]}")
            for row, means, values in zip(rows, by_seed, (found.mean(axis=0), found[worst]), strict=True):
                row[goal.name] = Estimate.of(values)
                means.append(values)
        for table, row, means in zip(tables, rows, by_seed, strict=True):
            table.add(method.name, **row, mean=Estimate.of(np.mean(means, axis=0)))
        tables[0].rows[-1]["note"] = method.note
    return tables


def score_wordings(method: Method, data: Dataset, goal: Goal, *, n_wordings: int, seeds: int) -> np.ndarray:
    """Return the ARI for every wording and seed (n_wordings, seeds); of one wording if the method does not read goals."""
    from sklearn.metrics import adjusted_rand_score

    labels = data.labels[goal.label]
    wordings = goal.wordings[: n_wordings if method.reads_goal else 1]
    values = []
    for wording in wordings:
        vectors = method.encode(wording, data.texts)
        groups = kmeans_groups(vectors, n_clusters=len(set(labels)), seeds=seeds, n_init=STARTS)
        values.append([adjusted_rand_score(labels, own) for own in groups])
    return np.array(values)
