"""Linear heads on frozen vectors, fitted by ridge regression and chosen by their agreement with held-out proposals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any, Self

import numpy as np

from goalspace.links.features import LEXICAL, SENTENCE, SURFACE, Blocks
from goalspace.links.towers import Head, Space, centre, normalize_float32

ALPHAS = (0.001, 0.01, 0.1, 0.3, 1.0)
# a larger residual raises recall but blurs the factors: docs/decisions/0003-links.md
RESIDUALS = (0.0, 0.3, 1.0, 3.0)
_COSTS = {SENTENCE: 0.0, SURFACE: 0.25, LEXICAL: 0.85}  # milliseconds per text, beside its sentence vector
_NEARLY = 0.98
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

    def take(self, rows: np.ndarray) -> Self:
        """Return the table of some texts (n,), in ascending order, which contain all that have proposals."""
        return type(self)(np.searchsorted(rows, self.rows), tuple(self.properties[row] for row in rows))


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
    ridge = Ridge(blocks.stack(choice.features)[rows])
    targets = _targets(choice.space.project(properties), pairs, rows)
    weights, offset = ridge.weights(targets, choice.alpha)
    mean = targets.mean(axis=0).astype(np.float32)
    return Head(weights, offset, mean, _mean(sentences), choice.residual, choice.space)


def _mean(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors.mean(axis=0, dtype=np.float64), dtype=np.float32)


class Ridge:
    """Ridge regressions (Hoerl & Kennard 1970) from the same inputs, which are decomposed once.

    With fewer rows than columns, the Gram matrix of the rows is decomposed, which is smaller. The regularisation `alpha` is
    that per 1,000 rows: the same at any size.

    Parameters
    ----------
    inputs
        (n_rows, n_features).
    """

    def __init__(self, inputs: np.ndarray) -> None:
        rows = inputs.astype(np.float64)
        self._mean = rows.mean(axis=0)
        rows -= self._mean
        is_wide = rows.shape[0] < rows.shape[1]
        values, vectors = np.linalg.eigh(rows @ rows.T if is_wide else rows.T @ rows)
        self._values = np.maximum(values, 0)
        self._left: np.ndarray = vectors if is_wide else rows @ vectors
        self._right: np.ndarray = rows.T @ vectors if is_wide else vectors

    def weights(self, targets: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights (n_features, dim) and the offset (dim,) that map inputs to targets less their mean, float32."""
        weights = self._right @ self._coefficients(targets, alpha)
        return weights.astype(np.float32), (-self._mean @ weights).astype(np.float32)

    def predict(self, inputs: np.ndarray, targets: np.ndarray, alphas: Sequence[float]) -> list[np.ndarray]:
        """Return, for each regularisation, the targets less their mean that other inputs are mapped to (n, dim)."""
        rotated = (inputs - self._mean) @ self._right
        return [rotated @ self._coefficients(targets, alpha) for alpha in alphas]

    def _coefficients(self, targets: np.ndarray, alpha: float) -> np.ndarray:
        strength = self._values + alpha * len(targets) / 1000
        return np.asarray(self._left.T @ (targets - targets.mean(axis=0)) / strength[:, None])


def _targets(properties: np.ndarray, pairs: PairTable, rows: np.ndarray) -> np.ndarray:
    return np.stack([properties[pairs.properties[row]].mean(axis=0) for row in rows]).astype(np.float64)


def add_proposals(vectors: np.ndarray, properties: np.ndarray, pairs: PairTable) -> np.ndarray:
    """Move the texts with proposals half way towards the mean vectors of these, and return the same array.

    What was read in a text says more about it than what can be learned from other texts.

    Parameters
    ----------
    vectors
        (n_texts, dim), of length 1; changed in place, as a copy for a million texts takes gigabytes.
    properties, pairs
        The vectors of the properties, and the proposals.
    """
    targets = normalize_float32(_targets(properties, pairs, pairs.rows))
    vectors[pairs.rows] = normalize_float32(vectors[pairs.rows] + targets)
    return vectors


def remove_proposals(vectors: np.ndarray, properties: np.ndarray, pairs: PairTable) -> np.ndarray:
    """Undo `add_proposals`: the vectors of the texts before they were moved (n_texts, dim).

    For a moved vector m = (v + t) / |v + t| with |v| = |t| = 1, the length of v + t is 2 m·t.
    """
    before = vectors.copy()
    targets = normalize_float32(_targets(properties, pairs, pairs.rows))
    moved = vectors[pairs.rows]
    before[pairs.rows] = 2 * (moved * targets).sum(axis=1, keepdims=True) * moved - targets
    return normalize_float32(before)


def choose(
    blocks: Blocks,
    spaces: Sequence[Space],
    sentences: np.ndarray,
    properties: np.ndarray,
    pairs: PairTable,
    folds: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    *,
    frugal: bool = False,
) -> tuple[Choice, dict[str, float], list[dict[str, Any]]]:
    """Choose the hyperparameters of the text tower by its agreement with held-out proposals.

    For each space the features and regularisation without a residual, then the residual; last the space.

    Parameters
    ----------
    blocks, sentences
        The features and the sentence vectors of all texts.
    spaces, properties
        Spaces of the properties, and their vectors.
    pairs, folds
        The proposals, and the texts that are held out in turn.
    targets
        Of each fold, what `measure_agreement` compares with.
    frugal
        Take the features that are quickest to compute among those that agree at most 2 % less than the best ones.

    Returns
    -------
    The choice, its metrics, and a table of all candidates.
    """
    names = tuple(blocks.matrices)
    subsets = [subset for size in range(1, len(names) + 1) for subset in combinations(names, size)]
    trials = [_Trial(space, sentences, properties, pairs, folds, targets, frugal) for space in spaces]
    for subset in subsets:
        inputs = blocks.stack(subset)
        for number, fold in enumerate(folds):
            rows = np.setdiff1d(pairs.rows, fold, assume_unique=True)
            ridge = Ridge(inputs[rows])
            for trial in trials:
                trial.regress(subset, number, ridge, rows, inputs[fold])
    tried = [trial.finish() for trial in trials]
    choice, metrics, _ = max(tried, key=lambda result: result[1]["agreement"])
    return choice, metrics, [row for result in tried for row in result[2]]


class _Trial:
    """Measures text towers whose properties lie in one space; parameters as of `choose`."""

    def __init__(
        self,
        space: Space,
        sentences: np.ndarray,
        properties: np.ndarray,
        pairs: PairTable,
        folds: Sequence[np.ndarray],
        targets: Sequence[np.ndarray],
        frugal: bool,
    ) -> None:
        self._frugal = frugal
        self._space, self._pairs, self._folds, self._targets = space, pairs, folds, targets
        self._properties = space.project(properties)
        self._plain = space.project(sentences, _mean(sentences))
        self._measured: dict[Choice, list[dict[str, float]]] = {}
        # by features and fold, the vectors of the held-out texts for each regularisation
        self._learned: dict[tuple[tuple[str, ...], int], list[np.ndarray]] = {}
        self._centres: dict[int, np.ndarray] = {}  # by fold, the mean target of the other texts

    def regress(
        self, features: tuple[str, ...], number: int, ridge: Ridge, rows: np.ndarray, held: np.ndarray
    ) -> None:
        """Measure regressions on the texts `rows` with the features `held` of the fold's texts."""
        targets = _targets(self._properties, self._pairs, rows)
        found = [normalize_float32(vectors) for vectors in ridge.predict(held, targets, ALPHAS)]
        self._learned[features, number] = found
        self._centres[number] = targets.mean(axis=0).astype(np.float32)
        for alpha, vectors in zip(ALPHAS, found, strict=True):
            self._measure(Choice(features, alpha, 0.0, self._space), number, vectors)

    def finish(self) -> tuple[Choice, dict[str, float], list[dict[str, Any]]]:
        """Measure residuals beside the best regression; return the best choice, its metrics, and a table of all."""
        best = self._best()
        for number, fold in enumerate(self._folds):
            learned = self._learned[best.features, number][ALPHAS.index(best.alpha)]
            for residual in RESIDUALS[1:]:
                vectors = normalize_float32(learned + residual * self._plain[fold])
                self._measure(Choice(best.features, best.alpha, residual, self._space), number, vectors)
        best = max(
            (choice for choice in self._measured if choice.features == best.features), key=self._agreement
        )
        means = {choice: mean_of(results) for choice, results in self._measured.items()}
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

    def _best(self) -> Choice:
        """Return the best choice, or of those nearly as good one whose features take least time."""
        best = max(self._measured, key=self._agreement)
        if not self._frugal:
            return best
        least = _NEARLY * self._agreement(best)[0]
        good = [choice for choice in self._measured if self._agreement(choice)[0] >= least]
        cost = min(sum(_COSTS[name] for name in choice.features) for choice in good)
        cheap = [choice for choice in good if sum(_COSTS[name] for name in choice.features) == cost]
        return max(cheap, key=self._agreement)

    def _measure(self, choice: Choice, number: int, vectors: np.ndarray) -> None:
        own = centre(self._properties, self._centres[number])
        found = evaluate_links(vectors @ own.T, self._pairs, self._folds[number])
        found["agreement"] = measure_agreement(vectors, self._targets[number])
        self._measured.setdefault(choice, []).append(found)

    def _agreement(self, choice: Choice) -> tuple[float, float]:
        return mean_of(self._measured[choice])["agreement"], choice.alpha


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
