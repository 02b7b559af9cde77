"""Selection strategies on vectors: cluster representatives, k-center, facility location."""

from __future__ import annotations

import math
import warnings

import numpy as np

from goalspace.vectors.cosines import cosine_blocks

_PLUS_PLUS = (
    1e11  # multiplications of one round of k-means; above, it starts at random and ends after 20 rounds
)
_REPRESENTED = (
    8_192  # rows covered by the objective of facility location; of more rows, a sample of at least this size
)
_EPSILON = 0.01


def representatives(
    vectors: np.ndarray, budget: int, *, quality: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Choose the row nearest to the centre of each of `budget` k-means clusters, the largest cluster first.

    This is the selection of IEB (arXiv 2409.19680, section 5.1). Given `quality`, the best row in the nearer half of a
    cluster is chosen. If there are fewer clusters than `budget`, k-center adds the remaining rows.
    """
    assigned, distance = _clusters(vectors, budget, rng)
    by_cluster = np.lexsort((distance, assigned))
    starts = np.flatnonzero(np.r_[True, np.diff(assigned[by_cluster]) > 0])
    members = np.split(by_cluster, starts[1:])
    if quality is not None:
        nearer = [rows[: (len(rows) + 1) // 2] for rows in members]
        chosen = np.array([rows[np.argmax(quality[rows])] for rows in nearer])
    else:
        chosen = by_cluster[starts]
    chosen = chosen[np.argsort([-len(rows) for rows in members], kind="stable")]
    if len(chosen) < budget:
        return k_center(vectors, budget, quality=quality, rng=rng, given=chosen)
    return chosen


def _clusters(
    vectors: np.ndarray, n_clusters: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k-means cluster of every row, and a value that increases with the distance to its centre."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    large = n_clusters * vectors.size > _PLUS_PLUS
    model = KMeans(
        n_clusters,
        n_init=1,
        init="random" if large else "k-means++",
        max_iter=20 if large else 300,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
        centres = model.fit(vectors).cluster_centers_
    assigned = np.empty(len(vectors), dtype=np.int64)
    distance = np.empty(len(vectors))
    length = (centres**2).sum(axis=1)
    for start, products in cosine_blocks(vectors, centres):
        some = slice(start, start + len(products))
        squared = length - 2 * products
        assigned[some] = squared.argmin(axis=1)
        distance[some] = squared.min(axis=1)
    return assigned, distance


def k_center(
    vectors: np.ndarray,
    budget: int,
    *,
    quality: np.ndarray | None,
    rng: np.random.Generator,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """Greedily choose the row farthest from the chosen rows, starting with the most central row.

    The largest distance of a row to its nearest chosen row is at most twice the optimum (Gonzalez 1985). Given
    `quality`, distances are weighted between 0.5 (worst) and 1 (best).
    """
    weight = _weights(quality, len(vectors))
    if given is None:
        given = np.array([int(np.argmax(weight * (vectors @ vectors.mean(axis=0))))])
    chosen = list(given[:budget])
    nearest = np.full(len(vectors), -np.inf, dtype=np.float32)
    for row in chosen:
        np.maximum(nearest, vectors @ vectors[row], out=nearest)
    open_ = np.ones(len(vectors), dtype=bool)
    open_[chosen] = False
    while len(chosen) < budget:
        row = int(np.argmax(np.where(open_, weight * (1 - nearest), -np.inf)))
        chosen.append(row)
        open_[row] = False
        np.maximum(nearest, vectors @ vectors[row], out=nearest)
    return np.array(chosen)


def facility_location(
    vectors: np.ndarray, budget: int, *, quality: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Greedily choose the row that most increases the sum over rows of the cosine with the nearest chosen row.

    Stochastic greedy (Mirzasoleiman et al. 2015, arXiv 1409.7938): each step takes the best of n/budget · ln(1/ε)
    random rows, ε = 0.01, which reaches 1 − 1/e − ε of the optimum in expectation at a cost independent of the
    budget. Above 8,192 rows the sum is over a sample of at least four times the budget. Given `quality`, gains are
    weighted between 0.5 (worst) and 1 (best).
    """
    n_rows = len(vectors)
    size = max(_REPRESENTED, 4 * budget)
    sample = vectors if n_rows <= size else vectors[np.sort(rng.choice(n_rows, size, replace=False))]
    weight = _weights(quality, n_rows)
    nearest = np.zeros(len(sample), dtype=np.float32)
    open_ = np.arange(n_rows)
    chosen: list[int] = []
    n_drawn = math.ceil(n_rows / budget * math.log(1 / _EPSILON))
    while len(chosen) < budget:
        drawn = rng.choice(len(open_), min(n_drawn, len(open_)), replace=False)
        gains = np.empty(len(drawn), dtype=np.float32)
        for start, cosines in cosine_blocks(vectors[open_[drawn]], sample):
            gains[start : start + len(cosines)] = np.maximum(cosines - nearest, 0).sum(axis=1)
        best = drawn[int(np.argmax(gains * weight[open_[drawn]]))]
        chosen.append(int(open_[best]))
        np.maximum(nearest, vectors[open_[best]] @ sample.T, out=nearest)
        open_[best] = open_[-1]
        open_ = open_[:-1]
    return np.array(chosen)


def _weights(quality: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Return a weight between 0.5 and 1 per row, by the rank of its quality."""
    if quality is None:
        return np.ones(n_rows, dtype=np.float32)
    _, rank = np.unique(quality, return_inverse=True)
    return (0.5 + 0.5 * rank / max(int(rank.max()), 1)).astype(np.float32)


CHOOSERS = {
    "representatives": representatives,
    "k-center": k_center,
    "facility-location": facility_location,
}
