"""Layers of groups above the factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MIN_TO_STACK = 8  # with fewer factors another layer is not informative


@dataclass(frozen=True)
class Layer:
    """Groups of the factors, or groups, of the layer below."""

    names: tuple[str, ...]
    assignment: np.ndarray  # (n_of_layer_below,) int32


def stack(scores: np.ndarray, names: Sequence[str], seed: int) -> tuple[Layer, ...]:
    """Layers of groups: Linear CorEx on the scores of the layer below, until few are left."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    from goalspace.corex.linear import LinearCorex

    layers: list[Layer] = []
    below, labels = scores.astype(np.float64), list(names)
    while below.shape[1] >= _MIN_TO_STACK and len(below) > 2:
        size = max(2, round(np.sqrt(below.shape[1])))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LinearCorex(n_components=size, max_iter=200, random_state=seed).fit(below)
        used = [k for k in range(size) if (model.clusters_ == k).any()]
        groups = []
        for k in used:
            own = np.flatnonzero(model.clusters_ == k)
            own = own[np.argsort(-np.abs(model.loadings_[k, own]), kind="stable")]
            groups.append(" · ".join(labels[i] for i in own[:2]))
        renumber = {k: i for i, k in enumerate(used)}
        assignment = np.array([renumber.get(k, -1) for k in model.clusters_], dtype=np.int32)
        if len(used) < 2:
            break
        layers.append(Layer(tuple(groups), assignment))
        below, labels = model.transform(below)[:, used], groups
    return tuple(layers)
