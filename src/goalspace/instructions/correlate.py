"""Comparison of the tasks of data sets: correlate_files and the tables that it writes."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.curation.contamination import Leak
from goalspace.curation.contamination import contamination as find_contamination
from goalspace.curation.correlation import Correlation, MissingTask, correlate
from goalspace.encoders.cache import cached
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.files import data_stem, write_atomic
from goalspace.instructions.correlate_page import correlation_page
from goalspace.instructions.dataset import Instructions
from goalspace.instructions.output import Output
from goalspace.pages import write_page
from goalspace.progress import Progress, ignore_progress
from goalspace.tables.writing import defuse

Missing = list[tuple[str, str, tuple[MissingTask, ...]]]
Leaks = list[tuple[str, str, tuple[Leak, ...]]]

_PAIRS = (
    12  # number of sets up to which all pairs are searched for missing tasks; above, only the nearest sets
)
_EXAMPLE = 200  # characters per text in a CSV


def correlate_files(
    files: Sequence[str | os.PathLike[str]],
    *,
    field: str | None = None,
    encoder: str | Encoder = "task",
    labels: bool = True,
    contamination: bool = False,
    threshold: float = 0.8,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Output[Correlation]:
    """Compare the tasks of files, and write matrices, the tasks missing in each, and a report.

    The vectors are kept in the folder: after an interruption, the same call resumes from them.

    Parameters
    ----------
    files
        Two or more files of instruction data (see `Instructions.read`).
    field
        The field that carries the instruction, in all files; by default it is detected.
    encoder
        Defines which rows are similar (see `get_encoder`).
    labels
        Whether to label tasks, the slowest step.
    contamination
        Whether to list the rows of the first file that repeat rows of the others in contamination.csv.
    threshold
        The minimum similarity, from 0.5 to 1, of a row that repeats another (see `goalspace.contamination`).
    seed
        The random seed for sampling rows from large files.
    out
        The folder to write to; by default runs/correlate- and the name of the first file.
    progress
        Called with (description, steps done, steps in total).

    Returns
    -------
    The correlation, and the files with the matrices and tables.

    Raises
    ------
    InputError
        If there is only one file, one cannot be read, or an argument is invalid.
    """
    if isinstance(files, (str, os.PathLike)) or len(files) < 2:
        raise InputError("Give at least two files to compare.")
    paths, progress = [Path(file) for file in files], progress or ignore_progress
    folder = Path(out or Path("runs") / f"correlate-{data_stem(paths[0])}")
    progress("reading", 0, 1)
    data = dict(zip(_name_sets(paths), [Instructions.read(path, field=field) for path in paths], strict=True))
    texts = {name: rows.texts for name, rows in data.items()}
    in_folder = partial(cached, cache_dir=folder, report=partial(progress, "embedding"))
    leaks = _find_leaks(texts, threshold, in_folder("minilm"), progress) if contamination else None
    correlation = correlate(texts, encoder=in_folder(encoder), labels=labels, seed=seed, progress=progress)
    progress("looking for missing tasks", 0, 1)
    missing = _find_missing(correlation)
    written = list(_write_matrices(folder, correlation))
    written.append(_write_missing(folder / "missing.csv", missing, texts))
    if leaks is not None:
        written.append(_write_leaks(folder / "contamination.csv", leaks, data))
    page = correlation_page(correlation, list(texts.values()), missing, leaks)
    write_page(folder, page)
    return Output(correlation, folder, page, written)


def _name_sets(files: Sequence[Path]) -> list[str]:
    """Name the sets after their files; files with equal names also get their numbers."""
    stems = [data_stem(path) for path in files]
    return [f"{i + 1}-{stem}" if stems.count(stem) > 1 else stem for i, stem in enumerate(stems)]


def _find_leaks(
    texts: dict[str, tuple[str, ...]], threshold: float, encoder: Encoder, progress: Progress
) -> Leaks:
    """Find rows of the first set that repeat rows of the others."""
    train, *tests = texts
    leaks: Leaks = []
    for number, test in enumerate(tests):
        progress("looking for repeated rows", number, len(tests))
        rows = find_contamination(texts[train], texts[test], threshold=threshold, encoder=encoder)
        leaks.append((train, test, rows))
    return leaks


def _find_missing(correlation: Correlation) -> Missing:
    """Find missing tasks between all pairs of sets or, with many sets, between each set and the nearest one."""
    if len(correlation.names) <= _PAIRS:
        pairs = [(a, b) for a in correlation.names for b in correlation.names if a != b]
    else:
        pairs = [(name, correlation.nearest(name)[0]) for name in correlation.names]
    return [(a, b, correlation.missing(a, b)) for a, b in pairs]


def _write_matrices(folder: Path, correlation: Correlation) -> Iterable[Path]:
    """Write each matrix as CSV and yield its path."""
    matrices: dict[str, np.ndarray | None] = {
        "cosine": correlation.cosine,
        "covered": correlation.covered,
        "wasserstein": correlation.wasserstein,
        "overlap": correlation.overlap,
    }
    for name, matrix in matrices.items():
        if matrix is not None:
            rows = [
                [own, *(round(float(value), 6) for value in row)]
                for own, row in zip(correlation.names, matrix, strict=True)
            ]
            yield _write_csv(folder / f"{name}.csv", [name, *correlation.names], rows)


def _write_missing(path: Path, missing: Missing, texts: dict[str, tuple[str, ...]]) -> Path:
    """Write the tasks of one set that are missing in another."""
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


def _write_leaks(path: Path, leaks: Leaks, data: dict[str, Instructions]) -> Path:
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
        for a, b, pairs in leaks
        for leak in pairs
    ]
    return _write_csv(path, header, rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a CSV without cells that a spreadsheet would take for a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    for row in [header, *rows]:
        writer.writerow([defuse(cell) if isinstance(cell, str) else cell for cell in row])
    # lone surrogates cannot be encoded as UTF-8
    write_atomic(path, buffer.getvalue().encode(errors="replace"))
    return path
