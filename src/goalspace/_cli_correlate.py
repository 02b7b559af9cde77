"""The verb correlate: how the tasks of data sets relate, and whether one repeats another."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace._console import show_progress
from goalspace.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from goalspace.curation.correlation import Correlation, MissingTask
    from goalspace.curation.leakage import Leak
    from goalspace.instructions import Instructions

    Missing = list[tuple[str, str, tuple[MissingTask, ...]]]
    Leaks = list[tuple[str, str, tuple[Leak, ...]]]

_PAIRS = (
    12  # sets up to which the tasks missing in every pair are looked for; above, those of the nearest set
)
_EXAMPLE = 200  # characters of a text in a CSV


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--field", metavar="FIELD", help="The field that carries the instruction, in all files [default: found]"
)
@click.option(
    "--encoder", default="task", show_default=True, metavar="MODEL", help="Says which rows are alike."
)
@click.option(
    "--labels/--no-labels", default=True, show_default=True, help="Label tasks; takes most of the time."
)
@click.option(
    "--contamination", is_flag=True, help="List rows of the first file that repeat rows of the others."
)
@click.option(
    "--threshold",
    type=float,
    default=0.8,
    show_default=True,
    metavar="SIMILARITY",
    help="From which similarity, 0.5 to 1, a row repeats another.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the rows drawn from large files."
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to [default: runs/correlate-NAME]"
)
def correlate(
    files: tuple[Path, ...],
    field: str | None,
    encoder: str,
    labels: bool,
    contamination: bool,
    threshold: float,
    seed: int,
    out: Path | None,
) -> None:
    """Compare the tasks of two or more FILES: matrices as CSV, what one has and another lacks, and a page."""
    from rich.console import Console

    from goalspace._report_correlate import correlation_page, show_matrix
    from goalspace._report_uses import render_terminal, write_page
    from goalspace._vectors import keep_vectors
    from goalspace.curation import correlation as curation
    from goalspace.instructions import Instructions

    if len(files) < 2:
        raise InputError("Give two files or more to compare.")
    folder = out or Path("runs") / f"correlate-{_stem(files[0])}"
    with show_progress() as progress:
        progress("reading", 0, 1)
        data = dict(zip(_names(files), [Instructions.read(path, field=field) for path in files], strict=True))
        texts = {name: found.texts for name, found in data.items()}

        def keeping(spec: str) -> Any:
            return keep_vectors(spec, folder / "vectors", lambda *done: progress("embedding", *done))

        leaks = _leaks(texts, threshold, keeping("minilm"), progress) if contamination else None
        found = curation.correlate(
            texts, encoder=keeping(encoder), labels=labels, seed=seed, progress=progress
        )
        progress("looking for missing tasks", 0, 1)
        missing = _missing(found)
        written = list(_write_matrices(folder, found))
        written.append(_write_missing(folder / "missing.csv", missing, texts))
        if leaks is not None:
            written.append(_write_leaks(folder / "contamination.csv", leaks, data))
        page = correlation_page(found, list(texts.values()), missing, leaks)
        written.append(write_page(folder, page))
    console = Console()
    console.print(show_matrix(found))
    console.print()
    console.print(render_terminal(page, written))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _names(files: Sequence[Path]) -> list[str]:
    """Name the sets after their files; files of one name by their numbers too."""
    stems = [_stem(path) for path in files]
    return [f"{i + 1}-{stem}" if stems.count(stem) > 1 else stem for i, stem in enumerate(stems)]


def _leaks(texts: dict[str, tuple[str, ...]], threshold: float, encoder: Any, progress: Any) -> Leaks:
    from goalspace.curation.leakage import contamination

    train, *tests = texts
    found: Leaks = []
    for number, test in enumerate(tests):
        progress("looking for repeated rows", number, len(tests))
        found.append(
            (train, test, contamination(texts[train], texts[test], threshold=threshold, encoder=encoder))
        )
    return found


def _missing(found: Correlation) -> Missing:
    """Find missing tasks of every pair, or with many sets of every set and the one most like it."""
    if len(found.names) <= _PAIRS:
        pairs = [(a, b) for a in found.names for b in found.names if a != b]
    else:
        pairs = [(name, found.nearest(name)[0]) for name in found.names]
    return [(a, b, found.missing(a, b)) for a, b in pairs]


def _write_matrices(folder: Path, found: Correlation) -> Iterable[Path]:
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


def _write_missing(path: Path, missing: Missing, texts: dict[str, tuple[str, ...]]) -> Path:
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
    from goalspace._files import write_atomic
    from goalspace.exports import defuse

    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    for row in [header, *rows]:
        writer.writerow([defuse(cell) if isinstance(cell, str) else cell for cell in row])
    # half of a surrogate pair has no UTF-8 form
    write_atomic(path, buffer.getvalue().encode(errors="replace"))
    return path
