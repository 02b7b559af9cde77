"""What the layers of an encoder need of an array library: NumPy on CPUs, torch on GPUs and in training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = Any  # of NumPy or torch
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, and their token ids and attention mask


class Backend(Protocol):
    """The modules `numpy_backend` and `torch_backend`."""

    BATCH_TOKENS: int
    """Tokens per batch, padding included."""

    def from_numpy(self, array: np.ndarray) -> Array:
        """Move an array to where the backend computes."""

    def to_numpy(self, array: Array) -> np.ndarray:
        """Move an array back."""

    def run(self, embed: Callable[[Array, Array], Array], batches: Iterable[Batch], out: np.ndarray) -> None:
        """Call `embed` with the token ids and the mask of every batch, and put its vectors into the rows of `out`."""

    def concatenate(self, arrays: tuple[Array, Array]) -> Array:
        """Join arrays along their second axis."""

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        """Return x Wᵀ + b."""

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        """Normalise the last axis (Ba et al. 2016, arXiv 1607.06450)."""

    def gelu(self, x: Array) -> Array:
        """Return x Φ(x) (Hendrycks & Gimpel 2016, arXiv 1606.08415)."""

    def attend(self, query: Array, keys: Array, values: Array, mask: Array | None, n_heads: int) -> Array:
        """Return the scaled dot-product attention of several heads (Vaswani et al. 2017, arXiv 1706.03762).

        `query` is (n_texts, length, dim), `keys` and `values` (n_texts, n_keys, dim), and `mask` (n_texts, n_keys), false for
        padding; the result is shaped like the query.
        """

    def mean_pool(self, states: Array, attention_mask: Array) -> Array:
        """Return the mean over the tokens of every text (n_texts, dim), rows of unit length."""


@dataclass(frozen=True)
class Weights:
    """The weights of a model by name, as arrays of a backend."""

    arrays: Mapping[str, Array]
    backend: Backend

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays
