"""Cosines of many rows, one block at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK_NUMBERS = 1 << 24  # cosines held in memory at a time (64 MB)


def cosine_blocks(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, cosines of a block of rows with all columns) for rows and columns of unit length."""
    size = max(1, BLOCK_NUMBERS // len(columns))
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size] @ columns.T


def largest(scores: np.ndarray, k: int) -> np.ndarray:
    """Return (n_rows, min(k, n_columns)) column indices of the largest scores of every row, unordered."""
    if k >= scores.shape[1]:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]
