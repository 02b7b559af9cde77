"""Fitting: the number of factors, and the assignment of properties to them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from goalspace.factors.scoring import (
    MIN_CORRELATION,
    assign_texts,
    calibrate,
    correlate,
    covariance_of,
    project_texts,
    score_texts,
    span,
)
from goalspace.vectors.geometry import normalize

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

    model: LinearCorex
    assignment: np.ndarray  # (n_properties,) int32, -1 unassigned
    directions: np.ndarray  # (n_factors, dim) float32
    offset: np.ndarray  # (n_factors,) float32
    prototypes: np.ndarray  # (n_factors, dim) float32, around `centre`
    centre: np.ndarray  # (dim,) float32
    loadings: np.ndarray  # (n_factors, n_properties) float32
    tc: np.ndarray  # (n_factors,) nats

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Standardised scores of text vectors (n_texts, n_factors)."""
        return score_texts(vectors, self.directions, self.offset)

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """The factor that describes a text best (n_texts,) int32, -1 where none does."""
        return assign_texts(vectors, self.prototypes, self.centre)

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
    curve: list[tuple[int, float]] = []
    for number in CANDIDATE_NUMBERS:
        if number > max(limit, 2) or number > len(property_vectors):
            break
        tc = fit_corex(text_vectors, property_vectors, number, max_iter=25).tc_
        # more factors explain no less: a dip is an ascent that stopped early
        curve.append((number, max(float(tc), curve[-1][1] if curve else 0.0)))
    best = curve[0][0] if curve else 1
    for (before, base), (number, tc) in pairwise(curve):
        if (tc - base) / (number - before) >= MIN_GAIN_SHARE * tc / number:
            best = number
    return best, tuple(curve)


def fit_corex(
    text_vectors: np.ndarray, property_vectors: np.ndarray, n_factors: int, *, max_iter: int = _MAX_ITER
) -> LinearCorex:
    """Fit Linear CorEx to the links, from groups of properties that correlate.

    With this start no annealing is needed and nothing is random: the same links always give the same factors.
    """
    from sklearn.exceptions import ConvergenceWarning

    from goalspace.corex.linear import LinearCorex

    start = group(text_vectors, property_vectors, n_factors)
    model = LinearCorex(
        n_components=len(start), anneal=False, max_iter=max_iter, tol=1e-2, init=start, random_state=0
    )
    with warnings.catch_warnings():
        # the ascent may be cut short: the last per mille of the bound take as long as all before
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit_low_rank(text_vectors, property_vectors)


def group(text_vectors: np.ndarray, property_vectors: np.ndarray, n_groups: int) -> np.ndarray:
    """Cluster properties whose links correlate, by Ward's method (1963).

    K-means with random starts gives groups with an adjusted Rand index of only 0.6 between seeds, however many
    starts are tried (docs/decisions/0012).

    Returns
    -------
    The membership (n_groups, n_properties) as 0 and 1; fewer groups than asked for where fewer properties differ.
    """
    # correlations of links are inner products of these rows
    values, vectors = np.linalg.eigh(covariance_of(text_vectors))
    rows = normalize(property_vectors @ (vectors * np.sqrt(np.maximum(values, 0))))
    return _ward(rows, min(n_groups, len(np.unique(rows.round(6), axis=0))))


def _ward(rows: np.ndarray, n_groups: int) -> np.ndarray:
    """Group unit vectors: the tree of the first rows, the others in the nearest group."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if n_groups < 2 or len(rows) < 2:
        return np.ones((1, len(rows)))
    first = rows[:MAX_TREE_PROPERTIES]
    groups = fcluster(linkage(first, "ward"), n_groups, "maxclust") - 1
    if len(rows) > len(first):
        centres = (groups == np.arange(groups.max() + 1)[:, None]) @ first
        groups = np.concatenate([groups, (rows[MAX_TREE_PROPERTIES:] @ normalize(centres).T).argmax(axis=1)])
    return np.asarray(groups == np.arange(groups.max() + 1)[:, None], dtype=np.float64)


def fit_structure(text_vectors: np.ndarray, property_vectors: np.ndarray, n_factors: int) -> Structure:
    """Fit the factors, calibrate their scores, and drop those without properties.

    Each property is assigned to the factor whose scores it shares most information with, which for Gaussian variables
    is the most strongly correlated one, if the correlation is large enough. Calibration starts from CorEx's groups.
    """
    model = fit_corex(text_vectors, property_vectors, n_factors)
    live, assignment = _assign(model.loadings_)
    centre = model.text_mean_
    prototypes = calibrate(text_vectors - centre, property_vectors, model.loadings_[live], assignment)
    directions, loadings = correlate(covariance_of(text_vectors), prototypes, property_vectors)
    kept, assignment = _assign(loadings)
    directions, prototypes = directions[kept], prototypes[kept]
    return Structure(
        model,
        assignment,
        directions.astype(np.float32),
        (directions @ centre).astype(np.float32),
        prototypes.astype(np.float32),
        centre.astype(np.float32),
        loadings[kept].astype(np.float32),
        model.tcs_[live[kept]],
    )


def _assign(loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors that are kept, and which of these each property belongs to, -1 where none.

    A factor is kept if some property correlates positively with it; otherwise it could not be named.
    """
    strength = np.abs(loadings)
    nearest = strength.argmax(axis=0)
    along = (loadings.max(axis=0) >= MIN_CORRELATION) & (loadings.argmax(axis=0) == nearest)
    kept = np.unique(nearest[along])
    if not len(kept):  # one factor of all properties, however weak
        return np.arange(1), np.zeros(loadings.shape[1], dtype=np.int32)
    strength = strength[kept]
    assignment = np.where(strength.max(axis=0) >= MIN_CORRELATION, strength.argmax(axis=0), -1)
    return kept, assignment.astype(np.int32)
