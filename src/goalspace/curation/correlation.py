"""Comparison of the tasks of data sets: distances, coverage, and tasks that one has and another lacks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from goalspace.curation.inputs import unit_vectors
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.progress import Progress
from goalspace.vectors.cosines import cosine_blocks

MAX_ROWS = 20_000  # rows per set; larger sets are sampled, because the number of pairs grows quadratically
_SPARSE = 10  # percentile of the cosines within a set below which a row is not covered by it
_MIN_ROWS = 3  # rows per task, at least
_MAX_TASKS = 20
_STARTS = 3  # of k-means
_SHARE = 0.2  # smallest share of a group's rows that contain a label or word naming it
_READ = 2_000  # characters of a text that are searched for words


class MissingTask(NamedTuple):
    """A task that one set has and another lacks.

    `labels` are the most frequent task labels of its rows, `words` those that distinguish its rows from the rest of
    the set, both () if only vectors are known; `rows` are the indices of its rows in the first set, most typical
    first; `cosine` is the mean over these rows of the largest cosine with a row of the other set.
    """

    labels: tuple[str, ...]
    words: tuple[str, ...]
    rows: tuple[int, ...]
    cosine: float


@dataclass(frozen=True, eq=False)
class DataSet:
    """Rows of one set: (n_rows, dim) unit vectors, their indices in the set, and texts and task labels if known."""

    vectors: np.ndarray
    rows: np.ndarray
    texts: tuple[str, ...] | None
    labels: tuple[str, ...] | None


@dataclass(frozen=True, eq=False, repr=False)
class Correlation:
    """The relations of data sets; every matrix is (n_sets, n_sets) in the order of `names`.

    Attributes
    ----------
    names
        Names of the sets.
    sizes
        Numbers of rows.
    wasserstein
        Mean over the dimensions of the Wasserstein-1 distance of the two marginal distributions, each dimension in
        units of its standard deviation over all sets (0: the same distributions).
    covered
        For sets i and j, the mean over the rows of i of the largest cosine with a row of j: how well j covers i.
        Larger sets cover more.
    cosine
        The symmetric part of `covered`, (covered + coveredᵀ) / 2 (1: the same rows).
    overlap
        Weighted Jaccard index of the two distributions of task labels, Σ min(p, q) / Σ max(p, q); None without labels.
    linkage
        (n_sets − 1, 4) the average-linkage tree on 1 − cosine, in SciPy's format.
    sets
        The compared rows.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    wasserstein: np.ndarray
    covered: np.ndarray
    cosine: np.ndarray
    overlap: np.ndarray | None
    linkage: np.ndarray
    sets: tuple[DataSet, ...]

    def __repr__(self) -> str:
        return f"Correlation({', '.join(self.names)})"

    @property
    def order(self) -> tuple[int, ...]:
        """The sets in the order of the leaves of the tree, with similar sets side by side."""
        from scipy.cluster.hierarchy import leaves_list

        return tuple(int(leaf) for leaf in leaves_list(self.linkage)) if len(self.names) > 1 else (0,)

    def nearest(self, name: str) -> tuple[str, ...]:
        """Return the other sets in order of decreasing cosine."""
        own = self._index_of(name)
        return tuple(self.names[i] for i in np.argsort(-self.cosine[own], kind="stable") if i != own)

    def missing(self, a: str, b: str) -> tuple[MissingTask, ...]:
        """Find the tasks of set `a` that set `b` lacks.

        A row of `a` is outside `b` if its largest cosine with a row of `b` is less than that with another row of `a`,
        and less than that of 90 % of the rows of `b` with other rows of `b`. The rows outside are clustered by
        k-means; clusters of at least 3 rows are tasks.

        Parameters
        ----------
        a, b
            Names of sets.

        Returns
        -------
        The tasks, largest first.

        Raises
        ------
        InputError
            If a name is unknown.
        """
        one, other = self.sets[self._index_of(a)], self.sets[self._index_of(b)]
        cosine = _reach(one.vectors, other.vectors)
        limit = np.minimum(_reach(one.vectors), np.percentile(_reach(other.vectors), _SPARSE))
        outside = np.flatnonzero(cosine < limit)
        tasks = []
        for members in _groups(one.vectors[outside]):
            rows = outside[members]
            centre = one.vectors[rows].mean(axis=0)
            rows = rows[np.argsort(-(one.vectors[rows] @ centre), kind="stable")]
            labels = () if one.labels is None else _common([one.labels[i] for i in rows])
            words = () if one.texts is None else _distinctive_words(one.texts, rows)
            tasks.append(
                MissingTask(labels, words, tuple(one.rows[rows].tolist()), float(cosine[rows].mean()))
            )
        return tuple(sorted(tasks, key=lambda task: -len(task.rows)))

    def _index_of(self, name: str) -> int:
        if name not in self.names:
            raise InputError(f"There is no set '{name}'; the sets are {', '.join(self.names)}.")
        return self.names.index(name)


def correlate(
    datasets: Mapping[str, Sequence[str] | np.ndarray],
    *,
    encoder: str | Encoder = "task",
    labels: Mapping[str, Sequence[str]] | bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Correlation:
    """Compare the tasks of data sets.

    Computes the two measures of IEB (arXiv 2409.19680, section 5.4) on unit vectors, and the overlap of task labels.
    (The paper's code divides a vector by the sum of its components, which can reverse it.)

    Parameters
    ----------
    datasets
        Name → texts, or (n_rows, dim) vectors. Sets of more than 20,000 rows are sampled.
    encoder
        Turns texts into vectors: a spec of `get_encoder`, or an encoder.
    labels
        Name → the task label of every row. True labels the texts by `label_tasks`, unless a set consists of
        vectors; False omits labels.
    seed
        Seed of the samples.
    progress
        Called with (description of the step, number done, total).

    Raises
    ------
    InputError
        If there are fewer than two sets, a set is empty, or the vectors or labels do not match.
    """
    if len(datasets) < 2:
        raise InputError(
            f"The 'datasets' parameter of correlate must have at least two sets. Got {len(datasets)} instead."
        )
    names = tuple(datasets)
    rng = np.random.default_rng(seed)
    rows = {name: _drawn(len(datasets[name]), rng) for name in names}
    known = _labels(datasets, rows, labels, progress)
    sets = []
    for number, name in enumerate(names):
        if progress:
            progress("embedding", number, len(names))
        given = datasets[name]
        some = given[rows[name]] if isinstance(given, np.ndarray) else tuple(given[i] for i in rows[name])
        vectors = unit_vectors(some, encoder, name=f"datasets[{name!r}]", function="correlate")
        texts = None if isinstance(some, np.ndarray) else some
        sets.append(DataSet(vectors, rows[name], texts, None if known is None else known[name]))
    if len({dataset.vectors.shape[1] for dataset in sets}) > 1:
        raise InputError("The vectors of all sets must have the same dimension.")
    if progress:
        progress("comparing", 0, 1)
    vectors_of = [dataset.vectors for dataset in sets]
    covered = np.array([[1.0 if a is b else _reach(a, b).mean() for b in vectors_of] for a in vectors_of])
    cosine = (covered + covered.T) / 2
    return Correlation(
        names=names,
        sizes=tuple(len(datasets[name]) for name in names),
        wasserstein=_wasserstein(vectors_of),
        covered=covered,
        cosine=cosine,
        overlap=None if known is None else _overlap([known[name] for name in names]),
        linkage=_linkage(1 - cosine),
        sets=tuple(sets),
    )


def _drawn(n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return all rows, or a sample of MAX_ROWS, in order."""
    if n_rows <= MAX_ROWS:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, MAX_ROWS, replace=False))


def _labels(
    datasets: Mapping[str, Sequence[str] | np.ndarray],
    rows: Mapping[str, np.ndarray],
    labels: Mapping[str, Sequence[str]] | bool,
    progress: Progress | None,
) -> dict[str, tuple[str, ...]] | None:
    """Return the labels of the sampled rows, merged jointly over all sets."""
    if labels is True and not any(isinstance(given, np.ndarray) for given in datasets.values()):
        from goalspace.curation.tasklabels import label_tasks

        texts = [datasets[name][i] for name in datasets for i in rows[name]]
        every = iter(label_tasks(texts, progress=progress).labels)
        return {name: tuple(next(every) for _ in rows[name]) for name in datasets}
    if isinstance(labels, bool):
        return None
    for name, given in datasets.items():
        if len(labels.get(name, ())) != len(given):
            raise InputError(
                f"The 'labels' parameter of correlate must have {len(given):,} labels for '{name}'. "
                f"Got {len(labels.get(name, ())):,} instead."
            )
    return {name: tuple(labels[name][i] for i in rows[name]) for name in datasets}


def _reach(rows: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Return for every row the largest cosine with another set's row, or with another row of its own set."""
    reach = np.empty(len(rows))
    for start, cosines in cosine_blocks(rows, rows if others is None else others):
        if others is None:
            cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -1
        reach[start : start + len(cosines)] = cosines.max(axis=1)
    return reach.clip(-1, 1)


def _wasserstein(sets: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean over dimensions of the Wasserstein-1 distances of all pairs of sets.

    All sets have equal weight in the scale of a dimension, regardless of size; constant dimensions are ignored.
    """
    means = np.array([rows.mean(axis=0, dtype=np.float64) for rows in sets])
    within = np.array([rows.var(axis=0, dtype=np.float64) for rows in sets])
    scale = np.sqrt(within.mean(axis=0) + means.var(axis=0))
    used = scale > 1e-6
    ordered = [np.sort(rows[:, used], axis=0) / scale[used].astype(np.float32) for rows in sets]
    distances = np.zeros((len(sets), len(sets)))
    for i, a in enumerate(ordered):
        for j, b in enumerate(ordered[:i]):
            distances[i, j] = distances[j, i] = _quantile_distance(a, b)
    return distances


def _quantile_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean over columns of ∫ |F⁻¹ − G⁻¹|, exactly; the columns of `a` and `b` are sorted.

    The quantile functions are steps at i / n_a and j / n_b, the same for all columns.
    """
    n, m = len(a), len(b)
    # in units of 1 / (n m), in which all steps are integers
    cuts = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(cuts, prepend=0) / (n * m)
    gaps = np.abs(a[(cuts - 1) // m] - b[(cuts - 1) // n])
    return float(widths @ gaps.mean(axis=1)) if gaps.size else 0.0


def _overlap(labels: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the weighted Jaccard index of the distributions of labels of all pairs of sets."""
    every = sorted({label for some in labels for label in some})
    shares = np.array(
        [[count[label] / len(some) for label in every] for some in labels for count in [Counter(some)]]
    )
    both = [[np.minimum(p, q).sum() / np.maximum(p, q).sum() for q in shares] for p in shares]
    return np.array(both)


def _linkage(distances: np.ndarray) -> np.ndarray:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    return np.asarray(linkage(squareform(distances.clip(0), checks=False), "average", optimal_ordering=True))


def _groups(vectors: np.ndarray) -> list[np.ndarray]:
    """Cluster rows by k-means into at most √(n / 2) groups, without those too small for a task."""
    if len(vectors) < _MIN_ROWS:
        return []
    from sklearn.cluster import KMeans

    n_groups = min(max(1, round(np.sqrt(len(vectors) / 2))), _MAX_TASKS, len(np.unique(vectors, axis=0)))
    group = KMeans(n_groups, n_init=_STARTS, random_state=0).fit_predict(vectors)
    members = [np.flatnonzero(group == i) for i in range(n_groups)]
    return [rows for rows in members if len(rows) >= _MIN_ROWS]


def _common(labels: Sequence[str]) -> tuple[str, ...]:
    """Return up to three frequent labels of a group."""
    common = Counter(labels).most_common(3)
    often = tuple(label for label, count in common if count >= max(2, _SHARE * len(labels)))
    return often or (common[0][0],)


def _distinctive_words(texts: Sequence[str], rows: np.ndarray) -> tuple[str, ...]:
    """Return up to three words that are frequent in the given rows and rare in the others."""
    everywhere = Counter(word for text in texts for word in _words(text))
    here = Counter(word for row in rows for word in _words(texts[row]))
    often = [(word, count) for word, count in here.items() if count >= max(2, _SHARE * len(rows))]
    # positive only if the share in the group is at least 1.5 times that in the whole set
    worth = {
        word: count * np.log(len(texts) * count / len(rows) / everywhere[word] / 1.5) for word, count in often
    }
    return tuple(
        sorted((word for word in worth if worth[word] > 0), key=lambda word: (-worth[word], word))[:3]
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}", text[:_READ].lower()))
