"""Regression of the full score on the answers to a few items: linear plus Gaussian kernel ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_FOLDS = 5
_LANDMARKS = 1_000  # largest number of answer patterns used as landmarks
_TRIED = 400  # the same during the choice of width and penalty
_WIDTHS = (0.0, 1.0, 3.0, 6.0, 12.0)  # of the Gaussian, in units of 1 / n_items; 0 omits it
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_LINEAR = 3.0  # prior scale of the linear part relative to the Gaussian


class Curve(NamedTuple):
    """score = offset + answers · slopes + Σ over landmarks of height · exp(−width · squared distance)."""

    offset: float
    slopes: np.ndarray  # (n_items,)
    landmarks: np.ndarray  # (n_landmarks, n_items)
    heights: np.ndarray  # (n_landmarks,)
    width: float

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        """Return scores (n_models,) for answers (n_models, n_items)."""
        scores: np.ndarray = self.offset + answers @ self.slopes
        if len(self.landmarks):
            scores = scores + _kernel(answers, self.landmarks, self.width) @ self.heights
        return scores


def fit_curve(
    answers: np.ndarray,
    scores: np.ndarray,
    *,
    groups: Sequence[object] | None,
    rng: np.random.Generator,
    linear: bool = False,
) -> Curve:
    """Fit the mean of a Gaussian process with a linear plus Gaussian kernel.

    The linear part gives the weights of items; the Gaussian part models their interactions (Nyström features of up
    to 1,000 landmarks). Width and penalty minimise the mean absolute error in 5-fold cross-validation, which keeps
    models of a group together.

    Parameters
    ----------
    answers
        (n_models, n_items) from 0 to 1.
    scores
        (n_models,) full scores.
    groups
        (n_models,) the family of every model.
    rng
        Random generator of folds and landmarks.
    linear
        Whether to omit the Gaussian part.
    """
    folds = _folds(len(answers), groups, rng)
    patterns = rng.permutation(np.unique(answers, axis=0))
    scale = scores.std() or 1.0
    target = (scores - scores.mean()) / scale
    best = (np.inf, 0.0, 1.0)
    for width in (0.0,) if linear else _WIDTHS:
        features, _ = _features(answers, patterns[:_TRIED], width / answers.shape[1])
        for penalty, error in zip(_PENALTIES, _errors(features, target, folds), strict=True):
            best = min(best, (error, width / answers.shape[1], penalty))
    _, width, penalty = best
    landmarks = patterns[: _LANDMARKS if width else 0]
    features, to_heights = _features(answers, landmarks, width)
    centre = features.mean(axis=0)
    weights = _solved(features - centre, target, (penalty,))[0]
    n_items = answers.shape[1]
    slopes = scale * weights[:n_items] * _LINEAR / np.sqrt(n_items)
    return Curve(
        offset=float(scores.mean() - scale * centre @ weights),
        slopes=slopes,
        landmarks=landmarks,
        heights=scale * to_heights @ weights[n_items:],
        width=width,
    )


def _features(answers: np.ndarray, landmarks: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return features whose inner products are the kernel, and the map from their weights to landmark heights."""
    linear = answers * (_LINEAR / np.sqrt(answers.shape[1]))
    if not width or not len(landmarks):
        return linear, np.empty((0, 0))
    values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks, width))
    kept = values > 1e-8 * values[-1]
    root = vectors[:, kept] / np.sqrt(values[kept])
    return np.hstack([linear, _kernel(answers, landmarks, width) @ root]), root


def _kernel(answers: np.ndarray, landmarks: np.ndarray, width: float) -> np.ndarray:
    squared = (answers**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1) - 2 * answers @ landmarks.T
    kernel: np.ndarray = np.exp(-width * np.maximum(squared, 0))
    return kernel


def _errors(features: np.ndarray, target: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the cross-validated mean absolute error for every penalty."""
    error = np.zeros(len(_PENALTIES))
    for fold in range(_FOLDS):
        out = folds == fold
        centre, middle = features[~out].mean(axis=0), target[~out].mean()
        weights = _solved(features[~out] - centre, target[~out] - middle, _PENALTIES)
        missed = (features[out] - centre) @ weights.T + middle - target[out][:, None]
        error += np.abs(missed).sum(axis=0)
    return error / len(target)


def _solved(features: np.ndarray, target: np.ndarray, penalties: Sequence[float]) -> np.ndarray:
    """Return the weights of ridge regressions, (n_penalties, n_features)."""
    values, vectors = np.linalg.eigh(features.T @ features)
    turned = vectors.T @ (features.T @ target)
    return np.stack([vectors @ (turned / (np.maximum(values, 0) + penalty)) for penalty in penalties])


def _folds(n_models: int, groups: Sequence[object] | None, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of every model; groups are assigned from large to small, each to the smallest fold."""
    if groups is None:
        return np.asarray(rng.permutation(np.arange(n_models) % _FOLDS))
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    if len(names) < _FOLDS:
        return _folds(n_models, None, rng)
    group = np.array([names[name] for name in groups])
    sizes = np.bincount(group)
    order = rng.permutation(len(sizes))
    fold_of, filled = np.empty(len(sizes), dtype=np.int64), np.zeros(_FOLDS)
    for each in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[each] = filled.argmin()
        filled[fold_of[each]] += sizes[each]
    return np.asarray(fold_of[group])
