"""How the tasks of data sets relate, written as tables: correlate_files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.curation.contamination import Leak
from goalspace.curation.correlation import Correlation, MissingTask
from goalspace.instructions.dataset import Instructions

Missing = list[tuple[str, str, tuple[MissingTask, ...]]]
Leaks = list[tuple[str, str, tuple[Leak, ...]]]

_PAIRS = (
    12  # sets up to which the tasks missing in every pair are looked for; above, those of the nearest set
)
_EXAMPLE = 200  # characters of a text in a CSV


def stem_of(path: Path) -> str:
    """Return the name of a file without its extensions."""
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def name_sets(files: Sequence[Path]) -> list[str]:
    """Name the sets after their files; files of one name by their numbers too."""
    stems = [stem_of(path) for path in files]
    return [f"{i + 1}-{stem}" if stems.count(stem) > 1 else stem for i, stem in enumerate(stems)]


def find_leaks(texts: dict[str, tuple[str, ...]], threshold: float, encoder: Any, progress: Any) -> Leaks:
    """Find rows of the first set that repeat rows of the others."""
    from goalspace.curation.contamination import contamination

    train, *tests = texts
    found: Leaks = []
    for number, test in enumerate(tests):
        progress("looking for repeated rows", number, len(tests))
        found.append(
            (train, test, contamination(texts[train], texts[test], threshold=threshold, encoder=encoder))
        )
    return found


def find_missing(found: Correlation) -> Missing:
    """Find missing tasks of every pair, or with many sets of every set and the one most like it."""
    if len(found.names) <= _PAIRS:
        pairs = [(a, b) for a in found.names for b in found.names if a != b]
    else:
        pairs = [(name, found.nearest(name)[0]) for name in found.names]
    return [(a, b, found.missing(a, b)) for a, b in pairs]


def write_matrices(folder: Path, found: Correlation) -> Iterable[Path]:
    """Write each matrix as CSV and yield its path."""
    matrices: dict[str, np.ndarray | None] = {
        "cosine": found.cosine,
        "covered": found.covered,
        "wasserstein": found.wasserstein,
        "overlap": found.overlap,
    }
    for name, matrix in matrices.items():
        if matrix is not None:
            rows = [
                [own, *(round(float(value), 6) for value in row)]
                for own, row in zip(found.names, matrix, strict=True)
            ]
            yield _write_csv(folder / f"{name}.csv", [name, *found.names], rows)


def write_missing(path: Path, missing: Missing, texts: dict[str, tuple[str, ...]]) -> Path:
    """Write the tasks that one set has and another lacks."""
    rows = [
        [
            a,
            b,
            ", ".join(task.labels),
            ", ".join(task.words),
            len(task.rows),
            round(task.cosine, 4),
            *(texts[a][row][:_EXAMPLE] for row in task.rows[:3]),
        ]
        for a, b, tasks in missing
        for task in tasks
    ]
    return _write_csv(
        path, ["in", "not in", "task", "words", "rows", "cosine", "example 1", "example 2", "example 3"], rows
    )


def write_leaks(path: Path, leaks: Leaks, data: dict[str, Instructions]) -> Path:
    """Write the repeated rows."""
    header = [
        "training",
        "id",
        "test",
        "test id",
        "kind",
        "similarity",
        "cosine",
        "overlap",
        "text",
        "test text",
    ]
    rows = [
        [
            *(a, data[a].ids[leak.train], b, data[b].ids[leak.test], leak.kind),
            *(round(value, 4) for value in (leak.similarity, leak.cosine, leak.overlap)),
            *(data[a].texts[leak.train], data[b].texts[leak.test]),
        ]
        for a, b, found in leaks
        for leak in found
    ]
    return _write_csv(path, header, rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a CSV whose cells a spreadsheet takes as text."""
    from goalspace.files import write_atomic
    from goalspace.tables.writing import defuse

    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    for row in [header, *rows]:
        writer.writerow([defuse(cell) if isinstance(cell, str) else cell for cell in row])
    # half of a surrogate pair has no UTF-8 form
    write_atomic(path, buffer.getvalue().encode(errors="replace"))
    return path
