"""The verbs: parse, call one public function, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace import __version__
from goalspace._cli_compress import compress
from goalspace._cli_correlate import correlate
from goalspace._cli_embed import embed
from goalspace._cli_evaluate import evaluate
from goalspace._cli_explore import explore
from goalspace._cli_label import label
from goalspace._cli_retrieve import retrieve
from goalspace._cli_select import select
from goalspace._console import Group, given_of, show_progress

if TYPE_CHECKING:
    from goalspace.run import Run

_RUN = click.argument("run", type=click.Path(path_type=Path))
_LLM = click.option(
    "--llm",
    metavar="MODEL",
    help="Who proposes properties and names factors: openai:MODEL, ollama:MODEL, http://HOST:PORT/v1#MODEL, "
    "gguf:PATH, smollm2, or recorded:FILE#FIELD. Without it, phrases of the texts, offline.",
)
_ENCODER = click.option(
    "--encoder",
    metavar="MODEL",
    help="The sentence encoder: minilm (built in), a sentence-transformers folder, openai:MODEL, ollama:MODEL or "
    "http://HOST:PORT/v1#MODEL.",
)
_TUNE = click.option(
    "--tune",
    type=click.Choice(["heads", "full", "none"]),
    help="What is learned from the proposals: small heads (default), the whole encoder, or nothing.",
)
_FACTORS = click.option(
    "--factors", type=click.IntRange(1), metavar="N", help="Number of factors [default: chosen]"
)
_SEED = click.option("--seed", type=int, help="Seed of everything drawn at random [default: 0]")
_SAMPLE = click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Let the proposer read only N texts."
)
_CALLS = click.option("--calls", type=click.Choice(["one", "two"]), help="LLM calls per text [default: one]")
_TEXTS_PER_CALL = click.option(
    "--texts-per-call", type=click.IntRange(1), metavar="N", help="Texts that share a call."
)
_TEXT_TOKENS = click.option(
    "--text-tokens",
    type=click.IntRange(16),
    metavar="N",
    help="Longer texts are cut for the LLM [default: 2000]",
)
_KEEP = click.option(
    "--keep", type=click.Choice(["start", "end"]), help="Which end of a long text stays [default: start]"
)
_MAX_UNREAD = click.option(
    "--max-unread",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Unreadable replies allowed [default: 0.2]",
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="goalspace")
def main() -> None:
    """Turn a pile of texts and a goal in plain language into a few named factors, scored for every text."""


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--goal", required=True, help='What you want to know, e.g. "what makes customers unhappy".')
@click.option("--text", metavar="COLUMN", help="The column that holds the texts.")
@click.option("--id", "id_column", metavar="COLUMN", help="The column that holds their ids.")
@_LLM
@_ENCODER
@_TUNE
@_FACTORS
@_SAMPLE
@_CALLS
@_TEXTS_PER_CALL
@_TEXT_TOKENS
@_KEEP
@_MAX_UNREAD
@_SEED
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The run folder [default: runs/NAME]")
def discover(source: Path, goal: str, text: str | None, id_column: str | None, **given: Any) -> None:
    """Find the factors of the texts in SOURCE: CSV, TSV, JSONL, JSON, Parquet, plain text, or a folder."""
    from goalspace.run import discover as run_discover

    given = given_of(given)
    options = {name: given.pop(name) for name in _PROPOSE_ONLY if name in given}
    if "factors" in given:
        given["n_factors"] = given.pop("factors")
    with show_progress() as progress:
        run = run_discover(
            source, goal=goal, text=text, id=id_column, options=options, progress=progress, **given
        )
        progress("writing the report", 0, 1)
        page, summary = _write_report(run)
    _show(summary, page)
    _say_lost(run)
    _say_proposer(run)


@main.command()
@_RUN
@_LLM
@_ENCODER
@_SAMPLE
@_CALLS
@_TEXTS_PER_CALL
@_TEXT_TOKENS
@_KEEP
@_MAX_UNREAD
@_SEED
def propose(run: Path, **given: Any) -> None:
    """Propose the properties of the texts in RUN again."""
    _redo(run, "propose", given_of(given))


@main.command()
@_RUN
@_ENCODER
@_TUNE
@_SEED
def link(run: Path, **given: Any) -> None:
    """Learn the links of RUN between texts and properties again."""
    _redo(run, "link", given_of(given))


@main.command()
@_RUN
@_FACTORS
@_LLM
@_SEED
def factor(run: Path, **given: Any) -> None:
    """Find the factors of RUN again, for example with another number; edits in RUN/edits.jsonl are made again."""
    given = given_of(given)
    if "factors" in given:
        given["n_factors"] = given.pop("factors")
    _redo(run, "factor", given)


@main.command()
@_RUN
def report(run: Path) -> None:
    """Write report.html and report.md of RUN and print its summary."""
    from goalspace.run import Run

    page, summary = _write_report(Run.open(run))
    _show(summary, page)


@main.command()
@_RUN
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def export(run: Path, out: Path) -> None:
    """Write scores, properties, factors and evidence of RUN as CSV and Parquet."""
    from goalspace.exports import export as write
    from goalspace.run import Run

    for path in write(Run.open(run), out):
        click.echo(path)


_PROPOSE_ONLY = ("calls", "texts_per_call", "text_tokens", "keep", "max_unread")


def _redo(path: Path, stage: str, changes: dict[str, Any]) -> None:
    from goalspace.run import Run, redo

    run = Run.open(path)
    with show_progress() as progress:
        stale = redo(run, stage, changes, progress=progress)
    click.echo(f"{path}: the stage '{stage}' is done.")
    _say_lost(run)
    if stale:
        click.echo(f"Now stale: {', '.join(stale)}, report. Redo with: goalspace {stale[0]} {path}")
    else:
        page, summary = _write_report(run)
        _show(summary, page)


def _write_report(run: Run) -> tuple[Path, dict[str, Any]]:
    from goalspace.reports import report as write
    from goalspace.reports import summarise

    return write(run), summarise(run)


def _show(summary: dict[str, Any], page: Path) -> None:
    from rich.console import Console

    from goalspace.reports import render_terminal

    Console().print(render_terminal(summary, path=page))


def _say_lost(run: Run) -> None:
    """A line for each edit that the factors as they are now do not take."""
    for line in run.edits.lost:
        click.echo(line)


def _say_proposer(run: Run) -> None:
    """One line on which proposer ran, and what another would add."""
    from goalspace.proposals import OFFLINE

    proposer = run.record["stages"]["propose"]["result"]["proposer"]
    if proposer == OFFLINE:
        click.echo(
            "Properties are phrases of the texts themselves (no LLM). An LLM adds properties that no text says "
            "outright, checked quotes and worded names: --llm openai:MODEL or ollama:MODEL."
        )
    else:
        click.echo(f"Properties were proposed by {proposer}.")


main.add_command(explore)
main.add_command(compress)
main.add_command(embed)
main.add_command(evaluate)
main.add_command(label)
main.add_command(select)
main.add_command(retrieve)
main.add_command(correlate)

if __name__ == "__main__":
    sys.exit(main())
