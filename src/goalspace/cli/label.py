"""The command label: instruction data → the task of every row, and which tasks there are."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.outcome import show_output
from goalspace.cli.progress_line import show_progress


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--field", metavar="FIELD", help="The field that holds the instruction [default: guessed]")
@click.option("--input", "with_input", is_flag=True, help="Include the field 'input' in the instruction.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to [default: runs/label-NAME]"
)
def label(file: Path, field: str | None, with_input: bool, out: Path | None) -> None:
    """Label the task that each instruction in FILE asks for.

    Writes labelled.* in the format of FILE, tables and a report.
    """
    from rich.console import Console

    from goalspace.instructions.label import label_file, tasks_table

    with show_progress() as progress:
        output = label_file(file, field=field, input=with_input, out=out, progress=progress)
    console = Console()
    console.print(tasks_table(output.result))
    console.print()
    show_output(output)
    console.print(
        f"To look through them in a browser: goalspace explore {output.folder}", markup=False, soft_wrap=True
    )
