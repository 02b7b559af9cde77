"""Quasi-Newton ascent through the annealing stages to a maximum of the bound on the total correlation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goalspace.corex import moments as eq

Array = NDArray[np.float64]
Correlate = Callable[[Array], Array]  # W → W R

# share ε of noise in each stage, as in the paper's reference implementation
STAGES = (*(0.6**k for k in range(1, 7)), 0.0)
_START = 0.01  # initial u_j, likewise
_CANCELS = 1e-6  # smallest initial variance, relative to that for independent variables
_ARMIJO = 0.1  # share of the gain predicted by the slope that a step must reach (Armijo)
_SMALLEST_STEP = 1e-10
_TO_THE_EDGE = 0.1  # share of a factor's noise that a step must preserve, as in interior-point methods
_PAIRS = 5
_MAX_COEFFICIENT = 1e3  # largest coefficient of a remembered change
_REFRESH = 20  # iterations after which W R is recomputed, because rounding errors accumulate
_IDLE = 2  # consecutive iterations with too little gain that end a stage; a single one may be a poor step


@dataclass(slots=True)
class Ascent:
    """The result of an ascent."""

    X: Array  # (2, K, M): W and W R
    moments: eq.Moments
    objective: float  # the bound minus the penalty, nats
    history: list[float]  # the objective after each iteration
    converged: bool


def ascend(W: Array, correlate: Correlate, *, anneal: bool, l1: float, tol: float, max_iter: int) -> Ascent:
    """Ascend from the directions W; a stage ends when two consecutive iterations gain less than `tol` nats."""
    stages = STAGES if anneal else (0.0,)
    eps = stages[0]
    power = eq.power(np.stack([W, correlate(W)]), eps)
    # limits the scale of a direction in which the variables cancel
    power = np.maximum(power, _CANCELS * np.einsum("ji,ji->j", W, W))
    W = W * np.sqrt(_START / power)[:, None]
    u = np.full(len(W), _START)
    history: list[float] = []
    converged = True
    for stage in stages:
        if stage != eps:
            W = eq.rescale(W, u, eps, stage)
        eps = stage
        X, m, finished = _climb(np.stack([W, correlate(W)]), correlate, eps, tol, max_iter, history)
        W, u, converged = X[0], m.u, converged and finished
    objective = m.tc
    if l1:
        X, m, objective, finished = _climb_sparse(X, m, correlate, l1, tol, max_iter, history)
        converged = converged and finished
    return Ascent(X, m, objective, history, converged)


def _climb(
    X: Array, correlate: Correlate, eps: float, tol: float, max_iter: int, history: list[float]
) -> tuple[Array, eq.Moments, bool]:
    """Limited-memory quasi-Newton ascent at one noise level.

    All directions are combinations of pairs (Z, Z R), so that one product with R per iteration suffices for the
    slope, the line search and the next moments.
    """
    X = eq.admit(X, eps)
    m = eq.moments(X, eps)
    memory = _Memory(eps, X.shape)
    last: tuple[Array, Array] | None = None
    idle = 0
    for iteration in range(1, max_iter + 1):
        G = eq.gradient(X[0], m)
        G = np.stack([G, correlate(G)])
        if last is not None:
            memory.add(X - last[0], G - last[1], m)
        result = _step(X, memory.direction(X, G, m), G, m, eps)
        if result is None and memory.slots:
            memory.slots.clear()
            result = _step(X, eq.newton_step(X, G, m), G, m, eps)
        if result is None:  # no better point within rounding
            return X, m, True
        last = (X, G)
        idle = idle + 1 if result[1].tc - m.tc < tol else 0
        X, m = result
        history.append(m.tc)
        if iteration % _REFRESH == 0:
            X, last = np.stack([X[0], correlate(X[0])]), None
        if idle == _IDLE:
            return X, m, True
    return X, m, False


def _inner(Z: Array, G: Array, eps: float) -> float:
    """Return Z[0] · G[0] R, with noise ε in R."""
    product = (1 - eps**2) * np.vdot(Z[0], G[1])
    return float(product + eps**2 * np.vdot(Z[0], G[0]) if eps else product)


def _step(X: Array, U: Array, G: Array, m: eq.Moments, eps: float) -> tuple[Array, eq.Moments] | None:
    """Return the first of X + U, X + U/2, X + U/4, … with sufficient gain for gradient G; None if there is none."""
    # a factor at the noise limit cannot move outward, so its gain must not be expected from the others
    outward = np.einsum("ji,ji->j", U[0], m.rho)
    outward[(outward < 0) | (m.u < 1 - 2 * eq.MIN_NOISE)] = 0
    U = U - (outward / np.maximum(m.u, eq.MIN_NOISE))[:, None] * X
    slope = _inner(U, G, eps)
    max_u = 1 - _TO_THE_EDGE * (1 - m.u)
    step = 1.0 if slope < 0 else 0.0
    while step > _SMALLEST_STEP:
        trial = eq.admit(X + step * U, eps, max_u)
        new = eq.moments(trial, eps)
        if new.tc >= m.tc - _ARMIJO * step * slope:
            return trial, new
        step /= 2
    return None


class _Memory:
    """L-BFGS around the Newton step of `moments.newton_step`, in the compact form of the two-loop recursion.

    With s_i the last steps and y_i the changes of the gradient along them, i from oldest to newest, the
    direction for gradient g is -(H0 r + Σ c_i s_i), where r = g - Σ a_i y_i, T a = s·g, Tᵀ c = diag(T) a - y·H0 r, and
    T is the upper triangle of s_i·y_k (Nocedal & Wright 2006, algorithm 7.4, with triangular solves for its recursions).
    """

    def __init__(self, eps: float, shape: tuple[int, ...]) -> None:
        self.eps = eps
        self.shape = shape
        self.steps = np.zeros((_PAIRS, *shape))
        self.changes = np.zeros((_PAIRS, *shape))
        self.products = np.zeros((_PAIRS, _PAIRS))
        self.slots: list[int] = []  # in use, from oldest to newest
        self.scale = 1.0

    def add(self, step: Array, change: Array, m: eq.Moments) -> None:
        """Store the last step and the change of the gradient along it."""
        curvature = _inner(step, change, self.eps)
        decrement = eq.newton_decrement(change, m, self.eps)
        if curvature <= 0 or decrement <= 0:
            return
        slot = self.slots.pop(0) if len(self.slots) == _PAIRS else len(self.slots)
        self.slots.append(slot)
        self.steps[slot], self.changes[slot] = step, change
        self.products[:, slot] = self._inner_all(self.steps, change)
        self.scale = curvature / decrement

    def direction(self, X: Array, G: Array, m: eq.Moments) -> Array:
        """Return the search direction at X."""
        if not self.slots:
            return eq.newton_step(X, G, m)
        used = self.slots
        T = np.triu(self.products[np.ix_(used, used)])
        a: NDArray[Any] = np.linalg.solve(T, self._inner_all(self.steps, G)[used])
        # the changes nearly cancel, so W and W R would drift apart
        if not np.abs(a).max() < _MAX_COEFFICIENT:
            self.slots.clear()
            return eq.newton_step(X, G, m)
        U = eq.newton_step(X, G - self._combine(a, self.changes), m)
        U *= self.scale
        c: NDArray[Any] = np.linalg.solve(T.T, np.diag(T) * a + self._inner_all(self.changes, U)[used])
        U -= self._combine(c, self.steps)
        return U

    def _inner_all(self, pairs: Array, G: Array) -> Array:
        first = pairs[:, 0].reshape(_PAIRS, -1)
        right = G[1] if self.eps == 0 else (1 - self.eps**2) * G[1] + self.eps**2 * G[0]
        return np.asarray(first @ right.ravel())

    def _combine(self, shares: NDArray[Any], pairs: Array) -> Array:
        weights = np.zeros(_PAIRS)
        weights[self.slots] = shares
        return np.asarray((weights @ pairs.reshape(_PAIRS, -1)).reshape(self.shape))


def _climb_sparse(
    X: Array,
    m: eq.Moments,
    correlate: Correlate,
    l1: float,
    tol: float,
    max_iter: int,
    history: list[float],
) -> tuple[Array, eq.Moments, float, bool]:
    """Proximal ascent on the bound minus l1 Σ |V|, V = W / √(1 - u) the weights for noise of variance 1.

    The penalty is that of Instruct-LF (arXiv 2502.15147); the steps are those of SpaRSA (Wright, Nowak &
    Figueiredo 2009).
    """
    V = X[0] / np.sqrt(1 - m.u)[:, None]
    objective = m.tc - l1 * float(np.abs(V).sum())
    # limits the first step: the start ignores the penalty, so even a step that empties all factors would gain
    rate = min(1.0, 0.1 * float(np.mean((1 - m.u) * np.abs(V).mean(axis=1))) / l1)
    last: tuple[Array, Array] | None = None
    for _ in range(max_iter):
        slack = (1 - m.u)[:, None]
        G = eq.gradient(X[0], m)
        slope = np.sqrt(slack) * (correlate(G) - np.einsum("ji,ji->j", G, X[1])[:, None] * X[1])
        if last is not None:
            moved, turned = V - last[0], slope - last[1]
            curvature = float(np.vdot(moved, turned))
            rate = float(np.vdot(moved * slack, moved)) / curvature if curvature > 0 else 2 * rate
        last = (V, slope)
        while True:
            reach = rate / slack
            trial = V - reach * slope
            trial = np.sign(trial) * np.maximum(np.abs(trial) - reach * l1, 0)
            new_X = eq.normalised(trial, correlate(trial))
            new = eq.moments(new_X, 0.0)
            value = new.tc - l1 * float(np.abs(trial).sum())
            gain = value - objective
            if gain >= 1e-4 * float(np.sum((trial - V) ** 2 * slack)) / rate:
                break
            rate /= 2
            if rate < _SMALLEST_STEP:
                return X, m, objective, True
        V, X, m, objective = trial, new_X, new, value
        history.append(objective)
        if gain < tol:
            return X, m, objective, True
    return X, m, objective, False
