"""The verb retrieve: queries → demonstrations from a pool of instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace._console import show_progress
from goalspace.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goalspace._console import Progress
    from goalspace.curation.demonstrations import Demonstrations, Hit

_CHUNK = 1024  # queries


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

    from goalspace._report_retrieve import retrieval_page, show_examples
    from goalspace._report_uses import render_terminal, write_page
    from goalspace.curation.demonstrations import Demonstrations, check
    from goalspace.instructions import Instructions

    if (queries is None) == (not given):
        raise InputError("Give a file of queries, or texts with --query TEXT; one of the two.")
    folder = out or Path("runs") / f"retrieve-{pool.name.removesuffix('.gz').rpartition('.')[0] or pool.name}"
    with show_progress() as progress:
        progress("reading", 0, 1)
        rows = Instructions.read(pool, field=field)
        check(len(rows), k, diversity)
        asked = _asked(queries, given, query_field)
        index = Demonstrations.build(
            rows.texts, rows=rows.rows, encoder=encoder, folder=folder / "index", progress=progress
        )
        found = _write(index, asked, folder / "demonstrations.jsonl", k, diversity, progress)
        texts = [text for text, _ in asked]
        page = retrieval_page(pool.name, len(rows), texts, found, text_of=index.text, diversity=diversity)
        report = write_page(folder, page)
    console = Console()
    console.print(show_examples(texts, found, index.text))
    console.print(render_terminal(page, [folder / "demonstrations.jsonl", folder / "index", report]))


def _asked(queries: Path | None, given: Sequence[str], field: str | None) -> list[tuple[str, str]]:
    """Return texts and ids of the queries."""
    from goalspace.instructions import Instructions

    if queries is not None:
        data = Instructions.read(queries, field=field)
        return list(zip(data.texts, data.ids, strict=True))
    if not all(text.strip() for text in given):
        raise InputError("The text of --query must not be empty.")
    return [(text, str(number)) for number, text in enumerate(given)]


def _write(
    index: Demonstrations,
    asked: Sequence[tuple[str, str]],
    path: Path,
    k: int,
    diversity: float,
    progress: Progress,
) -> list[list[Hit]]:
    """Retrieve and write a line per query."""
    from goalspace._files import atomic_path

    every: list[list[Hit]] = []
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for start in range(0, len(asked), _CHUNK):
            progress("retrieving", start, len(asked))
            part = asked[start : start + _CHUNK]
            found = index.retrieve([text for text, _ in part], k, diversity=diversity, skip_same=True)
            for (text, id), hits in zip(part, found, strict=True):
                shown = [
                    {"index": h.index, "score": round(h.score, 6), "row": index.row(h.index)} for h in hits
                ]
                line: dict[str, Any] = {"query": text, "id": id, "demonstrations": shown}
                file.write(json.dumps(line) + "\n")
            every += found
    return every
