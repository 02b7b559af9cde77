"""The verb evaluate: encoders on a task, or a run without labels, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace._console import show_progress

if TYPE_CHECKING:
    from rich.table import Table

    from goalspace.evaluation import Score
    from goalspace.evaluation.tasks import Opened

# those of goalspace.evaluation.tasks, whose import would slow down --help; a test compares them
TASKS = ("instruction-clustering", "grouping", "intention-similarity", "paraphrase")

_OF_ENCODERS = ("encoders", "task", "data", "text", "label", "setting")
_OF_RUNS = ("judge", "against", "sample")


@click.command()
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    metavar="MODEL",
    help="What to measure: minilm, task, a sentence-transformers folder, st:NAME, openai:MODEL, …; may be repeated.",
)
@click.option("--task", type=click.Choice(TASKS), help="What to measure encoders on.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="JSON Lines: a text and a label per row, or instruction1, instruction2 and label (1 same task, 0 another).",
)
@click.option("--text", metavar="COLUMN", help="The column of the texts [default: found]")
@click.option("--label", metavar="COLUMN", help="The column of the labels [default: label]")
@click.option(
    "--setting",
    type=click.Choice(["ours", "official"]),
    help="ours: vectors of length 1, mean and standard error; official: as in the paper, raw vectors and one k-means "
    "seed. [default: ours]",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Measure the factors of this run instead: coherence, diversity, intruders, stability.",
)
@click.option("--judge", metavar="MODEL", help="Let this LLM rate the factors of the run: openai:MODEL, …")
@click.option(
    "--against", type=click.Path(path_type=Path), metavar="RUN", help="Let the judge compare with this run."
)
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Texts that the judge compares on [default: 50]"
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="k-means runs in our setting; of a run, intruders per factor and samples of the texts.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the scores as JSON too.")
def evaluate(run: Path | None, seeds: int, out: Path | None, **given: Any) -> None:
    """Measure encoders on a task (--encoder --task --data), or the factors of a run without labels (--run)."""
    from goalspace._cli_quality import judge_run, measure_run

    named = {name: value for name, value in given.items() if value not in (None, ())}
    _check(run, named)
    if run is None:
        _score(**given, seeds=seeds, out=out)
    elif "judge" in named:
        judge_run(run, named["judge"], against=named.get("against"), sample=named.get("sample", 50), out=out)
    else:
        measure_run(run, seeds=seeds, out=out)


def _check(run: Path | None, named: dict[str, Any]) -> None:
    """Refuse options of one form in the other."""
    option = {name: f"--{name.removesuffix('s') if name == 'encoders' else name}" for name in named}
    foreign = [option[name] for name in (_OF_RUNS if run is None else _OF_ENCODERS) if name in named]
    if foreign and run is None:
        raise click.UsageError(f"{foreign[0]} is about a run: name it with --run.")
    if foreign:
        raise click.UsageError(
            f"{foreign[0]} is about encoders and cannot go with --run: use one or the other."
        )
    if run is None:
        missing = [
            f"--{name}" for name in ("encoder", "task", "data") if not {name, f"{name}s"} & named.keys()
        ]
        if missing:
            raise click.UsageError(
                f"Missing option {', '.join(missing)}. Encoders need --encoder, --task and --data; a run needs --run."
            )
    elif "judge" not in named and named:
        raise click.UsageError(f"{next(iter(option.values()))} is for a judge: name one with --judge.")


def _score(
    *,
    encoders: tuple[str, ...],
    task: str,
    data: Path,
    text: str | None,
    label: str | None,
    setting: str | None,
    seeds: int,
    out: Path | None,
    **_of_runs: None,
) -> None:
    from rich.console import Console

    from goalspace._files import write_json
    from goalspace.evaluation import evaluate as score
    from goalspace.evaluation.tasks import open_task

    opened = open_task(task, data, text=text, label=label, setting=setting or "ours", seeds=seeds)
    with show_progress() as progress:
        scores = score({encoder: encoder for encoder in encoders}, [opened], progress=progress)
    click.echo(f"{task}: {opened.size}")
    Console().print(_table(opened, scores))
    click.echo(opened.how)
    if out is not None:
        write_json(out, {"data": str(data), "scores": [each.as_dict() for each in scores]})
        click.echo(out)


def _table(task: Opened, scores: Sequence[Score]) -> Table:
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
