"""Scores of texts on factors, and the factor that describes a text best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goalspace.vectors.geometry import normalize

# A property whose correlation with every factor is weaker is unassigned: it shares less than a tenth of its variance
MIN_CORRELATION = 0.32
MAX_LLOYD_ITER = 60


def score_texts(vectors: np.ndarray, directions: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Standardised scores of text vectors (n_texts, n_factors) float32."""
    return np.asarray(vectors @ directions.T - offset, dtype=np.float32)


def assign_texts(
    vectors: np.ndarray, prototypes: np.ndarray, centre: np.ndarray, hidden: Sequence[int] = ()
) -> np.ndarray:
    """The prototype with the largest inner product, -1 if none is positive; hidden prototypes are ignored."""
    strength = (vectors - centre) @ prototypes.T
    strength[:, list(hidden)] = -np.inf
    best = strength.argmax(axis=1)
    return np.where(strength[np.arange(len(best)), best] > 1e-6, best, -1).astype(np.int32)


def span(prototypes: np.ndarray) -> np.ndarray:
    """An orthonormal basis (rank, dim) of the space that the prototypes span."""
    _, strengths, basis = np.linalg.svd(prototypes, full_matrices=False)
    return np.asarray(basis[strengths > 1e-3 * strengths[0]], dtype=np.float32)


def project_texts(vectors: np.ndarray, basis: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Coordinates of text vectors on the axes of `span` (n_texts, rank) float32."""
    return np.asarray((vectors - centre) @ basis.T, dtype=np.float32)


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
    return np.atleast_2d(np.cov(vectors.T.astype(np.float64), bias=True))


def calibrate(
    centred: np.ndarray, property_vectors: np.ndarray, loadings: np.ndarray, assignment: np.ndarray
) -> np.ndarray:
    """Make factors comparable: replace each by the mean direction of the texts that belong to it.

    Factors overlap, so their raw scores are not comparable and an argmax over them gives a poor partition. Spherical
    k-means (Dhillon & Modha 2001) starts from the mean property of each factor; a factor that loses all its texts
    keeps its previous prototype.
    """
    n_factors = len(loadings)
    weights = np.where(assignment == np.arange(n_factors)[:, None], loadings, 0)
    prototypes = normalize(weights @ property_vectors)
    texts = normalize(centred)
    for _ in range(MAX_LLOYD_ITER if n_factors > 1 else 0):  # all texts belong to a single factor
        nearest = (texts @ prototypes.T).argmax(axis=1)
        sums = np.zeros_like(prototypes)
        np.add.at(sums, nearest, texts)
        moved = np.where(np.linalg.norm(sums, axis=1, keepdims=True) > 1e-9, normalize(sums), prototypes)
        if np.allclose(moved, prototypes, atol=1e-6):
            break
        prototypes = moved
    return np.asarray(prototypes)
