"""The verb label: instruction data → the task of every row, and which tasks there are."""

from __future__ import annotations

import time
from pathlib import Path

import click

from goalspace.cli.console import show_progress


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--field", metavar="FIELD", help="The field that carries the instruction [default: found]")
@click.option(
    "--input", "with_input", is_flag=True, help="Read the field 'input' as a part of the instruction."
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to [default: runs/label-NAME]"
)
def label(file: Path, field: str | None, with_input: bool, out: Path | None) -> None:
    """Say which task every instruction of FILE asks for: labelled.* in FILE's own format, tables, and a page."""
    from rich.console import Console

    from goalspace.curation.tasklabels import label_tasks, taxonomy
    from goalspace.encoders.registry import get_encoder
    from goalspace.instructions.dataset import Instructions
    from goalspace.instructions.label import label_page, stem_of, tasks_table, write_label_tables
    from goalspace.instructions.labelled import save_instructions
    from goalspace.language import OTHER
    from goalspace.pages import render_terminal, write_page

    started = time.monotonic()
    encoder = get_encoder("minilm")
    with show_progress() as progress:
        progress("reading", 0, 1)
        data = Instructions.read(file, field=field, input=with_input)
        labels = label_tasks(data.texts, encoder=encoder, progress=progress)
        progress("grouping tasks", 0, 1)
        groups = taxonomy(labels.labels, encoder=encoder)
        progress("writing the report", 0, 1)
        page = label_page(file.name, data.texts, labels, groups, n_empty=data.n_empty)
        folder = out or Path("runs") / f"label-{stem_of(file)}"
        written = write_label_tables(folder, data, labels, groups)
        n_tasks = len(labels.counts.keys() - {OTHER})
        written.append(save_instructions(folder, data, n_tasks=n_tasks, seconds=time.monotonic() - started))
        report = write_page(folder, page)
    console = Console()
    console.print(tasks_table(labels))
    console.print()
    console.print(render_terminal(page, [*written, report]))
    console.print(
        f"To look through them in a browser: goalspace explore {folder}", markup=False, soft_wrap=True
    )
