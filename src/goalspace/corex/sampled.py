"""Optimisation as in the papers: averages over noise drawn at every step, Adam, and an L1 penalty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from goalspace.corex import moments as eq
from goalspace.corex.ascent import STAGES, Ascent

Array = NDArray[np.float64]

L1 = 0.9  # as in Instruct-LF
MAX_ITER = 1000  # in each stage, likewise
_WINDOW = 50  # steps per mean objective; consecutive means are compared
_RATE = 1e-3  # of Adam; this and the following are its published defaults
_MEMORY = (0.9, 0.999)
_TINY = 1e-8


def ascend_sampled(
    W: Array,
    A: Array,
    n: int,
    *,
    anneal: bool,
    l1: float,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
) -> Ascent:
    """Ascend from the directions W like the code of Instruct-LF (arXiv 2502.15147).

    A is a root of the correlation matrix of n texts. A stage ends when the mean objective of 50 steps differs
    from that of the previous 50 by less than the share `tol`. The result is free of noise: the moments of the
    final weights by equations (1)-(4).
    """
    axes: eq.Real = np.ascontiguousarray(eq.principal(A).T, dtype=np.float32)
    V: eq.Real = (W / np.linalg.norm(W, axis=1, keepdims=True)).astype(np.float32)
    adam = _Adam(V)
    history: list[float] = []
    converged = True
    for eps in STAGES if anneal else (0.0,):
        before = len(history)
        finished = False
        while not finished and len(history) - before < max_iter:
            bound, gradient = eq.sampled(V, *draw(axes, n, len(V), eps, rng))
            history.append(bound - l1 * float(np.abs(V).sum()))
            V = V + adam.step(gradient - np.float32(l1) * np.sign(V))
            finished = _settled(history[before:], tol)
        converged = converged and finished
    weights = V.astype(np.float64)
    X = eq.normalised(weights, (weights @ A) @ A.T)
    m = eq.moments(X, 0.0)
    return Ascent(X, m, m.tc - l1 * float(np.abs(weights).sum()), history, converged)


def _settled(history: list[float], tol: float) -> bool:
    if len(history) < 2 * _WINDOW:
        return False
    earlier, later = np.mean(history[-2 * _WINDOW : -_WINDOW]), np.mean(history[-_WINDOW:])
    return bool(abs(later - earlier) < tol * abs(earlier))


def draw(axes: eq.Real, n: int, K: int, eps: float, rng: np.random.Generator) -> tuple[eq.Real, eq.Real]:
    """Draw variables x and factor noise for `moments.sampled`, with a share ε of noise in x.

    In a basis of the n texts that starts with the r axes of the variables, the noise is still normal, and the
    other n - r directions contain only noise. All averages are inner products, so only the inner products of that
    noise matter, and it needs no more rows than columns.
    """
    r, M = axes.shape
    width = M if eps else 0  # columns of noise in x
    rest = max(n - r, 0)
    noise = np.empty((r + min(rest, width + K), width + K), dtype=np.float32)
    rng.standard_normal(dtype=np.float32, out=noise)
    if rest > width + K:  # Bartlett's decomposition of a Wishart matrix
        factor = np.triu(noise[r:], 1)
        np.fill_diagonal(factor, np.sqrt(rng.chisquare(rest - np.arange(width + K))))
        noise[r:] = factor
    noise *= np.float32(1 / np.sqrt(n))
    if not eps:
        return axes, noise
    x = noise[:, :M]
    x *= np.float32(eps)
    x[:r] += np.float32(np.sqrt(1 - eps**2)) * axes
    return x, noise[:, M:]


class _Adam:
    """Adam (Kingma & Ba 2015, algorithm 1), as gradient ascent."""

    def __init__(self, V: eq.Real) -> None:
        self.mean, self.square = np.zeros_like(V), np.zeros_like(V)
        self.steps = 0

    def step(self, gradient: eq.Real) -> eq.Real:
        """Return the update of the weights."""
        self.steps += 1
        first, second = _MEMORY
        self.mean += (1 - first) * (gradient - self.mean)
        self.square += (1 - second) * (gradient * gradient - self.square)
        size = np.sqrt(self.square / (1 - second**self.steps)) + _TINY
        return np.asarray(_RATE / (1 - first**self.steps) * self.mean / size, dtype=np.float32)
