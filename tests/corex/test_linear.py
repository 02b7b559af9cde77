"""LinearCorex: the estimator contract, what must not change the result, the low-rank path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from goalspace.corex import moments as eq
from goalspace.corex.linear import LinearCorex
from goalspace.errors import InputError

Array = NDArray[np.float64]
SIZES = (7, 6, 5, 4)
seeds = st.integers(0, 10_000)
few = settings(max_examples=8, deadline=None, derandomize=True)


def planted(
    seed: int, n: int = 300, sizes: tuple[int, ...] = SIZES, noise: float = 0.6
) -> tuple[Array, Array]:
    """Groups of columns, each one hidden variable plus noise, and the group of every column."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(n, len(sizes)))[:, groups]
    return X + noise * rng.normal(size=X.shape), groups


def embeddings(seed: int, n: int, n_properties: int, dim: int = 12) -> tuple[Array, Array]:
    """Unit vectors of texts and properties around common topics."""
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(5, dim))
    both = topics[rng.integers(0, 5, n + n_properties)] + 0.7 * rng.normal(size=(n + n_properties, dim))
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    return both[:n], both[n:]


def fitted(X: Array, n_components: int = 4, **options: object) -> LinearCorex:
    return LinearCorex(n_components=n_components, **{"random_state": 0, "n_init": 3, **options}).fit(X)


def same_partition(a: Array, b: Array) -> bool:
    return bool(adjusted_rand_score(a, b) == pytest.approx(1.0))


@parametrize_with_checks([LinearCorex(n_components=3)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_objective_and_clusters_of_the_reference_implementation():
    """Recorded from linearcorex 0.53, Corex(n_hidden=4, seed=0, tol=1e-5).fit(X): tc and clusters()."""
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(4), SIZES)
    X = rng.normal(size=(200, 4))[:, groups] + 0.8 * rng.normal(size=(200, len(groups)))
    model = LinearCorex(n_components=4, random_state=0).fit(X)
    assert model.tc_ == pytest.approx(6.158694744, rel=1e-5)
    assert same_partition(model.clusters_, groups)


# --- what the factors are --------------------


@few
@given(seeds)
def test_planted_factors_are_found(seed):
    X, groups = planted(seed)
    model = fitted(X)
    assert adjusted_rand_score(groups, model.clusters_) >= 0.95
    assert np.all(np.diff(model.tcs_) <= 0)
    assert np.all(model.loadings_[np.arange(4), np.abs(model.loadings_).argmax(axis=1)] > 0)


@few
@given(seeds)
def test_more_factors_than_groups_leaves_factors_empty(seed):
    X, groups = planted(seed)
    model = fitted(X, n_components=7)
    assert adjusted_rand_score(groups, model.clusters_) >= 0.9
    assert model.tcs_[-1] < 0.05 * model.tcs_[0]


@few
@given(seeds, st.integers(-3, 3), st.floats(-1e3, 1e3))
def test_scale_and_shift_of_columns_change_nothing(seed, power, shift):
    X, _ = planted(seed)
    rng = np.random.default_rng(seed)
    scale = 10.0**power * rng.uniform(0.5, 2, X.shape[1])
    moved = X * scale + shift * rng.normal(size=X.shape[1])
    one, two = fitted(X), fitted(moved)
    assert two.tc_ == pytest.approx(one.tc_, rel=1e-5)
    np.testing.assert_allclose(two.loadings_, one.loadings_, atol=5e-3)
    np.testing.assert_allclose(two.transform(moved), one.transform(X), atol=5e-2)
    assert same_partition(one.clusters_, two.clusters_)


@few
@given(seeds)
def test_order_of_columns_changes_nothing(seed):
    X, _ = planted(seed)
    order = np.random.default_rng(seed).permutation(X.shape[1])
    one, two = fitted(X), fitted(X[:, order])
    assert two.tc_ == pytest.approx(one.tc_, rel=1e-4)
    assert same_partition(one.clusters_[order], two.clusters_)


@few
@given(seeds)
def test_negated_columns_stay_with_their_factor_on_the_other_pole(seed):
    X, groups = planted(seed)
    flip = np.random.default_rng(seed).permutation(X.shape[1])[:8]
    sign = np.ones(X.shape[1])
    sign[flip] = -1
    model = fitted(X * sign)
    assert adjusted_rand_score(groups, model.clusters_) >= 0.95
    own = model.loadings_[model.clusters_, np.arange(X.shape[1])]
    for group in range(len(SIZES)):
        poles = np.sign(own[groups == group]) * sign[groups == group]
        assert abs(poles.sum()) == len(poles)


def test_loadings_are_the_correlations_with_noisy_factors():
    X, _ = planted(0)
    model = fitted(X)
    scores = model.transform(X)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scores.var(axis=0), model.score_variance_, rtol=1e-6)
    seen = np.corrcoef(scores.T, X.T)[:4, 4:]
    np.testing.assert_allclose(model.loadings_, seen * np.sqrt(model.score_variance_)[:, None], atol=1e-6)
    np.testing.assert_allclose(model.mutual_information_, -0.5 * np.log(1 - model.loadings_**2), atol=1e-12)


def test_new_rows_are_scored_with_the_fitted_mean_and_scale():
    X, _ = planted(0)
    model = fitted(X)
    new, _ = planted(0, n=20)
    np.testing.assert_allclose(model.transform(new)[3], model.transform(new[3:4])[0], atol=1e-12)
    np.testing.assert_allclose(model.transform(model.mean_[None]), 0, atol=1e-12)


def test_constant_columns_get_no_weight():
    X, groups = planted(0)
    with_constants = np.insert(X, [0, 10], [[3.5, 0.1]], axis=1)
    model = fitted(with_constants)
    constant = np.ptp(with_constants, axis=0) == 0
    assert constant.sum() == 2
    assert np.all(model.components_[:, constant] == 0)
    assert np.all(model.clusters_[constant] == -1)
    assert np.all(model.scale_[constant] == 1)
    assert same_partition(model.clusters_[~constant], groups)
    assert model.tc_ == pytest.approx(fitted(X).tc_, rel=1e-5)


def test_nothing_but_constants():
    model = fitted(np.full((6, 3), 0.1))
    assert model.tc_ == 0
    assert model.n_iter_ == 0
    assert np.all(model.transform(np.full((2, 3), 0.1)) == 0)


def test_duplicated_columns_have_finite_information():
    X, groups = planted(0, noise=0.0)
    model = fitted(X)
    assert same_partition(model.clusters_, groups)
    assert np.isfinite(model.tc_)
    assert np.all(np.isfinite(model.mutual_information_))


def test_fewer_rows_than_columns_gives_what_the_correlation_matrix_gives():
    X, _ = planted(0, n=12, sizes=(10, 10, 10))
    one = LinearCorex(n_components=3, random_state=0, anneal=False, max_iter=30, tol=0)
    with pytest.warns(ConvergenceWarning):
        one.fit(X)
    twice = LinearCorex(n_components=3, random_state=0, anneal=False, max_iter=30, tol=0)
    with pytest.warns(ConvergenceWarning):
        twice.fit(np.repeat(X, 2, axis=0))  # 24 rows of the same correlations take the other way
    np.testing.assert_allclose(twice.history_[:20], one.history_[:20], rtol=1e-6)


# --- seeds, stopping, options --------------------


def test_same_seed_same_bits():
    X, _ = planted(0)
    assert np.array_equal(fitted(X).components_, fitted(X).components_)
    assert not np.array_equal(fitted(X).components_, fitted(X, random_state=1).components_)


def test_the_best_of_several_starts_is_kept():
    X, _ = planted(0)
    rng = np.random.RandomState(1)
    single = [fitted(X, n_components=2, n_init=1, random_state=rng).tc_ for _ in range(5)]
    assert max(single) > min(single) + 1e-4
    assert fitted(X, n_components=2, n_init=5, random_state=1).tc_ == max(single)


def test_the_number_of_threads_does_not_matter():
    X = np.random.default_rng(0).normal(size=(500, 300))
    components = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            components.append(LinearCorex(n_components=8, random_state=0, tol=1).fit(X).components_)
    assert np.array_equal(*components)


def test_history_ends_in_the_objective_and_an_early_stop_is_reported():
    X, _ = planted(0)
    model = fitted(X)
    assert model.history_[-1] == model.tc_
    assert len(model.history_) == model.n_iter_
    with pytest.warns(ConvergenceWarning, match="did not converge in 2 iterations"):
        short = fitted(X, max_iter=2, n_init=1)
    assert short.n_iter_ <= 14


def test_a_start_of_groups_leads_to_their_factors():
    X, groups = planted(0)
    start = (groups == np.arange(4)[:, None]).astype(float)
    model = fitted(X, init=start, anneal=False)
    assert same_partition(model.clusters_, groups)
    again = fitted(X, init=model.components_, anneal=False)
    assert again.n_iter_ < fitted(X).n_iter_ / 3
    assert again.tc_ == pytest.approx(model.tc_, rel=1e-4)
    start[2] = 0
    assert np.isfinite(fitted(X, init=start, anneal=False).tc_)


def test_a_start_in_which_the_variables_cancel():
    X, _ = planted(0)
    X[:, 1] = -X[:, 0]
    start = np.zeros((2, X.shape[1]))
    start[0, :2] = 1
    start[1, 7:13] = 1
    model = fitted(X, n_components=2, init=start, anneal=False)
    assert np.isfinite(model.tc_)
    assert np.all(model.loadings_[0, 7:13] > 0.5)


def test_a_start_of_the_wrong_shape_is_named():
    with pytest.raises(InputError, match=r"The 'init' parameter .* shape \(4, 22\)\. Got \(22, 4\) instead"):
        fitted(planted(0)[0], init=np.ones((22, 4)))


def test_l1_empties_weights_and_in_the_end_factors():
    X, groups = planted(0)
    plain, light, heavy = (fitted(X, l1=l1, n_init=1) for l1 in (0.0, 0.1, 5.0))
    assert np.all(plain.components_ != 0)
    assert np.mean(light.components_ == 0) > 0.5
    assert same_partition(light.clusters_, groups)
    assert light.tc_ < plain.tc_
    assert np.all(heavy.components_ == 0)
    strength = light.components_ / np.sqrt(1 - light.score_variance_)[:, None]
    assert light.history_[-1] == pytest.approx(light.tc_ - 0.1 * np.abs(strength).sum(), rel=1e-9)


def test_l1_spares_factors_that_pay_for_their_weights():
    """The dense start costs more than it explains; nothing at all is better, and a few weights are best."""
    E, C = embeddings(0, 300, 150, dim=24)
    plain = LinearCorex(n_components=5, random_state=0).fit_low_rank(E, C)
    weights = plain.components_ / np.sqrt(1 - plain.score_variance_)[:, None]
    assert plain.tc_ < 1.5 * np.abs(weights).sum()
    sparse = LinearCorex(n_components=5, l1=1.5, random_state=0).fit_low_rank(E, C)
    assert sparse.history_[-1] > 100
    assert len(set(sparse.clusters_)) == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_components", 0),
        ("n_components", 2.5),
        ("max_iter", True),
        ("tol", -1.0),
        ("l1", np.nan),
        ("n_init", "3"),
    ],
)
def test_wrong_parameters_are_named(name, value):
    with pytest.raises(
        InputError, match=rf"The '{name}' parameter of LinearCorex must be .* Got .* instead\."
    ):
        LinearCorex(**{name: value}).fit(planted(0)[0])


# --- the low-rank path --------------------


@few
@given(seeds, st.integers(40, 80))
def test_low_rank_is_the_full_matrix(seed, n_properties):
    E, C = embeddings(seed, 200, n_properties)
    S = E @ C.T
    options = {"n_components": 4, "random_state": 0, "tol": 1e-6}
    full = LinearCorex(**options).fit(S)
    low = LinearCorex(**options).fit_low_rank(E, C)
    np.testing.assert_allclose(low.history_[:10], full.history_[:10], rtol=1e-6)
    assert low.tc_ == pytest.approx(full.tc_, rel=1e-2)  # rounding may lead to another optimum
    np.testing.assert_allclose(low.mean_, full.mean_, atol=1e-12)
    np.testing.assert_allclose(low.scale_, full.scale_, rtol=1e-9)
    # its own solution is what the full matrix makes of the same weights
    R = np.corrcoef(S.T)
    np.testing.assert_allclose(low.loadings_, low.components_ @ R, atol=1e-6)
    at_weights = eq.moments(np.stack([low.components_, low.components_ @ R]), 0.0)
    assert low.tc_ == pytest.approx(at_weights.tc, rel=1e-5)
    np.testing.assert_allclose(low.score_low_rank(E), low.transform(S), atol=1e-9)
    assert low.n_features_in_ == n_properties


def test_low_rank_gives_the_same_loadings_and_scores_as_the_full_matrix():
    E, C = embeddings(0, 400, 80)
    full = LinearCorex(n_components=5, random_state=0, tol=1e-9).fit(E @ C.T)
    low = LinearCorex(n_components=5, random_state=0, tol=1e-9).fit_low_rank(E, C)
    assert low.tc_ == pytest.approx(full.tc_, rel=1e-6)
    np.testing.assert_allclose(low.loadings_, full.loadings_, atol=1e-3)
    np.testing.assert_allclose(low.score_low_rank(E), full.transform(E @ C.T), atol=1e-2)
    assert same_partition(low.clusters_, full.clusters_)


def test_blocks_of_texts_are_the_whole(tmp_path: Path):
    E, C = embeddings(0, 300, 40)
    E = E.astype(np.float32)
    mapped = np.lib.format.open_memmap(tmp_path / "texts.npy", mode="w+", dtype=np.float32, shape=E.shape)
    mapped[:] = E
    cuts = [E[:1], E[1:1], E[1:100], E[100:]]
    whole = LinearCorex(n_components=4, random_state=0).fit_low_rank(E, C)
    out = np.full((300, 4), np.nan, dtype=np.float32)
    for source in (mapped, cuts, lambda: iter(cuts)):
        model = LinearCorex(n_components=4, random_state=0).fit_low_rank(source, C)
        assert model.tc_ == pytest.approx(whole.tc_, rel=1e-6)
        np.testing.assert_allclose(whole.score_low_rank(source), whole.score_low_rank(E), atol=1e-12)
        assert whole.score_low_rank(source, out=out) is out
        np.testing.assert_allclose(out, whole.score_low_rank(E), atol=1e-6)
        out[:] = np.nan


def test_properties_that_no_text_distinguishes_are_constant():
    E, C = embeddings(0, 300, 40)
    E[:, 0] = 0.25
    C[3] = 0
    C[7] = np.eye(12)[0]
    model = LinearCorex(n_components=4, random_state=0).fit_low_rank(E, C)
    assert set(np.flatnonzero(model.clusters_ == -1)) == {3, 7}
    assert np.all(np.isfinite(model.score_low_rank(E)))


def test_identical_texts_have_no_factors():
    E, C = embeddings(0, 1, 20)
    model = LinearCorex(n_components=4, random_state=0).fit_low_rank(np.repeat(E, 100, axis=0), C)
    assert model.tc_ == 0
    assert np.all(model.clusters_ == -1)


def test_fit_forgets_the_text_vectors_of_an_earlier_fit():
    E, C = embeddings(0, 100, 20)
    model = LinearCorex(n_components=2, random_state=0).fit_low_rank(E, C)
    model.fit(E @ C.T)
    with pytest.raises(NotFittedError):
        model.score_low_rank(E)


def test_wrong_text_vectors_are_named():
    E, C = embeddings(0, 100, 20)
    model = LinearCorex(n_components=2, random_state=0)
    with pytest.raises(InputError, match=r"as many columns as property_vectors, 12\. Got 11 instead"):
        model.fit_low_rank(E[:, :11], C)
    with pytest.raises(InputError, match=r"at least 2 rows\. Got 1 instead"):
        model.fit_low_rank(E[:1], C)
    E[5, 5] = np.nan
    with pytest.raises(ValueError, match="text_vectors contains NaN"):
        model.fit_low_rank(E, C)
