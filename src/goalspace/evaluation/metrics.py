"""The metrics of the papers: how well scores predict labels, and how well groups match them."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from goalspace.errors import InputError
from goalspace.estimate import Estimate

FOLDS = 5


def decision_tree_probe(scores: ArrayLike, labels: ArrayLike, *, seeds: int = 5) -> Estimate:
    """Balanced accuracy with which a decision tree reads the labels off the scores.

    The probe of Instruct-LF (arXiv 2502.15147, section 4): stratified 5-fold cross-validation in the order of
    the rows, one unlimited tree per fold. A tree splits one column at a time, so it rewards scores whose
    individual columns are meaningful. A fold's balanced accuracy averages over the labels that occur in its test
    part, which matters for labels with fewer than five rows.

    Parameters
    ----------
    scores
        (n_texts, n_factors), finite numbers.
    labels
        (n_texts,), at least two different labels, one of them on five or more rows.
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
    from sklearn.tree import DecisionTreeClassifier

    x, y = _matrix_and_labels("decision_tree_probe", "scores", scores, labels)
    _check_seeds("decision_tree_probe", seeds)
    folds = _folds("decision_tree_probe", x, y)
    values = np.empty((seeds, FOLDS))
    for fold, (train, test) in enumerate(folds):
        for seed in range(seeds):
            tree = DecisionTreeClassifier(random_state=seed).fit(x[train], y[train])
            values[seed, fold] = _balanced_accuracy(y[test], tree.predict(x[test]))
    return Estimate.of(values.mean(axis=1))


def logistic_probe(scores: ArrayLike, labels: ArrayLike) -> Estimate:
    """Balanced accuracy with which logistic regression reads the labels off all columns of the scores together.

    The folds are those of `decision_tree_probe`; columns are standardised on the training part. scikit-learn's
    LogisticRegression (L2 penalty, C = 1) with a tolerance of 0.001 and at most 100 iterations.

    Parameters
    ----------
    scores
        (n_texts, n_factors), finite numbers.
    labels
        (n_texts,), at least two different labels, one of them on five or more rows.

    Returns
    -------
    Mean and standard error over the five folds.

    Raises
    ------
    InputError
        If the shapes do not fit or no label has five rows.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.arange(40) % 2
    >>> logistic_probe(np.c_[labels, np.arange(40)], labels)
    Estimate(mean=1.0, se=0.0)
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = _matrix_and_labels("logistic_probe", "scores", scores, labels)
    # a coarse tolerance, as a hundred labels on hundreds of columns take long to converge: a finer one moves the number
    # by 0.01 on 250 bills, a fraction of its error
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=100, tol=1e-3))
    values = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for train, test in _folds("logistic_probe", x, y):
            known = np.unique(y[train])  # a single label where the other one's only row is tested
            predicted = model.fit(x[train], y[train]).predict(x[test]) if len(known) > 1 else known
            values.append(_balanced_accuracy(y[test], np.broadcast_to(predicted, test.shape)))
    return Estimate.of(values)


def _folds(function: str, x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The five folds of a probe, in the order of the rows."""
    from sklearn.model_selection import StratifiedKFold

    sizes = np.bincount(y)
    if sizes.size < 2 or sizes.max() < FOLDS:
        raise InputError(
            f"The 'labels' parameter of {function} must hold at least two labels, one of them on "
            f"{FOLDS} rows. Got {sizes.size} label(s), on at most {sizes.max()} row(s) each instead."
        )
    with warnings.catch_warnings():
        # labels with fewer rows than folds belong to the probe: 39 of the 101 subtopics of the bills have them
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return list(StratifiedKFold(FOLDS).split(x, y))


def _balanced_accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean recall over the labels that occur."""
    from sklearn.metrics import recall_score

    present = np.unique(true)
    return float(recall_score(true, predicted, labels=present, average="macro", zero_division=0))


def kmeans_groups(
    vectors: ArrayLike, *, n_clusters: int, seeds: int = 5, n_init: int = 10
) -> list[np.ndarray]:
    """Partition vectors by k-means, once per seed 0, 1, …

    Parameters
    ----------
    vectors
        (n_texts, dim), used as they are: scale or normalise them before.
    n_clusters
        Number of clusters.
    seeds
        Number of k-means runs, with seeds 0, 1, …
    n_init
        Number of starts of a run, of which it keeps the tightest.

    Returns
    -------
    One (n_texts,) array of cluster numbers per seed.

    Raises
    ------
    InputError
        If the vectors are no matrix of finite numbers or there are fewer texts than clusters.
    """
    x = np.asarray(vectors)
    _matrix_and_labels("kmeans_groups", "vectors", x, np.zeros(x.shape[:1]))
    return _kmeans("kmeans_groups", x, n_clusters, seeds, n_init)


def purity(groups: ArrayLike, *, labels: ArrayLike) -> float:
    """Share of the texts that carry the most frequent label of their group (ICT of arXiv 2409.19680).

    The labels go by keyword: purity is not symmetric, and the random baseline of the paper's code
    swaps its arguments.

    Parameters
    ----------
    groups
        (n_texts,) predicted groups.
    labels
        (n_texts,) true labels.

    Returns
    -------
    From 1 / number of labels to 1; 1 if every text is its own group.

    Examples
    --------
    >>> purity([0, 0, 0, 1], labels=["a", "a", "b", "b"])
    0.75
    """
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(*_partitions("purity", groups, labels))
    return float(counts.max(axis=0).sum() / counts.sum())


def homogeneity(groups: ArrayLike, *, labels: ArrayLike) -> float:
    """1 − H(label | group) / H(label): 1 where every group holds a single label (ICT of arXiv 2409.19680).

    Parameters
    ----------
    groups
        (n_texts,) predicted groups.
    labels
        (n_texts,) true labels.

    Examples
    --------
    >>> round(homogeneity([0, 1, 2, 2], labels=["a", "a", "b", "b"]), 6)
    1.0
    """
    from sklearn.metrics import homogeneity_score

    return float(homogeneity_score(*_partitions("homogeneity", groups, labels)))


def silhouette(vectors: ArrayLike, *, groups: ArrayLike) -> float:
    """Mean silhouette coefficient of groups, by Euclidean distance; uses no labels.

    Parameters
    ----------
    vectors
        (n_texts, dim), those that were grouped.
    groups
        (n_texts,) the group of each.

    Returns
    -------
    From -1 to 1; 0 where it is not defined, which is for a single group and for groups of one text each.
    """
    from sklearn.metrics import silhouette_score

    x, y = _matrix_and_labels("silhouette", "vectors", vectors, groups)
    return float(silhouette_score(x, y)) if 1 < y.max() + 1 < len(y) else 0.0


def spearman(similarities: ArrayLike, *, labels: ArrayLike) -> float:
    """Rank correlation of similarities with labels (IIS of arXiv 2409.19680).

    With two labels the ties among them keep it below 1: with a share p of one label the largest value is
    √(3 p (1 − p)), 0.8476 on the benchmark's pairs.

    Parameters
    ----------
    similarities
        (n_pairs,) finite numbers.
    labels
        (n_pairs,) numbers, not all the same.

    Returns
    -------
    From -1 to 1; 0 if all similarities are the same.

    Examples
    --------
    >>> round(spearman([0.1, 0.2, 0.8, 0.9], labels=[0, 0, 1, 1]), 4)
    0.8944
    """
    from scipy.stats import spearmanr

    x, y = _pairs("spearman", similarities, labels)
    return float(spearmanr(x, y).statistic) if np.ptp(x) else 0.0


def auc(similarities: ArrayLike, *, labels: ArrayLike) -> float:
    """Chance that a pair of label 1 is more similar than one of label 0; area under the ROC curve.

    Parameters
    ----------
    similarities
        (n_pairs,) finite numbers.
    labels
        (n_pairs,) 0 or 1, both of them present.

    Examples
    --------
    >>> auc([0.1, 0.8, 0.7, 0.9], labels=[0, 0, 1, 1])
    0.75
    """
    from sklearn.metrics import roc_auc_score

    x, y = _pairs("auc", similarities, labels)
    return float(roc_auc_score(y, x))


def _kmeans(function: str, x: np.ndarray, n_clusters: int, seeds: int, n_init: int) -> list[np.ndarray]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if not 1 <= n_clusters <= len(x):
        raise InputError(
            f"The 'n_clusters' parameter of {function} must be from 1 to the number of texts, "
            f"{len(x)}. Got {n_clusters} instead."
        )
    _check_seeds(function, seeds)
    with warnings.catch_warnings():
        # fewer distinct vectors than clusters leave clusters empty, which the scores show
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(x) for seed in range(seeds)]


def _partitions(function: str, groups: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels and then the groups, the order that scikit-learn asks for."""
    predicted, true = np.asarray(groups), np.asarray(labels)
    if predicted.ndim != 1 or predicted.shape != true.shape or not predicted.size:
        raise InputError(
            f"The 'groups' parameter of {function} must have one group per label. "
            f"Got shape {predicted.shape} and labels of shape {true.shape} instead."
        )
    return true, predicted


def _pairs(function: str, similarities: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(similarities, dtype=np.float64), np.asarray(labels)
    if x.ndim != 1 or x.shape != y.shape or not np.isfinite(x).all():
        raise InputError(
            f"The 'similarities' parameter of {function} must have one finite number per label. "
            f"Got shape {x.shape} and labels of shape {y.shape} instead."
        )
    if len(np.unique(y)) < 2:
        raise InputError(f"The 'labels' parameter of {function} must hold at least two labels.")
    return x, y


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
