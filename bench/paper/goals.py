"""Three goals for the same texts: clusters against the partition that the goal names."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.preprocessing import normalize

from bench.kit.datasets import Dataset, embed, syngoalex
from bench.kit.peers import Fitted
from bench.kit.tables import Table
from bench.paper.fits import fit_all
from bench.paper.methods import OURS
from bench.paper.options import N_INIT, Options
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import kmeans_groups, purity


def condition_on_goals(options: Options) -> list[Table]:
    """Cluster the scores of the same texts under three goals, against the partition that each goal names."""
    data = options.load(syngoalex)
    order = np.random.default_rng(0).permutation(len(data))
    half, rest = data.take(order[: len(data) // 2]), data.take(order[len(data) // 2 :])
    tables = [
        _goals(data, data, "seen", options),
        _goals(half, rest, "held out of proposals and training", options),
    ]
    if not options.quick:
        tables[0].aim(f"{OURS}, LLM, own number", topic=0.92, style=0.65, language=0.98)
        tables[1].aim(f"{OURS}, LLM, own number", topic=0.80, style=0.55, language=0.95)
    return tables


def _goals(train: Dataset, test: Dataset, split: str, options: Options) -> Table:
    axes = tuple(train.goals)
    table = Table(
        f"syngoalex, {split}: k-means(4) on the scores against what the goal names, {len(test)} texts",
        (*axes, *(f"{axis} {m}" for axis in axes for m in ("NMI", "purity")), "seconds", "note"),
        f"columns with the name of a goal only: ARI; mean ± s.e. over {options.seeds} k-means seeds; one fit; k = 12 "
        "except for own numbers; scores scaled to unit length per text, which helps most methods (for goalspace, in the "
        "space that the factors span)",
    )
    for method in options.methods():
        cells: dict[str, Any] = {}
        fits: list[Fitted] = []
        total = 0.0
        for axis in axes:
            if not fits or method.by_goal:
                fits, seconds = fit_all(table, method, train, axis, 12, 1)
                total += seconds
            if not fits:
                break
            scores = fits[0].compared if test is train else fits[0].compare(test.texts, embed(test.texts))
            cells |= _agreement(np.asarray(normalize(scores)), test.labels[axis], axis, options)
        else:
            table.add(method.name, **cells, seconds=total, note=method.note)
    return table


def _agreement(scores: np.ndarray, gold: np.ndarray, axis: str, options: Options) -> dict[str, Estimate]:
    clusterings = kmeans_groups(scores, n_clusters=4, seeds=options.seeds, n_init=N_INIT)
    return {
        axis: Estimate.of([adjusted_rand_score(gold, groups) for groups in clusterings]),
        f"{axis} NMI": Estimate.of([normalized_mutual_info_score(gold, groups) for groups in clusterings]),
        f"{axis} purity": Estimate.of([purity(groups, labels=gold) for groups in clusterings]),
    }
