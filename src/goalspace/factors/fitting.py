"""Fitting: the number of factors, and the assignment of properties to them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from goalspace.corex.blocks import VectorMoments, measure_moments
from goalspace.factors.scoring import (
    MIN_CORRELATION,
    assign_texts,
    correlate,
    mean_properties,
    partition,
    project_texts,
    score_texts,
    span,
)
from goalspace.vectors.geometry import normalize, spread_rows

if TYPE_CHECKING:
    from goalspace.corex.linear import LinearCorex


# Candidate numbers of factors; the report shows the curve
CANDIDATE_NUMBERS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
MIN_GAIN_SHARE = (
    0.3  # gain per added factor, relative to the mean gain so far, below which no factor is added
)
_CURVE_PROPERTIES = 400
_TEXTS_PER_FACTOR = 25
_PROPERTIES_PER_FACTOR = 3
# Starts of k-means. With few of them, rounding on another processor decides between optima that are almost equally good
_MIN_STARTS, _MAX_STARTS = 10, 100
_STARTS_BY_TEXTS = 40_000  # starts times texts
_MAX_STARTING = 10_000  # texts among which k-means looks for a start
_MAX_GROUPED = 100_000  # texts among which groups are found; more hardly move their means
_MAX_ITER = 200  # groups still change long after 60 iterations, though the bound hardly does
MAX_TREE_PROPERTIES = (
    4000  # most frequent properties that the start's tree is built of; the others join the nearest group
)


@dataclass(frozen=True)
class Structure:
    """Factors before they have names.

    A text's raw score on a factor is the projection of its vector, less `centre`, on the factor's prototype;
    `directions` and `offset` give the standardised scores of a text vector v: directions @ v - offset.
    """

    assignment: np.ndarray  # (n_properties,) int32, -1 unassigned
    directions: np.ndarray  # (n_factors, dim) float32
    offset: np.ndarray  # (n_factors,) float32
    prototypes: np.ndarray  # (n_factors, dim) float32, around `centre`
    centre: np.ndarray  # (dim,) float32
    loadings: np.ndarray  # (n_factors, n_properties) float32
    strength: np.ndarray  # (n_factors,) nats, see `information`
    tc: float  # total correlation that CorEx explains with as many factors, in nats

    @property
    def owners(self) -> np.ndarray:
        """The factor of each prototype: every factor has one."""
        return np.arange(len(self.prototypes), dtype=np.int32)

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Standardised scores of text vectors (n_texts, n_factors)."""
        return score_texts(vectors, self.directions, self.offset)

    def assign(self, vectors: np.ndarray, not_relevant: Sequence[int] = ()) -> np.ndarray:
        """The factor that describes a text best (n_texts,) int32, -1 where none does."""
        return assign_texts(vectors, self.prototypes, self.owners, self.centre, not_relevant=not_relevant)

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Coordinates of text vectors in the space that the factors span (n_texts, rank)."""
        return project_texts(vectors, span(self.prototypes), self.centre)


def choose_n_factors(
    text_vectors: np.ndarray, property_vectors: np.ndarray
) -> tuple[int, tuple[tuple[int, float], ...]]:
    """Pick the number of factors from the total correlation explained.

    Candidates are fitted in ascending order on at most 400 properties, sampled evenly from frequent to rare. The
    largest one whose gain per added factor is at least 30 % of the mean gain per factor so far is chosen.

    Returns
    -------
    The number, and the curve as pairs (number of factors, TC in nats).
    """
    if len(property_vectors) > _CURVE_PROPERTIES:
        rows = np.linspace(0, len(property_vectors) - 1, _CURVE_PROPERTIES).astype(int)
        property_vectors = property_vectors[rows]
    limit = min(len(text_vectors) // _TEXTS_PER_FACTOR, len(property_vectors) // _PROPERTIES_PER_FACTOR)
    moments = measure_moments(text_vectors)
    tree = PropertyTree(moments.covariance, property_vectors)
    curve: list[tuple[int, float]] = []
    for number in CANDIDATE_NUMBERS:
        if number > max(limit, 2) or number > len(property_vectors):
            break
        tc = fit_corex(moments, property_vectors, number, max_iter=25, tree=tree).tc_
        # more factors explain no less: a dip is an ascent that stopped early
        curve.append((number, max(float(tc), curve[-1][1] if curve else 0.0)))
    best = curve[0][0] if curve else 1
    for (before, base), (number, tc) in pairwise(curve):
        if (tc - base) / (number - before) >= MIN_GAIN_SHARE * tc / number:
            best = number
    return best, tuple(curve)


def fit_corex(
    moments: VectorMoments,
    property_vectors: np.ndarray,
    n_factors: int,
    *,
    max_iter: int = _MAX_ITER,
    tree: PropertyTree | None = None,
) -> LinearCorex:
    """Fit Linear CorEx to the links, from groups of properties that correlate.

    With this start no annealing is needed and nothing is random: the same links always give the same factors. Of the text
    vectors, only the moments are needed. For several fits, the `tree` of the properties can be grown once.
    """
    from sklearn.exceptions import ConvergenceWarning

    from goalspace.corex.linear import LinearCorex

    start = (tree or PropertyTree(moments.covariance, property_vectors)).cut(n_factors)
    model = LinearCorex(
        n_components=len(start), anneal=False, max_iter=max_iter, tol=1e-2, init=start, random_state=0
    )
    with warnings.catch_warnings():
        # the ascent may be cut short: the last per mille of the bound take as long as all before
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit_low_rank(moments, property_vectors)


class PropertyTree:
    """Properties whose links correlate, clustered by Ward's method (1963).

    K-means with random starts gives groups with an adjusted Rand index of only 0.6 between seeds, however many
    starts are tried (docs/decisions/0012).

    Parameters
    ----------
    covariance, property_vectors
        That of the text vectors (dim, dim), and (n_properties, dim), of the links.
    """

    def __init__(self, covariance: np.ndarray, property_vectors: np.ndarray) -> None:
        from scipy.cluster.hierarchy import linkage

        # correlations of links are inner products of these rows
        values, vectors = np.linalg.eigh(covariance)
        self._rows = normalize(property_vectors @ (vectors * np.sqrt(np.maximum(values, 0))))
        self._n_distinct = len(np.unique(self._rows.round(6), axis=0))
        self._first = self._rows[:MAX_TREE_PROPERTIES]
        self._links = linkage(self._first, "ward") if len(self._first) > 1 else None

    def cut(self, n_groups: int) -> np.ndarray:
        """Return the membership (n_groups, n_properties) as 0 and 1, with fewer groups where fewer properties differ.

        Properties that are not in the tree join the nearest group.
        """
        from scipy.cluster.hierarchy import fcluster

        n_groups = min(n_groups, self._n_distinct)
        if n_groups < 2 or self._links is None:
            return np.ones((1, len(self._rows)))
        groups = fcluster(self._links, n_groups, "maxclust") - 1
        if len(self._rows) > len(self._first):
            centres = (groups == np.arange(groups.max() + 1)[:, None]) @ self._first
            others = self._rows[MAX_TREE_PROPERTIES:] @ normalize(centres).T
            groups = np.concatenate([groups, others.argmax(axis=1)])
        return np.asarray(groups == np.arange(groups.max() + 1)[:, None], dtype=np.float64)


def fit_structure(
    text_vectors: np.ndarray,
    property_vectors: np.ndarray,
    n_factors: int,
    *,
    not_relevant: Sequence[int] = (),
) -> Structure:
    """Find groups of texts, starting from CorEx's factors among others, and describe each by a factor.

    The prototype of a factor is the mean direction of its texts. Each property is assigned to the factor whose scores it
    shares most information with, which for Gaussian variables is the most strongly correlated one, if the correlation is
    large enough. Factors without texts or properties are dropped.

    Parameters
    ----------
    text_vectors, property_vectors
        (n_texts, dim) and (n_properties, dim), those of the links.
    n_factors
        Number of factors.
    not_relevant
        Indices of the texts that are not grouped, unless these are all.
    """
    moments = measure_moments(text_vectors)
    model = fit_corex(moments, property_vectors, n_factors)
    centre = moments.mean
    grouped = np.setdiff1d(np.arange(len(text_vectors)), not_relevant)
    grouped = grouped if len(grouped) else np.arange(len(text_vectors))
    grouped = grouped[spread_rows(len(grouped), _MAX_GROUPED)]
    directions = normalize(text_vectors[grouped] - centre)
    prototypes = partition(directions, *_starts(model, directions, property_vectors, n_factors))
    used = np.unique((directions @ prototypes.T).argmax(axis=1))
    directions, loadings = correlate(moments.covariance, prototypes[used], property_vectors)
    kept, assignment = _assign(loadings)
    strength = information(loadings[kept], assignment)
    order = np.argsort(-strength, kind="stable")
    directions, prototypes = directions[kept[order]], prototypes[used[kept[order]]]
    places = np.append(np.argsort(order), -1)  # the last one for unassigned properties
    return Structure(
        places[assignment].astype(np.int32),
        directions.astype(np.float32),
        (directions @ centre).astype(np.float32),
        prototypes.astype(np.float32),
        centre.astype(np.float32),
        loadings[kept[order]].astype(np.float32),
        strength[order],
        float(model.tc_),
    )


def information(loadings: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """Mutual information of each factor's scores with its properties, summed, in nats (n_factors,)."""
    own = np.where(assignment == np.arange(len(loadings))[:, None], loadings.astype(np.float64), 0.0)
    return np.asarray(-0.5 * np.log1p(-np.clip(own**2, 0, 1 - 1e-6)).sum(axis=1))


def _starts(
    model: LinearCorex, directions: np.ndarray, property_vectors: np.ndarray, n_factors: int
) -> Iterator[np.ndarray]:
    """Yield prototypes: the mean properties of CorEx's factors, and the best of k-means from random starts."""
    from sklearn.cluster import KMeans

    live, assignment = _assign(model.loadings_)
    if len(live) == n_factors:
        yield mean_properties(property_vectors, model.loadings_[live], assignment)
    sample = directions[spread_rows(len(directions), _MAX_STARTING)]
    n_groups = min(n_factors, len(np.unique(sample.round(6), axis=0)))
    n_starts = min(max(_STARTS_BY_TEXTS // len(sample), _MIN_STARTS), _MAX_STARTS)
    kmeans = KMeans(n_groups, n_init=n_starts, random_state=0).fit(sample)
    yield normalize(kmeans.cluster_centers_)


def _assign(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors that are kept, and which of these each property belongs to, -1 where none.

    A factor is kept if some property correlates positively with it; otherwise it could not be named. A factor without such
    a property gets the one that correlates most with it among those that other factors can spare.
    """
    n_factors = len(loadings)
    strength = np.abs(loadings)
    nearest = strength.argmax(axis=0)
    along = (loadings.max(axis=0) >= MIN_CORRELATION) & (loadings.argmax(axis=0) == nearest)
    counts = np.bincount(nearest[along], minlength=n_factors)
    for k in np.flatnonzero(counts == 0):
        spared = ~along | (counts[nearest] > 1)
        candidates = np.where(spared, loadings[k], -np.inf)
        best = int(candidates.argmax())
        if candidates[best] >= MIN_CORRELATION:
            counts[nearest[best]] -= along[best]
            nearest[best], counts[k], along[best] = k, 1, True
    kept = np.flatnonzero(counts)
    if not len(kept):  # one factor of all properties, however weak
        return np.arange(1), np.zeros(loadings.shape[1], dtype=np.int32)
    places = np.full(n_factors, -1)
    places[kept] = np.arange(len(kept))
    lost = places[nearest] < 0  # their factor was dropped
    nearest[lost] = kept[strength[kept][:, lost].argmax(axis=0)]
    related = strength[nearest, np.arange(len(nearest))] >= MIN_CORRELATION
    return kept, np.where(related, places[nearest], -1).astype(np.int32)
