"""The multilingual encoder under a goal: what the goal asks for weighs more in its vectors."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from goalspace.encoders.blend import load_blend
from goalspace.encoders.multilingual import SHA256, Multilingual
from goalspace.encoders.surface import SURFACE_NAMES
from goalspace.errors import InputError
from goalspace.files import atomic_path, digest
from goalspace.language.detection import ENGLISH, detect_language
from goalspace.vectors.geometry import normalize

FILE = "multilingual_goal.safetensors"  # of the package

_N_QUESTIONS = 3  # of an aspect: the mean similarity of its most similar questions counts
_TEMPERATURE = 0.05  # of the softmax that turns similarities of aspects to the goal into weights
_PLAIN = 0.6  # weight of the plain vectors beside those that stress the goal
_N_SEEN = 5  # properties of an aspect that a phrase is compared with
_LARGEST = 127  # of int8


class MultilingualGoalEncoder:
    """multilingual-e5-small under a goal: directions in which answers to the goal differ are stretched.

    The property bank says which these are. Its aspects are weighted by how similar their questions are to the goal; the
    directions are those in which the properties of these aspects vary more than those of others: with C_g the weighted mean
    and C the mean of the covariances within aspects, the vector is multiplied by the root of (W C_g W)^½, W = (C + λI)^-½,
    as in a generalised principal component analysis (Fukunaga 1990, ch. 10), beside the plain vector. Where the goal asks for
    their form, the surface of the texts stands beside both, as in `GoalEncoder`.

    The goal, the texts and the properties may be in any of about 100 languages.

    Parameters
    ----------
    goal
        What matters in the texts, in plain language.

    Raises
    ------
    InputError
        If the goal is empty.
    """

    dim = Multilingual.dim + len(SURFACE_NAMES)

    def __init__(self, goal: str) -> None:
        self.goal = " ".join(goal.split())
        if not self.goal:
            raise InputError(
                'The goal is empty. Describe what matters in the texts, for example "why customers leave".'
            )

    @classmethod
    def parse(cls, spec: str, goal: str | None) -> Self:
        """Read ``multilingual`` or a `name`, which contains the goal.

        Raises
        ------
        InputError
            If there are two goals, or the name is that of other weights.
        """
        match = re.fullmatch(r"multilingual(?:@[0-9a-f]{8}\[(?P<goal>.*)\])?", spec, re.DOTALL)
        named = match["goal"] if match else None
        if named is not None and goal is not None and goal != named:
            raise InputError(f"The encoder '{spec}' already has a goal: omit the other one.")
        encoder = cls(str(named if goal is None else goal))
        if match is None or (named is not None and encoder.name != spec):
            raise InputError(
                f"This was made with the encoder {spec.partition('[')[0]}, but the installed one is "
                f"{encoder.name.partition('[')[0]}: make it again."
            )
        return encoder

    @functools.cached_property
    def name(self) -> str:
        """Name with the fingerprint of the weights and the goal, so that vectors cached under it are unambiguous."""
        settings = (_N_QUESTIONS, _TEMPERATURE, _PLAIN)
        return f"multilingual@{digest(SHA256, settings, _space().questions)[:8]}[{self.goal}]"

    @functools.cached_property
    def aspects(self) -> np.ndarray:
        """The weights of the aspects of the bank (n_aspects,), which add up to 1."""
        cosines = self._question_cosines
        likeness = np.array([np.sort(cosines[own])[-_N_QUESTIONS:].mean() for own in _space().asking])
        weights = np.exp((likeness - likeness.max()) / _TEMPERATURE)
        return np.asarray(weights / weights.sum())

    @functools.cached_property
    def _question_cosines(self) -> np.ndarray:
        space = _space()
        goal = normalize(Multilingual().encode([self.goal]) - space.question_mean)[0]
        return np.asarray(space.questions @ goal)

    @functools.cached_property
    def _map(self) -> np.ndarray:
        """The map from plain centred vectors into the space of the goal (384, 384)."""
        space = _space()
        own = np.tensordot(self.aspects, space.covariances, axes=1)
        stress = space.whitening @ _power(space.whitening @ own @ space.whitening, 0.5)
        size = np.einsum("ij,jk,ki->", stress.T, space.total, stress)
        plain = np.eye(Multilingual.dim) * _PLAIN**2 / np.trace(space.total)
        return np.asarray(_power(plain + stress @ stress.T / size, 0.5), dtype=np.float32)

    @functools.cached_property
    def _surface_weight(self) -> float:
        """How much the form of the texts counts; the nearest question of the bank stands for a goal that is not English."""
        english = detect_language(self.goal) in (ENGLISH, None)
        nearest = _space().wordings[int(self._question_cosines.argmax())]
        return load_blend().weigh(self.goal if english else nearest)[1]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors that stress what they have to do with the goal.

        Parameters
        ----------
        texts
            Any number of texts.

        Returns
        -------
        (n_texts, 429) float32: 384 components of meaning and 45 of the surface.
        """
        vectors = self.encode_properties(texts)
        if len(texts) and self._surface_weight:
            vectors[:, Multilingual.dim :] = self._surface_weight * load_blend().surface(texts)
        return normalize(vectors)

    def encode_properties(self, properties: Sequence[str]) -> np.ndarray:
        """Turn properties into unit vectors in the space of the texts.

        Returns
        -------
        (n_properties, 429) float32; the components of the surface are 0.
        """
        vectors = np.zeros((len(properties), self.dim), dtype=np.float32)
        plain = Multilingual().encode(properties) - _space().mean
        vectors[:, : Multilingual.dim] = normalize(plain @ self._map)
        return vectors

    def relevance(self, phrases: Sequence[str]) -> np.ndarray:
        """Say how much better phrases answer the goal than other questions (n_phrases,).

        It is the mean cosine to the most similar properties of an aspect, in the plain vectors: its mean over the aspects of
        the goal, by their weights, minus that over all.
        """
        space = _space()
        cosines = normalize(Multilingual().encode(phrases) - space.mean) @ space.properties.T
        nearest = np.stack(
            [np.sort(cosines[:, own], axis=1)[:, -_N_SEEN:].mean(axis=1) for own in space.members]
        )
        return np.asarray(self.aspects @ nearest - nearest.mean(axis=0))


class _Space(NamedTuple):
    """The bank in the plain vectors."""

    mean: np.ndarray  # (384,) of the properties
    properties: np.ndarray  # (n_properties, 384), unit vectors around the mean
    members: list[np.ndarray]  # of each aspect, the rows of its properties
    covariances: np.ndarray  # (n_aspects, 384, 384), within each aspect
    whitening: np.ndarray  # (384, 384)
    total: np.ndarray  # (384, 384), covariance of all properties
    questions: np.ndarray  # (n_questions, 384), unit vectors around their mean
    question_mean: np.ndarray  # (384,)
    asking: list[np.ndarray]  # of each aspect, the rows of its questions
    wordings: list[str]  # of the questions


@functools.cache
def _space() -> _Space:
    with resources.as_file(resources.files("goalspace") / "data" / FILE) as path:
        arrays, wordings = read_arrays(path)
    vectors = normalize(arrays["properties"].astype(np.float32))
    questions = normalize(arrays["questions"].astype(np.float32))
    members = np.split(arrays["members"], np.cumsum(arrays["n_members"])[:-1])
    asking = np.split(np.arange(len(questions)), np.cumsum(arrays["n_questions"])[:-1])
    covariances = np.stack([np.cov(vectors[own].T, bias=True) for own in members])
    within = covariances.mean(axis=0)
    ridge = np.eye(len(within)) * np.trace(within) / len(within)
    mean, question_mean = vectors.mean(axis=0), questions.mean(axis=0)
    return _Space(
        mean,
        normalize(vectors - mean),
        members,
        covariances,
        _power(within + ridge, -0.5),
        np.cov(vectors.T, bias=True),
        normalize(questions - question_mean),
        question_mean,
        asking,
        wordings,
    )


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Read the arrays and the wordings of the questions from a file written by `save_arrays`."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["questions"])


def save_arrays(bank: Mapping[str, tuple[Sequence[str], Sequence[str]]], path: Path) -> None:
    """Encode the questions and properties of every aspect of the bank, and write a safetensors file.

    The vectors of the properties are written as int8, which changes a cosine by less than 0.01.
    """
    from safetensors.numpy import save_file

    rows = {name: row for row, name in enumerate(dict.fromkeys(n for _, own in bank.values() for n in own))}
    questions = [question for asked, _ in bank.values() for question in asked]
    vectors = Multilingual().encode([*rows])
    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True) * _LARGEST
    arrays = {
        "properties": np.round(scaled).astype(np.int8),
        "members": np.array([rows[name] for _, own in bank.values() for name in own], dtype=np.int32),
        "n_members": np.array([len(own) for _, own in bank.values()], dtype=np.int32),
        "questions": Multilingual().encode(questions).astype(np.float16),
        "n_questions": np.array([len(asked) for asked, _ in bank.values()], dtype=np.int32),
    }
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={"questions": json.dumps(questions, ensure_ascii=False)})


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Return a power of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 1e-9 * values.max()) ** exponent) @ vectors.T)
