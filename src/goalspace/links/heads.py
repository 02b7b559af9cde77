"""Linear heads on frozen vectors, fitted by ridge regression and chosen by their agreement with held-out proposals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any, Self

import numpy as np

from goalspace.links.features import Blocks
from goalspace.links.towers import Head, Space, centre, normalize_float32

ALPHAS = (0.001, 0.01, 0.1, 0.3, 1.0)
# a larger residual raises recall but blurs the factors: docs/decisions/0003-links.md
RESIDUALS = (0.0, 0.3, 1.0, 3.0)
_FOLDS = 4
_MAX_EVALUATED = 500  # held-out texts of a fold that are scored


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
class Choice:
    """Hyperparameters of the text tower: feature blocks, regularisation, residual, and the space of the properties."""

    features: tuple[str, ...]
    alpha: float
    residual: float
    space: Space = field(compare=False)

    def __str__(self) -> str:
        name = "+".join(self.features) + (", whitened properties" if self.space.whitens else "")
        return f"{name}, beside the encoder" if self.residual else name


def split(rows: np.ndarray, seed: int) -> list[np.ndarray]:
    """Split texts into random folds of at most 500 evaluated texts; a text's proposals are held out together."""
    parts = np.array_split(np.random.default_rng(seed).permutation(rows), _FOLDS)
    return [np.sort(part[:_MAX_EVALUATED]) for part in parts]


def fit_head(
    blocks: Blocks,
    choice: Choice,
    sentences: np.ndarray,
    properties: np.ndarray,
    pairs: PairTable,
    rows: np.ndarray,
) -> Head:
    """Ridge regression from the features of the texts `rows` to the mean vector of their proposals."""
    projected = choice.space.project(properties)
    weights, offset, centre = _ridge(blocks, choice.features, (choice.alpha,), projected, pairs, rows)[0]
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


def add_proposals(vectors: np.ndarray, properties: np.ndarray, pairs: PairTable) -> np.ndarray:
    """Move the texts with proposals half way towards the mean vectors of these (n_texts, dim), of length 1.

    What was read in a text says more about it than what can be learned from other texts.
    """
    moved = vectors.copy()
    moved[pairs.rows] += normalize_float32(_targets(properties, pairs, pairs.rows))
    return normalize_float32(moved)


def choose(
    blocks: Blocks,
    space: Space,
    sentences: np.ndarray,
    properties: np.ndarray,
    pairs: PairTable,
    folds: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
) -> tuple[Choice, dict[str, float], list[dict[str, Any]]]:
    """Choose the hyperparameters of the text tower by its agreement with held-out proposals.

    First the features and regularisation without a residual, then the residual.

    Parameters
    ----------
    blocks, sentences
        The features and the sentence vectors of all texts.
    space, properties
        The space of the properties, and their vectors.
    pairs, folds
        The proposals, and the texts that are held out in turn.
    targets
        Of each fold, what `measure_agreement` compares with.

    Returns
    -------
    The choice, its metrics, and a table of all candidates.
    """
    names = tuple(blocks.matrices)
    subsets = [subset for size in range(1, len(names) + 1) for subset in combinations(names, size)]
    properties = space.project(properties)
    plain = space.project(sentences, _mean(sentences))
    measured: dict[Choice, list[dict[str, float]]] = {}
    learned: dict[tuple[str, ...], list[list[np.ndarray]]] = {}
    centres: list[np.ndarray] = []

    def measure(choice: Choice, number: int, vectors: np.ndarray) -> None:
        fold = folds[number]
        found = evaluate_links(vectors @ centre(properties, centres[number]).T, pairs, fold)
        found["agreement"] = measure_agreement(vectors, targets[number])
        measured.setdefault(choice, []).append(found)

    for subset in subsets:
        learned[subset] = []
        for number, fold in enumerate(folds):
            rows = np.setdiff1d(pairs.rows, fold, assume_unique=True)
            held = blocks.stack(subset)[fold]
            fitted = _ridge(blocks, subset, ALPHAS, properties, pairs, rows)
            if len(centres) == number:
                centres.append(fitted[0][2])
            projected = [normalize_float32(held @ weights + offset) for weights, offset, _ in fitted]
            for alpha, vectors in zip(ALPHAS, projected, strict=True):
                measure(Choice(subset, alpha, 0.0, space), number, vectors)
            learned[subset].append(projected)

    def agreement(choice: Choice) -> tuple[float, float]:
        return mean_of(measured[choice])["agreement"], choice.alpha

    best = max(measured, key=agreement)
    for residual in RESIDUALS[1:]:
        for number, projected in enumerate(learned[best.features]):
            vectors = projected[ALPHAS.index(best.alpha)] + residual * plain[folds[number]]
            measure(Choice(best.features, best.alpha, residual, space), number, normalize_float32(vectors))
    best = max(measured, key=agreement)
    means = {choice: mean_of(results) for choice, results in measured.items()}
    table = [
        {
            "features": "+".join(choice.features),
            "whitened": choice.space.whitens,
            "alpha": choice.alpha,
            "residual": choice.residual,
            **{name: round(metrics[name], 4) for name in ("recall_at_k", "agreement")},
        }
        for choice, metrics in means.items()
    ]
    return best, means[best], table


def measure_agreement(vectors: np.ndarray, targets: np.ndarray) -> float:
    """Correlation of the cosines between texts with those between their targets, the mean vectors of their proposals.

    Recall also rises where links only repeat what texts are about; this measure asks whether texts are alike for the same
    reason as their proposals.
    """
    if len(vectors) < 3:
        return 0.0
    pairs = np.triu_indices(len(vectors), 1)
    cosines, wanted = (
        (unit @ unit.T)[pairs] for unit in (normalize_float32(vectors - vectors.mean(axis=0)), targets)
    )
    spread = cosines.std() * wanted.std()
    return (
        float(((cosines - cosines.mean()) * (wanted - wanted.mean())).mean() / spread) if spread > 0 else 0.0
    )


def make_targets(space: Space, properties: np.ndarray, pairs: PairTable, rows: np.ndarray) -> np.ndarray:
    """The mean vectors of the proposals of texts around their own mean, in a space (n_rows, dim), of length 1."""
    means = _targets(space.project(properties), pairs, rows)
    return normalize_float32(means - means.mean(axis=0))


def evaluate_links(scores: np.ndarray, pairs: PairTable, rows: np.ndarray) -> dict[str, float]:
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
        # ranks also count the text's own properties; subtract those that rank higher
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
