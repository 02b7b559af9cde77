"""Vectors of the property bank that come with the package, so that no run has to encode all its properties and questions."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goalspace.files import atomic_path
from goalspace.vectors.geometry import normalize

_LARGEST = 127  # of int8


class Stored(NamedTuple):
    """Vectors of the bank.

    `properties` has the unit vectors (384,) float32 by the encoder `goal`, by property; `questions` (n_questions, 384) float32
    those by plain MiniLM, in the order of the bank.
    """

    properties: Mapping[str, np.ndarray]
    questions: np.ndarray


@functools.cache
def load_stored() -> Stored:
    """Return the vectors of the package."""
    with resources.as_file(resources.files("goalspace") / "data" / "goal_bank.safetensors") as path:
        return read_stored(path)


def read_stored(path: Path) -> Stored:
    """Read a file written by `save_stored`."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = json.loads(file.metadata()["properties"])
        vectors = normalize(file.get_tensor("vectors").astype(np.float32))
        questions = normalize(file.get_tensor("questions").astype(np.float32))
    return Stored(dict(zip(names, vectors, strict=True)), questions)


def save_stored(properties: Sequence[str], vectors: np.ndarray, questions: np.ndarray, path: Path) -> None:
    """Write unit vectors of properties as int8, which changes a cosine by less than 0.01, and of questions as float16."""
    from safetensors.numpy import save_file

    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True) * _LARGEST
    arrays = {"vectors": np.round(scaled).astype(np.int8), "questions": questions.astype(np.float16)}
    with atomic_path(path) as temporary:
        save_file(
            arrays, temporary, metadata={"properties": json.dumps(list(properties), ensure_ascii=False)}
        )
