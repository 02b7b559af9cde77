"""Linear heads on frozen vectors, fitted by ridge regression and chosen by held-out recall."""

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
    min_residual: float = 0.0,
) -> tuple[Choice, dict[str, float], list[dict[str, Any]]]:
    """Choose the hyperparameters of the text tower by recall of held-out proposals.

    First the features and regularisation with the best recall without a residual; then the smallest allowed residual
    with which they beat the untrained encoder.

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
    for subset in subsets:
        learned[subset] = []
        for fold in folds:
            rows = np.setdiff1d(pairs.rows, fold, assume_unique=True)
            held = blocks.stack(subset)[fold]
            fitted = _ridge(blocks, subset, ALPHAS, properties, pairs, rows)
            projected = [normalize_float32(held @ weights + offset) for weights, offset, _ in fitted]
            candidates = centre(properties, fitted[0][2])
            for alpha, vectors in zip(ALPHAS, projected, strict=True):
                metrics = evaluate_links(vectors @ candidates.T, pairs, fold)
                measured.setdefault(Choice(subset, alpha, 0.0, space), []).append(metrics)
            learned[subset].append(projected)
    means = {choice: mean_of(results) for choice, results in measured.items()}
    best = max(means, key=lambda choice: (means[choice]["recall_at_k"], choice.alpha))
    for residual in (r for r in RESIDUALS[1:] if r >= min_residual):
        if means[best]["recall_at_k"] > untrained and best.residual >= min_residual:
            break
        results = []
        for fold, projected in zip(folds, learned[best.features], strict=True):
            vectors = projected[ALPHAS.index(best.alpha)] + residual * plain[fold]
            known = np.setdiff1d(pairs.rows, fold, assume_unique=True)
            results.append(
                evaluate_links(
                    vectors @ centre(properties, _mean_target(properties, pairs, known)).T, pairs, fold
                )
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
