"""The network that turns features of a text and a goal into a vector, shared by the encoder `goal` and its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Weights = Mapping[str, "torch.Tensor"]

BLOCK = 384  # the width of MiniLM
N_BLOCKS = 4  # its last layers: the lower ones tell what a text does, the upper ones what it is about
_SCALE = BLOCK**0.5  # of a unit vector, whose components are near 1 then
_SHARPNESS = 2.0  # of the gates

# name: (n_out, n_in)
SHAPES = {
    "head.text": (1536, N_BLOCKS * BLOCK),
    "head.goal": (128, BLOCK),
    "head.gates": (1536, 128),
    "head.out": (BLOCK, 1536),
    "head.offset": (BLOCK, BLOCK),
    "head.property": (2 * BLOCK, BLOCK),
    "head.property_out": (BLOCK, 2 * BLOCK),
}


def read_answers(
    features: torch.Tensor, goals: torch.Tensor, weights: Weights, *, dropout: float = 0.0
) -> torch.Tensor:
    """Compute what the texts answer to the goal: a hidden layer of the text whose units the goal opens and closes.

    Gates that a condition computes make a projection of low rank for every goal, as in Hyper-CL (Yoo et al. 2024,
    arXiv 2403.09490), without a second pass through the encoder.

    Parameters
    ----------
    features
        (n_texts, 1536): the last four layers, in blocks of unit length.
    goals
        (n_texts, 384) or (1, 384): the vector of each text's goal, of unit length.
    weights
        With the names and shapes of `SHAPES`.
    dropout
        Used in training only.

    Returns
    -------
    (n_texts, 384), not normalised.
    """
    from torch.nn import functional

    blocks = (features * _SCALE).unflatten(1, (N_BLOCKS, BLOCK))
    inputs = functional.layer_norm(blocks, (BLOCK,)).flatten(1)
    hidden = functional.gelu(_linear("head.text", _drop(inputs, dropout), weights))
    code = functional.gelu(_linear("head.goal", _drop(goals, dropout) * _SCALE, weights))
    gates = (_linear("head.gates", code, weights) * _SHARPNESS).sigmoid()
    return _linear("head.out", _drop(hidden, dropout) * gates, weights)


def add_goals(answers: torch.Tensor, goals: torch.Tensor, weights: Weights) -> torch.Tensor:
    """Move answers (n_texts, 384) to the place of the properties that answer the goal, as rows of unit length.

    All texts of one goal move by the same vector, so what is near what changes little.
    """
    from torch.nn import functional

    return functional.normalize(answers + _linear("head.offset", goals, weights), dim=1)


def project_properties(vectors: torch.Tensor, weights: Weights) -> torch.Tensor:
    """Move the vectors of properties (n_properties, 384) into the space of the texts, as rows of unit length."""
    from torch.nn import functional

    hidden = functional.gelu(_linear("head.property", vectors * _SCALE, weights))
    change = _linear("head.property_out", hidden, weights) / _SCALE
    return functional.normalize(vectors + change, dim=1)


def _linear(name: str, x: torch.Tensor, weights: Weights) -> torch.Tensor:
    from torch.nn import functional

    return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _drop(x: torch.Tensor, share: float) -> torch.Tensor:
    from torch.nn import functional

    return functional.dropout(x, share, training=share > 0)
