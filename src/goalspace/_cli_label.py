"""The verb label: instruction data → the task of every row, and which tasks there are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goalspace._console import show_progress

if TYPE_CHECKING:
    from goalspace.curation.tasklabels import TaskLabels
    from goalspace.instructions import Instructions


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

    from goalspace._report_label import label_page, tasks_table
    from goalspace._report_uses import render_terminal, write_page
    from goalspace.curation.tasklabels import label_tasks, taxonomy
    from goalspace.encoders import get_encoder
    from goalspace.grammar import OTHER
    from goalspace.instructions import Instructions
    from goalspace.labelled import save_instructions

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
        folder = out or Path("runs") / f"label-{_stem(file)}"
        written = _write_tables(folder, data, labels, groups)
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


def _write_tables(
    folder: Path, data: Instructions, labels: TaskLabels, groups: dict[str, dict[str, int]]
) -> list[Path]:
    from goalspace.exports import write_table

    group_of = {task: group for group, tasks in groups.items() for task in tasks}
    columns = {
        "id": list(data.ids),
        "task": list(labels.labels),
        "group": [group_of[task] for task in labels.labels],
        "kind": list(labels.kinds),
        "verb": list(labels.verbs),
        "noun": list(labels.nouns),
    }
    written = write_table(folder / "labels", columns)
    if data.can_add:
        rows = folder / f"labelled{data.source.name.removeprefix(_stem(data.source))}"
        data.write(range(len(data)), rows, added={data.free_field("task"): labels.labels})
        written.append(rows)
    return written


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").rpartition(".")[0] or file.name
