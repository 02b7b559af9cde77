"""The command update: a run with further texts, as a new run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace.cli.console import given_of
from goalspace.cli.options import (
    ENGINE_OPTION,
    FURTHER_ID_OPTION,
    FURTHER_TEXT_OPTION,
    INSECURE_HTTP_OPTION,
    LINKS_ENCODER_OPTION,
    REDACT_OPTION,
    RETRY_UNREAD_OPTION,
    RUN_ARGUMENT,
    limits_of,
    mark_spec,
    with_limits,
)
from goalspace.cli.outcome import show_unread, write_report
from goalspace.cli.progress_line import show_progress
from goalspace.cli.sending import announcer, exit_at_cap
from goalspace.cli.share_tables import NOTE, foreign_sentence, share_table, unexplained_sentence

if TYPE_CHECKING:
    from goalspace.run.folder import Run


_MAX_PROPERTIES = 8  # new properties that are named


@click.command()
@RUN_ARGUMENT
@click.argument("file", type=click.Path(path_type=Path))
@FURTHER_TEXT_OPTION
@FURTHER_ID_OPTION
@click.option(
    "--llm",
    metavar="MODEL",
    callback=mark_spec,
    help="The LLM that proposes properties of texts that no factor explains, named as for discover. Without it, they are "
    "chosen offline.",
)
@LINKS_ENCODER_OPTION
@INSECURE_HTTP_OPTION
@ENGINE_OPTION
@RETRY_UNREAD_OPTION
@REDACT_OPTION
@with_limits
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="The new run folder [default: RUN with the next number]",
)
def update(
    run: Path, file: Path, text: str | None, id_column: str | None, encoder: str | None, **given: Any
) -> None:
    """Take the texts in FILE into RUN, as a new run.

    The factors keep their numbers, names and edits; groups of texts that no factor explains become new factors, after the
    others. RUN stays as it is. An LLM reads only texts that no factor explains.
    """
    from goalspace.run.folder import Run
    from goalspace.run.update import update as update_run

    given = given_of(given)
    limits = limits_of(given)
    opened = Run.open(run, encoder=encoder)
    with show_progress() as progress:
        announce = announcer(progress, given)
        updated = update_run(
            opened,
            file,
            text=text,
            id=id_column,
            limits=limits,
            announce=announce,
            progress=progress,
            **given,
        )
        if updated.changes is not None:
            progress("writing the report", 0, 1)
            page, _ = write_report(updated.run)
    if updated.changes is None:
        click.echo(f"All texts of {file} are in {run} already: nothing was changed.")
        return
    _show(updated.run, updated.changes)
    show_unread(updated.run)
    click.echo(f"\nrun     {updated.run.path}\nreport  {page}")
    exit_at_cap(updated.run, ("propose",))


def _show(run: Run, changes: Mapping[str, Any]) -> None:
    """Print what an update changed."""
    from rich.console import Console

    from goalspace.increments.shares import compare_counts, measure_share
    from goalspace.text import plural, to_line

    n_known, n_new = changes["n_known"], changes["n_new"]
    lines = [f"{plural(n_new, 'new text')} beside {n_known:,}"]
    if changes["n_repeated"]:
        lines.append(f"{plural(changes['n_repeated'], 'row')} with a known text, counted as duplicates")
    if changes["n_same"]:
        lines.append(f"{plural(changes['n_same'], 'row')} with a known id and text, left out")
    click.echo("; ".join(lines))
    shares = compare_counts(
        [row["factor"] for row in changes["shares"]],
        [(row["n_before"], row["n_after"]) for row in changes["shares"]],
        n_known,
        n_new,
    )
    names = run.factors.names
    click.echo()
    Console().print(share_table(shares, names))
    click.echo(f"\n{NOTE}")
    click.echo(unexplained_sentence(measure_share(changes["n_unexplained"], n_new)))
    for factor in changes["factors"]:
        typical = ", ".join(member.name for member in run.factors.properties[factor["factor"]][:3])
        click.echo(
            f"New factor {factor['factor'] + 1}, {to_line(factor['name'], 60)}: {plural(factor['n_texts'], 'text')}; "
            f"{to_line(typical)}"
        )
    if changes["factors"]:
        after = measure_share(changes["n_unexplained_after"], n_new)
        click.echo(f"With the new factors, {after.count:,} of {after.of:,} new texts remain unexplained.")
    for k in changes["without_texts"]:
        click.echo(f"Factor {k + 1}, {to_line(names[k], 60)}, has no texts.")
    if changes["properties"]:
        shown = ", ".join(map(to_line, changes["properties"][:_MAX_PROPERTIES]))
        more = len(changes["properties"]) - _MAX_PROPERTIES
        click.echo(f"New properties: {shown}{f' and {more:,} more' if more > 0 else ''}")
    click.echo(f"{changes['kept']:.1%} of the known texts keep their factor.")
    if warning := foreign_sentence(changes["share_foreign"], run.links.encoder_name):
        click.echo(warning)
