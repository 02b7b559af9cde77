"""Text vectors in blocks of rows, and their moments, which are all that a fit needs of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goalspace.corex import moments as eq
from goalspace.errors import InputError

Array = NDArray[np.float64]
Blocks = ArrayLike | Iterable[ArrayLike] | Callable[[], Iterable[ArrayLike]]

_ROWS = 8192


class VectorMoments(NamedTuple):
    """The mean (dim,) and covariance (dim, dim) of n vectors."""

    mean: Array
    covariance: Array
    n: int


def measure_moments(vectors: Blocks, *, width: int | None = None) -> VectorMoments:
    """Return the moments of vectors in one pass over them; several fits can share them.

    Parameters
    ----------
    vectors
        Array or memmap (n, dim), an iterable of blocks of its rows, or a function that returns one.
    width
        The dimension that they must have.
    """
    with one_thread():
        return VectorMoments(*eq.covariance(read_blocks(vectors, width=width)))


def read_blocks(vectors: Any, *, width: int | None = None) -> Iterator[Array]:
    """Yield validated blocks of rows as float64."""
    from sklearn.utils import check_array

    if hasattr(vectors, "shape"):
        source = (vectors[i : i + _ROWS] for i in range(0, len(vectors), _ROWS))
    else:
        source = vectors() if callable(vectors) else vectors
    for block in source:
        rows: Array = check_array(block, dtype=np.float64, input_name="text_vectors", ensure_min_samples=0)
        if width is not None and rows.shape[1] != width:
            raise InputError(
                f"The 'text_vectors' parameter must have as many columns as property_vectors, {width}. "
                f"Got {rows.shape[1]} instead."
            )
        yield rows


def one_thread() -> Any:
    """Limit BLAS to one thread.

    The products of an iteration are too thin to gain from more threads, and rounding, which may decide between
    optima, then does not depend on the number of cores.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")
