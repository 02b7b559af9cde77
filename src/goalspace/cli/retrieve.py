"""The verb retrieve: queries → demonstrations from a pool of instructions."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.console import show_progress
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
    help="Mark down demonstrations that are like those before, from 0 to 1; 0.3 avoids near-copies.",
)
@click.option(
    "--field", metavar="FIELD", help="The field of POOL that carries the instruction [default: found]"
)
@click.option("--query-field", metavar="FIELD", help="That of QUERIES [default: found]")
@click.option(
    "--encoder", default="task", show_default=True, metavar="MODEL", help="Says which instructions are alike."
)
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
    """Find the K instructions of POOL that ask for the same task as each of QUERIES: demonstrations.jsonl, and a page.

    A demonstration never has the words of its query. The index of POOL is kept in the folder, for the next run and
    for Demonstrations.open.
    """
    from rich.console import Console

    from goalspace.curation.demonstrations import Demonstrations, check
    from goalspace.instructions.dataset import Instructions
    from goalspace.instructions.retrieve import (
        read_queries,
        retrieval_page,
        show_examples,
        write_demonstrations,
    )
    from goalspace.pages import render_terminal, write_page

    if (queries is None) == (not given):
        raise InputError("Give a file of queries, or texts with --query TEXT; one of the two.")
    folder = out or Path("runs") / f"retrieve-{pool.name.removesuffix('.gz').rpartition('.')[0] or pool.name}"
    with show_progress() as progress:
        progress("reading", 0, 1)
        rows = Instructions.read(pool, field=field)
        check(len(rows), k, diversity)
        asked = read_queries(queries, given, query_field)
        index = Demonstrations.build(
            rows.texts, rows=rows.rows, encoder=encoder, folder=folder / "index", progress=progress
        )
        found = write_demonstrations(index, asked, folder / "demonstrations.jsonl", k, diversity, progress)
        texts = [text for text, _ in asked]
        page = retrieval_page(pool.name, len(rows), texts, found, text_of=index.text, diversity=diversity)
        report = write_page(folder, page)
    console = Console()
    console.print(show_examples(texts, found, index.text))
    console.print(render_terminal(page, [folder / "demonstrations.jsonl", folder / "index", report]))
