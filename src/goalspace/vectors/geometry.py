"""Normalising, centring and whitening of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from goalspace.errors import InputError

_BLOCK_ROWS = 1 << 16
_MIN_VARIANCE_SHARE = 1e-7  # directions below this share of the largest variance are rounding noise


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale every row of (n, dim) to unit length; zero rows and the precision are preserved."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def row_blocks(n_rows: int) -> Iterator[slice]:
    """Yield slices of rows whose intermediate results fit into memory."""
    for start in range(0, n_rows, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, n_rows))


def spread_rows(n_rows: int, limit: int) -> np.ndarray:
    """Return at most `limit` row numbers, evenly spread over all; all of them if they are not more."""
    return np.arange(0, n_rows, max(1, -(-n_rows // limit)))


@dataclass(frozen=True, eq=False)
class Whitening:
    """Centring, rotation onto the principal directions, and scaling to equal variance.

    Vectors of language models lie in a narrow cone: a few directions shared by all texts make every cosine
    large (Su et al. 2021, arXiv 2103.15316).

    Attributes
    ----------
    mean
        (dim_in,) float32, the mean to subtract.
    components
        (dim, dim_in) float32, the scaled principal directions.
    """

    mean: np.ndarray
    components: np.ndarray

    @property
    def dim(self) -> int:
        """Dimension of the transformed vectors."""
        return len(self.components)

    @classmethod
    def fit(cls, vectors: np.ndarray, dim: int | None = None, *, scale: bool = True) -> Self:
        """Fit the mean and the principal directions.

        Parameters
        ----------
        vectors
            (n, dim_in), at least 2 rows.
        dim
            Number of principal directions to keep; fewer if the vectors span fewer. None keeps all.
        scale
            False only centres and rotates, which preserves distances.

        Raises
        ------
        InputError
            If there are fewer than 2 vectors, they are all equal, or `dim` is not from 1 to dim_in.
        """
        x = np.asarray(vectors, dtype=np.float64)
        if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
            raise InputError(
                "The 'vectors' parameter of Whitening.fit must be a finite matrix with at least 2 rows. "
                f"Got shape {x.shape} instead."
            )
        if dim is not None and not 1 <= dim <= x.shape[1]:
            raise InputError(
                f"The 'dim' parameter of Whitening.fit must be from 1 to {x.shape[1]}. Got {dim} instead."
            )
        mean = x.mean(axis=0)
        x = x - mean
        variances, directions = np.linalg.eigh(x.T @ x / len(x))
        variances, directions = variances[::-1], directions.T[::-1]
        kept = (
            int((variances > _MIN_VARIANCE_SHARE * variances[0]).sum())
            if variances[0] > _MIN_VARIANCE_SHARE**2
            else 0
        )
        kept = min(kept, dim or kept)
        if not kept:
            raise InputError("Whitening.fit needs vectors that differ. Got equal ones instead.")
        components = directions[:kept]
        if scale:
            components = components / np.sqrt(variances[:kept, None])
        return cls(mean.astype(np.float32), components.astype(np.float32))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Transform (n, dim_in) into (n, dim) float32, not of unit length."""
        centred = np.asarray(vectors, dtype=np.float32) - self.mean
        return np.asarray(centred @ self.components.T)
