"""The equations of Linear CorEx: pure functions of arrays, without parameters or stopping rules.

Source: Ver Steeg & Galstyan, "Low complexity Gaussian latent factor models and a blessing of dimensionality"
(arXiv 1706.03353). Variables X_i (i < M) have mean 0, variance 1 and correlation matrix R. Factors (j < K)
are Y_j = w_j·X + noise of variance 1 - u_j, so that Var Y_j = 1:

    ρ_ji = Corr(Y_j, X_i) = (W R)_ji,     u_j = w_j R w_jᵀ < 1,                                     (1)
    B_ji = ρ_ji / (1 - ρ_ji²),   S_i = Σ_j ρ_ji B_ji,   Q_i = Σ_jk B_ji Corr(Y_j, Y_k) B_ki,         (2)
    E[(X_i - μ_i)²] = (1 + Q_i - S_i²) / (1 + S_i)²,                                                (3)
        μ_i = Σ_j B_ji Y_j / (1 + S_i), the mean of X_i given Y when no factors are synergistic about X_i,
    TC(X; Y) ≥ -½ Σ_i log E[(X_i - μ_i)²] + ½ Σ_j log(1 - u_j),                                     (4)
    I(X_i; Y_j) = -½ log(1 - ρ_ji²),     I(X; Y_j) = -½ log(1 - u_j).                               (5)

The data enter through R only, so any A with R = A Aᵀ stands for them (pseudo-samples √r·Aᵀ, A of r columns).
Annealing replaces R by (1 - ε²) R + ε² I: the data with a share ε² of independent noise.

Letters: W (K, M) weights; X = (W, W R) the pair (2, K, M); eps = ε; the others as above.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# least share of noise in a factor: keeps the information of exact duplicates finite, and (3) above rounding
LEAST_NOISE = 1e-6
# a standard deviation below this share of the mean is rounding, not variation
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Moments:
    """What equations (1)-(4) give for one W."""

    u: Array  # (K,)
    rho: Array  # (K, M)
    gain: Array  # (K, M) 1 / (1 - ρ²)
    B: Array  # (K, M)
    Q: Array  # (K, M) Corr(Y, Y) B
    S: Array  # (M,)
    excess: Array  # (M,) Q_i - S_i²
    tc: float  # the bound (4), nats


def admit(X: Array, eps: float, most: Array | float = 1.0) -> Array:
    """X = (W, W R) with those rows shrunk whose u_j, which (1) demands below 1, is above `most`."""
    u = power(X, eps)
    most = np.minimum(most, 1 - LEAST_NOISE)
    if np.all(u <= most):
        return X
    return np.asarray(X * np.sqrt(most / np.maximum(u, most))[:, None])


def power(X: Array, eps: float) -> Array:
    """u for X = (W, W R), equation (1)."""
    u: Array = np.einsum("ji,ji->j", X[0], X[1])
    return u if eps == 0 else (1 - eps**2) * u + eps**2 * np.einsum("ji,ji->j", X[0], X[0])


def moments(X: Array, eps: float) -> Moments:
    """Equations (1)-(4) for an admitted X = (W, W R)."""
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
    with np.errstate(invalid="ignore", divide="ignore"):  # nan, a step too far, is never accepted
        tc = np.log1p(S).sum() - 0.5 * np.log1p(excess).sum() + 0.5 * np.log1p(-u).sum()
    return Moments(u, rho, gain, B, Q, S, excess, float(tc))


def gradient(W: Array, m: Moments) -> Array:
    """G such that ∂(-TC)/∂W = G R, by the chain rule through (1)-(4)."""
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


def newton_step(X: Array, G: Array, m: Moments) -> Array:
    """Minus the gradient times the inverse Hessian of the term -½ log(1 - u_j) of (4) alone.

    X = (W, W R) and G = (G, G R) are pairs (2, K, M), and so is the step. That Hessian is
    R / (1 - u) + 2 P_jᵀ P_j / (1 - u)² with P = W R; its inverse (Sherman-Morrison) needs no product with R
    but G R.
    """
    slack = (1 - m.u)[:, None]
    along = 2 * slack * np.einsum("ji,ji->j", m.rho, G[0])[:, None] / (1 + m.u)[:, None]
    step: Array = along * X
    step -= slack * G
    return step


def newton_decrement(G: Array, m: Moments, eps: float) -> float:
    """G R H⁻¹ R Gᵀ for the Hessian H of `newton_step`, G = (G, G R), R after noise ε."""
    square = (1 - eps**2) * np.einsum("ji,ji->j", G[0], G[1]) + eps**2 * np.einsum("ji,ji->j", G[0], G[0])
    along = np.einsum("ji,ji->j", m.rho, G[0])
    return float(np.sum((1 - m.u) * (square - 2 * along**2 / (1 + m.u))))


def rescale(W: Array, u: Array, eps: float, next_eps: float) -> Array:
    """Shrink W so that u, and with it u_j < 1, survives a change of ε (solve (1) for the scale)."""
    change = (next_eps**2 - eps**2) / (1 - next_eps**2) * np.einsum("ji,ji->j", W, W)
    change = np.divide(change, u, out=np.zeros_like(u), where=u > 0)
    scale = np.sqrt((1 - eps**2) / ((1 - next_eps**2) * (1 + change)))
    # rounded down, so that rounding errors cannot lift a u_j to 1
    return np.asarray(W * (np.floor(1000 * scale) / 1000)[:, None])


def mutual_information(rho: Array) -> Array:
    """I(X_i; Y_j) in nats, equation (5)."""
    return np.asarray(-0.5 * np.log1p(-rho * rho))


def factor_tc(rho: Array, u: Array) -> Array:
    """Σ_i I(X_i; Y_j) - I(X; Y_j): the correlation among the X_i that Y_j alone explains, nats (K,)."""
    return np.asarray(mutual_information(rho).sum(axis=1) + 0.5 * np.log1p(-u))


def covariance(blocks: Iterable[Array]) -> tuple[Array, Array, int]:
    """Mean (d,), covariance (d, d) and number of the rows in one pass over blocks of rows.

    Blocks are merged with the update of Chan, Golub & LeVeque (1979), which does not cancel when the mean is
    large against the spread.
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
    """L (d, r) with L Lᵀ = cov, null directions left out."""
    values, vectors = np.linalg.eigh(cov)
    floor = max(values[-1] * len(values) * np.finfo(np.float64).eps, _ROUNDING**2 * float(mean @ mean))
    kept = values > floor
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def varies(mean: Array, variance: Array) -> NDArray[np.bool_]:
    """Which columns are not constant."""
    return np.asarray(variance > (_ROUNDING * mean) ** 2)
