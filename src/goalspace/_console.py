"""What all verbs share: errors as one line, options that were given, the progress line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from goalspace.errors import GoalspaceError

Progress = Callable[[str, int, int], None]


class Group(click.Group):
    """Shows our errors as one line and leaves with 2, as click does for its own."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GoalspaceError as error:
            click.echo(f"goalspace: {' '.join(str(error).split())}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo("goalspace: interrupted; the same command goes on from here.", err=True)
            ctx.exit(130)


def given_of(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given on the command line."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def show_progress() -> Iterator[Progress]:
    """A progress line on the terminal that vanishes when done; plain lines where there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, count="")

        def show(what: str, done: int, total: int) -> None:
            known = total > 1
            bar.update(
                task,
                description=what,
                completed=done if known else 0,
                total=total if known else None,
                count=f"{done:,} of {total:,}" if known else "",
            )

        yield show


def _plain_lines() -> Progress:
    """A line when something else begins."""
    said: set[str] = set()

    def show(what: str, done: int, total: int) -> None:
        if what not in said:
            said.add(what)
            click.echo(f"{what} …", err=True)

    return show
