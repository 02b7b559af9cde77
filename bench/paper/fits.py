"""Fit methods and enter the results into a table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.kit.console import log
from bench.kit.datasets import Dataset
from bench.kit.peers import Fitted
from bench.kit.tables import Table, value_of
from bench.paper.methods import Method
from goalspace.estimate import Estimate


def fit_all(
    table: Table, method: Method, data: Dataset, goal: str, n_topics: int, n_fits: int
) -> tuple[list[Fitted], float]:
    """Return the fits with seeds 0, 1, … and the seconds per fit; for a missing or failing peer, add a row that says so."""
    seeds = range(n_fits if method.seeded else 1)
    try:
        with log.status(f"{method.name} on {data.name}"):
            timed = [_fit_once(method, data, goal, n_topics, seed) for seed in seeds]
    except ModuleNotFoundError as error:
        table.add(method.name, note=f"not installed: {error.name}")
        return [], 0.0
    except Exception as error:  # a failing peer is a result; a failure of goalspace ends the run
        if method.ours:
            raise
        table.add(method.name, note=f"{type(error).__name__}: {str(error).splitlines()[0][:60]}")
        return [], 0.0
    seconds = float(np.mean([seconds for _, seconds in timed]))
    log.log(f"{method.name} on {data.name}: {seconds:.1f} s per fit")
    return [fitted for fitted, _ in timed], seconds


_FITTED: dict[tuple[Any, ...], tuple[Fitted, float]] = {}  # shared by experiments


def _fit_once(method: Method, data: Dataset, goal: str, n_topics: int, seed: int) -> tuple[Fitted, float]:
    key = (method.name, data.name, len(data), goal, n_topics, seed)
    if key not in _FITTED:
        start = time.perf_counter()
        fitted = method.fit(data, goal, n_topics, seed=seed)
        _FITTED[key] = (fitted, time.perf_counter() - start)
    return _FITTED[key]


def pool(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean over fits with the larger of the standard errors over and within fits."""
    between = Estimate.of([each.mean for each in estimates])
    return Estimate(between.mean, max(between.se, float(np.mean([each.se for each in estimates]))))


def size_of(fits: Sequence[Fitted]) -> str:
    """Return the number of scores per text, as a range if it differs between fits."""
    sizes = sorted({fitted.scores.shape[1] for fitted in fits})
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"


def aim_above_peers(
    table: Table, row: str, columns: Mapping[str, Sequence[str]], known: Sequence[Method], *, by: float = 0.05
) -> None:
    """Set the targets of a row to this share above the best peer that does not use its proposals.

    `columns` maps each column of the row to the columns of the peers that it must beat.
    """
    blind = {method.name for method in known if not method.informed and not method.ours}
    targets = {}
    for column, rivals in columns.items():
        others = [r for r in table.rows if r["row"] in blind]
        values = [r[rival] for r in others for rival in rivals if r.get(rival) is not None]
        best = max(map(value_of, values), default=None)
        if best is not None:
            targets[column] = best * (1 + by)
    table.aim(row, **targets)
