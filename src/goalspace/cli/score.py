"""The command score: further texts on the factors of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace.cli.console import check_output, given_of
from goalspace.cli.options import (
    ENGINE_OPTION,
    FURTHER_ID_OPTION,
    FURTHER_TEXT_OPTION,
    INSECURE_HTTP_OPTION,
    LINKS_ENCODER_OPTION,
    RUN_ARGUMENT,
    limits_of,
    with_limits,
)
from goalspace.cli.progress_line import show_progress
from goalspace.cli.sending import announcer
from goalspace.cli.share_tables import NOTE, foreign_sentence, share_table, unexplained_sentence

if TYPE_CHECKING:
    from goalspace.run.folder import Run
    from goalspace.run.further_texts import ScoredTexts


@click.command()
@RUN_ARGUMENT
@click.argument("file", type=click.Path(path_type=Path))
@FURTHER_TEXT_OPTION
@FURTHER_ID_OPTION
@LINKS_ENCODER_OPTION
@INSECURE_HTTP_OPTION
@ENGINE_OPTION
@with_limits
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Write the scores: NAME.csv or NAME.parquet."
)
def score(
    run: Path,
    file: Path,
    text: str | None,
    id_column: str | None,
    encoder: str | None,
    out: Path | None,
    **given: Any,
) -> None:
    """Score the texts in FILE on the factors of RUN, without an LLM.

    RUN stays as it is. The scores have a row for every row of FILE with a text: id, number and name of the factor that
    describes it best, and the score on every factor.
    """
    from goalspace.run.folder import Run
    from goalspace.run.further_texts import check_table_path
    from goalspace.run.further_texts import score as score_texts

    given = given_of(given)
    limits = limits_of(given)
    if out is not None:
        check_table_path(out)
        check_output("--out", out, read=[run, file])
    opened = Run.open(run, encoder=encoder)
    with show_progress() as progress:
        scored = score_texts(
            opened,
            file,
            text=text,
            id=id_column,
            limits=limits,
            announce=announcer(progress, given),
            progress=progress,
        )
    if out is not None:  # before anything is printed, as a pipe may be closed early
        scored.write(out)
    _show(opened, scored)
    click.echo(f"scores  {out}" if out else "To write the scores: -o scores.csv")


def _show(run: Run, scored: ScoredTexts) -> None:
    """Print how many texts there are, and how they compare with those of the run."""
    from rich.console import Console

    from goalspace.text import plural

    rows = scored.rows
    click.echo(f"{plural(len(rows.ids), 'row')} read, {plural(len(rows.texts), 'different text')} scored")
    if rows.n_empty:
        click.echo(f"Rows without a text, left out: {rows.n_empty:,}")
    click.echo()
    Console().print(share_table(scored.changes, scored.names))
    click.echo(f"\n{NOTE}")
    click.echo(unexplained_sentence(scored.unexplained))
    if warning := foreign_sentence(scored.share_foreign, run.links.encoder_name):
        click.echo(warning)
