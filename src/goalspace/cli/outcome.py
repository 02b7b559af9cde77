"""Output after a run has changed or a file of instructions has been processed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from goalspace.instructions.output import Output
    from goalspace.run.folder import Run


def write_report(run: Run) -> tuple[Path, dict[str, Any]]:
    """Write the report of a run; return its path and the summary."""
    from goalspace.reports import report as write
    from goalspace.reports.summary import summarise

    return write(run), summarise(run)


def show_summary(summary: dict[str, Any], page: Path) -> None:
    """Print the summary of a run."""
    from rich.console import Console

    from goalspace.reports import render_terminal

    Console().print(render_terminal(summary, path=page))


def show_lost_edits(run: Run) -> None:
    """Print a line for each edit that could not be applied to the current factors."""
    for line in run.edits.lost:
        click.echo(line)


def show_unread(run: Run) -> None:
    """Print why texts have no properties because no reply about them could be read, and what to do."""
    from goalspace.text import count_reasons, plural, to_line

    result = run.record["stages"]["propose"]["result"]
    if result.get("unread"):
        reasons = to_line(count_reasons(result["unread"]))
        what = plural(result["n_unparsed"], "reply", "replies")
        click.echo(
            f"{what} could not be read ({reasons}). To ask again: the same command with --retry-unread."
        )


def show_output(output: Output[object]) -> None:
    """Print the summary of a report on instructions, and the files that were written."""
    from rich.console import Console

    from goalspace.pages import render_terminal

    Console().print(render_terminal(output.page, [*output.files, output.report]))
