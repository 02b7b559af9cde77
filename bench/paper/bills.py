"""Topics of bills: probes on the scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.kit.datasets import bills, embed
from bench.kit.tables import Table
from bench.paper.fits import aim_above_peers, fit_all, pool, size_of
from bench.paper.methods import OURS
from bench.paper.options import Options
from goalspace.evaluation.metrics import decision_tree_probe, logistic_probe


def categorise_bills(options: Options) -> list[Table]:
    """Predict topic and subtopic of the bills from the scores."""
    data, k = options.load(bills), options.n_topics
    axes = ("topic", "subtopic")
    table = Table(
        f"Bills: balanced accuracy on the scores of {len(data)} bills",
        (
            "scores",
            *axes,
            *(f"{axis} {how}" for how in ("one-hot", "logistic") for axis in axes),
            "seconds",
            "note",
        ),
        "decision tree on the scores, decision tree on the dominant topic only (one-hot), and logistic regression on the "
        f"scores; unshuffled stratified 5-fold cross-validation; k = {k}; mean ± the larger of the s.e. over "
        f"{options.fits} fits with different seeds and over {options.seeds} tree seeds; the target of a one-hot column is "
        "5 % above the best value of a peer in either decision-tree column",
    )
    embed(data.texts)  # cached here, so that no method is charged for it
    table.add("chance", **{axis: 1 / len(set(data.labels[axis])) for axis in axes})
    methods = options.methods(with_informed=True)
    for method in methods:
        fits, seconds = fit_all(table, method, data, "topic", k, options.fits)
        if not fits:
            continue
        cells: dict[str, Any] = {}
        for axis in axes:
            gold = data.labels[axis]
            cells[axis] = pool([decision_tree_probe(f.scores, gold, seeds=options.seeds) for f in fits])
            if method.groups:
                alone = [decision_tree_probe(_one_hot(f.dominant), gold, seeds=options.seeds) for f in fits]
                cells[f"{axis} one-hot"] = pool(alone)
            cells[f"{axis} logistic"] = pool([logistic_probe(f.scores, gold) for f in fits])
        table.add(method.name, scores=size_of(fits), **cells, seconds=seconds, note=method.note)
    if not options.quick:
        rivals = {axis: (axis,) for axis in axes} | {f"{a} one-hot": (a, f"{a} one-hot") for a in axes}
        aim_above_peers(table, f"{OURS}, LLM", rivals, methods)
    return [table]


def _one_hot(topics: np.ndarray) -> np.ndarray:
    """Return topics as columns of 0 and 1 (n_texts, n_topics); a text without a topic has zeros."""
    return np.asarray(topics[:, None] == np.arange(max(topics.max(), 0) + 1), dtype=np.float64)
