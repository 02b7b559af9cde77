"""Correlation: which instruction sets are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.kit.console import log
from bench.kit.encoders import select_rows
from bench.kit.tables import Table
from bench.uses.instruction_sets import N_ROWS, read_sample
from goalspace.curation.correlation import Correlation, correlate
from goalspace.curation.tasklabels import label_tasks
from goalspace.errors import GoalspaceError

SETS = {  # and what they are about
    "gsm8k_test": "math",
    "mbpp": "code",
    "humaneval": "code",
    "gpteacher_codegen": "code",
    "lima": "general",
    "alpaca_5000": "general",
    "gpteacher_roleplay": "roleplay",
    "self_instruct_seed_tasks": "general",
    "t0_train_sample": "general",
}


def measure_correlation(quick: bool) -> list[Table]:
    """Correlate the sets, by every measure and encoder."""
    texts = {name: read_sample(name, quick) for name in SETS}
    labels = _labels(texts)
    tables = []
    for row in select_rows("MiniLM", "task"):
        try:
            found = correlate(texts, encoder=row.make([]), labels=labels)
        except GoalspaceError as error:
            log.log(f"{row.name}: {error}")
            continue
        tables += [_matrix(found, row.name), _nearest(found, row.name)]
    return tables


def _matrix(found: Correlation, encoder: str) -> Table:
    table = Table(f"Correlation, {encoder}: cosine", [str(i + 1) for i in range(len(found.names))])
    for number, i in enumerate(found.order):
        cells = {str(n + 1): float(found.cosine[i, j]) for n, j in enumerate(found.order)}
        table.add(f"{number + 1} {found.names[i]}", **cells)
    return table


def _nearest(found: Correlation, encoder: str) -> Table:
    """Find the nearest other set by every measure, and count the code sets whose nearest set is code."""
    measures = {"cosine": found.cosine, "Wasserstein": -found.wasserstein, "task labels": found.overlap}
    table = Table(
        f"Correlation, {encoder}: the most similar other set",
        tuple(measures),
        f"up to {N_ROWS} rows per set; ties go to the first",
    )
    nearest = {}
    for measure, matrix in measures.items():
        assert matrix is not None
        others = np.where(np.eye(len(matrix), dtype=bool), -np.inf, matrix)
        nearest[measure] = [found.names[j] for j in others.argmax(axis=1)]
    for i, name in enumerate(found.names):
        table.add(name, **{measure: names[i] for measure, names in nearest.items()})
    code = [i for i, name in enumerate(found.names) if SETS[name] == "code"]
    near = {measure: sum(SETS[names[i]] == "code" for i in code) for measure, names in nearest.items()}
    table.add(f"code sets nearest to code, of {len(code)}", **near)
    table.aim(f"code sets nearest to code, of {len(code)}", cosine=len(code), Wasserstein=len(code))
    return table


def _labels(texts: dict[str, tuple[str, ...]]) -> dict[str, Sequence[str]]:
    with log.status("labels"):
        every = iter(label_tasks([text for some in texts.values() for text in some]).labels)
    return {name: [next(every) for _ in some] for name, some in texts.items()}
