"""Shared by all commands: one-line errors, given options, output checks, the progress line."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from goalspace.errors import GoalspaceError
from goalspace.progress import Progress

_RESUMING = (
    "discover",
    "propose",
    "link",
    "factor",
    "embed",
    "correlate",
)  # commands that resume after an interruption


class Group(click.Group):
    """Shows our errors as one line and exits with status 2, as click does for its own."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GoalspaceError as error:
            click.echo(f"goalspace: {' '.join(str(error).split())}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            kept = "; run the same command to resume" if ctx.invoked_subcommand in _RESUMING else ""
            click.echo(f"goalspace: interrupted{kept}.", err=True)
            ctx.exit(130)


def check_output(option: str, path: Path, *, read: Sequence[Path]) -> None:
    """Reject an output file that would overwrite an input or cannot be written, before any work is done.

    Parameters
    ----------
    option
        The option that the path came from.
    path
        The output file.
    read
        The input files and folders.
    """
    try:
        resolved = path.resolve()
        for data in read:
            source = data.resolve()
            if resolved == source or (source in resolved.parents and source.is_dir()):
                where = "is" if resolved == source else "lies in"
                raise click.UsageError(f"{option} {path} {where} the input {data}: choose another path.")
        if path.exists() and not path.is_file():
            raise click.UsageError(
                f"{option} {path} is {'a folder' if path.is_dir() else 'no file'}: name a file."
            )
        above = next(folder for folder in resolved.parents if folder.exists())
        with tempfile.TemporaryFile(dir=above):  # permissions alone do not reveal, for example, a full disk
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        why = getattr(error, "strerror", None) or error
        raise click.UsageError(f"{option} {path} cannot be written ({why}): choose another path.") from None


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
    """Print a line when a new step begins."""
    shown: set[str] = set()

    def show(what: str, done: int, total: int) -> None:
        if what not in shown:
            shown.add(what)
            click.echo(f"{what} …", err=True)

    return show
