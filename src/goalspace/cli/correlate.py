"""The verb correlate: how the tasks of data sets relate, and whether one repeats another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from goalspace.cli.console import show_progress
from goalspace.errors import InputError


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

    from goalspace.curation import correlation as curation
    from goalspace.encoders.cache import cached
    from goalspace.instructions.correlate import (
        find_leaks,
        find_missing,
        name_sets,
        stem_of,
        write_leaks,
        write_matrices,
        write_missing,
    )
    from goalspace.instructions.correlate_page import correlation_page, show_matrix
    from goalspace.instructions.dataset import Instructions
    from goalspace.pages import render_terminal, write_page

    if len(files) < 2:
        raise InputError("Give two files or more to compare.")
    folder = out or Path("runs") / f"correlate-{stem_of(files[0])}"
    with show_progress() as progress:
        progress("reading", 0, 1)
        data = dict(
            zip(name_sets(files), [Instructions.read(path, field=field) for path in files], strict=True)
        )
        texts = {name: found.texts for name, found in data.items()}

        def keeping(spec: str) -> Any:
            return cached(spec, folder, lambda *done: progress("embedding", *done))

        leaks = find_leaks(texts, threshold, keeping("minilm"), progress) if contamination else None
        found = curation.correlate(
            texts, encoder=keeping(encoder), labels=labels, seed=seed, progress=progress
        )
        progress("looking for missing tasks", 0, 1)
        missing = find_missing(found)
        written = list(write_matrices(folder, found))
        written.append(write_missing(folder / "missing.csv", missing, texts))
        if leaks is not None:
            written.append(write_leaks(folder / "contamination.csv", leaks, data))
        page = correlation_page(found, list(texts.values()), missing, leaks)
        written.append(write_page(folder, page))
    console = Console()
    console.print(show_matrix(found))
    console.print()
    console.print(render_terminal(page, written))
