"""The verb explore: a run as a page on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="The port [default: a free one]"
)
@click.option("--edit", is_flag=True, help="Let the page correct factors; edits are kept in RUN/edits.jsonl.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def explore(run: Path, port: int, edit: bool, no_browser: bool) -> None:
    """Look through RUN in a browser: map, factors, texts, comparisons. Served to this machine only."""
    from goalspace.explorer import explore as serve
    from goalspace.run import Run

    def ready(url: str) -> None:
        click.echo(url)
        click.echo("Ctrl-C ends it.", err=True)

    serve(Run.open(run), port=port, edit=edit, browser=not no_browser, ready=ready)
