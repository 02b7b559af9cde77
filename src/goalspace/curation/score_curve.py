"""From answers to a few items to the score on all: ridge regression on the answers and on their likeness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_FOLDS = 5
_LANDMARKS = 1_000  # answer patterns that others are compared with
_TRIED = 400  # as many while widths and penalties are compared
_WIDTHS = (0.0, 1.0, 3.0, 6.0, 12.0)  # of the Gaussian, in 1 / n_items; 0 leaves it out
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_LINEAR = 3.0  # prior scale of the linear part against the Gaussian's


class Curve(NamedTuple):
    """score = offset + answers · slopes + Σ over landmarks of height · exp(−width · squared distance)."""

    offset: float
    slopes: np.ndarray  # (n_items,)
    landmarks: np.ndarray  # (n_landmarks, n_items)
    heights: np.ndarray  # (n_landmarks,)
    width: float

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        """Return (n_models,) for (n_models, n_items)."""
        found: np.ndarray = self.offset + answers @ self.slopes
        if len(self.landmarks):
            found = found + _likeness(answers, self.landmarks, self.width) @ self.heights
        return found


def fit_curve(
    answers: np.ndarray,
    scores: np.ndarray,
    *,
    groups: Sequence[object] | None,
    rng: np.random.Generator,
    linear: bool = False,
) -> Curve:
    """Fit the mean of a Gaussian process whose kernel is linear plus Gaussian.

    The linear part holds the weights of items; the Gaussian bends it where items go together (Nyström features
    of up to 1,000 landmarks). Width and penalty are those with the least mean absolute error in 5-fold
    cross-validation; models of a group stay together.

    Parameters
    ----------
    answers
        (n_models, n_items) from 0 to 1.
    scores
        (n_models,).
    groups
        (n_models,) the family of every model.
    rng
        Of folds and landmarks.
    linear
        Leave the Gaussian out.
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
    """Return features whose products are the kernel, and what turns their weights into heights of landmarks."""
    linear = answers * (_LINEAR / np.sqrt(answers.shape[1]))
    if not width or not len(landmarks):
        return linear, np.empty((0, 0))
    values, vectors = np.linalg.eigh(_likeness(landmarks, landmarks, width))
    kept = values > 1e-8 * values[-1]
    root = vectors[:, kept] / np.sqrt(values[kept])
    return np.hstack([linear, _likeness(answers, landmarks, width) @ root]), root


def _likeness(answers: np.ndarray, landmarks: np.ndarray, width: float) -> np.ndarray:
    squared = (answers**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1) - 2 * answers @ landmarks.T
    found: np.ndarray = np.exp(-width * np.maximum(squared, 0))
    return found


def _errors(features: np.ndarray, target: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the mean absolute error on left-out folds for every penalty."""
    error = np.zeros(len(_PENALTIES))
    for fold in range(_FOLDS):
        out = folds == fold
        centre, middle = features[~out].mean(axis=0), target[~out].mean()
        weights = _solved(features[~out] - centre, target[~out] - middle, _PENALTIES)
        missed = (features[out] - centre) @ weights.T + middle - target[out][:, None]
        error += np.abs(missed).sum(axis=0)
    return error / len(target)


def _solved(features: np.ndarray, target: np.ndarray, penalties: Sequence[float]) -> np.ndarray:
    """Return (n_penalties, n_features) the weights of ridge regressions."""
    values, vectors = np.linalg.eigh(features.T @ features)
    turned = vectors.T @ (features.T @ target)
    return np.stack([vectors @ (turned / (np.maximum(values, 0) + penalty)) for penalty in penalties])


def _folds(n_models: int, groups: Sequence[object] | None, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of every model; the largest groups are dealt out first, each to the smallest fold."""
    if groups is None:
        dealt: np.ndarray = rng.permutation(np.arange(n_models) % _FOLDS)
        return dealt
    names = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    if len(names) < _FOLDS:
        return _folds(n_models, None, rng)
    group = np.array([names[name] for name in groups])
    sizes = np.bincount(group)
    order = rng.permutation(len(sizes))
    fold_of, filled = np.empty(len(sizes), dtype=np.int64), np.zeros(_FOLDS)
    for each in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[each] = filled.argmin()
        filled[fold_of[each]] += sizes[each]
    found: np.ndarray = fold_of[group]
    return found
