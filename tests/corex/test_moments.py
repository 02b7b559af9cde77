"""The equations of CorEx against direct computation and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from goalspace.corex import moments as eq

Array = NDArray[np.float64]


def random_state(seed: int, K: int = 3, M: int = 8) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(M, 5))
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    R = A @ A.T
    W = rng.normal(size=(K, M))
    W *= np.sqrt(rng.uniform(0.2, 0.9, K) / np.einsum("ji,ik,jk->j", W, R, W))[:, None]
    return W, R


def test_bound_is_the_one_computed_from_the_joint_covariance():
    W, R = random_state(0)
    u = np.einsum("ji,ik,jk->j", W, R, W)
    corr_y = W @ R @ W.T
    np.fill_diagonal(corr_y, 1.0)
    rho = W @ R
    S = (rho**2 / (1 - rho**2)).sum(axis=0)
    predict = rho / (1 - rho**2) / (1 + S)  # μ_i = predict[:, i] · Y
    error = 1 - 2 * (predict * rho).sum(axis=0) + np.einsum("ji,jk,ki->i", predict, corr_y, predict)
    expected = -0.5 * np.log(error).sum() + 0.5 * np.log(1 - u).sum()
    found = eq.moments(np.stack([W, W @ R]), 0.0)
    assert found.tc == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("eps", [0.0, 0.36])
def test_gradient_is_that_of_finite_differences(eps):
    W, R = random_state(1)

    def bound(W):
        return eq.moments(np.stack([W, W @ R]), eps)

    noisy = (1 - eps**2) * R + eps**2 * np.eye(len(R))
    gradient = eq.gradient(W, bound(W)) @ noisy
    numeric = np.zeros_like(W)
    for at in np.ndindex(W.shape):
        nudge = np.zeros_like(W)
        nudge[at] = 1e-6
        numeric[at] = (bound(W - nudge).tc - bound(W + nudge).tc) / 2e-6
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


def test_newton_step_inverts_its_hessian():
    W, R = random_state(2, M=5)
    found = eq.moments(np.stack([W, W @ R]), 0.0)
    G = np.random.default_rng(3).normal(size=W.shape)
    step = eq.newton_step(np.stack([W, W @ R]), np.stack([G, G @ R]), found)
    for j, u in enumerate(found.u):
        p = (W @ R)[j]
        hessian = R / (1 - u) + 2 * np.outer(p, p) / (1 - u) ** 2
        np.testing.assert_allclose(step[0, j] @ hessian, -(G @ R)[j], atol=1e-9)
    np.testing.assert_allclose(step[1], step[0] @ R, atol=1e-9)


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_streamed_covariance(block):
    X = np.random.default_rng(0).normal(size=(100, 4)) + 1e6
    mean, cov, n = eq.covariance(X[i : i + block] for i in range(0, 100, block))
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(cov, np.cov(X.T, bias=True), atol=1e-8)
    assert n == 100
