"""The command correlate: how the tasks of data sets relate, and whether one repeats another."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.options import INSECURE_HTTP_OPTION, task_encoder_option
from goalspace.cli.outcome import show_output
from goalspace.cli.progress_line import show_progress


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--field", metavar="FIELD", help="The field that holds the instruction, in all files [default: guessed]"
)
@task_encoder_option("rows")
@INSECURE_HTTP_OPTION
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
    help="Similarity from 0.5 to 1 at which a row counts as a repetition.",
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
    """Compare the tasks in two or more FILES of instructions.

    Writes the similarities as CSV, the tasks that one file has and another lacks, and a report.
    """
    from rich.console import Console

    from goalspace.instructions.correlate import correlate_files
    from goalspace.instructions.correlate_page import show_matrix

    with show_progress() as progress:
        output = correlate_files(
            files,
            field=field,
            encoder=encoder,
            labels=labels,
            contamination=contamination,
            threshold=threshold,
            seed=seed,
            out=out,
            progress=progress,
        )
    console = Console()
    console.print(show_matrix(output.result))
    console.print()
    show_output(output)
