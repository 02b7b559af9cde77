"""Groups of further texts that no factor explains: candidates for new factors."""

from __future__ import annotations

import numpy as np

from goalspace.vectors.geometry import normalize

MIN_TEXTS = 10  # further texts that make a new factor
_MAX_LINKED = 4000  # unexplained texts that are joined; the distances of all pairs are held in memory
MAX_P = 0.01  # of the test that further texts belong to a new factor more often than known ones


def find_groups(
    known: np.ndarray, further: np.ndarray, prototypes: np.ndarray, *, unexplained: np.ndarray
) -> np.ndarray:
    """Find groups of unexplained texts that are as much alike as those of a factor.

    Unexplained texts are joined by average linkage (Sokal & Michener 1958), as long as the mean cosine between the texts of
    a group is that between the texts of the median factor. A group stays if, once every text has joined its nearest
    prototype, it has at least 10 further texts, and a larger share of the further than of the known texts (Fisher's exact
    test, p < 0.01, times the number of groups that were tested).

    Parameters
    ----------
    known, further
        (n_known, dim) and (n_further, dim), text vectors around the centre, of length 1.
    prototypes
        (n_prototypes, dim) of the factors.
    unexplained
        (n_further,) bool.

    Returns
    -------
    (n_groups, dim) prototypes of the groups, the largest first.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    rows = np.flatnonzero(unexplained)
    if len(rows) < MIN_TEXTS:
        return np.zeros((0, prototypes.shape[1]))
    rows = rows[:: -(-len(rows) // _MAX_LINKED)]
    alike = _median_likeness(known, prototypes)
    tree = linkage(further[rows], "average", metric="cosine")
    labels = fcluster(tree, 1 - alike, "distance") - 1
    sizes = np.bincount(labels)
    order = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= MIN_TEXTS // 2]
    groups = [normalize(further[rows[labels == k]].sum(axis=0)[None])[0] for k in order]
    kept: list[np.ndarray] = []
    for group in groups:
        found = _grow(further, prototypes, [*kept, group])
        if _is_new(known, further, prototypes, [*kept, found], n_tested=len(groups)):
            kept.append(found)
    return np.array(kept).reshape(-1, prototypes.shape[1])


def _median_likeness(vectors: np.ndarray, prototypes: np.ndarray) -> float:
    """Return the mean cosine between two texts of the same factor, for the median factor."""
    nearest = (vectors @ prototypes.T).argmax(axis=1)
    means = []
    for k in np.unique(nearest):
        own = vectors[nearest == k]
        if len(own) > 1:
            means.append((np.square(own.sum(axis=0)).sum() - len(own)) / (len(own) * (len(own) - 1)))
    return float(np.clip(np.median(means), 0, 1)) if means else 1.0


def _grow(further: np.ndarray, prototypes: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Return the prototype of the last group after every further text has joined its nearest one."""
    nearest = (further @ np.vstack([prototypes, *groups]).T).argmax(axis=1)
    own = further[nearest == len(prototypes) + len(groups) - 1]
    return normalize(own.sum(axis=0)[None])[0] if len(own) else groups[-1]


def _is_new(
    known: np.ndarray, further: np.ndarray, prototypes: np.ndarray, groups: list[np.ndarray], *, n_tested: int
) -> bool:
    """Return whether the last group has enough further texts, and relatively more of them than of the known texts."""
    from scipy.stats import fisher_exact

    everything, last = np.vstack([prototypes, *groups]).T, len(prototypes) + len(groups) - 1
    n, m = (int(((vectors @ everything).argmax(axis=1) == last).sum()) for vectors in (known, further))
    if m < MIN_TEXTS:
        return False
    table = [[m, len(further) - m], [n, len(known) - n]]
    return bool(fisher_exact(table, alternative="greater").pvalue * n_tested < MAX_P)
