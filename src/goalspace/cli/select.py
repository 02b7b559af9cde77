"""The command select: instruction data → the rows to keep."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.options import INSECURE_HTTP_OPTION, task_encoder_option
from goalspace.cli.outcome import show_output
from goalspace.cli.progress_line import show_progress

# those of goalspace.curation.selection, whose import would slow down --help; a test compares them
METHODS = ("representatives", "k-center", "facility-location")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--budget", type=int, required=True, metavar="N", help="The number of rows to keep.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=METHODS[0],
    show_default=True,
    help="Rows at the centre of clusters, rows far from each other, or rows near to all.",
)
@click.option("--field", metavar="FIELD", help="The field that holds the instruction [default: guessed]")
@click.option("--quality", metavar="FIELD", help="A field of numbers; rows with higher ones are preferred.")
@click.option(
    "--dedupe", type=float, metavar="COSINE", help="Keep one of several near-duplicate rows, e.g. 0.95."
)
@click.option("--by-task", is_flag=True, help="Cover as many tasks as the budget allows, common ones first.")
@task_encoder_option("rows")
@INSECURE_HTTP_OPTION
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random choices.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to [default: runs/select-NAME]"
)
def select(
    file: Path,
    budget: int,
    method: str,
    field: str | None,
    quality: str | None,
    dedupe: float | None,
    by_task: bool,
    encoder: str,
    seed: int,
    out: Path | None,
) -> None:
    """Select N rows of FILE that represent all of it.

    Writes selected.* in the format of FILE, and a report on the coverage.
    """
    from goalspace.instructions.select import select_file

    with show_progress() as progress:
        output = select_file(
            file,
            budget,
            method=method,
            field=field,
            quality=quality,
            dedupe=dedupe,
            by_task=by_task,
            encoder=encoder,
            seed=seed,
            out=out,
            progress=progress,
        )
    show_output(output)
