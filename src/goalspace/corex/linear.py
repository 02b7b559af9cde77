"""LinearCorex: the estimator, its parameters and its stopping rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from goalspace.corex import moments as eq
from goalspace.corex.ascent import Ascent, Correlate, ascend
from goalspace.corex.blocks import Blocks, VectorMoments, measure_moments, one_thread, read_blocks
from goalspace.corex.sampled import L1, MAX_ITER, ascend_sampled
from goalspace.errors import InputError

Array = NDArray[np.float64]

_MAX_ITER = 10_000
# scores with less than this share of the largest possible spread are rounding errors of float32 vectors
_MIN_SCALE = 1e-7


class LinearCorex(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Linear Total Correlation Explanation: few factors that explain the correlations among many variables.

    Maximises the analytic, non-synergistic lower bound [1]_ of the total correlation that linear factors
    explain in standardised variables. The data enter only through a root of their correlation matrix, so
    `fit_low_rank` handles a matrix of inner products E Cᵀ with any number of rows without forming it. For
    comparison, ``objective="paper"`` fits like the code of Instruct-LF [2]_.

    Parameters
    ----------
    n_components
        Number of factors.
    objective
        "analytic": the bound from the correlation matrix (equation 4 of `moments`), by quasi-Newton steps.
        "paper": the same bound from averages over noise drawn at every step (equation 6), by Adam, as in [2]_.
        Slower and worse, and the result varies with the seed; the fitted attributes are nevertheless free of
        noise. The scores of that code are those of `transform` divided by √(1 - `score_variance_`).
    max_iter
        Maximum number of iterations in each annealing stage; None means 10,000, or 1,000 for "paper".
    tol
        A stage ends when two consecutive iterations gain less than this, in nats. The objective grows with the
        number of variables; for thousands of them 1e-3 is as good and twice as fast. With "paper", a stage
        ends when the mean objective over 50 steps changes by less than this share.
    anneal
        Whether to start with much noise mixed into the data and to remove it in stages, which avoids poor local
        optima.
    l1
        Weight of the L1 penalty of Instruct-LF [2]_ on the weights of the factors; 0 turns it off. Large
        values empty whole factors. None means 0, or 0.9 for "paper".
    n_init
        Number of random starts; the best result is kept.
    init
        Directions (n_components, n_features) to start from instead of random ones, for example 0/1 indicators of
        groups of variables. Use ``anneal=False`` for a start near a good solution, which annealing would discard.
    random_state
        Seed of the starts, and of the noise of the paper's objective.

    Attributes
    ----------
    components_ : ndarray (n_components, n_features)
        Weights on standardised variables; zero for constant variables.
    loadings_ : ndarray (n_components, n_features)
        Correlation of every variable with every factor; signs make the largest in magnitude of each factor positive.
    mutual_information_ : ndarray (n_components, n_features)
        Mutual information of every variable and every factor, in nats; at most 6.9, because a factor keeps a
        share of 1e-6 of noise.
    clusters_ : ndarray (n_features,)
        The factor with the largest mutual information; -1 for constant variables.
    tc_ : float
        Total correlation explained (the objective, without the penalty), in nats.
    tcs_ : ndarray (n_components,)
        Total correlation that each factor alone explains, in nats, descending; factors overlap, so the values do
        not add up to `tc_`.
    score_variance_ : ndarray (n_components,)
        Variance of `transform` on the fitted data, below 1; 0 for a factor that explains nothing.
    mean_, scale_ : ndarray (n_features,)
        Mean and standard deviation of the variables; the scale of constant variables is 1.
    n_iter_ : int
        Number of iterations in all annealing stages.
    history_ : ndarray (n_iterations,)
        Objective (the bound minus the penalty, in nats) after every iteration; it drops when a stage removes
        noise.
    n_features_in_ : int
        Number of variables.

    References
    ----------
    .. [1] G. Ver Steeg, A. Galstyan, "Low complexity Gaussian latent factor models and a blessing of
       dimensionality", arXiv 1706.03353.
    .. [2] Z. Xie et al., "Latent Factor Models Meets Instructions: Goal-conditioned Latent Factor Discovery
       without Task Supervision", arXiv 2502.15147, section 3.3; code at github.com/allenai/instructLF.

    Examples
    --------
    >>> import numpy as np
    >>> from goalspace.corex.linear import LinearCorex
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(500, 2))
    >>> X = np.repeat(hidden, [4, 3], axis=1) + 0.5 * rng.normal(size=(500, 7))
    >>> LinearCorex(n_components=2, random_state=0).fit(X).clusters_
    array([0, 0, 0, 0, 1, 1, 1])
    """

    def __init__(
        self,
        *,
        n_components: int = 10,
        objective: str = "analytic",
        max_iter: int | None = None,
        tol: float = 1e-5,
        anneal: bool = True,
        l1: float | None = None,
        n_init: int = 1,
        init: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.objective = objective
        self.max_iter = max_iter
        self.tol = tol
        self.anneal = anneal
        self.l1 = l1
        self.n_init = n_init
        self.init = init
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Find the factors of the columns of X.

        Parameters
        ----------
        X
            Matrix (n_samples, n_features), finite.
        y
            Ignored.
        """
        self._check_parameters()
        rows: Array = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._forget_texts()
        n, width = rows.shape
        if 2 * n < width:  # with few rows, the data matrix itself is the root
            mean = rows.mean(axis=0, dtype=np.float64)
            A = (rows - mean).T
            scale, kept = _scale(mean, np.einsum("ir,ir->i", A, A) / n)
            A = A[kept] / (scale[kept, None] * np.sqrt(n))
            return self._fit(_Correlations(_correlate(A), lambda: A, n), mean, scale, kept)
        mean, R, _ = measure_moments(rows)
        scale, kept = _scale(mean, np.diagonal(R))
        R = R[np.ix_(kept, kept)] / np.outer(scale[kept], scale[kept])
        correlations = _Correlations(lambda W: W @ R, lambda: eq.covariance_root(R, np.zeros(len(R))), n)
        return self._fit(correlations, mean, scale, kept)

    def fit_low_rank(self, text_vectors: Blocks | VectorMoments, property_vectors: ArrayLike) -> Self:
        """Fit on the matrix `text_vectors @ property_vectors.T` without forming it.

        With L Lᵀ the covariance of the text vectors E and D the standard deviations of the columns of E Cᵀ,
        the correlation matrix is A Aᵀ, A = D⁻¹ C L. This takes one pass over E, and the cost of an iteration does
        not depend on the number of texts. The result equals that of `fit` on the full matrix.

        Parameters
        ----------
        text_vectors
            Array or memmap (n_texts, dim), an iterable of blocks of its rows, a function that returns one, or their moments.
        property_vectors
            Array (n_features, dim).
        """
        self._check_parameters()
        C = check_array(property_vectors, dtype=np.float64, input_name="property_vectors")
        if not isinstance(text_vectors, VectorMoments):
            text_vectors = measure_moments(text_vectors, width=C.shape[1])
        center, cov, n = text_vectors
        if n < 2:
            raise InputError(
                f"The 'text_vectors' parameter of fit_low_rank must have at least 2 rows. Got {n} instead."
            )
        with one_thread():
            L = eq.covariance_root(cov, center)
            A = C @ L
        scale = np.linalg.norm(A, axis=1)
        widest = np.linalg.norm(L, axis=0).max(initial=0.0) * np.linalg.norm(C, axis=1)
        kept = scale > _MIN_SCALE * widest
        scale = np.where(kept, scale, 1.0)
        A = A[kept] / scale[kept, None]
        self._forget_texts()
        self.n_features_in_ = len(C)
        self._fit(_Correlations(_correlate(A), lambda: A, n), C @ center, scale, kept)
        self.text_mean_ = center
        self.text_components_ = (self.components_ / scale) @ C
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Return the factor scores of the rows of X; on the fitted data they have mean 0 and variance `score_variance_`.

        Parameters
        ----------
        X
            Matrix (n_samples, n_features).

        Returns
        -------
        ndarray (n_samples, n_components)
        """
        check_is_fitted(self)
        rows: Array = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(((rows - self.mean_) / self.scale_) @ self.components_.T)

    def score_low_rank(self, text_vectors: Blocks, *, out: Any = None) -> Any:
        """Return the scores of texts from their vectors: `transform(text_vectors @ property_vectors.T)` in one product.

        Parameters
        ----------
        text_vectors
            As in `fit_low_rank`.
        out
            Array or memmap (n_texts, n_components) to fill; a new float64 array by default.

        Returns
        -------
        ndarray (n_texts, n_components)
        """
        check_is_fitted(self, "text_components_")
        offset = self.text_components_ @ self.text_mean_
        parts: list[Array] = []
        start = 0
        for block in read_blocks(text_vectors, width=len(self.text_mean_)):
            scores = block @ self.text_components_.T - offset
            if out is None:
                parts.append(scores)
            else:
                out[start : start + len(scores)] = scores
                start += len(scores)
        return np.concatenate(parts) if out is None else out

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[0])

    def _check_parameters(self) -> None:
        if self.objective not in ("analytic", "paper"):
            raise InputError(
                "The 'objective' parameter of LinearCorex must be 'analytic' or 'paper'. "
                f"Got {self.objective!r} instead."
            )
        whole, real = "an integer of at least 1", "a number of at least 0"
        for name, kind, low, wanted in (
            ("n_components", Integral, 1, whole),
            ("max_iter", Integral, 1, whole),
            ("n_init", Integral, 1, whole),
            ("tol", Real, 0, real),
            ("l1", Real, 0, real),
        ):
            value: Any = getattr(self, name)
            if value is None and name in ("max_iter", "l1"):
                continue
            if isinstance(value, bool) or not isinstance(value, kind) or not low <= float(value) < np.inf:
                raise InputError(
                    f"The '{name}' parameter of LinearCorex must be {wanted}. Got {value!r} instead."
                )

    def _starts(
        self, shape: tuple[int, int], kept: NDArray[np.bool_], rng: np.random.RandomState
    ) -> Iterator[Array]:
        """Yield the directions to start from, restricted to non-constant variables."""
        if self.init is None:
            for _ in range(self.n_init):
                yield rng.standard_normal(size=(shape[0], int(kept.sum())))
            return
        start = check_array(self.init, dtype=np.float64, input_name="init")
        if start.shape != shape:
            raise InputError(
                f"The 'init' parameter of LinearCorex must be an array of shape {shape}. Got {start.shape} instead."
            )
        # a factor needs a direction; one of zeros starts from all variables equally
        start = start[:, kept]
        yield np.where(start.any(axis=1, keepdims=True), start, 1.0)

    def _forget_texts(self) -> None:
        """Delete attributes set by other fit methods."""
        for name in ("text_mean_", "text_components_", "feature_names_in_"):
            self.__dict__.pop(name, None)

    def _climb(self, correlations: _Correlations, kept: NDArray[np.bool_]) -> Ascent:
        """Return the best ascent over all starts."""
        rng = check_random_state(self.random_state)
        paper = self.objective == "paper"
        max_iter = self.max_iter or (MAX_ITER if paper else _MAX_ITER)
        l1 = self.l1 if self.l1 is not None else L1 if paper else 0.0
        options: dict[str, Any] = {"anneal": self.anneal, "l1": l1, "tol": self.tol, "max_iter": max_iter}
        starts = self._starts((self.n_components, len(kept)), kept, rng)
        with one_thread():
            if paper:
                A = correlations.root()
                noise = np.random.default_rng(rng.randint(2**31))
                climbs = (ascend_sampled(W, A, correlations.n, rng=noise, **options) for W in starts)
            else:
                climbs = (ascend(W, correlations.correlate, **options) for W in starts)
            best = max(climbs, key=lambda climb: climb.objective)
        if not best.converged:
            warnings.warn(
                f"LinearCorex did not converge in {max_iter} iterations: raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return best

    def _fit(self, correlations: _Correlations, mean: Array, scale: Array, kept: NDArray[np.bool_]) -> Self:
        """Ascend from every start and store the best result, with factors ordered by TC and signed."""
        K, M = self.n_components, len(kept)
        W, rho, u = np.zeros((K, M)), np.zeros((K, M)), np.zeros(K)
        history: list[float] = []
        self.tc_ = 0.0
        if kept.any():
            best = self._climb(correlations, kept)
            W[:, kept], rho[:, kept], u = best.X[0], best.moments.rho, best.moments.u
            self.tc_, history = best.moments.tc, best.history
        tcs = eq.factor_tc(rho, u)
        order = np.argsort(-tcs, kind="stable")
        W, rho = W[order], rho[order]
        strongest = rho[np.arange(K), np.abs(rho).argmax(axis=1)]
        sign = np.where(strongest < 0, -1.0, 1.0)[:, None]
        self.components_, self.loadings_ = W * sign, rho * sign
        self.mutual_information_ = eq.mutual_information(rho)
        self.clusters_ = np.where(kept, self.mutual_information_.argmax(axis=0), -1)
        self.tcs_, self.score_variance_ = tcs[order], u[order]
        self.mean_, self.scale_ = mean, scale
        self.history_, self.n_iter_ = np.array(history), len(history)
        return self


@dataclass(frozen=True, slots=True)
class _Correlations:
    """The correlation matrix R of n rows, in the forms that an ascent needs."""

    correlate: Correlate
    root: Callable[[], Array]  # some A with R = A Aᵀ
    n: int


def _scale(mean: Array, variance: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the standard deviation of each column, 1 if constant, and the mask of non-constant columns."""
    kept = eq.varies(mean, variance)
    return np.where(kept, np.sqrt(variance), 1.0), kept


def _correlate(A: Array) -> Correlate:
    """Return the function W → W R for R = A Aᵀ, computed with the cheaper of A and R."""
    if len(A) <= 2 * A.shape[1]:
        R = A @ A.T
        return lambda W: W @ R
    A = np.ascontiguousarray(A)
    return lambda W: (W @ A) @ A.T
