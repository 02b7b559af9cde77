"""The two towers of links: features of a text, a linear head on them, and how well held-out proposals are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any, Self

import numpy as np

from goalspace._blocks import LEXICAL, SENTENCE, SURFACE, Blocks
from goalspace.encoders import Encoder
from goalspace.encoders.geometry import unit
from goalspace.encoders.surface import LexicalFeatures

ALPHAS = (0.001, 0.01, 0.1, 0.3, 1.0)
# a larger share of the plain vector recalls more, and blurs the factors: docs/decisions/0003-links.md
RESIDUALS = (0.0, 0.3, 1.0, 3.0)
_FOLDS = 4
_MOST_JUDGED = 500  # held-out texts of a fold that are scored


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
        groups = tuple(property_index[order[a:b]] for a, b in pairwise(ends))
        return cls(np.flatnonzero(np.diff(ends)), groups)


@dataclass(frozen=True)
class Space:
    """φ_c: where properties lie, which is at unit((vector - mean) @ spread).

    Sentence vectors of properties share most of their directions ("at the drawer" and "at the shelf", all that is
    said about one subject), so that any of them finds all of them. Whitening takes out what they share, weighted by
    how often each was proposed, and leaves what tells them apart.
    """

    mean: np.ndarray  # (dim,)
    spread: np.ndarray  # (dim, dim)
    whitens: bool = True

    @classmethod
    def plain(cls, dim: int) -> Self:
        """The encoder's own space."""
        return cls(np.zeros(dim, dtype=np.float32), np.eye(dim, dtype=np.float32), False)

    @classmethod
    def whitened(cls, properties: np.ndarray, counts: np.ndarray) -> Self:
        """The space in which the properties, `counts` (n_properties,) times each, vary alike in all directions.

        The share dim / n_pairs of the largest variance is added to each: about what sampling so many pairs alone
        makes of directions without any, which whitening would blow up.
        """
        weights = counts / counts.sum()
        mean = weights @ properties
        centred = (properties - mean).astype(np.float64)
        values, vectors = np.linalg.eigh((centred * weights[:, None]).T @ centred)
        strength = 1 / np.sqrt(np.maximum(values, 0) + len(values) / counts.sum() * values.max())
        spread = (vectors * (strength / strength.max())) @ vectors.T
        return cls(mean.astype(np.float32), spread.astype(np.float32))

    def place(self, vectors: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
        """Vectors in the space (n, dim), of length 1; around another `mean` if given."""
        return _unit((vectors - (self.mean if mean is None else mean)) @ self.spread)


@dataclass(frozen=True)
class Head:
    """A linear map from features into the space of the property vectors, beside a share of the sentence vector.

    A text lies at unit(features @ weights + offset) + residual · unit((sentence - sentence_mean) @ spread).
    """

    weights: np.ndarray  # (n_features, dim)
    offset: np.ndarray  # (dim,)
    centre: np.ndarray  # (dim,) mean of the targets, taken off the property vectors
    sentence_mean: np.ndarray  # (dim,)
    residual: float
    space: Space

    def place(self, features: np.ndarray, sentences: np.ndarray | None) -> np.ndarray:
        """Vectors of texts (n_texts, dim), of length 1."""
        placed = _unit(features @ self.weights + self.offset)
        if self.residual and sentences is not None:
            placed = _unit(placed + self.residual * self.space.place(sentences, self.sentence_mean))
        return placed


@dataclass(frozen=True)
class Choice:
    """Which blocks the text tower reads, how strongly it is regularised, and where the properties lie."""

    features: tuple[str, ...]
    alpha: float
    residual: float
    space: Space = field(compare=False)

    def __str__(self) -> str:
        name = "+".join(self.features) + (", whitened properties" if self.space.whitens else "")
        return f"{name}, beside the encoder" if self.residual else name


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
        sentences = encoder.encode(texts) if self.head.residual or SENTENCE in self.blocks.means else None
        return self.head.place(self.blocks.of(texts, sentences), sentences)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that must be saved."""
        if self.blocks is None or self.head is None:
            return {}
        arrays = {
            "weights": self.head.weights,
            "offset": self.head.offset,
            "centre": self.head.centre,
            "sentence_mean": self.head.sentence_mean,
            "residual": np.array([self.head.residual], dtype=np.float32),
            **{f"mean.{name}": mean for name, mean in self.blocks.means.items()},
            **{f"scale.{name}": scale for name, scale in self.blocks.scales.items()},
        }
        if self.head.space.whitens:
            arrays |= {"space.mean": self.head.space.mean, "space.spread": self.head.space.spread}
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
        space = (  # runs of before there were others have none: plain
            Space(arrays["space.mean"], arrays["space.spread"])
            if "space.spread" in arrays
            else Space.plain(len(arrays["offset"]))
        )
        return cls(
            blocks,
            Head(
                arrays["weights"],
                arrays["offset"],
                arrays["centre"],
                arrays["sentence_mean"],
                float(arrays["residual"][0]),
                space,
            ),
        )


def split(rows: np.ndarray, seed: int) -> list[np.ndarray]:
    """Cut texts into folds at random, so that a text's proposals are held out together; at most 500 a fold."""
    parts = np.array_split(np.random.default_rng(seed).permutation(rows), _FOLDS)
    return [np.sort(part[:_MOST_JUDGED]) for part in parts]


def fit_head(
    blocks: Blocks,
    choice: Choice,
    sentences: np.ndarray,
    properties: np.ndarray,
    pairs: PairTable,
    rows: np.ndarray,
) -> Head:
    """Ridge regression from the features of the texts `rows` to the mean vector of their proposals."""
    placed = choice.space.place(properties)
    weights, offset, centre = _ridge(blocks, choice.features, (choice.alpha,), placed, pairs, rows)[0]
    return Head(weights, offset, centre, _mean(sentences), choice.residual, choice.space)


def _mean(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors.mean(axis=0, dtype=np.float64), dtype=np.float32)


def _ridge(
    blocks: Blocks,
    features: Sequence[str],
    alphas: Sequence[float],
    properties: np.ndarray,
    pairs: PairTable,
    rows: np.ndarray,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(weights, offset, mean target) per regularisation, which is `alpha` per 1,000 texts: the same at any size."""
    targets = _targets(properties, pairs, rows)
    centre = targets.mean(axis=0)
    inputs = blocks.stack(features)[rows].astype(np.float64)
    mean = inputs.mean(axis=0)
    inputs -= mean
    values, vectors = np.linalg.eigh(inputs.T @ inputs)
    rotated = vectors.T @ (inputs.T @ (targets - centre))
    fitted = []
    for alpha in alphas:
        weights = vectors @ (rotated / (np.maximum(values, 0) + alpha * len(rows) / 1000)[:, None])
        fitted.append(
            (weights.astype(np.float32), (-mean @ weights).astype(np.float32), centre.astype(np.float32))
        )
    return fitted


def _targets(properties: np.ndarray, pairs: PairTable, rows: np.ndarray) -> np.ndarray:
    return np.stack([properties[pairs.properties[row]].mean(axis=0) for row in rows]).astype(np.float64)


def _mean_target(properties: np.ndarray, pairs: PairTable, rows: np.ndarray) -> np.ndarray:
    return np.asarray(_targets(properties, pairs, rows).mean(axis=0), dtype=np.float32)


def choose(
    blocks: Blocks,
    space: Space,
    sentences: np.ndarray,
    properties: np.ndarray,
    pairs: PairTable,
    folds: Sequence[np.ndarray],
    untrained: float,
    *,
    least_residual: float = 0.0,
) -> tuple[Choice, dict[str, float], list[dict[str, Any]]]:
    """Pick what the text tower reads, by recall of held-out proposals.

    First the features and the regularisation that recall best alone; then the smallest residual, of those allowed,
    with which they beat the recall of the untrained encoder.

    Returns
    -------
    The choice, its metrics, and the table of all that was tried.
    """
    names = tuple(blocks.matrices)
    subsets = [subset for size in range(1, len(names) + 1) for subset in combinations(names, size)]
    properties = space.place(properties)
    plain = space.place(sentences, _mean(sentences))
    measured: dict[Choice, list[dict[str, float]]] = {}
    learned: dict[tuple[str, ...], list[list[np.ndarray]]] = {}
    for subset in subsets:
        learned[subset] = []
        for fold in folds:
            rows = np.setdiff1d(pairs.rows, fold, assume_unique=True)
            held = blocks.stack(subset)[fold]
            fitted = _ridge(blocks, subset, ALPHAS, properties, pairs, rows)
            placed = [_unit(held @ weights + offset) for weights, offset, _ in fitted]
            candidates = centre(properties, fitted[0][2])
            for alpha, vectors in zip(ALPHAS, placed, strict=True):
                metrics = judge(vectors @ candidates.T, pairs, fold)
                measured.setdefault(Choice(subset, alpha, 0.0, space), []).append(metrics)
            learned[subset].append(placed)
    means = {choice: mean_of(results) for choice, results in measured.items()}
    best = max(means, key=lambda choice: (means[choice]["recall_at_k"], choice.alpha))
    for residual in (r for r in RESIDUALS[1:] if r >= least_residual):
        if means[best]["recall_at_k"] > untrained and best.residual >= least_residual:
            break
        results = []
        for fold, placed in zip(folds, learned[best.features], strict=True):
            vectors = placed[ALPHAS.index(best.alpha)] + residual * plain[fold]
            known = np.setdiff1d(pairs.rows, fold, assume_unique=True)
            results.append(
                judge(vectors @ centre(properties, _mean_target(properties, pairs, known)).T, pairs, fold)
            )
        best = Choice(best.features, best.alpha, residual, space)
        means[best] = mean_of(results)
    table = [
        {
            "features": "+".join(choice.features),
            "whitened": choice.space.whitens,
            "alpha": choice.alpha,
            "residual": choice.residual,
            "recall_at_k": round(metrics["recall_at_k"], 4),
        }
        for choice, metrics in means.items()
    ]
    return best, means[best], table


def judge(scores: np.ndarray, pairs: PairTable, rows: np.ndarray) -> dict[str, float]:
    """How well links find the proposals of held-out texts.

    Parameters
    ----------
    scores
        Links of these texts with all properties (n_rows, n_properties).
    pairs
        The proposals.
    rows
        Which texts they are (n_rows,).

    Returns
    -------
    recall_at_10, recall_at_k
        Share of a text's proposals among its k strongest links; k is 2 % of the vocabulary,
        at least 10, but never more than a quarter of it.
    auc
        Chance that a proposal's link is stronger than that of a property not proposed for the text.
    """
    n_properties = scores.shape[1]
    k = max(1, min(max(10, n_properties // 50), n_properties // 4))
    recall_10, recall_k, auc = [], [], []
    for row, score in zip(rows, scores, strict=True):
        own = pairs.properties[row]
        ranks = (score > score[own][:, None]).sum(axis=1)
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
    return np.asarray(unit(vectors), dtype=np.float32)
