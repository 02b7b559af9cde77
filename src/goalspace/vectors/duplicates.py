"""Near-duplicates: rows whose vectors lie so close that one of them is enough."""

from __future__ import annotations

import numpy as np

from goalspace.vectors.cosines import cosine_blocks
from goalspace.vectors.index import build_graph, search_graph

_EXACT_ROWS = 50_000  # up to here every pair is compared; above, each row with its nearest rows
_NEIGHBOURS = 32


def near_duplicates(
    vectors: np.ndarray, threshold: float, *, order: np.ndarray | None = None, exact: bool | None = None
) -> np.ndarray:
    """Find the rows that are near-duplicates of a row that is kept.

    Rows are looked at one after the other; a row is kept unless its cosine with a row kept before it reaches
    the threshold. So no two kept rows reach it, and every other row reaches it with a kept one (above 50,000
    rows as far as an approximate search (HNSW) finds the pairs).

    Parameters
    ----------
    vectors
        (n_rows, dim), of length 1.
    threshold
        The least cosine of near-duplicates.
    order
        (n_rows,) the rows in the order in which they are looked at; by default that of the file.
    exact
        Compare all pairs, whatever the number of rows; by default up to 50,000 rows.

    Returns
    -------
    (n_rows,) for each row the row that stands for it: itself when it is kept.
    """
    n_rows = len(vectors)
    order = np.arange(n_rows) if order is None else order
    # identical rows first: a thousand copies would fill every list of neighbours
    _, first, copy_of = np.unique(vectors[order], axis=0, return_index=True, return_inverse=True)
    kept_by = np.empty(n_rows, dtype=np.int64)
    kept_by[order] = order[first[copy_of.ravel()]]
    rows = order[np.sort(first)]
    exact = n_rows <= _EXACT_ROWS if exact is None else exact
    while True:
        found = vectors[rows]
        pairs, cut = _all_pairs(found, threshold) if exact else _nearest_pairs(found, threshold)
        stands = _first_of(len(rows), pairs)
        moved = np.arange(n_rows)
        moved[rows] = rows[stands]
        kept_by = moved[kept_by]
        rows = rows[stands == np.arange(len(rows))]
        if not cut or (moved == np.arange(n_rows)).all():
            return kept_by


def _first_of(n_rows: int, pairs: np.ndarray) -> np.ndarray:
    """Return which row stands for each, given (earlier, later) pairs: the first kept one that it pairs with."""
    stands = np.arange(n_rows)
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
    for earlier, later in pairs.tolist():
        if stands[earlier] == earlier and stands[later] == later:
            stands[later] = earlier
    return stands


def _all_pairs(vectors: np.ndarray, threshold: float) -> tuple[np.ndarray, bool]:
    """Return the pairs (earlier, later) that reach the threshold, and that none was left out."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for start, cosines in cosine_blocks(vectors, vectors):
        earlier, later = np.nonzero(cosines >= threshold)
        pairs = np.column_stack((earlier + start, later))
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found), False


def _nearest_pairs(vectors: np.ndarray, threshold: float) -> tuple[np.ndarray, bool]:
    """Return the pairs among the nearest rows, and whether a row may have more than were looked at."""
    n_wanted = min(_NEIGHBOURS, len(vectors))
    found = [np.empty((0, 2), dtype=np.int64)]
    cut = False
    for row, near in enumerate(search_graph(build_graph(vectors), vectors, n_wanted)):
        near = near[vectors[near] @ vectors[row] >= threshold]
        cut |= len(near) == n_wanted < len(vectors)
        near = near[near != row]
        found.append(np.column_stack((np.minimum(near, row), np.maximum(near, row))))
    return np.unique(np.concatenate(found), axis=0), cut
