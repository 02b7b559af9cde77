"""Shared by all commands: one-line errors, given options, output checks."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from goalspace.errors import CapReached, GoalspaceError

_RESUMING = (
    "discover",
    "propose",
    "link",
    "factor",
    "update",
    "embed",
    "correlate",
)  # commands that resume after an interruption


EXIT_AT_CAP = 3  # a limit of cost ended the work


class Group(click.Group):
    """Shows our errors as one line and exits with status 2, as click does for its own."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GoalspaceError as error:
            click.echo(f"goalspace: {' '.join(str(error).split())}", err=True)
            ctx.exit(EXIT_AT_CAP if isinstance(error, CapReached) else 2)
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
