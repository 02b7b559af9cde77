"""Vectors of the property bank that come with the encoder `goal`, so that no run has to encode 20,000 properties."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from goalspace.files import atomic_path
from goalspace.vectors.geometry import normalize

_LARGEST = 127  # of int8


@functools.cache
def load_stored() -> Mapping[str, np.ndarray]:
    """Return the stored unit vectors (384,) float32 by property."""
    with resources.as_file(resources.files("goalspace") / "data" / "goal_bank.safetensors") as path:
        return read_stored(path)


def read_stored(path: Path) -> Mapping[str, np.ndarray]:
    """Read a file written by `save_stored`."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = json.loads(file.metadata()["properties"])
        vectors = file.get_tensor("vectors").astype(np.float32)
    return dict(zip(names, normalize(vectors), strict=True))


def save_stored(properties: Sequence[str], vectors: np.ndarray, path: Path) -> None:
    """Write unit vectors as int8, which changes a cosine by less than 0.01, with the properties in the header."""
    from safetensors.numpy import save_file

    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True) * _LARGEST
    with atomic_path(path) as temporary:
        save_file(
            {"vectors": np.round(scaled).astype(np.int8)},
            temporary,
            metadata={"properties": json.dumps(list(properties), ensure_ascii=False)},
        )
