"""Unit vectors of what the uses are given, and cosines of many rows a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from goalspace._vectors import embed
from goalspace.encoders import Encoder
from goalspace.encoders.geometry import unit
from goalspace.errors import InputError

BLOCK_NUMBERS = 1 << 24  # cosines in memory at a time, 64 MB


def unit_vectors(
    texts_or_vectors: Sequence[str] | np.ndarray,
    encoder: str | Encoder,
    *,
    name: str,
    function: str,
    keep: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:
    """Return (n_rows, dim) float32 rows of length 1 (a row of zeros stays) for texts or vectors.

    `keep` and `progress` are those of `embed`.

    Raises
    ------
    InputError
        If there are no rows, or vectors are no matrix of finite numbers; `name` is the parameter of `function`.
    """
    if not len(texts_or_vectors):
        raise InputError(f"The '{name}' parameter of {function} must not be empty.")
    if isinstance(texts_or_vectors, np.ndarray):
        vectors = np.asarray(texts_or_vectors, dtype=np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise InputError(
                f"The '{name}' parameter of {function} must be texts, or finite vectors of shape (n_rows, dim)."
            )
    else:
        vectors = embed(texts_or_vectors, encoder=encoder, keep=keep, progress=progress)
    return unit(vectors)


def cosine_blocks(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, cosines of some rows with all columns) until all rows of length 1 have come."""
    size = max(1, BLOCK_NUMBERS // len(columns))
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size] @ columns.T


def largest(scores: np.ndarray, k: int) -> np.ndarray:
    """Return (n_rows, min(k, n_columns)) the columns of the largest scores of every row, in no order."""
    if k >= scores.shape[1]:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]
