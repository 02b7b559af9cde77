"""Retrieval: demonstrations of the same task."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bench.kit.datasets import read_lines
from bench.kit.encoders import select_rows
from bench.kit.tables import Table
from bench.uses.instruction_sets import N_QUICK
from goalspace.curation.demonstrations import Demonstrations
from goalspace.errors import GoalspaceError
from goalspace.estimate import Estimate

ENCODERS = ("TF-IDF + SVD 300", "MiniLM", "verb–noun label, MiniLM", "task")
K = 4


def measure_retrieval(quick: bool) -> list[Table]:
    """Retrieve demonstrations of the same task, leave-one-out, according to the labels of ift_test."""
    data = read_lines("ieb/ift_test.jsonl")[: N_QUICK if quick else None]
    texts, labels = [row["instruction"] for row in data], [row["label"] for row in data]
    sizes = Counter(labels)
    queries = [i for i, label in enumerate(labels) if sizes[label] > 1]
    most = float(np.mean([min(sizes[labels[i]] - 1, K) / K for i in queries]))
    table = Table(
        f"Retrieval: {len(queries)} of {len(texts)} instructions of ift_test that share their label",
        ("precision@1", "precision@4", "of reachable", "note"),
        f"leave-one-out; the largest precision@4 that the labels allow is {most:.3f}; mean ± s.e. over queries",
    )
    for row in select_rows(*ENCODERS):
        try:
            index = Demonstrations.build(texts, encoder=row.make(texts))
            hits_of = index.retrieve([texts[i] for i in queries], K + 1)
        except GoalspaceError as error:
            table.add(row.name, note=str(error)[:40])
            continue
        same = np.array(
            [
                [labels[hit.index] == labels[i] for hit in hits if hit.index != i][:K]
                for i, hits in zip(queries, hits_of, strict=True)
            ]
        )
        reachable = np.array([min(sizes[labels[i]] - 1, K) for i in queries])
        cells = (same[:, 0], same.mean(axis=1), same.sum(axis=1) / reachable)
        first, precision, share = (Estimate.of(values) for values in cells)
        table.add(row.name, **{"precision@1": first, "precision@4": precision}, of_reachable=share)
    _aim_best(table, "task", "precision@4")
    return [table]


def _aim_best(table: Table, name: str, column: str) -> None:
    """Set the target of a row to the best value of the others."""
    others = [row[column] for row in table.rows if row["row"] != name and row.get(column) is not None]
    if others and any(row["row"] == name and row.get(column) is not None for row in table.rows):
        table.aim(name, **{column: max(cell.mean for cell in others if isinstance(cell, Estimate))})
