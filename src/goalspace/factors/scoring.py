"""Scores of texts on factors, and the factor that describes a text best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goalspace.corex.blocks import measure_moments
from goalspace.vectors.geometry import normalize, row_blocks

# A property whose correlation with every factor is weaker is unassigned: it shares less than a tenth of its variance
MIN_CORRELATION = 0.32
MAX_LLOYD_ITER = 60


def score_texts(vectors: np.ndarray, directions: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Standardised scores of text vectors (n_texts, n_factors) float32."""
    return np.asarray(vectors @ directions.T - offset, dtype=np.float32)


def assign_texts(
    vectors: np.ndarray,
    prototypes: np.ndarray,
    owners: np.ndarray,
    centre: np.ndarray,
    hidden: Sequence[int] = (),
    not_relevant: Sequence[int] = (),
) -> np.ndarray:
    """The factor that owns the prototype with the largest inner product (n_texts,) int32, -1 if none is positive.

    The prototypes of hidden factors are ignored; texts that are not relevant to the goal have no factor.
    """
    is_hidden = np.isin(owners, hidden)
    dominant = np.empty(len(vectors), dtype=np.int32)
    for rows in row_blocks(len(vectors)):
        strength = (vectors[rows] - centre) @ prototypes.T
        strength[:, is_hidden] = -np.inf
        best = strength.argmax(axis=1)
        dominant[rows] = np.where(strength[np.arange(len(best)), best] > 1e-6, owners[best], -1)
    dominant[list(not_relevant)] = -1
    return dominant


def span(prototypes: np.ndarray) -> np.ndarray:
    """An orthonormal basis (rank, dim) of the space that the prototypes span."""
    _, strengths, basis = np.linalg.svd(prototypes, full_matrices=False)
    return np.asarray(basis[strengths > 1e-3 * strengths[0]], dtype=np.float32)


def project_texts(vectors: np.ndarray, basis: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Coordinates of text vectors on the axes of `span` (n_texts, rank) float32."""
    found = np.empty((len(vectors), len(basis)), dtype=np.float32)
    for rows in row_blocks(len(vectors)):
        found[rows] = (vectors[rows] - centre) @ basis.T
    return found


def correlate(
    covariance: np.ndarray, prototypes: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Directions of prototypes whose scores have variance 1, and their correlations with properties."""
    spread = np.sqrt(np.maximum(np.einsum("kd,de,ke->k", prototypes, covariance, prototypes), 1e-18))
    directions: np.ndarray = prototypes / spread[:, None]
    strength = np.sqrt(np.maximum(np.einsum("md,de,me->m", vectors, covariance, vectors), 1e-18))
    correlations: np.ndarray = np.clip(directions @ covariance @ vectors.T / strength, -1, 1)
    return directions, correlations


def covariance_of(vectors: np.ndarray) -> np.ndarray:
    """Return the covariance of the columns (dim, dim)."""
    return measure_moments(vectors).covariance


def partition(directions: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    """Group directions by spherical k-means (Dhillon & Modha 2001) from several starts, and keep the best result.

    Parameters
    ----------
    directions
        (n, dim) rows of length 1, such as text vectors around their mean.
    starts
        Prototypes (k, dim) to start from; a prototype that loses all its rows stays as it is.

    Returns
    -------
    (k, dim) prototypes of length 1: those with the largest sum of cosines.
    """
    found = [_lloyd(directions, start) for start in starts]
    return max(found, key=lambda prototypes: float((directions @ prototypes.T).max(axis=1).sum()))


def _lloyd(directions: np.ndarray, prototypes: np.ndarray) -> np.ndarray:
    for _ in range(MAX_LLOYD_ITER if len(prototypes) > 1 else 0):  # all rows belong to a single prototype
        nearest = (directions @ prototypes.T).argmax(axis=1)
        sums = np.zeros_like(prototypes)
        np.add.at(sums, nearest, directions)
        moved = np.where(np.linalg.norm(sums, axis=1, keepdims=True) > 1e-9, normalize(sums), prototypes)
        if np.allclose(moved, prototypes, atol=1e-6):
            break
        prototypes = moved
    return np.asarray(prototypes)


def mean_properties(property_vectors: np.ndarray, loadings: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """The direction of the properties of each factor, weighted by their loadings (n_factors, dim)."""
    weights = np.where(assignment == np.arange(len(loadings))[:, None], loadings, 0)
    return normalize(weights @ property_vectors)


def centres(positions: np.ndarray, dominant: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Position of each factor on the map: the median of its dominated texts, or of its ten highest-scoring ones."""
    centres = []
    for k in range(scores.shape[1]):
        own = np.flatnonzero(dominant == k)
        if not len(own):
            own = np.argsort(-scores[:, k], kind="stable")[:10]
        centres.append(np.median(positions[own], axis=0))
    return np.asarray(centres, dtype=np.float32)
