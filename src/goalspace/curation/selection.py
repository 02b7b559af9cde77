"""Selection of a diverse, representative subset of rows, and its coverage."""

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
CONTENT = "minilm"  # the encoder for near-duplicates
_SEEDS = 5


@dataclass(frozen=True)
class Coverage:
    """The coverage of chosen rows, compared with equally many random rows (mean and standard error over 5 draws).

    `distance` is the mean over all rows of 1 − cosine with the nearest chosen row. `n_labels` counts the labels
    of the chosen rows, out of `n_labels_in_all`. The fields about labels are None if there are no labels.
    """

    distance: float
    distance_random: Estimate
    n_labels: int | None = None
    n_labels_in_all: int | None = None
    n_labels_random: Estimate | None = None

    @property
    def times_random(self) -> float | None:
        """Number of labels relative to that of random rows."""
        if self.n_labels is None or self.n_labels_random is None:
            return None
        return self.n_labels / self.n_labels_random.mean


@dataclass(frozen=True, eq=False)
class Selection:
    """Chosen rows.

    Attributes
    ----------
    rows
        (budget,) indices of the chosen rows in the order of choice; every prefix is a selection, too.
    groups
        (n_rows,) for every row the position in `rows` of the nearest chosen row.
    duplicates
        (n_duplicates,) rows excluded before selection as near-duplicates of a kept row.
    coverage
        Coverage of the chosen rows.
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
    """Choose `budget` rows that represent all.

    Parameters
    ----------
    texts_or_vectors
        Texts, or their (n_rows, dim) vectors, which are normalised.
    budget
        The number of rows to choose.
    method
        ``representatives``: the row nearest to the centre of each of `budget` k-means clusters (IEB, arXiv
        2409.19680); follows the density of the data. ``k-center``: repeatedly the row farthest from the chosen
        rows; covers all regions, including outliers. ``facility-location``: repeatedly the row that most increases
        the similarity of all rows to their nearest chosen row; between the two.
    labels
        (n_rows,) the task of every row, which stratifies the selection: every label gets one row as far as the
        budget allows, most frequent first, and the rest is allocated by the square root of the frequency.
    quality
        (n_rows,) numbers; higher is better, None or "" is worst. Among rows that could represent a region, better
        ones are preferred.
    dedupe
        Before selection, only the first of rows whose content has at least this cosine is kept (the best, given
        `quality`).
    content
        (n_rows, dim) vectors of the content of rows, for `dedupe`; a task encoder would treat all sums as copies
        of each other. By default the MiniLM vectors of texts, or the given vectors.
    encoder
        Turns texts into vectors: a spec of `get_encoder`, or an encoder.
    seed
        Seed of all random numbers.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If the budget is less than 1 or more than the number of rows without near-duplicates, or if a parameter
        is invalid.
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
        source = texts_or_vectors if content is None else content
        content_vectors = unit_vectors(source, CONTENT, name="content", function="select")
        if len(content_vectors) != n_rows:
            raise InputError(
                f"The 'content' parameter of select must have {n_rows:,} rows. Got {len(content_vectors):,} instead."
            )
        rows = np.flatnonzero(near_duplicates(content_vectors, dedupe, order=order) == rows)
        if budget > len(rows):
            raise InputError(
                f"The budget of {budget:,} rows is more than the {len(rows):,} rows that are left of {n_rows:,} "
                f"without near-duplicates (cosine {dedupe:g}): use a smaller budget or a higher cosine."
            )
    rng = np.random.default_rng(seed)
    strata = [rows] if labels is None else _strata(labels, rows)
    chosen: list[tuple[int, int, int]] = []  # position in its stratum, minus the stratum's size, row
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
    """Measure the coverage of chosen rows, compared with equally many random rows under five seeds.

    Parameters
    ----------
    rows
        A selection, or the indices of the chosen rows.
    vectors
        (n_rows, dim) vectors of all rows.
    labels
        (n_rows,) the task of every row.

    Returns
    -------
    Coverage

    Raises
    ------
    InputError
        If `labels` and `vectors` differ in length.
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
    """Raise the `InputError` that `select` would raise, before texts are encoded."""
    if budget < 1:
        raise InputError(f"The budget must be at least 1 row. Got {budget} instead.")
    if budget > n_rows:
        raise InputError(f"The budget of {budget:,} rows is more than the {n_rows:,} rows available.")
    if method not in METHODS:
        raise InputError(
            f"The 'method' parameter of select must be one of {', '.join(METHODS)}. Got '{method}' instead."
        )
    if dedupe is not None and not 0 < dedupe <= 1:
        raise InputError(f"Near-duplicates need a cosine above 0, up to 1. Got {dedupe:g} instead.")


def _numbers(quality: Sequence[Any], n_rows: int) -> np.ndarray:
    """Return the quality of every row as a number, −∞ if it is missing or NaN."""
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
    """Return the rows of every label, in order of first appearance of the labels."""
    rows_by_label: dict[Hashable, list[int]] = {}
    for row in rows.tolist():
        rows_by_label.setdefault(labels[row], []).append(row)
    return [np.array(members) for members in rows_by_label.values()]


def _shares(sizes: Sequence[int], budget: int) -> list[int]:
    """Return the number of rows from each stratum: one each, largest first, then by the square root of the size."""
    shares = [0] * len(sizes)
    # strata without a row take precedence
    queue = [(-np.inf, -size, i) for i, size in enumerate(sizes)]
    heapq.heapify(queue)
    for _ in range(budget):
        _, size, i = heapq.heappop(queue)
        shares[i] += 1
        if shares[i] < sizes[i]:
            heapq.heappush(queue, (-np.sqrt(sizes[i]) / (shares[i] + 0.5), size, i))
    return shares


def _nearest(vectors: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for every row the position of the nearest chosen row and the cosine with it."""
    position = np.empty(len(vectors), dtype=np.int64)
    cosine = np.empty(len(vectors), dtype=np.float32)
    for start, cosines in cosine_blocks(vectors, vectors[chosen]):
        some = slice(start, start + len(cosines))
        position[some] = cosines.argmax(axis=1)
        cosine[some] = cosines.max(axis=1)
    return position, cosine.clip(-1, 1)
