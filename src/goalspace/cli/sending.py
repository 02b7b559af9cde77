"""The screen before the first paid call: who gets what, and what it costs; and the line after a limit was reached."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

from goalspace.cli.calls import format_duration
from goalspace.cli.console import EXIT_AT_CAP
from goalspace.cli.progress_line import ProgressLine

if TYPE_CHECKING:
    from goalspace.proposals.plan import CallPlan
    from goalspace.run.folder import Run


def announcer(progress: ProgressLine, given: dict[str, Any]) -> Callable[[Sequence[CallPlan]], None]:
    """Return what shows plans of calls, and asks on a terminal whether to make them, while the progress is hidden.

    Takes --dry-run and --yes out of the given options.
    """
    is_dry_run, is_agreed = given.pop("dry_run", False), given.pop("yes", False)

    def announce(plans: Sequence[CallPlan]) -> None:
        with progress.hidden():
            for plan in plans:
                click.echo(
                    _wrapped(describe_plan(plan), sys.stdout if is_dry_run else sys.stderr),
                    err=not is_dry_run,
                )
            if is_dry_run:
                click.echo("Nothing was sent." if plans else "No endpoint would be called.")
                raise click.exceptions.Exit(0)
            if any(plan.lacks_key for plan in plans):
                return  # the next step says so
            is_terminal = sys.stdin.isatty() and sys.stderr.isatty()
            if all(plan.is_local for plan in plans) or is_agreed or not is_terminal:
                return
            if not click.confirm("Send them?", err=True):
                click.echo("Nothing was sent.", err=True)
                raise click.exceptions.Exit(1)

    return announce


def _wrapped(screen: str, stream: TextIO) -> str:
    """Fit a screen to the terminal, with the continuation of a row below its words; leave it as it is in a file."""
    if not stream.isatty():
        return screen
    width = shutil.get_terminal_size().columns
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=" " * 10, break_long_words=False, break_on_hyphens=False)
        for line in screen.splitlines()
    )


def describe_plan(plan: CallPlan) -> str:
    """Return the screen."""
    from goalspace.llm.private_data import WORDS

    where = " (this machine)" if plan.is_local else ""
    if plan.cost is None or plan.most_cost is None:
        cost = "the price of the model is not known; name it with --prices FILE"
    else:
        cost = f"about {_dollars(plan.cost)}, at most {_dollars(plan.most_cost)}"
        cost += ", at the price of batches" if plan.is_batch else ""
    if plan.is_batch:
        time = "within 24 hours, as batches; the same command fetches the replies if it is interrupted"
    else:
        time = f"about {format_duration(plan.seconds)}, with up to {plan.concurrency} calls at a time"
    sent, apart, tokens = (
        f"{plan.what}, with the goal, for the model {plan.model}",
        f"{plan.apart} apart; fewer if replies are stored",
        f"about {plan.prompt_tokens:,} to it and {plan.completion_tokens:,} back; at most "
        f"{plan.most_prompt_tokens:,} and {plan.most_completion_tokens:,}",
    )
    if plan.is_encoder:
        sent = f"{plan.what} for the encoder {plan.model}"
        apart = "second attempts apart, and properties and sentences of a run; fewer if vectors are stored"
        tokens = f"about {plan.prompt_tokens:,} to it; at most {plan.most_prompt_tokens:,}"
    masked = [f"  masked  {WORDS}, as far as they are found; not names, and not postal addresses"]
    ends = [f"  rounds  {plan.ends}; what follows is for all"] if plan.ends else []
    return "\n".join(
        [
            f"{plan.address}{where} gets {sent}.",
            *ends,
            f"  calls   {plan.n_calls:,}, {apart}",
            f"  tokens  {tokens}",
            *(masked if plan.is_masked else []),
            f"  cost    {cost}",
            f"  time    {time}",
            *(["  key     OPENAI_API_KEY is not set"] if plan.lacks_key else []),
        ]
    )


def _dollars(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.01 else "less than $0.01"


def exit_at_cap(run: Run, stages: Sequence[str]) -> None:
    """End with status 3 if a limit of cost ended the calls of one of the stages that were just done."""
    results = {stage: run.record["stages"][stage]["result"] for stage in stages}
    for stage, result in results.items():
        if result.get("cap"):
            read = (
                f"{result['n_read']:,} texts were read"
                if stage == "propose"
                else "not all factors were named"
            )
            click.echo(
                f"goalspace: {result['cap']} Only {read}. The run is usable; to go on, run the same command with a larger limit.",
                err=True,
            )
            raise click.exceptions.Exit(EXIT_AT_CAP)
