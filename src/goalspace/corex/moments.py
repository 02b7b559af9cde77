"""The equations of Linear CorEx, as pure functions of arrays.

Source: Ver Steeg & Galstyan, "Low complexity Gaussian latent factor models and a blessing of dimensionality"
(arXiv 1706.03353). Variables X_i (i < M) have mean 0, variance 1 and correlation matrix R. Factors (j < K)
are Y_j = w_j·X + noise of variance 1 - u_j, so that Var Y_j = 1:

    ρ_ji = Corr(Y_j, X_i) = (W R)_ji,     u_j = w_j R w_jᵀ < 1,                                     (1)
    B_ji = ρ_ji / (1 - ρ_ji²),   S_i = Σ_j ρ_ji B_ji,   Q_i = Σ_jk B_ji Corr(Y_j, Y_k) B_ki,         (2)
    E[(X_i - μ_i)²] = (1 + Q_i - S_i²) / (1 + S_i)²,                                                (3)
        μ_i = Σ_j B_ji Y_j / (1 + S_i), the mean of X_i given Y when no factors are synergistic about X_i,
    TC(X; Y) ≥ -½ Σ_i log E[(X_i - μ_i)²] + ½ Σ_j log(1 - u_j),                                     (4)
    I(X_i; Y_j) = -½ log(1 - ρ_ji²),     I(X; Y_j) = -½ log(1 - u_j).                               (5)

The data enter through R only, so any A with R = A Aᵀ represents them (pseudo-samples √r·Aᵀ, A with r columns).
Annealing replaces R by (1 - ε²) R + ε² I, the data with a share ε² of independent noise.

The paper and Instruct-LF (arXiv 2502.15147) write the factors with noise of variance 1 as
Z_j = v_j·X + noise, v_j = w_j / √(1 - u_j), Var Z_j = 1 / (1 - u_j), so that (4) becomes

    TC(X; Z) ≥ -½ Σ_i log E[(X_i - μ_i)²] - ½ Σ_j log E[Z_j²],                                    (6)

with Z_j / √E[Z_j²] for Y_j in (1)-(3). Like Instruct-LF's code, `sampled` averages over the texts in (6), with new
noise at every step; (4) is the limit for many texts.

Letters: W (K, M) weights; X = (W, W R) the pair (2, K, M); eps = ε; V (K, M) the v_j; the others as above.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Real = NDArray[np.floating[Any]]

# smallest share of noise in a factor: keeps the information of exact duplicates finite, and (3) above rounding
MIN_NOISE = 1e-6
# a standard deviation below this share of the mean is rounding, not variation
_ROUNDING = 1e-12
# lower limit of 1 - ρ² and of the error in (6), because sample averages may violate their bounds
_MIN_SAMPLED = 1e-8
# `principal` drops directions below this share of the largest variance
_MIN_SHARE = 1e-10


@dataclass(frozen=True, slots=True)
class Moments:
    """The values of equations (1)-(4) for one W."""

    u: Array  # (K,)
    rho: Array  # (K, M)
    gain: Array  # (K, M) 1 / (1 - ρ²)
    B: Array  # (K, M)
    Q: Array  # (K, M) Corr(Y, Y) B
    S: Array  # (M,)
    excess: Array  # (M,) Q_i - S_i²
    tc: float  # the bound (4), nats


def admit(X: Array, eps: float, max_u: Array | float = 1.0) -> Array:
    """Return X = (W, W R) with rows shrunk so that u_j, which must be below 1 by (1), is at most `max_u`."""
    u = power(X, eps)
    max_u = np.minimum(max_u, 1 - MIN_NOISE)
    if np.all(u <= max_u):
        return X
    return np.asarray(X * np.sqrt(max_u / np.maximum(u, max_u))[:, None])


def power(X: Array, eps: float) -> Array:
    """Return u for X = (W, W R), equation (1)."""
    u: Array = np.einsum("ji,ji->j", X[0], X[1])
    return u if eps == 0 else (1 - eps**2) * u + eps**2 * np.einsum("ji,ji->j", X[0], X[0])


def moments(X: Array, eps: float) -> Moments:
    """Evaluate equations (1)-(4) for an admitted X = (W, W R)."""
    W, P = X
    rho = P if eps == 0 else (1 - eps**2) * P + eps**2 * W
    u = np.einsum("ji,ji->j", W, rho)
    gain = rho * rho
    np.subtract(1.0, gain, out=gain)
    np.reciprocal(gain, out=gain)
    B = rho * gain
    correlation = W @ rho.T
    np.fill_diagonal(correlation, 1.0)
    Q = correlation @ B
    S = np.einsum("ji,ji->i", rho, B)
    excess = np.einsum("ji,ji->i", B, Q) - S * S
    with np.errstate(invalid="ignore", divide="ignore"):  # nan, from too large a step, is never accepted
        tc = np.log1p(S).sum() - 0.5 * np.log1p(excess).sum() + 0.5 * np.log1p(-u).sum()
    return Moments(u, rho, gain, B, Q, S, excess, float(tc))


def gradient(W: Array, m: Moments) -> Array:
    """Return G such that ∂(-TC)/∂W = G R, by the chain rule through (1)-(4)."""
    residual = 1 / (1 + m.excess)
    H = (m.B * residual) @ m.B.T
    np.fill_diagonal(H, 1 / (1 - m.u))
    G = H @ W
    part = m.rho * m.rho
    part += 1
    part *= m.Q
    part -= (2 * m.S) * m.rho
    part *= m.gain
    part *= residual
    part -= (2 / (1 + m.S)) * m.B
    part *= m.gain
    G += part
    return G


def normalised(V: Array, VR: Array) -> Array:
    """Return the admitted X = (W, W R) for the weights V of factors with noise of variance 1."""
    X = np.stack([V, VR])
    return admit(X / np.sqrt(1 + np.einsum("ji,ji->j", V, VR))[:, None], 0.0)


def sampled(V: Real, x: Real, noise: Real) -> tuple[float, Real]:
    """Return the bound (6) with averages for expectations, in nats, and its gradient (K, M).

    Averages are sums over the rows of x (·, M) and noise (·, K), which are scaled by 1/√n for n texts; additional
    rows of noise belong to texts with x = 0.
    """
    z = noise.copy()
    z[: len(x)] += x @ V.T
    P = z[: len(x)].T @ x  # E[Z_j X_i]
    Z = z.T @ z  # E[Z_j Z_k]
    power = np.diag(Z).copy()
    root = np.sqrt(power)[:, None]
    rho = P / root
    rest = 1 - rho * rho
    inside = rest > _MIN_SAMPLED
    gain = 1 / np.where(inside, rest, _MIN_SAMPLED)
    B = rho * gain / root
    spread = 1 + np.einsum("ji,ji->i", rho * rho, gain)  # 1 + S_i
    C = B / spread  # μ_i = Σ_j C_ji Z_j
    ZC = Z @ C
    error = np.einsum("ni,ni->i", x, x) + np.einsum("ji,ji->i", C, ZC - 2 * P)
    bound = -0.5 * float(np.log(np.maximum(error, _MIN_SAMPLED)).sum() + np.log(power).sum())

    # the chain rule back through the lines above; each d_ is the derivative of minus the bound
    weight = np.where(error > _MIN_SAMPLED, 0.5 / np.maximum(error, _MIN_SAMPLED), 0)
    d_C = 2 * weight * (ZC - P)
    d_B = d_C / spread
    d_spread = -np.einsum("ji,ji->i", d_B, C)
    d_rho = d_B / root * np.where(inside, (1 + rho * rho) * gain * gain, gain)
    d_rho += 2 * d_spread * rho * np.where(inside, gain * gain, gain)
    d_P = d_rho / root - 2 * weight * C
    d_Z = (weight * C) @ C.T
    along = np.einsum("ji,ji->j", d_B, B) + np.einsum("ji,ji->j", d_rho, rho)
    d_Z[np.diag_indices_from(d_Z)] += (1 - along) / (2 * power)
    return bound, -((d_P @ x.T) @ x + 2 * d_Z @ P)


def newton_step(X: Array, G: Array, m: Moments) -> Array:
    """Return minus the gradient times the inverse Hessian of the term -½ log(1 - u_j) of (4) alone.

    X = (W, W R) and G = (G, G R) are pairs (2, K, M), and so is the step. That Hessian is
    R / (1 - u) + 2 P_jᵀ P_j / (1 - u)² with P = W R; its inverse (Sherman-Morrison) needs no product with R
    other than G R.
    """
    slack = (1 - m.u)[:, None]
    along = 2 * slack * np.einsum("ji,ji->j", m.rho, G[0])[:, None] / (1 + m.u)[:, None]
    step: Array = along * X
    step -= slack * G
    return step


def newton_decrement(G: Array, m: Moments, eps: float) -> float:
    """Return G R H⁻¹ R Gᵀ for the Hessian H of `newton_step`, G = (G, G R), with noise ε in R."""
    square = (1 - eps**2) * np.einsum("ji,ji->j", G[0], G[1]) + eps**2 * np.einsum("ji,ji->j", G[0], G[0])
    along = np.einsum("ji,ji->j", m.rho, G[0])
    return float(np.sum((1 - m.u) * (square - 2 * along**2 / (1 + m.u))))


def rescale(W: Array, u: Array, eps: float, next_eps: float) -> Array:
    """Rescale W so that u, and thus u_j < 1, is preserved when ε changes (solve (1) for the scale)."""
    change = (next_eps**2 - eps**2) / (1 - next_eps**2) * np.einsum("ji,ji->j", W, W)
    change = np.divide(change, u, out=np.zeros_like(u), where=u > 0)
    scale = np.sqrt((1 - eps**2) / ((1 - next_eps**2) * (1 + change)))
    # rounded down, so that rounding errors cannot lift a u_j to 1
    return np.asarray(W * (np.floor(1000 * scale) / 1000)[:, None])


def mutual_information(rho: Array) -> Array:
    """Return I(X_i; Y_j) in nats, equation (5)."""
    return np.asarray(-0.5 * np.log1p(-rho * rho))


def factor_tc(rho: Array, u: Array) -> Array:
    """Return Σ_i I(X_i; Y_j) - I(X; Y_j), the correlation among the X_i that Y_j alone explains, in nats (K,)."""
    return np.asarray(mutual_information(rho).sum(axis=1) + 0.5 * np.log1p(-u))


def covariance(blocks: Iterable[Array]) -> tuple[Array, Array, int]:
    """Return the mean (d,), covariance (d, d) and number of rows in one pass over blocks of rows.

    Blocks are merged with the update of Chan, Golub & LeVeque (1979), which avoids cancellation if the mean is
    large compared to the spread.
    """
    n, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for block in blocks:
        rows = len(block)
        if not rows:
            continue
        block_mean = block.mean(axis=0)
        centred = block - block_mean
        if not n:
            n, mean, scatter = rows, block_mean, centred.T @ centred
            continue
        shift = block_mean - mean
        scatter += centred.T @ centred
        scatter += np.outer(shift, shift * (n * rows / (n + rows)))
        mean = mean + shift * (rows / (n + rows))
        n += rows
    return mean, scatter / max(n, 1), n


def covariance_root(cov: Array, mean: Array) -> Array:
    """Return L (d, r) with L Lᵀ = cov, without null directions."""
    values, vectors = np.linalg.eigh(cov)
    floor = max(values[-1] * len(values) * np.finfo(np.float64).eps, _ROUNDING**2 * float(mean @ mean))
    kept = values > floor
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def principal(A: Array) -> Array:
    """Return the root (M, r) of A Aᵀ along its principal axes, weakest first; it is the same for every root A."""
    values, vectors = np.linalg.eigh(A.T @ A)
    root = A @ vectors[:, values > _MIN_SHARE * values[-1]]
    largest = root[np.abs(root).argmax(axis=0), np.arange(root.shape[1])]
    return np.asarray(root * np.where(largest < 0, -1.0, 1.0))


def varies(mean: Array, variance: Array) -> NDArray[np.bool_]:
    """Return the mask of non-constant columns."""
    return np.asarray(variance > (_ROUNDING * mean) ** 2)
