"""Greedy facility location: an order of rows in which each next one brings all rows nearest to a chosen row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goalspace.vectors.cosines import cosine_blocks

_TRIED = 16  # rows whose gains are computed together


def choose_covering(
    vectors: np.ndarray,
    n_rows: int,
    *,
    given: Sequence[int] | np.ndarray = (),
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Choose the rows that, one after the other, increase the coverage of all rows most.

    The coverage of a set A is F(A) = Σᵢ wᵢ maxⱼ∈A max(cos(xᵢ, xⱼ), 0), which is monotone and submodular. So the greedy choice
    reaches 1 − 1/e of the optimum (Nemhauser, Wolsey, Fisher 1978), and the gain of a row never grows: the row with the largest
    gain is found exactly from a few gains that are computed again (lazy greedy, Minoux 1978). Ties go to the first row.

    Parameters
    ----------
    vectors
        (n, dim), of unit length.
    n_rows
        The number of rows to choose, at most those that are not given.
    given
        Rows that are chosen already.
    weights
        (n,) of at least 0, how much the coverage of a row counts; by default 1.

    Returns
    -------
    (n_rows,) in the order of choice, so that every prefix is such a choice, too.
    """
    weights = np.ones(len(vectors), dtype=np.float32) if weights is None else np.asarray(weights, np.float32)
    nearest = _nearest(vectors, np.asarray(given, dtype=np.int64))
    bounds = _gains(vectors, np.arange(len(vectors)), nearest, weights)
    bounds[np.asarray(given, dtype=np.int64)] = -np.inf
    chosen: list[int] = []
    while len(chosen) < n_rows:
        row = _best(vectors, bounds, nearest, weights)
        chosen.append(row)
        bounds[row] = -np.inf
        np.maximum(nearest, vectors @ vectors[row], out=nearest)
    return np.array(chosen, dtype=np.int64)


def _best(vectors: np.ndarray, bounds: np.ndarray, nearest: np.ndarray, weights: np.ndarray) -> int:
    """Return the row with the largest gain; the bounds of rows that were tried become their gains."""
    is_gain = np.zeros(len(bounds), dtype=bool)
    while not is_gain[best := int(np.argmax(bounds))]:
        rows = np.argsort(-bounds, kind="stable")[:_TRIED]
        rows = rows[~is_gain[rows] & np.isfinite(bounds[rows])]
        bounds[rows] = _gains(vectors, rows, nearest, weights)
        is_gain[rows] = True
    return best


def _gains(vectors: np.ndarray, rows: np.ndarray, nearest: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return by how much each of the rows would increase the coverage (n_rows,)."""
    gains = np.empty(len(rows), dtype=np.float32)
    for start, cosines in cosine_blocks(vectors[rows], vectors):
        gains[start : start + len(cosines)] = np.maximum(cosines - nearest, 0) @ weights
    return gains


def _nearest(vectors: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the largest cosine of every row with a given one, at least 0 (n,)."""
    nearest = np.zeros(len(vectors), dtype=np.float32)
    if len(given):
        for start, cosines in cosine_blocks(vectors, vectors[given]):
            np.maximum(
                nearest[start : start + len(cosines)],
                cosines.max(axis=1),
                out=nearest[start : start + len(cosines)],
            )
    return nearest
