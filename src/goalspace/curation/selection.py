"""Which rows to keep: a diverse, representative subset, and how much of the whole it covers."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goalspace.curation.inputs import unit_vectors
from goalspace.curation.strategies import CHOOSERS
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.vectors.cosines import cosine_blocks
from goalspace.vectors.duplicates import near_duplicates

METHODS = tuple(CHOOSERS)
CONTENT = "minilm"  # the encoder that says which rows are near-duplicates
_SEEDS = 5


@dataclass(frozen=True)
class Coverage:
    """What chosen rows cover, beside as many rows drawn at random (mean and standard error over 5 draws).

    `distance` is the mean over all rows of 1 − cosine with the nearest chosen row. `n_labels` counts the labels
    of the chosen rows, of `n_labels_in_all`; the three are None without labels.
    """

    distance: float
    distance_random: Estimate
    n_labels: int | None = None
    n_labels_in_all: int | None = None
    n_labels_random: Estimate | None = None

    @property
    def times_random(self) -> float | None:
        """How many times as many labels as random rows."""
        if self.n_labels is None or self.n_labels_random is None:
            return None
        return self.n_labels / self.n_labels_random.mean


@dataclass(frozen=True, eq=False)
class Selection:
    """Chosen rows.

    Attributes
    ----------
    rows
        (budget,) indices of the chosen rows in the order of choice: a part from the front is a selection too.
    groups
        (n_rows,) for every row the position in `rows` of the chosen row that is nearest to it.
    duplicates
        (n_duplicates,) rows set aside before choosing because a kept row is nearly the same.
    coverage
        What the rows cover.
    """

    rows: np.ndarray
    groups: np.ndarray
    duplicates: np.ndarray
    coverage: Coverage


def select(
    texts_or_vectors: Sequence[str] | np.ndarray,
    budget: int,
    *,
    method: str = "representatives",
    labels: Sequence[Hashable] | None = None,
    quality: Sequence[Any] | None = None,
    dedupe: float | None = None,
    content: np.ndarray | None = None,
    encoder: str | Encoder = "task",
    seed: int = 0,
) -> Selection:
    """Choose `budget` rows that stand for all.

    Parameters
    ----------
    texts_or_vectors
        Texts, or (n_rows, dim) vectors of them; vectors are scaled to length 1.
    budget
        The number of rows to choose.
    method
        ``representatives``: the row nearest to the centre of each of `budget` k-means clusters (IEB, arXiv
        2409.19680); follows the density of the data. ``k-center``: each time the row farthest from those
        chosen; reaches into every corner, outliers too. ``facility-location``: each time the row that brings
        all rows nearest to a chosen one; between the two.
    labels
        (n_rows,) the task of every row. Then the choice is stratified: every label gets one row as far as the
        budget goes, the most frequent first, and the rest is shared by the square root of its frequency.
    quality
        (n_rows,) numbers, higher is better, None or "" is worst: of the rows that could stand for a region a better
        one is taken.
    dedupe
        Of rows with at least this cosine of what they say only the first is kept (the best, given a quality), before
        choosing.
    content
        (n_rows, dim) vectors of what the rows say, for `dedupe`: an encoder of tasks would call all sums copies of
        one another. By default those of MiniLM for texts; the given ones for vectors.
    encoder
        Turns texts into vectors: a spec of `get_encoder`, or an encoder.
    seed
        Of all random numbers.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If the budget is less than 1 or more than the rows there are, with near-duplicates set aside; if a
        parameter does not fit.
    """
    vectors = unit_vectors(texts_or_vectors, encoder, name="texts_or_vectors", function="select")
    n_rows = len(vectors)
    check(n_rows, budget, method=method, dedupe=dedupe)
    if labels is not None and len(labels) != n_rows:
        raise InputError(
            f"The 'labels' parameter of select must have {n_rows:,} values. Got {len(labels):,} instead."
        )
    score = None if quality is None else _numbers(quality, n_rows)
    rows = np.arange(n_rows)
    if dedupe is not None:
        order = None if score is None else np.argsort(-score, kind="stable")
        said = texts_or_vectors if content is None else content
        said = unit_vectors(said, CONTENT, name="content", function="select")
        if len(said) != n_rows:
            raise InputError(
                f"The 'content' parameter of select must have {n_rows:,} rows. Got {len(said):,} instead."
            )
        rows = np.flatnonzero(near_duplicates(said, dedupe, order=order) == rows)
        if budget > len(rows):
            raise InputError(
                f"The budget of {budget:,} rows is more than the {len(rows):,} rows that are left of {n_rows:,} "
                f"without near-duplicates (cosine {dedupe:g}): take a smaller budget, or a higher cosine."
            )
    rng = np.random.default_rng(seed)
    strata = [rows] if labels is None else _strata(labels, rows)
    chosen: list[tuple[int, int, int]] = []  # place within its stratum, minus the stratum's size, row
    for stratum, share in zip(strata, _shares([len(s) for s in strata], budget), strict=True):
        if share:
            picked = CHOOSERS[method](
                vectors[stratum], share, quality=None if score is None else score[stratum], rng=rng
            )
            chosen += [(position, -len(stratum), int(stratum[row])) for position, row in enumerate(picked)]
    if labels is not None:
        chosen.sort()
    picked = np.array([row for *_, row in chosen], dtype=np.int64)
    return Selection(
        rows=picked,
        groups=_nearest(vectors, picked)[0],
        duplicates=np.setdiff1d(np.arange(n_rows), rows),
        coverage=coverage(picked, vectors, labels=labels),
    )


def coverage(
    rows: Selection | Sequence[int] | np.ndarray,
    vectors: np.ndarray,
    *,
    labels: Sequence[Hashable] | None = None,
) -> Coverage:
    """Measure what chosen rows cover, beside as many rows drawn at random with five seeds.

    Parameters
    ----------
    rows
        A selection, or the indices of the chosen rows.
    vectors
        (n_rows, dim) of all rows.
    labels
        (n_rows,) the task of every row.

    Returns
    -------
    Coverage

    Raises
    ------
    InputError
        If `labels` has another length than `vectors`.
    """
    chosen = np.asarray(rows.rows if isinstance(rows, Selection) else rows)
    vectors = unit_vectors(vectors, "", name="vectors", function="coverage")
    if labels is not None and len(labels) != len(vectors):
        raise InputError(
            f"The 'labels' parameter of coverage must have {len(vectors):,} values. Got {len(labels):,} instead."
        )
    draws = [
        np.random.default_rng(seed).choice(len(vectors), len(chosen), replace=False) for seed in range(_SEEDS)
    ]
    distance = 1 - float(_nearest(vectors, chosen)[1].mean())
    random = Estimate.of([1 - float(_nearest(vectors, draw)[1].mean()) for draw in draws])
    if labels is None:
        return Coverage(distance, random)
    return Coverage(
        distance,
        random,
        n_labels=len({labels[row] for row in chosen}),
        n_labels_in_all=len(set(labels)),
        n_labels_random=Estimate.of([len({labels[row] for row in draw}) for draw in draws]),
    )


def check(n_rows: int, budget: int, *, method: str = METHODS[0], dedupe: float | None = None) -> None:
    """Raise the InputError that `select` would raise, before texts are encoded."""
    if budget < 1:
        raise InputError(f"The budget must be 1 row or more. Got {budget} instead.")
    if budget > n_rows:
        raise InputError(f"The budget of {budget:,} rows is more than the {n_rows:,} rows that there are.")
    if method not in METHODS:
        raise InputError(
            f"The 'method' parameter of select must be one of {', '.join(METHODS)}. Got '{method}' instead."
        )
    if dedupe is not None and not 0 < dedupe <= 1:
        raise InputError(f"Near-duplicates need a cosine above 0, up to 1. Got {dedupe:g} instead.")


def _numbers(quality: Sequence[Any], n_rows: int) -> np.ndarray:
    """Return the quality of every row; none, and not a number, is worst."""
    if len(quality) != n_rows:
        raise InputError(
            f"The 'quality' parameter of select must have {n_rows:,} values. Got {len(quality):,} instead."
        )
    numbers = np.full(n_rows, -np.inf)
    for row, value in enumerate(quality):
        if value is not None and value != "":
            try:
                numbers[row] = float(value)
            except (TypeError, ValueError):
                raise InputError(
                    f"The quality of row {row + 1} must be a number. Got {str(value)[:40]!r} instead."
                ) from None
    numbers[np.isnan(numbers)] = -np.inf
    return numbers


def _strata(labels: Sequence[Hashable], rows: np.ndarray) -> list[np.ndarray]:
    """Return the rows of every label, in the order in which labels first occur."""
    found: dict[Hashable, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(labels[row], []).append(row)
    return [np.array(members) for members in found.values()]


def _shares(sizes: Sequence[int], budget: int) -> list[int]:
    """Return how many rows each stratum gives: one each, the largest first, then by the root of the size."""
    shares = [0] * len(sizes)
    # a stratum without a row comes before all others
    queue = [(-np.inf, -size, i) for i, size in enumerate(sizes)]
    heapq.heapify(queue)
    for _ in range(budget):
        _, size, i = heapq.heappop(queue)
        shares[i] += 1
        if shares[i] < sizes[i]:
            heapq.heappush(queue, (-np.sqrt(sizes[i]) / (shares[i] + 0.5), size, i))
    return shares


def _nearest(vectors: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for every row the position of the nearest chosen row, and its cosine with it."""
    position = np.empty(len(vectors), dtype=np.int64)
    cosine = np.empty(len(vectors), dtype=np.float32)
    for start, cosines in cosine_blocks(vectors, vectors[chosen]):
        some = slice(start, start + len(cosines))
        position[some] = cosines.argmax(axis=1)
        cosine[some] = cosines.max(axis=1)
    return position, cosine.clip(-1, 1)
