"""Tiny benchmarks: a few items of a benchmark from which a model's score on all of them is estimated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np

from goalspace.curation.inputs import unit_vectors
from goalspace.curation.item_selection import choose_items
from goalspace.curation.score_curve import Curve, fit_curve
from goalspace.curation.selection import select
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.files import write_atomic

MIN_MODELS = 10
_FORMAT = "goalspace tiny benchmark 1"


@dataclass(frozen=True, eq=False)
class TinyBenchmark:
    """A few items of a benchmark, and the estimator of the full score from the answers to them.

    Attributes
    ----------
    items
        (n_items,) rows of the benchmark in the order of choice.
    weights
        (n_items,) the contribution of a correct answer to the linear estimate, intercept + weights · answers.
        Without models, the share of the benchmark's items that each item is nearest to; these sum to 1.
    intercept
        The linear estimate if every answer is wrong.
    """

    items: np.ndarray
    weights: np.ndarray
    intercept: float
    _curve: Curve

    @classmethod
    def learn(
        cls,
        items: Sequence[int] | np.ndarray,
        correctness: np.ndarray,
        *,
        full_scores: Sequence[float] | np.ndarray | None = None,
        groups: Sequence[object] | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit the estimator for items that were chosen in another way; parameters as in `compress`.

        Raises
        ------
        InputError
            As in `compress`, for the matrix.
        """
        correct = _checked(correctness)
        if len(correct) < MIN_MODELS:
            raise InputError(
                f"Answers of at least {MIN_MODELS} models are needed for fitting. Got {len(correct)} instead; "
                "without answers, items are chosen by their texts."
            )
        chosen, scores = np.asarray(items, dtype=np.int64), _scores(full_scores, correct)
        answers = correct[:, chosen]
        by_hand, curve = (
            fit_curve(answers, scores, groups=groups, rng=np.random.default_rng(seed), linear=linear)
            for linear in (True, False)
        )
        return cls(chosen, by_hand.slopes, by_hand.offset, curve)

    def estimate(self, answers: Sequence[float] | Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
        """Estimate the score on the whole benchmark.

        Parameters
        ----------
        answers
            (n_items,) for one model or (n_models, n_items): 1 if the answer to an item is correct, else 0; in the
            order of `items`.

        Returns
        -------
        (n_models,) scores in the units of the full scores given to `compress`, by default shares of correct answers.

        Raises
        ------
        InputError
            If there is not exactly one answer from 0 to 1 for every item.
        """
        values = np.atleast_2d(np.asarray(answers, dtype=np.float64))
        if values.shape[1:] != self.items.shape or not ((values >= 0) & (values <= 1)).all():
            raise InputError(
                f"The 'answers' parameter of estimate must hold {len(self.items)} numbers from 0 to 1 per model. "
                f"Got an array of shape {np.shape(answers)} instead."
            )
        return self._curve(values)

    def by_hand(self, answers: np.ndarray) -> np.ndarray:
        """Return the linear estimate of the score, intercept + weights · answers."""
        scores: np.ndarray = self.intercept + np.atleast_2d(answers) @ self.weights
        return scores

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tiny benchmark to one safetensors file, atomically."""
        from safetensors.numpy import save

        curve = self._curve
        arrays = {
            "items": self.items.astype(np.int64),
            "weights": self.weights,
            "slopes": curve.slopes,
            "landmarks": curve.landmarks,
            "heights": curve.heights,
            "numbers": np.array([self.intercept, curve.offset, curve.width]),
        }
        tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        write_atomic(Path(path), save(tensors, metadata={"format": _FORMAT}))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a saved tiny benchmark.

        Raises
        ------
        InputError
            If the file does not exist or is not a tiny benchmark.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="np") as file:
                if (file.metadata() or {}).get("format") != _FORMAT:
                    raise InputError(f"{path} is not a tiny benchmark of this version of goalspace.")
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} cannot be opened as a tiny benchmark: {error}.") from error
        intercept, offset, width = arrays["numbers"].tolist()
        curve = Curve(offset, arrays["slopes"], arrays["landmarks"], arrays["heights"], width)
        return cls(arrays["items"], arrays["weights"], intercept, curve)


class CompressionError(NamedTuple):
    """Agreement of estimates with the scores on the whole benchmark, for models not used for fitting."""

    mae: float
    kendall: float
    spearman: float
    estimates: np.ndarray


def compress(
    items: Sequence[str] | np.ndarray | None,
    n_items: int,
    *,
    correctness: np.ndarray | None = None,
    full_scores: Sequence[float] | np.ndarray | None = None,
    groups: Sequence[object] | None = None,
    encoder: str | Encoder = "task",
    seed: int = 0,
) -> TinyBenchmark:
    """Choose a few items of a benchmark that represent all.

    Without models, these are the items nearest to the centres of k-means clusters of the items' vectors, each
    weighted by the share of items it is nearest to (IEB, arXiv 2409.19680). With the answers of models
    (`correctness`), vectors are ignored; the items are those from which a ridge regression best predicts the full
    scores, and the estimator is a regression with a linear plus a Gaussian kernel. As alternatives, tinyBenchmarks
    (arXiv 2402.14992) clusters the answers, and metabench (arXiv 2407.12844) draws random subsets and fits a spline
    of their sum; bench/uses/compression.py compares all three.

    Parameters
    ----------
    items
        Texts, or their (n_all, dim) vectors; optional if `correctness` is given.
    n_items
        Number of items to choose.
    correctness
        (n_models, n_all) correctness of the models' answers: 1, 0 or a number in between.
    full_scores
        (n_models,) the scores to estimate; by default the mean of a model's row.
    groups
        (n_models,) the family of every model; cross-validation keeps families together.
    encoder
        Turns texts into vectors.
    seed
        Seed of clusters, folds and landmarks.

    Returns
    -------
    TinyBenchmark

    Raises
    ------
    InputError
        If there are fewer items than `n_items` or fewer than 10 models; if the matrix has a missing cell or one
        outside of [0, 1]; or if sizes do not match.
    """
    if correctness is None:
        if items is None:
            raise InputError("The 'items' parameter of compress must be given if 'correctness' is not.")
        vectors = unit_vectors(items, encoder, name="items", function="compress")
        check_count(n_items, len(vectors))
        return _of_clusters(vectors, n_items, seed)
    correct = _checked(correctness)
    check_count(n_items, correct.shape[1])
    if items is not None and len(items) != correct.shape[1]:
        raise InputError(
            f"The 'correctness' parameter of compress must have a column for each of the {len(items):,} items. "
            f"Got {correct.shape[1]:,} instead."
        )
    scores = _scores(full_scores, correct)
    chosen = choose_items(correct, scores, n_items)
    return TinyBenchmark.learn(chosen, correct, full_scores=scores, groups=groups, seed=seed)


def _of_clusters(vectors: np.ndarray, n_items: int, seed: int) -> TinyBenchmark:
    selection = select(vectors, n_items, seed=seed)
    shares = np.bincount(selection.groups, minlength=n_items) / len(vectors)
    curve = Curve(0.0, shares, np.empty((0, n_items)), np.empty(0), 0.0)
    return TinyBenchmark(selection.rows, shares, 0.0, curve)


def evaluate_compression(
    tiny: TinyBenchmark,
    correctness: np.ndarray,
    full_scores: Sequence[float] | np.ndarray | None = None,
) -> CompressionError:
    """Compare estimates with full scores, on models that were not used to make the tiny benchmark.

    Parameters
    ----------
    tiny
        The tiny benchmark.
    correctness
        (n_models, n_all) answers of at least two models to all items.
    full_scores
        (n_models,); by default the mean of a model's row.

    Returns
    -------
    The mean absolute error, Kendall's τ (τ-b) and Spearman's ρ with the full scores, and the estimates.

    Raises
    ------
    InputError
        If the matrix has a missing cell, or sizes do not match.
    """
    from scipy.stats import kendalltau, spearmanr

    correct = _checked(correctness)
    scores = _scores(full_scores, correct)
    if len(correct) < 2 or correct.shape[1] <= tiny.items.max():
        raise InputError(
            f"The 'correctness' parameter of evaluate_compression must have at least two models and the benchmark's items. "
            f"Got an array of shape {correct.shape} instead."
        )
    estimates = tiny.estimate(correct[:, tiny.items])
    return CompressionError(
        mae=float(np.abs(estimates - scores).mean()),
        kendall=float(kendalltau(estimates, scores).statistic),
        spearman=float(spearmanr(estimates, scores).statistic),
        estimates=estimates,
    )


def hold_out(
    models: Sequence[str],
    *,
    share: float = 0.25,
    by: Literal["family", "model"] = "family",
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Split models randomly into a training and a test set.

    Parameters
    ----------
    models
        Names of the models.
    share
        Approximate share of the models in the test set.
    by
        ``family``: models of a family (`family_of`) stay together. ``model``: they may be split.
    seed
        Seed of the split.

    Returns
    -------
    Indices of the training models and of the test models; both are non-empty if there are at least two families.
    """
    rng = np.random.default_rng(seed)
    families = [family_of(name) if by == "family" else str(i) for i, name in enumerate(models)]
    family_index = {name: i for i, name in enumerate(dict.fromkeys(families))}
    family = np.array([family_index[name] for name in families])
    order = rng.permutation(len(family_index))
    sizes = np.bincount(family)[order].cumsum()
    n_out = min(max(int(np.searchsorted(sizes, share * len(models))) + 1, 1), max(len(family_index) - 1, 1))
    out = np.isin(family, order[:n_out])
    return np.flatnonzero(~out), np.flatnonzero(out)


def family_of(model: str) -> str:
    """Return the account in a model name ("org/model"), else the name up to the first dash."""
    account, slash, _ = model.partition("/")
    return account.lower() if slash else model.partition("-")[0].lower()


def check_count(n_items: int, n_all: int) -> None:
    """Raise the `InputError` of `compress` for an invalid number of items."""
    if n_items < 1:
        raise InputError(f"The number of items must be at least 1. Got {n_items} instead.")
    if n_items > n_all:
        raise InputError(f"{n_items:,} items are more than the {n_all:,} of the benchmark.")


def _checked(correctness: np.ndarray) -> np.ndarray:
    correct = np.asarray(correctness, dtype=np.float64)
    if correct.ndim != 2 or not correct.size:
        raise InputError(
            "The 'correctness' parameter must be a matrix of models × items. "
            f"Got an array of shape {correct.shape} instead."
        )
    missing = np.isnan(correct)
    if missing.any():
        model, item = np.argwhere(missing)[0]
        raise InputError(
            f"The matrix of models × items lacks {int(missing.sum()):,} of {missing.size:,} cells, the first of model "
            f"{model + 1} and item {item + 1}: leave out the models or items without answers."
        )
    wrong = ~((correct >= 0) & (correct <= 1))
    if wrong.any():
        model, item = np.argwhere(wrong)[0]
        raise InputError(
            f"Answers must be between 0 and 1. Got {correct[model, item]:g} of model {model + 1}, item {item + 1} instead."
        )
    return correct


def _scores(full_scores: Sequence[float] | np.ndarray | None, correct: np.ndarray) -> np.ndarray:
    if full_scores is None:
        mean: np.ndarray = correct.mean(axis=1)
        return mean
    scores = np.asarray(full_scores, dtype=np.float64)
    if scores.shape != correct.shape[:1] or not np.isfinite(scores).all():
        raise InputError(f"There must be one finite full score for each of the {len(correct):,} models.")
    return scores
