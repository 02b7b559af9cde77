"""The verb select: instruction data → the rows to keep."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.console import show_progress

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

    from goalspace.curation import selection as curation
    from goalspace.curation.tasklabels import label_tasks
    from goalspace.encoders.cache import embed
    from goalspace.instructions.annotations import SELECTION
    from goalspace.instructions.dataset import Instructions
    from goalspace.instructions.select import (
        MAX_LABELLED,
        covered_table,
        describe_method,
        read_quality,
        selection_page,
    )
    from goalspace.pages import render_terminal, write_page
    from goalspace.tables.writing import write_table

    with show_progress() as progress:
        progress("reading", 0, 1)
        data = Instructions.read(file, field=field)
        curation.check(len(data), budget, method=method, dedupe=dedupe)
        scores = read_quality(data, quality)
        wanted = by_task or len(data) <= MAX_LABELLED
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
            how=describe_method(method, by_task=by_task),
            seed=seed,
        )
        folder = out or Path("runs") / f"select-{_stem(file)}"
        chosen = folder / f"selected{file.name.removeprefix(_stem(file))}"
        rows = selection.rows.tolist()
        data.write(rows, chosen)
        stands_for = np.bincount(selection.groups, minlength=len(rows))
        tables = write_table(folder / SELECTION, covered_table(data, rows, stands_for.tolist()))
        report = write_page(folder, page)
    Console().print(render_terminal(page, [chosen, *tables, report]))


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").rpartition(".")[0] or file.name
