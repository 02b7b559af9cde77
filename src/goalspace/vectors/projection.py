"""A two-dimensional map of texts, in which texts with similar factor scores lie close together."""

from __future__ import annotations

import numpy as np

from goalspace.vectors.geometry import row_blocks

_LANDMARKS = 3000
_NEIGHBOURS = 3


def lay_out(vectors: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Place texts on the unit square by t-SNE (van der Maaten & Hinton 2008).

    Above 3,000 texts, that many landmarks are laid out, and the other texts are placed between the nearest ones.

    Parameters
    ----------
    vectors
        (n_texts, dim).
    seed
        Seed of the landmarks and of t-SNE.

    Returns
    -------
    (n_texts, 2) float32 in [0, 1].
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n_texts = len(vectors)
    if n_texts < 5 or not np.ptp(vectors, axis=0).any():
        return np.stack([np.linspace(0, 1, n_texts), np.full(n_texts, 0.5)], axis=1).astype(np.float32)
    rng = np.random.default_rng(seed)
    chosen = np.arange(n_texts)
    if n_texts > _LANDMARKS:
        chosen = np.sort(rng.choice(n_texts, _LANDMARKS, replace=False))
    landmarks = vectors[chosen]
    width = min(30, *landmarks.shape)
    reduced = PCA(width, random_state=seed).fit_transform(landmarks) if width > 2 else landmarks
    # slight noise: t-SNE divides by the spread, which is 0 for identical texts
    reduced = reduced + 1e-6 * rng.standard_normal(reduced.shape)
    placed = TSNE(
        perplexity=min(30.0, (len(chosen) - 1) / 3),
        init="pca" if width > 2 else "random",
        max_iter=500,
        random_state=seed,
    ).fit_transform(reduced)
    if len(chosen) < n_texts:
        placed = place_between(vectors, landmarks, placed)
    low, high = placed.min(axis=0), placed.max(axis=0)
    return np.asarray((placed - low) / np.maximum(high - low, 1e-9), dtype=np.float32)


def place_between(vectors: np.ndarray, landmarks: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """Place further texts on a map, between the nearest three of the landmarks on it, each weighted by 1 / distance.

    Parameters
    ----------
    vectors
        (n_texts, dim) of the further texts.
    landmarks
        (n_landmarks, dim) of the texts on the map.
    placed
        (n_landmarks, 2), where these are.

    Returns
    -------
    (n_texts, 2).
    """
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(landmarks))).fit(landmarks)
    found = np.empty((len(vectors), placed.shape[1]))
    for rows in row_blocks(len(vectors)):
        distances, nearest = neighbours.kneighbors(vectors[rows])
        weights = 1 / (distances + 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        found[rows] = np.einsum("nk,nkc->nc", weights, placed[nearest])
    return found
