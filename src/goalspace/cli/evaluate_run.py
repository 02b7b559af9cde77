"""Output of evaluate for a run: its measures, or a judge's ratings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace.cli.console import EXIT_AT_CAP
from goalspace.cli.options import limits_of
from goalspace.cli.progress_line import show_progress
from goalspace.cli.score_tables import cell
from goalspace.cli.sending import announcer
from goalspace.errors import LLMError

if TYPE_CHECKING:
    from rich.table import Table

    from goalspace.evaluation.judgement import Judgement


_N_REASONS = 3  # factors whose reasons are printed


def measure_run(path: Path, *, encoder: str | None, seeds: int, out: Path | None) -> None:
    """Print the measures of a run that need no labels."""
    from rich.console import Console
    from rich.text import Text

    from goalspace.evaluation.quality import measure
    from goalspace.files import write_json
    from goalspace.run.folder import Run
    from goalspace.text import plural

    if seeds < 2:
        raise click.UsageError("--seeds must be at least 2 with --run: stability compares fits.")
    with show_progress() as progress:
        quality = measure(Run.open(path, encoder=encoder), seeds=seeds, progress=progress)
    if out is not None:  # before anything is printed, as a pipe may be closed early
        write_json(out, {"run": str(path), **quality.as_dict()})
    console = Console()
    console.print(Text(quality.goal, style="bold"))
    console.print(
        f"{plural(quality.n_factors, 'factor')} of {plural(quality.n_properties, 'property', 'properties')} "
        f"in {plural(quality.n_texts, 'text')}\n"
    )
    table = _table("measure", "value", "chance", "what is good")
    for measured in quality.measures:
        chance = "" if measured.chance is None else f"{measured.chance:.2f}"
        few = "" if measured.value else "Too few factors, or properties and words of theirs, to measure it. "
        table.add_row(measured.name, cell(measured.value), chance, few + measured.good)
    console.print(table)
    if out is not None:
        click.echo(out)


def judge_run(
    path: Path, llm: str, *, against: Path | None, sample: int, out: Path | None, given: dict[str, Any]
) -> None:
    """Print a judge's ratings of the factors of a run, and whether it prefers the run to another.

    `given` are the options of `with_limits` and --redact.
    """
    from rich.console import Console
    from rich.text import Text

    from goalspace.evaluation.judging import judge
    from goalspace.files import write_json
    from goalspace.run.folder import Run

    limits = limits_of(given)
    with show_progress() as progress:
        judgement = judge(
            Run.open(path),
            llm=llm,
            against=None if against is None else Run.open(against),
            sample=sample,
            limits=limits,
            redact=given.get("redact", False),
            announce=announcer(progress, given),
            progress=progress,
        )
    calls = judgement.calls
    is_read = judgement.ratings or (judgement.preference is not None and judgement.preference.choices)
    if not is_read and not calls.cap:
        first = f"the first begins: {calls.unparsed[0][:80]!r}" if calls.unparsed else "none came"
        raise LLMError(
            f"No reply of {judgement.judge} could be parsed, even on the second attempt; {first}. Use a larger model."
        )
    if out is not None:
        write_json(out, {"run": str(path), **judgement.as_dict()})
    console = Console()
    console.print(Text(judgement.goal, style="bold"))
    console.print(Text(f"judged by {judgement.judge}\n"))
    console.print(_verdict(judgement))
    for rating in sorted(judgement.ratings, key=lambda r: r.relevance + r.informativeness)[:_N_REASONS]:
        marks = f"{rating.relevance} and {rating.informativeness}"
        console.print(Text.assemble("\nrated ", marks, ": ", (rating.factor, "bold"), f". {rating.reason}"))
    if len(judgement.ratings) > 1 and len({(r.relevance, r.informativeness) for r in judgement.ratings}) == 1:
        click.echo(
            "\nAll factors got the same ratings: this judge does not tell them apart. Use a larger model."
        )
    _print_calls(judgement)
    if out is not None:
        click.echo(out)
    if calls.cap:
        click.echo(
            f"goalspace: {calls.cap} Not everything was judged; to go on, run the same command with a larger limit.",
            err=True,
        )
        raise click.exceptions.Exit(EXIT_AT_CAP)


def _verdict(judgement: Judgement) -> Table:
    table = _table("question", "answer", "what it is")
    unread = (
        f" Unparsed: {judgement.n_unparsed} of {judgement.n_factors}, left out."
        if judgement.n_unparsed
        else ""
    )
    rated = f"Mean over {len(judgement.ratings)} factors, 1 to 5.{unread}"
    table.add_row("relevance to the goal", cell(judgement.relevance, 2), rated)
    table.add_row("informativeness", cell(judgement.informativeness, 2), rated)
    preference = judgement.preference
    if preference is None:
        return table
    ties = len(preference.choices) - preference.n_won - preference.n_lost
    unread = f" Unparsed: {preference.n_unparsed}, left out." if preference.n_unparsed else ""
    table.add_row(
        "preferred to the other run",
        cell(preference.share),
        f"Share over {len(preference.choices)} of {preference.n_asked} texts, each asked in both orders; 0.5 is even. "
        f"Better on {preference.n_won}, worse on {preference.n_lost}, even on {ties}.{unread}",
    )
    table.add_row(
        "first description chosen",
        cell(preference.first),
        "Share of the answers that chose one; far from 0.5, the judge has a position bias, which cancels above.",
    )
    return table


def _print_calls(judgement: Judgement) -> None:
    from goalspace.text import plural

    calls = judgement.calls
    click.echo(
        f"\n{calls.n} calls, {calls.n_replayed} of them replayed from the run's llm.sqlite; "
        f"{calls.prompt_tokens + calls.completion_tokens:,} tokens."
    )
    if calls.unparsed:
        what = plural(len(calls.unparsed), "reply", "replies")
        click.echo(
            f"{what} could not be parsed, even on the second attempt; the first begins: {calls.unparsed[0][:80]!r}"
        )


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.HORIZONTALS, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table
