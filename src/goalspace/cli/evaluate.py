"""The command evaluate: encoders on a task, or a run without labels, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from goalspace.cli.console import check_output
from goalspace.cli.options import INSECURE_HTTP_OPTION, OF_CALLS, REDACT_OPTION, mark_spec, with_limits

# those of goalspace.evaluation.tasks, whose import would slow down --help; a test compares them
TASKS = (
    "instruction-clustering",
    "grouping",
    "intention-similarity",
    "paraphrase",
    "categorisation",
    "recommendation",
    "next-action",
)

_OF_ENCODERS = ("goal", "task", "data", "text", "label", "setting", "texts")
_OF_RUNS = ("judge", "against", *OF_CALLS)
_SEEDED = ("instruction-clustering", "grouping", "categorisation")  # tasks in which something is drawn
_SEEDS, _SAMPLE = 5, 50


@click.command()
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    metavar="MODEL",
    callback=mark_spec,
    help="What to measure: minilm, task, goal, a sentence-transformers folder, st:NAME, openai:MODEL, …, or run:FOLDER, the "
    "factors of a run (categorisation: their scores; other tasks: the space that they span); may be repeated. With --run: "
    "the encoder of the run, named again if it is an endpoint.",
)
@INSECURE_HTTP_OPTION
@click.option(
    "--goal",
    metavar="TEXT",
    help="What matters in the texts, for the encoders that take a goal: goal, smollm2, pie:FOLDER.",
)
@click.option(
    "--task",
    type=click.Choice(TASKS),
    metavar="TASK",
    help=f"What to measure encoders on: {', '.join(TASKS)}.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="JSON Lines: a text and a label per row; pairs: instruction1, instruction2 and label (1 same task, 0 another); "
    "recommendation: text, items and split, or the folder of Inspired; next-action: text, action, episode and split, "
    "or trajectories of ALFWorld.",
)
@click.option("--text", metavar="COLUMN", help="The column of the texts [default: guessed]")
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
@click.option(
    "--judge",
    metavar="MODEL",
    callback=mark_spec,
    help="Let this LLM rate the factors of the run: openai:MODEL, …",
)
@click.option(
    "--against", type=click.Path(path_type=Path), metavar="RUN", help="Let the judge compare with this run."
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help=f"Texts that the judge compares on [default: {_SAMPLE}]; of next-action, the training episodes [default: all].",
)
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the training texts of recommendation or next-action, to fit a run on them, and stop.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    metavar="N",
    help="k-means runs in our setting, or trees; of a run, intruders per factor and samples of the texts. [default: "
    f"{_SEEDS}]",
)
@REDACT_OPTION
@with_limits
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the scores as JSON too.")
def evaluate(run: Path | None, out: Path | None, **given: Any) -> None:
    """Evaluate encoders on a task, or the factors of a run.

    Encoders need --encoder, --task and --data; the factors of a run need --run and no labels.
    """
    from goalspace.cli.evaluate_encoders import measure_encoders, write_texts
    from goalspace.cli.evaluate_run import judge_run, measure_run
    from goalspace.run.record import FILES

    named = {name: value for name, value in given.items() if value not in (None, ())}
    _check(run, named, out)
    of_run = ("run.json", *(name for names in FILES.values() for name in names))
    read = [named["data"]] if run is None else [run / name for name in of_run]
    for option, path in (("--out", out), ("--texts", named.get("texts"))):
        if path is not None:
            check_output(option, path, read=read)
    of_task = {name: named[name] for name in ("text", "label", "setting", "sample") if name in named}
    seeds = named.get("seeds", _SEEDS)
    if "texts" in named:
        write_texts(named["task"], named["data"], named["texts"], **of_task)
    elif run is None:
        measure_encoders(
            named["encoders"],
            named["task"],
            named["data"],
            goal=named.get("goal"),
            seeds=seeds,
            out=out,
            **of_task,
        )
    elif "judge" in named:
        against, sample = named.get("against"), named.get("sample", _SAMPLE)
        of_calls = {name: named[name] for name in OF_CALLS if name in named}
        judge_run(run, named["judge"], against=against, sample=sample, out=out, given=of_calls)
    else:
        measure_run(run, encoder=next(iter(named.get("encoders", ())), None), seeds=seeds, out=out)


def _check(run: Path | None, named: dict[str, Any], out: Path | None) -> None:
    """Reject options that do not go with --run, or go only with it."""
    option = {
        name: f"--{name.removesuffix('s') if name == 'encoders' else name.replace('_', '-')}"
        for name in named
    }
    foreign = [option[name] for name in (_OF_RUNS if run is None else _OF_ENCODERS) if name in named]
    if foreign and run is None:
        raise click.UsageError(f"{foreign[0]} is about a run: name it with --run.")
    if foreign:
        raise click.UsageError(
            f"{foreign[0]} is about encoders and cannot go with --run: use one or the other."
        )
    if run is None:
        _check_task(named, out)
    elif len(named.get("encoders", ())) > ("judge" not in named):
        raise click.UsageError(
            "With --run, --encoder names the one encoder of the run again, and a judge needs none: use one or the other."
        )
    elif "judge" in named:
        if "seeds" in named:
            raise click.UsageError("--seeds is for measures without a judge: leave it out.")
        if "sample" in named and "against" not in named:
            raise click.UsageError(
                "--sample is of texts that two runs are compared on: name one with --against."
            )
    elif others := [option[name] for name in named if name not in ("seeds", "encoders")]:
        raise click.UsageError(f"{others[0]} is for a judge: name one with --judge.")


def _check_task(named: dict[str, Any], out: Path | None) -> None:
    """Reject missing or ignored options when encoders are measured or texts written."""
    stops = "texts" in named
    needed = ("task", "data") if stops else ("encoder", "task", "data")
    missing = [f"--{name}" for name in needed if not {name, f"{name}s"} & named.keys()]
    if missing:
        raise click.UsageError(
            f"Missing option {', '.join(missing)}. Encoders need --encoder, --task and --data; a run needs --run."
        )
    if stops and ({"encoders", "goal"} & named.keys() or out is not None):
        raise click.UsageError(
            "--texts writes texts and measures nothing: leave --encoder, --goal and --out out."
        )
    if "seeds" in named and (stops or named["task"] not in _SEEDED or named.get("setting") == "official"):
        raise click.UsageError(f"--seeds is for {', '.join(_SEEDED)} in our setting: leave it out.")
