"""The commands for one stage of a run: propose, link, factor, report, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from goalspace.cli.console import given_of
from goalspace.cli.options import (
    ENCODER_OPTION,
    ENGINE_OPTION,
    FACTORS_OPTION,
    INSECURE_HTTP_OPTION,
    LINKS_ENCODER_OPTION,
    LLM_OPTION,
    MAX_UNPARSED_OPTION,
    MIN_NEW_OPTION,
    PASSAGES_OPTION,
    PROMPTING_OPTION,
    REDACT_OPTION,
    RETRY_UNREAD_OPTION,
    RUN_ARGUMENT,
    SAMPLE_OPTION,
    SEED_OPTION,
    TEXT_TOKENS_OPTION,
    TEXTS_PER_CALL_OPTION,
    TRUNCATE_OPTION,
    TUNE_OPTION,
    limits_of,
    with_limits,
    with_old_names,
)
from goalspace.cli.outcome import show_lost_edits, show_summary, show_unread, write_report
from goalspace.cli.progress_line import show_progress
from goalspace.cli.sending import announcer, exit_at_cap


@click.command()
@RUN_ARGUMENT
@LLM_OPTION
@ENCODER_OPTION
@INSECURE_HTTP_OPTION
@ENGINE_OPTION
@PASSAGES_OPTION
@SAMPLE_OPTION
@MIN_NEW_OPTION
@PROMPTING_OPTION
@TEXTS_PER_CALL_OPTION
@TEXT_TOKENS_OPTION
@TRUNCATE_OPTION
@MAX_UNPARSED_OPTION
@RETRY_UNREAD_OPTION
@REDACT_OPTION
@with_limits
@with_old_names
@SEED_OPTION
def propose(run: Path, **given: Any) -> None:
    """Propose the properties of the texts in RUN again."""
    _redo(run, "propose", given_of(given))


@click.command()
@RUN_ARGUMENT
@ENCODER_OPTION
@INSECURE_HTTP_OPTION
@ENGINE_OPTION
@TUNE_OPTION
@PASSAGES_OPTION
@with_limits
@SEED_OPTION
def link(run: Path, **given: Any) -> None:
    """Learn the links of RUN between texts and properties again."""
    _redo(run, "link", given_of(given))


@click.command()
@RUN_ARGUMENT
@FACTORS_OPTION
@LLM_OPTION
@REDACT_OPTION
@with_limits
@LINKS_ENCODER_OPTION
@INSECURE_HTTP_OPTION
@ENGINE_OPTION
@SEED_OPTION
def factor(run: Path, **given: Any) -> None:
    """Find the factors of RUN again, such as another number of them.

    The edits in RUN/edits.jsonl are made again.
    """
    given = given_of(given)
    if "factors" in given:
        given["n_factors"] = given.pop("factors")
    _redo(run, "factor", given)


@click.command()
@RUN_ARGUMENT
def report(run: Path) -> None:
    """Write report.html and report.md of RUN and print its summary."""
    from goalspace.run.folder import Run

    page, summary = write_report(Run.open(run))
    show_summary(summary, page)


@click.command()
@RUN_ARGUMENT
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def export(run: Path, out: Path) -> None:
    """Write the tables of RUN as CSV and Parquet.

    The tables are scores, properties, factors and evidence.
    """
    from goalspace.reports.exports import export as write
    from goalspace.run.folder import Run

    for path in write(Run.open(run), out):
        click.echo(path)


def _redo(path: Path, stage: str, changes: dict[str, Any]) -> None:
    from goalspace.run import redo
    from goalspace.run.folder import Run

    run = Run.open(path)
    limits = limits_of(changes)
    redact = changes.pop("redact", False)
    with show_progress() as progress:
        announce = announcer(progress, changes)
        stale = redo(run, stage, changes, limits=limits, redact=redact, announce=announce, progress=progress)
    click.echo(f"{path}: the stage '{stage}' is done.")
    show_lost_edits(run)
    if stage == "propose":
        show_unread(run)
    if stale:
        click.echo(f"Now stale: {', '.join(stale)}, report. Redo with: goalspace {stale[0]} {path}")
    else:
        page, summary = write_report(run)
        show_summary(summary, page)
    exit_at_cap(run, (stage,))
