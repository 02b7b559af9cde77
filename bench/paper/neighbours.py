"""Inspired and ALFWorld: the next movie and the next action, from the nearest training texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.kit.datasets import Dataset, alfworld, embed, inspired
from bench.kit.tables import Table
from bench.paper.fits import aim_above_peers, fit_all, pool, size_of
from bench.paper.methods import OURS, Method
from bench.paper.options import Options
from goalspace.evaluation.neighbours import NextAction, Recommendation

N_STATES = 100  # factors of ALFWorld, which has 461 actions


def recommend_movies(options: Options) -> list[Table]:
    """Predict the next movie from the nearest dialogues (Hit@k)."""
    data, task = inspired(sample=300 if options.quick else None)
    columns = (*task.metrics, "Hit@5 reachable", "Hit@20 reachable", "neighbours")
    table = Table(
        f"Inspired: the next movie, {len(task.test)} dialogues, {int(task.reachable.sum())} reachable",
        ("scores", *columns, "seconds", "note"),
        "movies are ranked by how often they occur in the nearest training dialogues by cosine of the scores (for "
        "goalspace, in the space that the factors span), ties by popularity; the number of neighbours is chosen on the "
        f"last 20 % of the training dialogues; ± s.e. over dialogues, means of {options.fits} fits; "
        f"k = {options.n_topics}; all methods get the last 1,000 characters",
    )
    popular = {name: value for name, value in task.by_popularity().items() if name in columns}
    table.add("popularity", **popular)
    methods = options.methods(source="LLM", compared=True)
    _by_neighbours(table, methods, data, task, columns, options.n_topics, options.fits)
    if not options.quick:
        for row in (f"{OURS}, LLM", f"{OURS}, LLM, own number"):
            aim_above_peers(table, row, {hit: (hit,) for hit in ("Hit@5", "Hit@20")}, methods)
            table.targets[row]["Hit@20"] = max(0.30, table.targets[row].get("Hit@20", 0.0))
    return [table]


def act_next(options: Options) -> list[Table]:
    """Predict the expert's next action from the nearest state."""
    data, task = alfworld(options.episodes)
    k = 15 if options.quick else N_STATES
    table = Table(
        f"ALFWorld: the next action, {task.size}",
        ("scores", "seen", "unseen", "seconds", "note"),
        "action of the nearest training state by cosine of the scores (for goalspace, in the space that the factors "
        "span), numbers ignored; seen: held-out trials of known scenes; unseen: held-out scenes; one fit, ± s.e. over "
        f"episodes; k = {k}",
    )
    table.add("most frequent action", **task.by_frequency())
    methods = options.methods(source="rule-based facts", compared=True)
    _by_neighbours(table, methods, data, task, ("seen", "unseen"), k, 1)
    if not options.quick:
        for row in (f"{OURS}, rule-based facts", f"{OURS}, rule-based facts, own number"):
            aim_above_peers(table, row, {group: (group,) for group in ("seen", "unseen")}, methods)
    return [table]


def _by_neighbours(
    table: Table,
    methods: Sequence[Method],
    data: Dataset,
    task: Recommendation | NextAction,
    columns: Sequence[str],
    n_topics: int,
    n_fits: int,
) -> None:
    (goal,) = data.goals
    new = task.texts[len(task.train) :]
    index_of = {text: i for i, text in enumerate(data.texts)}
    known = np.array([index_of[text] for text in task.train])
    embed(data.texts), embed(new)  # cached here, so that no method is charged for it
    for method in methods:
        fits, seconds = fit_all(table, method, data, goal, n_topics, n_fits)
        if not fits:
            continue
        results = [task.score(np.vstack([f.compared[known], f.compare(new, embed(new))])) for f in fits]
        cells: dict[str, Any] = {column: pool([result[column] for result in results]) for column in columns}
        if "neighbours" in cells:
            cells["neighbours"] = " ".join(str(int(result["neighbours"].mean)) for result in results)
        table.add(method.name, scores=size_of(fits), **cells, seconds=seconds, note=method.note)
