"""Unit vectors of inputs that are texts or vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from goalspace.encoders.cache import embed
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.progress import Progress
from goalspace.vectors.geometry import normalize


def unit_vectors(
    texts_or_vectors: Sequence[str] | np.ndarray,
    encoder: str | Encoder,
    *,
    name: str,
    function: str,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return (n_rows, dim) float32 rows of unit length (zero rows stay zero) for texts or vectors.

    `cache_dir` and `progress` are those of `embed`.

    Raises
    ------
    InputError
        If there are no rows, or vectors are not a matrix of finite numbers; `name` is the parameter of `function`.
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
        vectors = embed(texts_or_vectors, encoder=encoder, cache_dir=cache_dir, progress=progress)
    return normalize(vectors)
