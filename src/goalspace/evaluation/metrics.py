"""The numbers of the papers' tables: how well scores predict labels, how well groups match them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from goalspace.errors import InputError

_FOLDS = 5


class Estimate(NamedTuple):
    """The mean over seeds and its standard error; the error of a single seed is 0."""

    mean: float
    se: float

    @classmethod
    def of(cls, values: ArrayLike) -> Estimate:
        """Summarise one number per seed."""
        x = np.asarray(values, dtype=np.float64)
        return cls(float(x.mean()), float(x.std(ddof=1) / np.sqrt(x.size)) if x.size > 1 else 0.0)


class Clustering(NamedTuple):
    """How well k-means groups match labels: adjusted Rand index and normalised mutual information."""

    ari: Estimate
    nmi: Estimate


def decision_tree_probe(scores: ArrayLike, labels: ArrayLike, *, seeds: int = 5) -> Estimate:
    """Balanced accuracy with which a decision tree reads the labels off the scores.

    The probe of Instruct-LF (arXiv 2502.15147, section 4): stratified 5-fold cross-validation in the order of
    the rows, one unlimited tree per fold. A tree splits one column at a time, so that it rewards scores whose
    single columns mean something. A fold's balanced accuracy averages over the labels that occur in its test
    part, which matters for labels with fewer than five rows.

    Parameters
    ----------
    scores
        (n_texts, n_factors), finite numbers.
    labels
        (n_texts,), two different ones at least, one of them on five rows or more.
    seeds
        Number of trees per fold, with seeds 0, 1, …; a seed's value is the mean over its folds.

    Returns
    -------
    Mean and standard error over the seeds.

    Raises
    ------
    InputError
        If the shapes do not fit or no label has five rows.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.arange(40) % 2
    >>> decision_tree_probe(np.c_[labels, np.arange(40)], labels)
    Estimate(mean=1.0, se=0.0)
    """
    from sklearn.metrics import recall_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.tree import DecisionTreeClassifier

    x, y = _matrix_and_labels("decision_tree_probe", "scores", scores, labels)
    sizes = np.bincount(y)
    if sizes.size < 2 or sizes.max() < _FOLDS:
        raise InputError(
            "The 'labels' parameter of decision_tree_probe must hold two labels at least, one of them on "
            f"{_FOLDS} rows. Got {sizes.size} label(s), on at most {sizes.max()} row(s) each instead."
        )
    _check_seeds("decision_tree_probe", seeds)
    with warnings.catch_warnings():
        # labels with fewer rows than folds belong to the probe: 39 of the 101 subtopics of the bills have them
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        folds = list(StratifiedKFold(_FOLDS).split(x, y))
    values = np.empty((seeds, _FOLDS))
    for fold, (train, test) in enumerate(folds):
        present = np.unique(y[test])
        for seed in range(seeds):
            tree = DecisionTreeClassifier(random_state=seed).fit(x[train], y[train])
            predicted = tree.predict(x[test])
            values[seed, fold] = recall_score(
                y[test], predicted, labels=present, average="macro", zero_division=0
            )
    return Estimate.of(values.mean(axis=1))


def clustering_scores(
    vectors: ArrayLike, labels: ArrayLike, *, n_clusters: int, seeds: int = 5, n_init: int = 10
) -> Clustering:
    """Match of k-means clusters of the vectors with the labels.

    Parameters
    ----------
    vectors
        (n_texts, dim), used as they are: scale or normalise them before.
    labels
        (n_texts,), any number of different ones.
    n_clusters
        Number of clusters.
    seeds
        Number of k-means runs, with seeds 0, 1, …
    n_init
        Number of starts of a run, of which it keeps the tightest.

    Returns
    -------
    Adjusted Rand index (0 by chance, 1 for the same partition) and normalised mutual information
    (arithmetic mean), each with its standard error over the seeds.

    Raises
    ------
    InputError
        If the shapes do not fit or there are fewer texts than clusters.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.arange(40) // 20
    >>> clustering_scores(np.c_[labels, -labels], labels, n_clusters=2)
    Clustering(ari=Estimate(mean=1.0, se=0.0), nmi=Estimate(mean=1.0, se=0.0))
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    x, y = _matrix_and_labels("clustering_scores", "vectors", vectors, labels)
    if not 1 <= n_clusters <= len(x):
        raise InputError(
            "The 'n_clusters' parameter of clustering_scores must be from 1 to the number of texts, "
            f"{len(x)}. Got {n_clusters} instead."
        )
    _check_seeds("clustering_scores", seeds)
    groups = []
    with warnings.catch_warnings():
        # fewer distinct vectors than clusters leave clusters empty, which the scores show
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in range(seeds):
            groups.append(KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(x))
    return Clustering(
        Estimate.of([adjusted_rand_score(y, g) for g in groups]),
        Estimate.of([normalized_mutual_info_score(y, g) for g in groups]),
    )


def _matrix_and_labels(
    function: str, name: str, matrix: ArrayLike, labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix as floats and the labels as 0, 1, …, or raise InputError."""
    x, y = np.asarray(matrix, dtype=np.float64), np.asarray(labels)
    if x.ndim != 2 or y.shape != x.shape[:1] or not x.size:
        raise InputError(
            f"The '{name}' parameter of {function} must be a matrix with one row per label. "
            f"Got shape {x.shape} and labels of shape {y.shape} instead."
        )
    if not np.isfinite(x).all():
        row = int(np.argmin(np.isfinite(x).all(axis=1)))
        raise InputError(
            f"The '{name}' parameter of {function} must be finite. Got NaN or inf in row {row} instead."
        )
    return x, np.unique(y, return_inverse=True)[1]


def _check_seeds(function: str, seeds: int) -> None:
    if seeds < 1:
        raise InputError(f"The 'seeds' parameter of {function} must be at least 1. Got {seeds} instead.")
