"""The command retrieve: queries → demonstrations from a pool of instructions."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.options import INSECURE_HTTP_OPTION, task_encoder_option
from goalspace.cli.outcome import show_output
from goalspace.cli.progress_line import show_progress
from goalspace.errors import InputError


@click.command()
@click.argument("pool", type=click.Path(path_type=Path))
@click.argument("queries", type=click.Path(path_type=Path), required=False)
@click.option(
    "--query", "given", multiple=True, metavar="TEXT", help="A query instead of a file; may be repeated."
)
@click.option(
    "-k", "--k", type=int, default=4, show_default=True, metavar="K", help="Demonstrations per query."
)
@click.option(
    "--diversity",
    type=float,
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Penalty from 0 to 1 for demonstrations similar to earlier ones; 0.3 avoids near-copies.",
)
@click.option(
    "--field", metavar="FIELD", help="The field of POOL that holds the instruction [default: guessed]"
)
@click.option("--query-field", metavar="FIELD", help="The same for QUERIES [default: guessed]")
@task_encoder_option("instructions")
@INSECURE_HTTP_OPTION
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to [default: runs/retrieve-NAME]"
)
def retrieve(
    pool: Path,
    queries: Path | None,
    given: tuple[str, ...],
    k: int,
    diversity: float,
    field: str | None,
    query_field: str | None,
    encoder: str,
    out: Path | None,
) -> None:
    """Find demonstrations in POOL for each of QUERIES.

    Demonstrations are K instructions that ask for the same task. Writes demonstrations.jsonl and a report.

    A demonstration never repeats its query. The index of POOL stays in the folder, for the next run and for
    Demonstrations.open.
    """
    from rich.console import Console

    from goalspace.instructions.retrieve import retrieve_file, show_examples

    if (queries is None) == (not given):
        raise InputError("Give a file of queries, or texts with --query TEXT; one of the two.")
    with show_progress() as progress:
        output = retrieve_file(
            pool,
            given if queries is None else queries,
            k,
            diversity=diversity,
            field=field,
            query_field=query_field,
            encoder=encoder,
            out=out,
            progress=progress,
        )
    console = Console()
    console.print(show_examples(output.result))
    show_output(output)
