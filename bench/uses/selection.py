"""Selection: how many tasks a selection covers."""

from __future__ import annotations

import time

import numpy as np

from bench.kit.console import log
from bench.kit.encoders import select_rows
from bench.kit.paths import DATA
from bench.kit.tables import Table
from bench.uses.instruction_sets import N_QUICK
from goalspace.curation.selection import METHODS, select
from goalspace.curation.tasklabels import label_tasks
from goalspace.errors import GoalspaceError
from goalspace.estimate import Estimate
from goalspace.instructions.dataset import Instructions

BUDGET = 600


def measure_selection(quick: bool) -> list[Table]:
    """Count the task labels that selections cover, compared with random rows."""
    texts = Instructions.read(DATA / "instructions" / "alpaca_5000.jsonl").texts[: N_QUICK if quick else None]
    budget = BUDGET if not quick else 60
    labels = label_tasks(texts).labels
    table = Table(
        f"Selection: {budget} of {len(texts)} rows of alpaca_5000 with {len(set(labels))} task labels",
        ("labels covered", "times random", "distance", "seconds", "note"),
        "random: mean ± s.e. over 5 seeds; distance: mean of 1 − cosine to the nearest selected row",
    )
    for row in select_rows("MiniLM", "task"):
        try:
            vectors = row.make(texts).encode(list(texts))
        except GoalspaceError as error:
            log.log(f"{row.name}: {error}")
            continue
        for method in METHODS:
            for by_task in (False, True):
                name = f"{row.name}, {method}{', by task' if by_task else ''}"
                start = time.perf_counter()
                selection = select(vectors, budget, method=method, labels=labels if by_task else None)
                seconds = time.perf_counter() - start
                covered = len({labels[i] for i in selection.rows})
                draws = [np.random.default_rng(seed).choice(len(texts), budget, False) for seed in range(5)]
                random_rows = Estimate.of([len({labels[i] for i in draw}) for draw in draws])
                table.add(
                    name,
                    labels_covered=covered,
                    times_random=covered / random_rows.mean,
                    distance=selection.coverage.distance,
                    seconds=seconds,
                )
                if by_task and not quick:
                    table.aim(name, times_random=1.5)
        table.add(
            f"{row.name}, random", labels_covered=random_rows, distance=selection.coverage.distance_random
        )
    return [table]
