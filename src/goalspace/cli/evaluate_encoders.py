"""Output of evaluate for a task: a table of encoders and baselines, or the texts to fit a run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace.cli.progress_line import show_progress
from goalspace.cli.score_tables import cell, score_tables
from goalspace.evaluation.run_encoder import RUN_PREFIX, find_encoder

if TYPE_CHECKING:
    from goalspace.estimate import Estimate
    from goalspace.evaluation import Score
    from goalspace.evaluation.tasks import Opened


def measure_encoders(
    encoders: Sequence[str],
    name: str,
    data: Path,
    *,
    goal: str | None,
    seeds: int,
    out: Path | None,
    **options: Any,
) -> None:
    """Print the scores of encoders on a task, below those of a baseline."""
    from rich.console import Console
    from rich.text import Text

    from goalspace.encoders.registry import takes_goal
    from goalspace.evaluation import evaluate
    from goalspace.evaluation.neighbours import Recommendation
    from goalspace.evaluation.tasks import Probe, open_task
    from goalspace.files import write_json
    from goalspace.text import to_line

    if goal is not None and not any(takes_goal(encoder) for encoder in encoders):
        raise click.UsageError(
            "--goal is for the encoders goal, smollm2 and pie:FOLDER: measure one of them."
        )
    task = open_task(name, data, seeds=seeds, **options)
    loaded = {
        encoder: find_encoder(encoder, by_scores=isinstance(task, Probe), goal=goal, named=encoders)
        for encoder in encoders
    }
    with show_progress() as progress:
        scores = evaluate(loaded, [task], progress=progress)
    if out is not None:  # before anything is printed, as a pipe may be closed early
        base = {row: {m: value._asdict() for m, value in values.items()} for row, values in _baseline(task)}
        write_json(out, {"data": str(data), "baseline": base, "scores": [each.as_dict() for each in scores]})
    console = Console()
    console.print(Text(to_line(f"{name}: {task.size}")))
    columns = (*task.metrics, *(["neighbours"] if isinstance(task, Recommendation) else []), "s per 1,000")
    for title, suffix in _blocks(task):
        if title:
            console.print(Text(f"\n{title}", style="bold"))
        for table in score_tables(columns, list(_rows(task, scores, suffix)), width=console.width):
            console.print(table)
            console.print()
    console.print(Text(task.how))
    if out is not None:
        click.echo(out)


def write_texts(name: str, data: Path, path: Path, **options: Any) -> None:
    """Write the training texts of a task as JSON Lines, and say how a run is fitted on them."""
    from goalspace.evaluation.episodes import GOAL
    from goalspace.evaluation.neighbours import NextAction, Recommendation
    from goalspace.evaluation.tasks import open_task
    from goalspace.files import as_json, write_atomic
    from goalspace.text import to_line

    task = open_task(name, data, **options)
    if not isinstance(task, (Recommendation, NextAction)):
        raise click.UsageError(
            f"--texts is for recommendation and next-action, whose test texts a run must not see. A run of {name} is "
            "fitted on the data themselves."
        )
    write_atomic(path, "".join(as_json(row) + "\n" for row in task.rows))
    facts = "facts" in task.rows[0]
    sample = f" --sample {options['sample']}" if "sample" in options else ""
    click.echo(to_line(f"{name}: {task.size}"))
    click.echo(
        f'{path} has the training texts. Fit a run: goalspace discover {path} --goal "{GOAL if facts else "…"}"'
    )
    click.echo(f"with --llm MODEL{f', or by rules: --llm recorded:{path}#facts' if facts else ''}")
    click.echo(
        f"Then measure it: goalspace evaluate --task {name} --data {data}{sample} --encoder {RUN_PREFIX}FOLDER"
    )


def _baseline(task: Opened) -> list[tuple[str, dict[str, Estimate]]]:
    """The row of the baseline, for tasks that have one."""
    from goalspace.evaluation.neighbours import NextAction, Recommendation

    if isinstance(task, Recommendation):
        return [("popularity", task.by_popularity())]
    if isinstance(task, NextAction):
        return [("most frequent", task.by_frequency())]
    return []


def _rows(task: Opened, scores: Sequence[Score], suffix: str = "") -> Iterator[tuple[str, list[str]]]:
    """A row of cells per guess and encoder: its metrics, for recommendation the neighbours, and the time."""
    from goalspace.evaluation.neighbours import Recommendation

    more = isinstance(task, Recommendation)
    for name, values in _baseline(task):
        yield name, [*_cells(task, values, suffix), *[""] * (1 + more)]
    for each in scores:
        near = [f"{each.values['neighbours'].mean:,.0f}"] if more else []
        yield each.encoder, [*_cells(task, each.values, suffix), *near, f"{each.seconds_per_1000:.1f}"]


def _cells(task: Opened, values: Mapping[str, Estimate], suffix: str) -> list[str]:
    return [cell(values[metric + suffix]) for metric in task.metrics]


def _blocks(task: Opened) -> list[tuple[str, str]]:
    """The title of each table, and what the names of its metrics end in: all cases, and those that can be hit."""
    from goalspace.evaluation.neighbours import Recommendation

    if not isinstance(task, Recommendation):
        return [("", "")]
    n_reachable = int(task.reachable.sum())
    blocks = [(f"all {len(task.test):,} test texts", "")]
    if 0 < n_reachable < len(task.test):
        blocks.append((f"the {n_reachable:,} whose item some training text has", " reachable"))
    return blocks
