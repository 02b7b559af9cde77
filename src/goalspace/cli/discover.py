"""The command discover: texts and a goal → a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace.cli.console import given_of
from goalspace.cli.options import (
    ENCODER_OPTION,
    ENGINE_OPTION,
    FACTORS_OPTION,
    INSECURE_HTTP_OPTION,
    LLM_OPTION,
    MAX_UNPARSED_OPTION,
    MIN_NEW_OPTION,
    PASSAGES_OPTION,
    PROMPTING_OPTION,
    REDACT_OPTION,
    RETRY_UNREAD_OPTION,
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

if TYPE_CHECKING:
    from goalspace.run.folder import Run


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--goal", required=True, help='What you want to know, e.g. "what makes customers unhappy".')
@click.option("--text", metavar="COLUMN", help="The column that holds the texts.")
@click.option("--id", "id_column", metavar="COLUMN", help="The column that holds their ids.")
@LLM_OPTION
@ENCODER_OPTION
@INSECURE_HTTP_OPTION
@ENGINE_OPTION
@TUNE_OPTION
@PASSAGES_OPTION
@FACTORS_OPTION
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
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The run folder [default: runs/NAME]")
def discover(source: Path, goal: str, text: str | None, id_column: str | None, **given: Any) -> None:
    """Find the factors of the texts in SOURCE.

    SOURCE is a CSV, TSV, JSON Lines, JSON, Parquet or text file, or a folder of .txt and .md files.
    """
    from goalspace.run import discover as run_discover
    from goalspace.run.schema import current_arguments

    given = current_arguments(given_of(given))
    limits = limits_of(given)
    options = {name: given.pop(name) for name in _PROPOSE_ONLY if name in given}
    if "factors" in given:
        given["n_factors"] = given.pop("factors")
    with show_progress() as progress:
        announce = announcer(progress, given)
        run = run_discover(
            source,
            goal=goal,
            text=text,
            id=id_column,
            options=options,
            limits=limits,
            announce=announce,
            progress=progress,
            **given,
        )
        progress("writing the report", 0, 1)
        page, summary = write_report(run)
    show_summary(summary, page)
    show_lost_edits(run)
    _print_proposer(run)
    if "encoder" not in given:
        _print_encoder(run)
    show_unread(run)
    exit_at_cap(run, ("propose", "factor"))


_PROPOSE_ONLY = ("min_new", "prompting", "texts_per_call", "text_tokens", "truncate_from", "max_unparsed")


def _print_proposer(run: Run) -> None:
    """Print which proposer ran, and what an LLM would add."""
    from goalspace.proposals import OFFLINE

    proposer = run.record["stages"]["propose"]["result"]["proposer"]
    if proposer == OFFLINE:
        source = (
            "are phrases of the texts" if _is_multilingual(run) else "come from a bank and from the texts"
        )
        click.echo(
            f"No LLM was used: the properties {source}, chosen by an encoder that reads the texts "
            "under the goal. An LLM reads more closely, and quotes what it found: --llm openai:MODEL or ollama:MODEL."
        )
    else:
        click.echo(f"Properties were proposed by {proposer}.")


def _print_encoder(run: Run) -> None:
    """Print which encoder was chosen if the texts are not English."""
    from goalspace.run.choice import explain_choice

    line = explain_choice(run.corpus.texts, run.record["stages"]["link"]["arguments"]["encoder"])
    if line:
        click.echo(line)


def _is_multilingual(run: Run) -> bool:
    from goalspace.encoders.registry import is_multilingual

    return is_multilingual(str(run.record["stages"]["propose"]["arguments"]["encoder"]))
