"""The two towers of links: features of a text, a linear head on them, and how well held-out proposals are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Self

import numpy as np

from goalspace.encoders import Encoder
from goalspace.encoders.surface import LexicalFeatures, surface_features

SENTENCE, SURFACE, LEXICAL = "sentence", "surface", "lexical"
ALPHAS = (0.03, 0.1, 0.3, 1.0, 3.0)
_FOLDS = 4
_MOST_JUDGED = 2000  # held-out texts of a fold that are scored
_BLOCK = 8192


@dataclass(frozen=True)
class PairTable:
    """The proposals by text: `rows` (n_rows,) have some, and `properties[i]` are those of row i."""

    rows: np.ndarray
    properties: tuple[np.ndarray, ...]

    @classmethod
    def build(cls, text_index: np.ndarray, property_index: np.ndarray, n_texts: int) -> Self:
        """Group pairs by text."""
        order = np.argsort(text_index, kind="stable")
        ends = np.searchsorted(text_index[order], np.arange(n_texts + 1))
        groups = tuple(property_index[order[a:b]] for a, b in zip(ends[:-1], ends[1:], strict=True))
        return cls(np.flatnonzero(np.diff(ends)), groups)


@dataclass(frozen=True)
class Blocks:
    """Features of texts in named blocks, each standardised and scaled to the same total variance.

    `matrices` holds the blocks of the corpus; what a block needs for new texts is in the other fields.
    """

    matrices: Mapping[str, np.ndarray]
    means: Mapping[str, np.ndarray]
    scales: Mapping[str, np.ndarray]
    lexical: LexicalFeatures | None

    @classmethod
    def fit(cls, texts: Sequence[str], sentences: np.ndarray, *, seed: int) -> Self:
        """Compute and standardise all blocks of a corpus."""
        lexical = LexicalFeatures.fit(texts, seed=seed)
        raw = {
            SENTENCE: sentences,
            SURFACE: surface_features(texts),
            LEXICAL: lexical.transform(texts),
        }
        means = {name: block.mean(axis=0, dtype=np.float64).astype(np.float32) for name, block in raw.items()}
        scales = {}
        for name, block in raw.items():
            spread = block.std(axis=0, dtype=np.float64)
            scales[name] = (np.where(spread > 1e-6, spread, np.inf) * np.sqrt(block.shape[1])).astype(
                np.float32
            )
        matrices = {name: (block - means[name]) / scales[name] for name, block in raw.items()}
        return cls(matrices, means, scales, lexical)

    def only(self, features: Sequence[str]) -> Blocks:
        """What is needed to place new texts with some of the blocks."""
        return Blocks(
            {},
            {name: self.means[name] for name in features},
            {name: self.scales[name] for name in features},
            self.lexical if LEXICAL in features else None,
        )

    def stack(self, features: Sequence[str]) -> np.ndarray:
        """The chosen blocks side by side (n_texts, n_features)."""
        return np.hstack([self.matrices[name] for name in features])

    def of(self, texts: Sequence[str], encoder: Encoder) -> np.ndarray:
        """The features of new texts (n_texts, n_features)."""
        parts = []
        for name in self.means:
            if name == SENTENCE:
                block = encoder.encode(texts)
            elif name == SURFACE:
                block = surface_features(texts)
            else:
                assert self.lexical is not None
                block = self.lexical.transform(texts)
            parts.append((block - self.means[name]) / self.scales[name])
        return np.hstack(parts)


@dataclass(frozen=True)
class Head:
    """A linear map from features into the space of the property vectors: features @ weights + offset."""

    weights: np.ndarray  # (n_features, dim)
    offset: np.ndarray  # (dim,)
    centre: np.ndarray  # (dim,) mean of the targets, taken off the property vectors


@dataclass(frozen=True)
class Choice:
    """Which blocks the text tower reads, and how strongly it is regularised."""

    features: tuple[str, ...]
    alpha: float


@dataclass(frozen=True)
class TextTower:
    """φ_x: places texts in the space of the property vectors; without a head, the encoder as it is."""

    blocks: Blocks | None
    head: Head | None

    @classmethod
    def untrained(cls) -> Self:
        """The encoder as it is."""
        return cls(None, None)

    def place(self, texts: Sequence[str], encoder: Encoder) -> np.ndarray:
        """Vectors of texts (n_texts, dim), of length 1."""
        if self.blocks is None or self.head is None:
            return encoder.encode(texts)
        if not len(texts):
            return np.zeros((0, len(self.head.offset)), dtype=np.float32)
        return _unit(self.blocks.of(texts, encoder) @ self.head.weights + self.head.offset)

    def place_features(self, corpus: Blocks) -> np.ndarray:
        """Vectors of the corpus that `corpus` holds the features of."""
        assert self.blocks is not None
        assert self.head is not None
        features = corpus.stack(tuple(self.blocks.means))
        return _unit(features @ self.head.weights + self.head.offset)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that must be saved."""
        if self.blocks is None or self.head is None:
            return {}
        arrays = {
            "weights": self.head.weights,
            "offset": self.head.offset,
            "centre": self.head.centre,
            **{f"mean.{name}": mean for name, mean in self.blocks.means.items()},
            **{f"scale.{name}": scale for name, scale in self.blocks.scales.items()},
        }
        if self.blocks.lexical is not None:
            arrays |= {
                "lexical.idf": self.blocks.lexical.idf,
                "lexical.components": self.blocks.lexical.components,
            }
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild a tower from `arrays`."""
        if not arrays:
            return cls.untrained()
        # the order of the blocks is the order of the head's rows; a mapping read from a file may have lost it
        names = [name for name in (SENTENCE, SURFACE, LEXICAL) if f"mean.{name}" in arrays]
        lexical = (
            LexicalFeatures(arrays["lexical.idf"], arrays["lexical.components"])
            if "lexical.idf" in arrays
            else None
        )
        blocks = Blocks(
            {},
            {name: arrays[f"mean.{name}"] for name in names},
            {name: arrays[f"scale.{name}"] for name in names},
            lexical,
        )
        return cls(blocks, Head(arrays["weights"], arrays["offset"], arrays["centre"]))


def split(rows: np.ndarray, seed: int) -> list[np.ndarray]:
    """Cut texts into folds at random: a text's proposals are held out together."""
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(rows), _FOLDS)]


def fit_head(
    blocks: Blocks, choice: Choice, properties: np.ndarray, pairs: PairTable, rows: np.ndarray
) -> Head:
    """Ridge regression from the features of the texts `rows` to the mean vector of their proposals."""
    return fit_heads(blocks, choice.features, (choice.alpha,), properties, pairs, rows)[0]


def fit_heads(
    blocks: Blocks,
    features: Sequence[str],
    alphas: Sequence[float],
    properties: np.ndarray,
    pairs: PairTable,
    rows: np.ndarray,
) -> list[Head]:
    """One head per regularisation; the penalty is `alpha` per 1,000 texts, so that it means the same at any size."""
    targets = np.stack([properties[pairs.properties[row]].mean(axis=0) for row in rows]).astype(np.float64)
    centre = targets.mean(axis=0)
    inputs = blocks.stack(features)[rows].astype(np.float64)
    mean = inputs.mean(axis=0)
    inputs -= mean
    values, vectors = np.linalg.eigh(inputs.T @ inputs)
    rotated = vectors.T @ (inputs.T @ (targets - centre))
    heads = []
    for alpha in alphas:
        weights = vectors @ (rotated / (np.maximum(values, 0) + alpha * len(rows) / 1000)[:, None])
        heads.append(
            Head(weights.astype(np.float32), (-mean @ weights).astype(np.float32), centre.astype(np.float32))
        )
    return heads


def choose(
    blocks: Blocks, properties: np.ndarray, pairs: PairTable, folds: Sequence[np.ndarray], seed: int
) -> tuple[Choice, dict[str, float], list[dict[str, Any]]]:
    """The features and regularisation with the best recall of held-out proposals, its metrics, and the table."""
    names = tuple(blocks.matrices)
    subsets = [subset for size in range(1, len(names) + 1) for subset in combinations(names, size)]
    measured: dict[Choice, list[dict[str, float]]] = {
        Choice(subset, alpha): [] for subset, alpha in product(subsets, ALPHAS)
    }
    for fold in folds:
        rows = np.setdiff1d(pairs.rows, fold, assume_unique=True)
        for subset in subsets:
            held = blocks.stack(subset)[fold]
            heads = fit_heads(blocks, subset, ALPHAS, properties, pairs, rows)
            for alpha, head in zip(ALPHAS, heads, strict=True):
                vectors = np.zeros((len(pairs.properties), properties.shape[1]), dtype=np.float32)
                vectors[fold] = _unit(held @ head.weights + head.offset)
                metrics = judge(vectors, centre(properties, head.centre), pairs, fold, seed)
                measured[Choice(subset, alpha)].append(metrics)
    means = {choice: mean_of(results) for choice, results in measured.items()}
    best = max(means, key=lambda choice: means[choice]["recall_at_k"])
    table = [
        {
            "features": "+".join(choice.features),
            "alpha": choice.alpha,
            "recall_at_k": round(m["recall_at_k"], 4),
        }
        for choice, m in means.items()
    ]
    return best, means[best], table


def judge(
    text_vectors: np.ndarray, property_vectors: np.ndarray, pairs: PairTable, rows: np.ndarray, seed: int
) -> dict[str, float]:
    """How well the links find the proposals of held-out texts.

    Returns
    -------
    recall_at_10, recall_at_k
        Share of a text's proposals among its k strongest links; k is 2 % of the vocabulary, at least 10.
    auc
        Chance that a proposal's link is stronger than that of a property not proposed for the text.
    """
    if len(rows) > _MOST_JUDGED:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_JUDGED, replace=False))
    n_properties = len(property_vectors)
    k = max(10, n_properties // 50)
    recall_10, recall_k, auc = [], [], []
    scores = text_vectors[rows] @ property_vectors.T
    for row, score in zip(rows, scores, strict=True):
        own = pairs.properties[row]
        ranks = np.array([np.count_nonzero(score > score[p]) for p in own])
        recall_10.append(np.mean(ranks < 10))
        recall_k.append(np.mean(ranks < k))
        # ranks count better own properties too; taking those off leaves the better strangers
        strangers = n_properties - len(own)
        if strangers:
            auc.append(1 - np.mean(np.sort(ranks) - np.arange(len(own))) / strangers)
    return {
        "recall_at_10": float(np.mean(recall_10)),
        "recall_at_k": float(np.mean(recall_k)),
        "auc": float(np.mean(auc)) if auc else 1.0,
    }


def mean_of(results: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average metrics over folds."""
    listed = list(results)
    return {name: float(np.mean([result[name] for result in listed])) for name in listed[0]}


def centre(properties: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Property vectors around the mean of the targets, of length 1."""
    return _unit(properties - mean)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
