"""Contamination: rows of a training set that repeat rows of a test set, verbatim or paraphrased."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from goalspace.curation.inputs import unit_vectors
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.vectors.cosines import cosine_blocks, largest

Kind = Literal["exact", "near", "contained", "paraphrase"]

_CANDIDATES = 10  # nearest rows examined per row, in both directions
_PIECE = 5  # characters of the n-grams for the overlap
_LONG = 12  # words; longer test texts can be recognised inside another text by their words alone
_RUN = 6  # consecutive words that a training text must share with a long test text to be examined
_CONTAINED = 0.9  # weighted share of a long test text's n-grams that makes it contained
_MARGIN = 0.15  # by how much the cosine of a paraphrase exceeds that of similar texts
_CROWD = 5, 20  # similar texts: the 5 nearest test texts, or the 20th nearest training text, beyond copies
_FEATURES = 1 << 22
_LINES = 50_000


class Leak(NamedTuple):
    """A training row and the test row that it repeats.

    `kind` is the first of the four kinds that applies; `similarity` is 1 for exact copies, the mean of `cosine` and
    `overlap` for near copies, the overlap for contained texts, the cosine for paraphrases.
    """

    train: int
    test: int
    similarity: float
    kind: Kind
    cosine: float
    overlap: float


def contamination(
    train: Sequence[str], test: Sequence[str], *, threshold: float = 0.8, encoder: str | Encoder = "minilm"
) -> tuple[Leak, ...]:
    """Find training rows that repeat test rows.

    Neither vectors nor spelling suffice alone: rows of one task are neighbours although their content differs, and
    rows of one template share most characters. Therefore a pair is

    - ``exact`` if the words are the same, ignoring case, punctuation and whitespace;
    - ``near`` if the mean of cosine and overlap reaches the threshold. The overlap is the share of the test text's
      character 5-grams that occur in the training text, weighted by their rarity log N / df in both sets, so that
      templates count little;
    - ``contained`` if a test text of at least 12 words has 90 % overlap, regardless of the surrounding text;
    - ``paraphrase`` if the cosine reaches the threshold and exceeds that of the test text with similar texts by
      0.15 (the median for the 5 nearest test texts, or the 20th nearest training text).

    Parameters
    ----------
    train, test
        The texts.
    threshold
        The smallest similarity, from 0.5 to 1.
    encoder
        Encoder of the content; a task encoder would treat all sums as copies of each other.

    Returns
    -------
    For every training row that repeats a test row, the pair with the most similar one, and vice versa; most
    similar pairs first.

    Raises
    ------
    InputError
        If a set is empty or the threshold is out of range.
    """
    if not 0.5 <= threshold <= 1:
        raise InputError(
            f"The 'threshold' parameter of contamination must be from 0.5 to 1. Got {threshold} instead."
        )
    sets = {"train": train, "test": test}
    vectors = {
        name: unit_vectors(texts, encoder, name=name, function="contamination")
        for name, texts in sets.items()
    }
    words = {name: [_words(text) for text in texts] for name, texts in sets.items()}
    pairs, crowd = _near_pairs(vectors["train"], vectors["test"], min_cosine=2 * threshold - 1)
    exact = _same_words(words["train"], words["test"])
    pairs = np.unique(np.concatenate([pairs, exact, _shared_runs(words["train"], words["test"])]), axis=0)
    if not len(pairs):
        return ()
    rows, columns = pairs.T
    cosine = np.einsum("ij,ij->i", vectors["train"][rows], vectors["test"][columns]).clip(-1, 1)
    overlap = _overlaps(words["train"], words["test"], pairs)
    is_long = np.array([text.count(" ") + 1 >= _LONG for text in words["test"]])
    same = np.array([words["train"][i] == words["test"][j] != "" for i, j in pairs.tolist()], dtype=bool)
    ways: dict[Kind, np.ndarray] = {
        "exact": same.astype(np.float64),
        "near": (cosine + overlap) / 2,
        "contained": np.where((overlap >= _CONTAINED) & is_long[columns], overlap, 0),
        "paraphrase": np.where(cosine - crowd[columns] >= _MARGIN, cosine, 0),
    }
    leaks = []
    for n, (i, j) in enumerate(pairs.tolist()):
        kind = next((kind for kind, similarity in ways.items() if similarity[n] >= threshold), None)
        if kind:
            leaks.append(Leak(i, j, float(ways[kind][n]), kind, float(cosine[n]), float(overlap[n])))
    return _best(leaks)


def _best(leaks: list[Leak]) -> tuple[Leak, ...]:
    """Keep the best pair of every training row and every test row, most similar first."""
    leaks.sort(key=lambda leak: (-leak.similarity, leak.train, leak.test))
    seen: tuple[set[int], set[int]] = (set(), set())
    kept = []
    for leak in leaks:
        if leak.train not in seen[0] or leak.test not in seen[1]:
            kept.append(leak)
        seen[0].add(leak.train)
        seen[1].add(leak.test)
    return tuple(kept)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _near_pairs(train: np.ndarray, test: np.ndarray, *, min_cosine: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (n_pairs, 2) nearest rows in both directions with at least `min_cosine`, and the cosine with similar texts."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    n_kept = min(_CROWD[1], len(train))
    kept = np.full((len(test), n_kept), -1, dtype=np.float32)  # cosines of the nearest training rows so far
    rows = np.zeros(kept.shape, dtype=np.int64)
    for start, cosines in cosine_blocks(train, test):
        block = np.arange(start, start + len(cosines))
        near = largest(cosines, _CANDIDATES)
        reach, column = np.nonzero(np.take_along_axis(cosines, near, 1) >= min_cosine)
        pairs.append(np.column_stack((block[reach], near[reach, column])))
        both = np.hstack((kept, cosines.T))
        best = largest(both, n_kept)
        kept = np.take_along_axis(both, best, 1)
        rows = np.take_along_axis(np.hstack((rows, np.broadcast_to(block, cosines.T.shape))), best, 1)
    order = np.argsort(-kept, axis=1)
    kept, rows = np.take_along_axis(kept, order, 1), np.take_along_axis(rows, order, 1)
    reach, column = np.nonzero(kept[:, :_CANDIDATES] >= min_cosine)
    pairs.append(np.column_stack((rows[reach, column], reach)))
    crowd = _crowd(test)
    if n_kept == _CROWD[1]:
        crowd = np.maximum(crowd, kept[:, -1])
    return np.concatenate(pairs), crowd


def _crowd(test: np.ndarray) -> np.ndarray:
    """Return the median cosine of every test row with the 5 nearest others, 0 if there are none."""
    crowd = np.zeros(len(test), dtype=np.float32)
    others = min(_CROWD[0], len(test) - 1)
    if others:
        for start, cosines in cosine_blocks(test, test):
            cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -1
            near = np.take_along_axis(cosines, largest(cosines, others), 1)
            crowd[start : start + len(cosines)] = np.median(near, axis=1)
    return crowd


def _same_words(train: Sequence[str], test: Sequence[str]) -> np.ndarray:
    """Return (n_pairs, 2) rows with the same words, each paired with the first such row of the other set."""
    firsts: tuple[dict[str, int], ...] = ({}, {})
    for first, texts in zip(firsts, (train, test), strict=True):
        for i, text in enumerate(texts):
            first.setdefault(text, i)
    pairs = [(i, firsts[1][text]) for i, text in enumerate(train) if text and text in firsts[1]]
    pairs += [(firsts[0][text], j) for j, text in enumerate(test) if text and text in firsts[0]]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _shared_runs(train: Sequence[str], test: Sequence[str]) -> np.ndarray:
    """Return (n_pairs, 2) training rows with the long test rows that share most word sequences with them."""
    where: dict[str, list[int]] = defaultdict(list)
    for j, text in enumerate(test):
        words = text.split()
        if len(words) >= _LONG:
            for run in set(list(_runs(words))[::3]):  # a third of the sequences is enough
                where[run].append(j)
    pairs = []
    for i, text in enumerate(train):
        shared: dict[int, int] = defaultdict(int)
        for run in _runs(text.split()):
            rows = where.get(run, ())
            if len(rows) <= _CANDIDATES:  # more come from a template
                for j in rows:
                    shared[j] += 1
        pairs += [(i, j) for j in sorted(shared, key=lambda j: -shared[j])[:_CANDIDATES]]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _runs(words: Sequence[str]) -> Iterator[str]:
    return (" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


def _overlaps(train: Sequence[str], test: Sequence[str], pairs: np.ndarray) -> np.ndarray:
    """Return for every pair the weighted share of the test row's n-grams that occur in the training row."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        analyzer="char",
        ngram_range=(_PIECE, _PIECE),
        n_features=_FEATURES,
        binary=True,
        norm=None,
        alternate_sign=False,
        lowercase=False,
        dtype=np.float32,
    )
    used, row_of = np.unique(pairs[:, 0], return_inverse=True)
    have: Any = hashing.transform(train[i] for i in used.tolist())
    asked: Any = hashing.transform(test)
    rng = np.random.default_rng(0)
    some = np.sort(rng.choice(len(train), min(len(train), _LINES), replace=False))
    seen = hashing.transform(train[i] for i in some.tolist())
    n_seen = len(some) + len(test)
    df = seen.getnnz(axis=0) + asked.getnnz(axis=0)
    asked.data = np.log((n_seen + 1) / df[asked.indices]).astype(np.float32)
    whole = np.maximum(np.asarray(asked.sum(axis=1)).ravel(), 1e-9)
    overlaps = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), _LINES):
        part = slice(start, start + _LINES)
        columns = pairs[part, 1]
        shared = have[row_of[part]].multiply(asked[columns])
        overlaps[part] = np.asarray(shared.sum(axis=1)).ravel() / whole[columns]
    return overlaps
