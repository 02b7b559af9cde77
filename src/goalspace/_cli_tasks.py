"""What evaluate prints of a task: a table of encoders, beside what needs no encoder; and texts to fit a run on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace._console import show_progress

if TYPE_CHECKING:
    from rich.table import Table

    from goalspace.encoders import Encoder
    from goalspace.evaluation import Score
    from goalspace.evaluation.metrics import Estimate
    from goalspace.evaluation.neighbours import Recommendation
    from goalspace.evaluation.tasks import Opened

_RUN = "run:"


def measure_encoders(
    encoders: Sequence[str], name: str, data: Path, *, seeds: int, out: Path | None, **options: Any
) -> None:
    """Print the scores of encoders on a task, below those of a guess that needs no encoder."""
    from rich.console import Console
    from rich.text import Text

    from goalspace._files import write_json
    from goalspace.evaluation import evaluate
    from goalspace.evaluation.neighbours import Recommendation
    from goalspace.evaluation.tasks import Probe, open_task

    task = open_task(name, data, seeds=seeds, **options)
    found = {encoder: find_encoder(encoder, by_scores=isinstance(task, Probe)) for encoder in encoders}
    with show_progress() as progress:
        scores = evaluate(found, [task], progress=progress)
    console = Console()
    console.print(Text(f"{name}: {task.size}"))
    if isinstance(task, Recommendation):
        for table in _hits(task, scores):
            console.print(table)
            console.print()
    else:
        console.print(_table(task, scores))
    console.print(Text(task.how))
    if out is not None:
        base = {row: {m: value._asdict() for m, value in values.items()} for row, values in _baseline(task)}
        write_json(out, {"data": str(data), "baseline": base, "scores": [each.as_dict() for each in scores]})
        click.echo(out)


def find_encoder(spec: str, *, by_scores: bool) -> str | Encoder:
    """What `evaluate` is given for a spec: for run:FOLDER the factors of the run.

    A probe reads the scores of named factors; what compares whole texts does so in the space that they span.

    Raises
    ------
    InputError
        If the folder holds no finished run.
    """
    from goalspace.run import Run

    if not spec.startswith(_RUN):
        return spec
    factors = Run.open(spec.removeprefix(_RUN)).factors
    return factors if by_scores else factors.space


def write_texts(name: str, data: Path, path: Path, **options: Any) -> None:
    """Write the training texts of a task as JSON Lines, and say how a run is fitted on them."""
    from goalspace._files import write_atomic
    from goalspace.evaluation.episodes import GOAL
    from goalspace.evaluation.neighbours import NextAction, Recommendation
    from goalspace.evaluation.tasks import open_task

    if path.exists() and data.exists() and path.samefile(data):
        raise click.UsageError("--texts and --data are the same file: write to another one.")
    task = open_task(name, data, **options)
    if not isinstance(task, (Recommendation, NextAction)):
        raise click.UsageError(
            f"--texts is for recommendation and next-action, whose test texts a run must not see. A run of {name} is "
            "fitted on the data themselves."
        )
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in task.rows))
    facts = "facts" in task.rows[0]
    sample = f" --sample {options['sample']}" if "sample" in options else ""
    click.echo(f"{name}: {task.size}")
    click.echo(
        f'{path} has the training texts. Fit a run: goalspace discover {path} --goal "{GOAL if facts else "…"}"'
    )
    click.echo(f"with --llm MODEL{f', or by rules: --llm recorded:{path}#facts' if facts else ''}")
    click.echo(
        f"Then measure it: goalspace evaluate --task {name} --data {data}{sample} --encoder {_RUN}FOLDER"
    )


def _baseline(task: Opened) -> list[tuple[str, dict[str, Estimate]]]:
    """The row of a guess that needs no encoder, for tasks that have one."""
    from goalspace.evaluation.neighbours import NextAction, Recommendation

    if isinstance(task, Recommendation):
        return [("popularity", task.by_popularity())]
    if isinstance(task, NextAction):
        return [("most frequent", task.by_frequency())]
    return []


def _table(task: Opened, scores: Sequence[Score]) -> Table:
    from rich.text import Text

    table = _empty(("encoder", *task.metrics, "s per 1,000"))
    for name, values in _baseline(task):
        table.add_row(Text(name), *(_cell(values[metric], " ") for metric in task.metrics), "")
    for each in scores:
        bare = task.setting == "official"
        cells = [
            f"{value.mean:.3f}" if bare else _cell(value, " ")
            for value in (each.values[metric] for metric in task.metrics)
        ]
        table.add_row(Text(each.encoder), *cells, f"{each.seconds_per_1000:.1f}")
    return table


def _hits(task: Recommendation, scores: Sequence[Score]) -> list[Table]:
    """A table of all cases, and one of those that can be hit; errors below the values, as five fill a line."""
    from rich.text import Text

    n_reachable = int(task.reachable.sum())
    blocks = [(f"all {len(task.test):,} test texts", "")]
    if 0 < n_reachable < len(task.test):
        blocks.append((f"the {n_reachable:,} whose item some training text has", " reachable"))
    tables = []
    for title, suffix in blocks:
        table = _empty(("encoder", *task.metrics, "neighbours", "s per 1,000"))
        table.title, table.title_justify, table.title_style = title, "left", "bold"

        def cells(values: Mapping[str, Estimate], suffix: str = suffix) -> list[str]:
            return [_cell(values[metric + suffix], "\n") for metric in task.metrics]

        for name, values in _baseline(task):
            table.add_row(Text(name), *cells(values), "", "")
        for each in scores:
            near = f"{each.values['neighbours'].mean:,.0f}"
            table.add_row(Text(each.encoder), *cells(each.values), near, f"{each.seconds_per_1000:.1f}")
        tables.append(table)
    return tables


def _cell(value: Estimate, between: str) -> str:
    return f"{value.mean:.3f}{between}± {value.se:.3f}"


def _empty(columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.HORIZONTALS, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table
