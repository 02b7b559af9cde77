"""The verb evaluate: encoders on a task, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goalspace._console import show_progress

if TYPE_CHECKING:
    from rich.table import Table

    from goalspace.evaluation import Score
    from goalspace.evaluation.tasks import Grouping, Similarity

# those of goalspace.evaluation.tasks, whose import would slow down --help; a test compares them
TASKS = ("instruction-clustering", "grouping", "intention-similarity", "paraphrase")


@click.command()
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    required=True,
    metavar="MODEL",
    help="What to measure: minilm, task, a sentence-transformers folder, st:NAME, openai:MODEL, …; may be repeated.",
)
@click.option("--task", type=click.Choice(TASKS), required=True, help="What to measure it on.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON Lines: a text and a label per row, or instruction1, instruction2 and label (1 same task, 0 another).",
)
@click.option("--text", metavar="COLUMN", help="The column of the texts [default: found]")
@click.option("--label", metavar="COLUMN", help="The column of the labels [default: label]")
@click.option(
    "--setting",
    type=click.Choice(["ours", "official"]),
    default="ours",
    show_default=True,
    help="ours: vectors of length 1, mean and standard error; official: as in the paper, raw vectors and one k-means seed.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="k-means runs in our setting.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the scores as JSON too.")
def evaluate(
    encoders: tuple[str, ...],
    task: str,
    data: Path,
    text: str | None,
    label: str | None,
    setting: str,
    seeds: int,
    out: Path | None,
) -> None:
    """Measure how well encoders group instructions by task, or tell the same task from another."""
    from rich.console import Console

    from goalspace._files import write_json
    from goalspace.evaluation import evaluate as score
    from goalspace.evaluation.tasks import open_task

    opened = open_task(task, data, text=text, label=label, setting=setting, seeds=seeds)
    with show_progress() as progress:
        scores = score({encoder: encoder for encoder in encoders}, [opened], progress=progress)
    click.echo(f"{task}: {opened.size}")
    Console().print(_table(opened, scores))
    click.echo(opened.how)
    if out is not None:
        write_json(out, {"data": str(data), "scores": [each.as_dict() for each in scores]})
        click.echo(out)


def _table(task: Grouping | Similarity, scores: Sequence[Score]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HORIZONTALS, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("encoder")
    for metric in (*task.metrics, "s per 1,000"):
        table.add_column(metric, justify="right")
    for each in scores:
        cells = [
            f"{value.mean:.3f}" if task.setting == "official" else f"{value.mean:.3f} ± {value.se:.3f}"
            for value in (each.values[metric] for metric in task.metrics)
        ]
        table.add_row(Text(each.encoder), *cells, f"{each.seconds_per_1000:.1f}")
    return table
