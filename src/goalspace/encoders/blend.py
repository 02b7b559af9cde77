"""What the encoder `goal` puts beside its own vectors: plain MiniLM and the surface, as far as the goal asks for them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.surface import surface_features
from goalspace.vectors.geometry import normalize

MAX_DEVIATION = 3.0  # standard deviations of a surface feature
_MIN_WEIGHT = 0.1  # below which a block stays empty, which saves a pass


class Blend(NamedTuple):
    """How much plain MiniLM and the surface help to see which texts answer a goal alike, more than they usually do.

    `coefficients` (2, 384) and `offsets` (2,) map MiniLM's vector of a goal to how much more alike texts with a common answer
    are than others, in plain MiniLM and in their surface, in standard deviations of the cosines, beyond the mean over all
    goals. Fitted to the goals of the corpus by recipes/goal. `mean` and `scale` (n_surface,) are those of the surface features.
    """

    coefficients: np.ndarray
    offsets: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def weigh(self, goal: str) -> tuple[float, float]:
        """Return the weights of plain MiniLM and of the surface beside the encoder's own vector, which has weight 1."""
        # a vector of length w adds w² times its cosine
        found = np.sqrt(np.maximum(self.coefficients @ MiniLM().encode([goal])[0] + self.offsets, 0))
        plain, surface = np.where(found >= _MIN_WEIGHT, found, 0.0).tolist()
        return plain, surface

    def surface(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit vectors of the surface of texts (n_texts, n_surface)."""
        deviations = (surface_features(texts) - self.mean) / self.scale
        return normalize(np.clip(deviations, -MAX_DEVIATION, MAX_DEVIATION)).astype(np.float32)


@functools.cache
def load_blend() -> Blend:
    """Return the blend of the package."""
    with resources.as_file(resources.files("goalspace") / "data" / "goal_blend.safetensors") as path:
        return read_blend(path)


def read_blend(path: Path) -> Blend:
    """Read a blend written by `save_blend`."""
    from safetensors.numpy import load_file

    arrays = load_file(path)
    return Blend(*(arrays[name] for name in Blend._fields))


def save_blend(blend: Blend, path: Path) -> None:
    """Write a safetensors file."""
    from safetensors.numpy import save_file

    from goalspace.files import atomic_path

    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in blend._asdict().items()}, temporary)
