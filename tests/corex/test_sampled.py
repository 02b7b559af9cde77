"""LinearCorex with the papers' objective: the gradient, the seed, the noise, the low-rank path, the penalty."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_linear import Array, embeddings, planted

from goalspace.corex import moments as eq
from goalspace.corex.linear import LinearCorex
from goalspace.corex.sampled import draw
from goalspace.errors import InputError

UNEVEN = (60, 50, 40, 30, 25, 20, 15, 12, 10, 8)


def paper(n_components: int = 4, **options: object) -> LinearCorex:
    return LinearCorex(n_components=n_components, objective="paper", **{"random_state": 0, **options})


def fitted(model: LinearCorex, *data: Array) -> LinearCorex:
    """Fit; whether the noise lets a stage end before `max_iter` is not what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit_low_rank(*data) if len(data) == 2 else model.fit(*data)


@parametrize_with_checks([paper(3, tol=1e6)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# --- the equations --------------------


@pytest.mark.parametrize("size", [0.3, 3.0])
def test_gradient_is_that_of_finite_differences(size):
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(30, 8)) / 6, rng.normal(size=(40, 3)) / 6
    V = size * rng.normal(size=(3, 8))
    numeric = np.zeros_like(V)
    for at in np.ndindex(V.shape):
        nudge = np.zeros_like(V)
        nudge[at] = 1e-6
        numeric[at] = (eq.sampled(V + nudge, x, noise)[0] - eq.sampled(V - nudge, x, noise)[0]) / 2e-6
    np.testing.assert_allclose(eq.sampled(V, x, noise)[1], numeric, atol=1e-7)


def test_bound_is_the_average_over_texts_and_in_the_limit_the_analytic_one():
    rng = np.random.default_rng(0)
    n = 200_000
    X = rng.normal(size=(n, 8)) @ rng.normal(size=(8, 6))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    V = 0.5 * rng.normal(size=(3, 6))
    noise = rng.normal(size=(n, 3))
    found, _ = eq.sampled(V, X / np.sqrt(n), noise / np.sqrt(n))
    # text by text: the factors, what they say of each variable, and what is left of it
    factors = X @ V.T + noise
    power = (factors**2).mean(axis=0)
    rho = factors.T @ X / n / np.sqrt(power)[:, None]
    odds = (rho**2 / (1 - rho**2)).sum(axis=0)
    guess = (factors / np.sqrt(power)) @ (rho / (1 - rho**2)) / (1 + odds)
    left = ((X - guess) ** 2).mean(axis=0)
    assert found == pytest.approx(-0.5 * np.log(left).sum() - 0.5 * np.log(power).sum(), rel=1e-9)
    assert found == pytest.approx(eq.moments(eq.normalised(V, V @ np.corrcoef(X.T)), 0.0).tc, abs=0.02)


def test_weights_for_unit_noise_are_those_of_factors_of_unit_variance():
    rng = np.random.default_rng(0)
    R = np.corrcoef(rng.normal(size=(50, 6)).T)
    V = rng.normal(size=(3, 6))
    W, P = eq.normalised(V, V @ R)
    power = 1 + np.einsum("ji,ik,jk->j", V, R, V)
    np.testing.assert_allclose(W, V / np.sqrt(power)[:, None])
    np.testing.assert_allclose(1 - np.einsum("ji,ji->j", W, P), 1 / power)


def test_principal_root_is_the_same_for_every_root():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(20, 5))
    turn, _ = np.linalg.qr(rng.normal(size=(9, 5)))
    root = eq.principal(A)
    assert root.shape == (20, 5)
    np.testing.assert_allclose(root @ root.T, A @ A.T, atol=1e-12)
    np.testing.assert_allclose(eq.principal(A @ turn.T), root, atol=1e-10)


@pytest.mark.parametrize("n", [6, 20, 5000])
def test_noise_has_the_inner_products_of_as_many_texts(n):
    """Mean and spread of the sums over n texts of products of x and noise, whatever the number of rows drawn."""
    eps, K, M = 0.6, 2, 3
    axes = np.random.default_rng(1).normal(size=(2, M))
    axes /= np.sqrt(np.square(axes).sum(axis=0))
    texts = np.zeros((n, M))
    texts[:2] = np.sqrt(n) * axes

    def products(x: Array, noise: Array) -> Array:
        both = np.concatenate([x, noise], axis=1)
        return np.asarray(both.T @ both)[np.triu_indices(M + K)]

    rng = np.random.default_rng(0)
    drawn, direct = [], []
    for _ in range(4000):
        x, noise = draw(axes.astype(np.float32), n, K, eps, rng)
        assert len(x) == len(noise) <= min(n, 2 + M + K)
        drawn.append(products(x, noise))
        # not by the basis: each text with its own noise
        if n <= 20:
            x = np.sqrt(1 - eps**2) * texts + eps * rng.normal(size=(n, M))
            direct.append(products(x / np.sqrt(n), rng.normal(size=(n, K)) / np.sqrt(n)))
    R = (1 - eps**2) * axes.T @ axes + eps**2 * np.eye(M)
    expected = np.block([[R, np.zeros((M, K))], [np.zeros((K, M)), np.eye(K)]])[np.triu_indices(M + K)]
    np.testing.assert_allclose(np.mean(drawn, axis=0), expected, atol=7 / np.sqrt(4000 * n))
    if direct:
        np.testing.assert_allclose(np.cov(np.transpose(drawn)), np.cov(np.transpose(direct)), atol=0.3 / n)


# --- the estimator --------------------


def test_without_the_penalty_planted_factors_are_found():
    X, groups = planted(0)
    model = fitted(paper(l1=0.0), X)
    assert adjusted_rand_score(groups, model.clusters_) == 1.0
    exact = LinearCorex(n_components=4, random_state=0).fit(X)
    assert model.tc_ == pytest.approx(exact.tc_, rel=0.01)
    np.testing.assert_allclose(model.loadings_, model.components_ @ np.corrcoef(X.T), atol=1e-9)
    np.testing.assert_allclose(model.transform(X).var(axis=0), model.score_variance_, rtol=1e-6)


def test_the_papers_penalty_loses_factors_that_are_there():
    X, groups = planted(0, n=500, sizes=UNEVEN, noise=0.8)
    model = fitted(paper(10, max_iter=400), X)
    exact = LinearCorex(n_components=10, random_state=0).fit(X)
    assert adjusted_rand_score(groups, exact.clusters_) >= 0.95
    assert exact.tcs_.min() > 1
    assert 3 <= np.sum(model.tcs_ > 0.1) <= 8
    # what is left are the large groups, whole
    large = np.isin(groups, (0, 1))
    assert adjusted_rand_score(groups[large], model.clusters_[large]) == 1.0


def test_the_penalty_shrinks_the_weights():
    X, _ = planted(0)
    options = {"anneal": False, "max_iter": 400}
    sizes = []
    for l1 in (0.0, 0.1, 0.9):
        model = fitted(paper(l1=l1, **options), X)
        sizes.append(np.abs(model.components_ / np.sqrt(1 - model.score_variance_)[:, None]).sum())
    assert sizes[0] > 1.2 * sizes[1] > 1.2 * 1.2 * sizes[2]


def test_settings_of_the_paper_are_the_defaults_of_its_objective():
    X, _ = planted(0, n=40)
    options = {"anneal": False, "tol": 0.0}
    model = fitted(paper(**options), X)
    assert model.n_iter_ == 1000
    assert np.array_equal(model.components_, fitted(paper(l1=0.9, max_iter=1000, **options), X).components_)
    assert not np.array_equal(model.components_, fitted(paper(l1=0.0, **options), X).components_)


def test_same_seed_same_bits_and_no_noise_once_fitted():
    X, _ = planted(0)
    one, two, other = (fitted(paper(max_iter=60, random_state=seed), X) for seed in (0, 0, 1))
    for name in ("components_", "clusters_", "history_", "mutual_information_"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(one.components_, other.components_)
    assert np.array_equal(one.transform(X), one.transform(X))


def test_the_seed_governs_the_noise_too():
    X, groups = planted(0)
    start = (groups == np.arange(4)[:, None]).astype(float)
    one, other = (fitted(paper(init=start, max_iter=60, random_state=seed), X) for seed in (0, 1))
    assert not np.array_equal(one.history_, other.history_)
    assert adjusted_rand_score(one.clusters_, groups) == 1.0


def test_the_best_of_several_starts_is_kept():
    X, _ = planted(0)
    options = {"max_iter": 100, "anneal": False, "l1": 0.1}
    several = fitted(paper(2, n_init=3, **options), X)
    single = fitted(paper(2, **options), X)

    def objective(model: LinearCorex) -> float:
        weights = model.components_ / np.sqrt(1 - model.score_variance_)[:, None]
        return float(model.tc_ - 0.1 * np.abs(weights).sum())

    assert several.n_iter_ == 100
    assert objective(several) > objective(single)


def test_low_rank_is_the_full_matrix():
    E, C = embeddings(0, 300, 60)
    full = fitted(paper(max_iter=150, l1=0.1), E @ C.T)
    low = fitted(paper(max_iter=150, l1=0.1), E, C)
    assert len(low.history_) == len(full.history_)
    np.testing.assert_allclose(low.history_, full.history_, rtol=1e-3, atol=1e-3)
    assert low.tc_ == pytest.approx(full.tc_, rel=1e-3)
    np.testing.assert_allclose(low.loadings_, full.loadings_, atol=1e-2)
    assert adjusted_rand_score(low.clusters_, full.clusters_) >= 0.95
    np.testing.assert_allclose(low.score_low_rank(E), low.transform(E @ C.T), atol=1e-9)


def test_a_wide_matrix_is_taken_by_its_rows():
    """Fewer rows than columns, and constant columns among them."""
    X, groups = planted(0, n=30, sizes=(30, 30, 30))
    X[:, [5, 50]] = 2.0
    model = fitted(paper(3, l1=0.1, max_iter=400), X)
    assert np.all(model.clusters_[[5, 50]] == -1)
    varied = model.clusters_ >= 0
    assert adjusted_rand_score(groups[varied], model.clusters_[varied]) >= 0.9


def test_an_early_stop_is_reported():
    with pytest.warns(ConvergenceWarning, match="did not converge in 7 iterations"):
        model = paper(max_iter=7).fit(planted(0)[0])
    assert model.n_iter_ == 49


def test_an_unknown_objective_is_named():
    with pytest.raises(
        InputError, match=r"'objective' parameter .* 'analytic' or 'paper'\. Got 'exact' inst"
    ):
        LinearCorex(objective="exact").fit(planted(0)[0])
