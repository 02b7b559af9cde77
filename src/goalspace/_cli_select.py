"""The verb select: instruction data → the rows to keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace._console import show_progress
from goalspace.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goalspace.instructions import Instructions

# those of goalspace.curation.selection, whose import would slow down --help; a test compares them
METHODS = ("representatives", "k-center", "facility-location")
_LABELLED = (
    20_000  # rows up to which the tasks covered are counted although nobody asked for tasks: labels take time
)
_BY_TASK = "As many tasks as the budget allows, the most frequent first. Within a task:"
_HOW = {
    "representatives": "the rows at the centres of as many clusters as rows.",
    "k-center": "each time the row farthest from those chosen.",
    "facility-location": "each time the row that brings all rows nearest to a chosen one.",
}


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
@click.option("--field", metavar="FIELD", help="The field that carries the instruction [default: found]")
@click.option("--quality", metavar="FIELD", help="A field of numbers; rows with higher ones are preferred.")
@click.option(
    "--dedupe", type=float, metavar="COSINE", help="Of rows that say almost the same keep one, e.g. 0.95."
)
@click.option("--by-task", is_flag=True, help="Cover as many tasks as the budget allows, common ones first.")
@click.option(
    "--encoder", default="task", show_default=True, metavar="MODEL", help="Says which rows are alike."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn at random.")
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
    """Keep N rows of FILE that stand for all: selected.* in FILE's own format, and a page on what they cover."""
    import numpy as np
    from rich.console import Console

    from goalspace._chosen import SELECTION
    from goalspace._report_select import selection_page
    from goalspace._report_uses import render_terminal, write_page
    from goalspace._vectors import embed
    from goalspace.curation import selection as curation
    from goalspace.curation.tasklabels import label_tasks
    from goalspace.exports import write_table
    from goalspace.instructions import Instructions

    with show_progress() as progress:
        progress("reading", 0, 1)
        data = Instructions.read(file, field=field)
        curation.check(len(data), budget, method=method, dedupe=dedupe)
        scores = _quality(data, quality)
        wanted = by_task or len(data) <= _LABELLED
        labels = label_tasks(data.texts, progress=progress).labels if wanted else None
        vectors = embed(data.texts, encoder=encoder, progress=progress)
        content = None
        if dedupe is not None and encoder != curation.CONTENT:
            content = embed(data.texts, encoder=curation.CONTENT, progress=progress)
        progress("choosing rows", 0, 1)
        selection = curation.select(
            vectors,
            budget,
            method=method,
            labels=labels if by_task else None,
            quality=scores,
            dedupe=dedupe,
            content=content,
            seed=seed,
        )
        covered = selection.coverage if by_task else curation.coverage(selection, vectors, labels=labels)
        progress("drawing the map", 0, 1)
        page = selection_page(
            file.name,
            data.texts,
            vectors,
            selection,
            covered,
            labels=labels,
            how=_way(method, by_task=by_task),
            seed=seed,
        )
        folder = out or Path("runs") / f"select-{_stem(file)}"
        chosen = folder / f"selected{file.name.removeprefix(_stem(file))}"
        rows = selection.rows.tolist()
        data.write(rows, chosen)
        stands_for = np.bincount(selection.groups, minlength=len(rows))
        tables = write_table(folder / SELECTION, _table(data, rows, stands_for.tolist()))
        report = write_page(folder, page)
    Console().print(render_terminal(page, [chosen, *tables, report]))


def _table(data: Instructions, rows: Sequence[int], stands_for: Sequence[int]) -> dict[str, Sequence[Any]]:
    """The chosen rows in the order of choice, by id, with the number of rows that are nearest to each."""
    return {
        "id": [data.ids[row] for row in rows],
        "rank": range(1, len(rows) + 1),
        "stands_for": stands_for,
        "instruction": [data.texts[row] for row in rows],
    }


def _way(method: str, *, by_task: bool) -> str:
    """How rows were chosen, as a sentence or two."""
    how = _HOW[method]
    return f"{_BY_TASK} {how}" if by_task else how[0].upper() + how[1:]


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").rpartition(".")[0] or file.name


def _quality(data: Instructions, name: str | None) -> list[Any] | None:
    if name is None:
        return None
    values = data.column(name)
    if values is None:
        fields = ", ".join(sorted({field for row in data.rows[:100] for field in row}))
        raise InputError(f"{data.source.name} has no field '{name}' with the quality; it has {fields}.")
    return values
