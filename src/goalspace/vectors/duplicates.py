"""Near-duplicates: rows whose cosine reaches a threshold."""

from __future__ import annotations

import numpy as np

from goalspace.vectors.cosines import cosine_blocks
from goalspace.vectors.index import build_graph, search_graph

_EXACT_ROWS = 50_000  # up to this size all pairs are compared; above it, each row with its nearest neighbours
_NEIGHBOURS = 32


def near_duplicates(
    vectors: np.ndarray, threshold: float, *, order: np.ndarray | None = None, exact: bool | None = None
) -> np.ndarray:
    """Find the rows that are near-duplicates of a kept row.

    Rows are visited in order; a row is kept unless its cosine with an earlier kept row reaches the threshold.
    So the cosine of two kept rows is always below it, and every other row reaches it with a kept row. Above
    50,000 rows, pairs are found by approximate search (HNSW), which may miss some.

    Parameters
    ----------
    vectors
        (n_rows, dim), of unit length.
    threshold
        The smallest cosine of near-duplicates.
    order
        (n_rows,) the rows in the order in which they are visited; by default as given.
    exact
        Whether to compare all pairs; by default up to 50,000 rows.

    Returns
    -------
    (n_rows,) for each row the row that represents it: itself if it is kept.
    """
    n_rows = len(vectors)
    order = np.arange(n_rows) if order is None else order
    # identical rows first: many copies would fill every list of neighbours
    _, first, copy_of = np.unique(vectors[order], axis=0, return_index=True, return_inverse=True)
    kept_by = np.empty(n_rows, dtype=np.int64)
    kept_by[order] = order[first[copy_of.ravel()]]
    rows = order[np.sort(first)]
    exact = n_rows <= _EXACT_ROWS if exact is None else exact
    while True:
        candidates = vectors[rows]
        pairs, cut = (_all_pairs if exact else _nearest_pairs)(candidates, threshold)
        stands = _first_of(len(rows), pairs)
        moved = np.arange(n_rows)
        moved[rows] = rows[stands]
        kept_by = moved[kept_by]
        rows = rows[stands == np.arange(len(rows))]
        if not cut or (moved == np.arange(n_rows)).all():
            return kept_by


def _first_of(n_rows: int, pairs: np.ndarray) -> np.ndarray:
    """Return the representative of each row, given (earlier, later) pairs: the first kept row it is paired with."""
    stands = np.arange(n_rows)
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
    for earlier, later in pairs.tolist():
        if stands[earlier] == earlier and stands[later] == later:
            stands[later] = earlier
    return stands


def _all_pairs(vectors: np.ndarray, threshold: float) -> tuple[np.ndarray, bool]:
    """Return all pairs (earlier, later) that reach the threshold, and False: none was left out."""
    blocks = [np.empty((0, 2), dtype=np.int64)]
    for start, cosines in cosine_blocks(vectors, vectors):
        earlier, later = np.nonzero(cosines >= threshold)
        pairs = np.column_stack((earlier + start, later))
        blocks.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(blocks), False


def _nearest_pairs(vectors: np.ndarray, threshold: float) -> tuple[np.ndarray, bool]:
    """Return the pairs among nearest neighbours, and whether a row may have more pairs than were examined."""
    n_wanted = min(_NEIGHBOURS, len(vectors))
    blocks = [np.empty((0, 2), dtype=np.int64)]
    cut = False
    for row, near in enumerate(search_graph(build_graph(vectors), vectors, n_wanted)):
        near = near[vectors[near] @ vectors[row] >= threshold]
        cut |= len(near) == n_wanted < len(vectors)
        near = near[near != row]
        blocks.append(np.column_stack((np.minimum(near, row), np.maximum(near, row))))
    return np.unique(np.concatenate(blocks), axis=0), cut
