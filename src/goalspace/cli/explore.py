"""The command explore: a run, or labelled instructions, as a page on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from goalspace.cli.options import INSECURE_HTTP_OPTION, LINKS_ENCODER_OPTION
from goalspace.cli.progress_line import show_progress
from goalspace.errors import InputError

if TYPE_CHECKING:
    from goalspace.run.protocol import RunLike


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="The port [default: a free one]"
)
@click.option(
    "--edit", is_flag=True, help="Allow editing factors on the page; edits are stored in RUN/edits.jsonl."
)
@click.option(
    "--selection",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Of instructions: show what goalspace select chose [default: that in RUN]",
)
@click.option(
    "--demonstrations",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Of instructions: show what goalspace retrieve found [default: that in RUN]",
)
@LINKS_ENCODER_OPTION
@INSECURE_HTTP_OPTION
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
def explore(
    run: Path,
    port: int,
    edit: bool,
    selection: Path | None,
    demonstrations: Path | None,
    encoder: str | None,
    no_browser: bool,
) -> None:
    """Explore RUN in a browser: map, factors, texts, comparisons.

    Served to this machine only.

    RUN is the folder of goalspace discover, or that of goalspace label, whose tasks are shown like factors.
    """
    from goalspace.explorer import explore as serve

    def ready(url: str) -> None:
        click.echo(url)
        click.echo("Press Ctrl-C to stop.", err=True)

    opened = _open(run, edit=edit, selection=selection, demonstrations=demonstrations, encoder=encoder)
    serve(opened, port=port, edit=edit, browser=not no_browser, ready=ready)


def _open(
    run: Path, *, edit: bool, selection: Path | None, demonstrations: Path | None, encoder: str | None
) -> RunLike:
    from goalspace.instructions.labelled import LabelledRun, is_labelled, refuse_edits
    from goalspace.run.folder import Run

    if is_labelled(run):
        if edit:
            refuse_edits(run)  # before they are embedded
        if encoder is not None:
            raise InputError(
                f"--encoder is about runs, and {run} is a folder of goalspace label: leave it out."
            )
        with show_progress() as progress:
            return LabelledRun.open(
                run, selection=selection, demonstrations=demonstrations, progress=progress
            )
    named = "--selection" if selection else "--demonstrations" if demonstrations else None
    if named:
        raise InputError(f"{named} is about instructions, and {run} is not a folder of goalspace label.")
    return Run.open(run, encoder=encoder)
