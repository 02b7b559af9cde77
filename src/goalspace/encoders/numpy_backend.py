"""The backend on CPUs: NumPy, with a batch on every core, which needs no torch and is as fast."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from goalspace.encoders.backend import Batch

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


BATCH_TOKENS = 1024  # whose states fit the caches of a core

_lock = threading.Lock()  # the number of threads of BLAS belongs to the process
_ROWS = 32  # of a matrix whose intermediate results in `gelu` fit the first caches
# Φ(x) = 1 − φ(t) exp(−x²/2) for x ≥ 0, where t = 1 / (1 + p x) and φ is a polynomial: Abramowitz & Stegun 1964, equation
# 7.1.26 with x/√2; the error is below 1e-7
_P = np.float32(0.3275911 / np.sqrt(2))
_POLYNOMIAL = [np.float32(a / 2) for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)]


def from_numpy(array: np.ndarray) -> np.ndarray:
    """Return the array."""
    return array


def to_numpy(array: np.ndarray) -> np.ndarray:
    """Return the array."""
    return array


def run(
    embed: Callable[[np.ndarray, np.ndarray], np.ndarray], batches: Iterable[Batch], out: np.ndarray
) -> None:
    """See `Backend.run`. Every batch is computed by one thread, so that their number does not change the result."""
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import ThreadpoolController

    def compute(batch: Batch) -> None:
        rows, ids, attention_mask = batch
        out[rows] = embed(ids, attention_mask)

    with _lock:
        libraries = ThreadpoolController()
        n_threads = _count_threads(libraries)
        with (
            libraries.limit(limits=1, user_api="blas"),
            ThreadPoolExecutor(n_threads, thread_name_prefix="encode") as pool,
        ):
            for _ in pool.map(compute, batches):
                pass


def _count_threads(libraries: ThreadpoolController) -> int:
    """Return how many threads BLAS would use, which obeys OMP_NUM_THREADS; all cores if it does not say."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = [library["num_threads"] for library in libraries.info() if library["user_api"] == "blas"]
    return max(counts, default=cores)


def concatenate(arrays: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """See `Backend.concatenate`."""
    return np.concatenate(arrays, axis=1)


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """See `Backend.linear`."""
    result: np.ndarray = (
        x.reshape(-1, x.shape[-1]) @ weight.T
    )  # a single product instead of one for each text
    result += bias
    return result.reshape(*x.shape[:-1], -1)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    """See `Backend.layer_norm`."""
    result: np.ndarray = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", result, result)[..., None] / np.float32(x.shape[-1])
    result *= 1 / np.sqrt(variance + np.float32(eps))
    result *= weight
    result += bias
    return result


def gelu(x: np.ndarray) -> np.ndarray:
    """See `Backend.gelu`; SciPy's erf takes five times as long."""
    result = np.empty_like(x)
    flat, out = x.reshape(-1, x.shape[-1]), result.reshape(-1, x.shape[-1])
    for start in range(0, len(flat), _ROWS):
        part, tail = flat[start : start + _ROWS], out[start : start + _ROWS]
        size = np.abs(part)
        t = size * _P
        t += 1
        np.reciprocal(t, out=t)
        np.multiply(t, _POLYNOMIAL[0], out=tail)
        for coefficient in _POLYNOMIAL[1:]:
            tail += coefficient
            tail *= t
        np.multiply(part, part, out=t)
        t *= np.float32(-0.5)
        np.exp(t, out=t)
        tail *= t
        tail *= size
        np.maximum(part, 0, out=size)
        np.subtract(size, tail, out=tail)  # max(x, 0) − |x| (1 − Φ(|x|))
    return result


def attend(
    query: np.ndarray, keys: np.ndarray, values: np.ndarray, mask: np.ndarray | None, n_heads: int
) -> np.ndarray:
    """See `Backend.attend`."""

    def split(x: np.ndarray) -> np.ndarray:
        return x.reshape(*x.shape[:2], n_heads, -1).transpose(0, 2, 1, 3)

    scale = np.float32(np.sqrt(query.shape[-1] // n_heads))
    weights = split(query / scale) @ split(keys).swapaxes(2, 3)  # (n_texts, n_heads, length, n_keys)
    if mask is not None:
        weights += np.where(mask, np.float32(0), np.float32(-np.inf))[:, None, None, :]
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    mixed: np.ndarray = weights @ split(values)
    mixed /= weights.sum(axis=-1, keepdims=True)
    return mixed.transpose(0, 2, 1, 3).reshape(query.shape)


def mean_pool(states: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
    """See `Backend.mean_pool`."""
    total = np.einsum("nld,nl->nd", states, attention_mask.astype(states.dtype))
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True))
