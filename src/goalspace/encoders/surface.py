"""Features of the form of a text rather than its content: surface statistics and reduced character n-grams."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


# Counted per 100 characters, as log(1 + rate), because rates have long tails.
_MARKS = {
    "commas": ",",
    "full_stops": ".",
    "semicolons": ";",
    "colons": ":",
    "exclamation_marks": "!",
    "question_marks": "?",
    "hashes": "#",
    "at_signs": "@",
    "double_quotes": '"',
    "apostrophes": "'’",
    "opening_brackets": "(",
    "closing_brackets": ")",
    "hyphens": "-",
    "dashes": "–—",
    "asterisks": "*",
    "slashes": "/",
    "ellipses": "…",
    "typographic_quotes": "«»„“”‚‘",
    "inverted_marks": "¿¡",
    "money_and_percent": "$€£%",
    "code_marks": "{}[]<>=_|\\`",
}
_ENDS = {"comma": ",", "full_stop": ".", "colon": ":", "exclamation_mark": "!", "question_mark": "?"}

SURFACE_NAMES: tuple[str, ...] = (
    "log_characters",
    "log_lines",
    "log_line_length",  # mean over non-blank lines, in characters
    "line_length_spread",  # standard deviation / (mean + 1)
    "blank_lines",  # shares of lines are relative to all lines
    "word_length",
    "log_sentence_length",  # in words
    "type_token_ratio",  # of the first 200 words: over a whole text the ratio mostly reflects its length
    "upper_case",  # shares of characters
    "digits",
    "non_ascii",
    "all_caps_words",  # shares of words
    "links",
    "log_emoji",  # per 100 characters
    *(f"log_{name}" for name in _MARKS),
    "lines_opening_upper_case",  # shares of lines
    "lines_opening_space",
    *(f"lines_ending_{name}" for name in _ENDS),
    "header_lines",  # upper case throughout: TITLES, and the cues of a script
    "speaker_lines",  # NAME: or Name: before speech
    "list_lines",  # a bullet or a number before the item
)
N_SURFACE = len(SURFACE_NAMES)

_SENTENCE_ENDS = re.compile(r"[.!?…。！？]+(?:\s|$)")
_LINK = re.compile(r"(?:https?://|www\.)\S")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
_SPEAKER = re.compile(r"\s*[^\W\d_][\w.'’ -]{0,30}:(?:\s|$)")
_ITEM = re.compile(r"\s*(?:[-*•‣◦–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s")


def surface_features(texts: Sequence[str]) -> np.ndarray:
    """Measure style and layout of texts, independent of their language and topic.

    Parameters
    ----------
    texts
        Any number of texts, empty ones included.

    Returns
    -------
    (n_texts, N_SURFACE) float32, columns as in `SURFACE_NAMES`, not standardised, all finite.
    """
    features = np.empty((len(texts), N_SURFACE), dtype=np.float32)
    for row, text in enumerate(texts):
        features[row] = [*_measure_whole(text), *_measure_marks(text), *_measure_lines(text.split("\n"))]
    return features


def _measure_whole(text: str) -> Iterator[float]:
    lines = [line for line in text.split("\n") if line.strip()]
    lengths = np.array([len(line) for line in lines] or [0])
    words = text.split()
    n_characters, n_words = max(len(text), 1), max(len(words), 1)
    n_lines = text.count("\n") + 1
    head = words[:200]
    yield np.log1p(len(text))
    yield np.log1p(n_lines)
    yield np.log1p(lengths.mean())
    yield lengths.std() / (lengths.mean() + 1)
    yield 1 - len(lines) / n_lines
    yield sum(map(len, words)) / n_words
    yield np.log1p(len(words) / max(len(_SENTENCE_ENDS.findall(text)), 1))
    yield len({word.lower() for word in head}) / max(len(head), 1)
    yield sum(map(str.isupper, text)) / n_characters
    yield sum(map(str.isdigit, text)) / n_characters
    yield 0.0 if text.isascii() else sum(character > "\x7f" for character in text) / n_characters
    yield sum(word.isupper() and len(word) > 1 for word in words) / n_words
    yield len(_LINK.findall(text)) / n_words
    yield 0.0 if text.isascii() else np.log1p(100 * len(_EMOJI.findall(text)) / n_characters)


def _measure_marks(text: str) -> np.ndarray:
    counts = [sum(map(text.count, marks)) for marks in _MARKS.values()]
    return np.log1p(np.array(counts) * (100 / max(len(text), 1)))


def _measure_lines(lines: Sequence[str]) -> np.ndarray:
    counts = np.zeros(5 + len(_ENDS))
    for line in lines:
        body = line.strip()
        if not body:
            continue
        counts[0] += body[0].isupper()
        counts[1] += line[0].isspace()
        end = body[-1]
        for column, mark in enumerate(_ENDS.values(), start=2):
            counts[column] += end == mark
        counts[-3] += len(body) > 2 and body.isupper()
        counts[-2] += _SPEAKER.match(line) is not None
        counts[-1] += _ITEM.match(line) is not None
    return counts / len(lines)


@dataclass(frozen=True)
class LexicalFeatures:
    """Character n-grams, weighted by rarity and reduced to a few dimensions (latent semantic analysis).

    The n-grams (1 to 4 characters within a word, case kept) are hashed, so no vocabulary is stored.

    Attributes
    ----------
    idf
        (8192,) float32, the weight of every hash bucket, log((1 + n) / (1 + df)) + 1.
    components
        (dim, 8192) float32, orthonormal rows.
    """

    idf: np.ndarray
    components: np.ndarray

    @property
    def dim(self) -> int:
        """Features per text."""
        return len(self.components)

    @classmethod
    def fit(cls, texts: Sequence[str], *, dim: int = 100, seed: int = 0, n_fit: int = 20_000) -> Self:
        """Fit weights and components to texts.

        Parameters
        ----------
        texts
            At least one text.
        dim
            Features per text; fewer if there are at most `dim` distinct texts.
        seed
            Seed of the sample.
        n_fit
            Largest number of texts to fit to; of more, a random sample is taken.
        """
        if len(texts) > n_fit:
            rows = np.sort(np.random.default_rng(seed).choice(len(texts), n_fit, replace=False))
            texts = [texts[row] for row in rows]
        counts = _count_ngrams(texts)
        n_texts_with = np.bincount(counts.indices, minlength=N_BUCKETS)
        idf = (np.log((1 + len(texts)) / (1 + n_texts_with)) + 1).astype(np.float32)
        n_most = max(1, min(dim, len(texts) - 1))
        strengths, components = _decompose(_weight(counts, idf), n_most)
        # components of equal texts are rounding noise, which standardising would amplify
        kept = max(1, int((strengths > 1e-3 * strengths[0]).sum()))
        return cls(idf, components[:kept].astype(np.float32))

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            weighted = _weight(_count_ngrams(texts[start : start + _CHUNK]), self.idf)
            vectors[start : start + _CHUNK] = weighted @ self.components.T
        return vectors


N_BUCKETS = 2**13
_DENSE = 2048  # number of texts up to which their Gram matrix is decomposed
_CHUNK = 4096  # texts whose n-grams are in memory at a time


def _count_ngrams(texts: Sequence[str]) -> csr_matrix:
    from sklearn.feature_extraction.text import HashingVectorizer

    hasher = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(1, 4),
        lowercase=False,
        n_features=N_BUCKETS,
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    return cast("csr_matrix", hasher.transform(texts))


def _weight(counts: csr_matrix, idf: np.ndarray) -> csr_matrix:
    """Weight counts by (1 + log count) · idf, and scale every row to unit length."""
    from sklearn.preprocessing import normalize

    counts.data = (1 + np.log(counts.data)) * idf[counts.indices]
    return cast("csr_matrix", normalize(counts, copy=False))


def _decompose(matrix: csr_matrix, n_most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest singular values and their right singular vectors, exactly and with deterministic signs.

    The result of a randomised decomposition depends on its seed, and factors of different seeds then group
    properties differently (docs/decisions/0012).
    """
    from scipy.linalg import eigh
    from scipy.sparse.linalg import svds

    n = matrix.shape[0]
    if n <= _DENSE:
        gram = (matrix @ matrix.T).toarray().astype(np.float64)
        values, left = eigh(gram, subset_by_index=(n - n_most, n - 1))
        strengths = np.sqrt(np.maximum(values, 0))
        components = (matrix.T @ left).T / np.maximum(strengths, 1e-12)[:, None]
    else:
        start = np.ones(min(matrix.shape), dtype=np.float32)
        _, strengths, components = svds(matrix, n_most, v0=start)
    strengths, components = strengths[::-1], components[::-1]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return strengths, components * np.where(largest < 0, -1, 1)
