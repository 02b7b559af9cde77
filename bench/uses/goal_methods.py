"""The encoder `goal` and what could replace it: vectors of texts and properties under a goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.kit.encoders import DTYPE
from goalspace.encoders.cache import cached
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.prompted import PromptedEncoder
from goalspace.proposals.bank import load_bank
from goalspace.vectors.geometry import Whitening, normalize

N_ASPECTS, N_DIRECTIONS = 3, 50  # of the bank, that span the space of a goal


class Method:
    """Vectors under a goal.

    An object keeps what it can reuse for another goal. `reads_goal` is false if the vectors do not depend on the goal,
    and `is_slow` marks methods that are measured on a sample only.

    Parameters
    ----------
    cache_dir
        Folder in which vectors of texts are cached; None caches nothing.
    """

    name = ""
    note = ""
    reads_goal = True
    is_slow = False

    def __init__(self, cache_dir: Path | None) -> None:
        self.cache_dir = cache_dir

    def encode(self, goal: str, texts: Sequence[str]) -> np.ndarray:
        """Return the unit vectors of texts under a goal (n_texts, dim)."""
        raise NotImplementedError

    def encode_properties(self, goal: str, properties: Sequence[str]) -> np.ndarray:
        """Return the unit vectors of properties in the space of the texts (n_properties, dim)."""
        raise NotImplementedError


class Ours(Method):
    """The encoder `goal`, with the weights of the package or another file."""

    name = "goal"

    def __init__(self, cache_dir: Path | None, adapter: Path | None = None) -> None:
        super().__init__(cache_dir)
        self.adapter = adapter
        self._properties: dict[tuple[str, ...], np.ndarray] = {}

    def encode(self, goal: str, texts: Sequence[str]) -> np.ndarray:
        return cached(GoalEncoder(goal, self.adapter), self.cache_dir).encode(texts)

    def encode_properties(self, goal: str, properties: Sequence[str]) -> np.ndarray:
        key = tuple(properties)
        if key not in self._properties:  # they do not depend on the goal
            self._properties[key] = GoalEncoder(goal, self.adapter).encode_properties(properties)
        return self._properties[key]


class Plain(Method):
    """MiniLM without the goal."""

    name = "MiniLM"
    note = "without the goal"
    reads_goal = False

    def __init__(self, cache_dir: Path | None) -> None:
        super().__init__(cache_dir)
        self._known: dict[tuple[str, ...], np.ndarray] = {}

    def encode(self, goal: str, texts: Sequence[str]) -> np.ndarray:
        return self._minilm(texts)

    def encode_properties(self, goal: str, properties: Sequence[str]) -> np.ndarray:
        return self._minilm(properties)

    def _minilm(self, texts: Sequence[str]) -> np.ndarray:
        key = tuple(texts)
        if key not in self._known:
            self._known[key] = MiniLM().encode(texts)
        return self._known[key]


class Prefixed(Plain):
    """MiniLM with the goal before every text."""

    name = "MiniLM, goal as prefix"
    note = "“goal: text”"
    reads_goal = True

    def encode(self, goal: str, texts: Sequence[str]) -> np.ndarray:
        return cached("minilm", self.cache_dir).encode([f"{goal}: {text}" for text in texts])


class Transformed(Plain):
    """MiniLM with the same map of its vectors for texts and properties, which depends on the goal."""

    reads_goal = True

    def encode(self, goal: str, texts: Sequence[str]) -> np.ndarray:
        return normalize(self._transform(goal, self._minilm(texts)))

    def encode_properties(self, goal: str, properties: Sequence[str]) -> np.ndarray:
        return normalize(self._transform(goal, self._minilm(properties)))

    def _transform(self, goal: str, vectors: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Subtracted(Transformed):
    """MiniLM minus the projection on the goal's vector."""

    name = "MiniLM, goal subtracted"
    note = "minus the projection on the goal's vector"

    def _transform(self, goal: str, vectors: np.ndarray) -> np.ndarray:
        direction = self._minilm([goal])[0]
        return vectors - np.outer(vectors @ direction, direction)


class Projected(Transformed):
    """MiniLM projected on the principal directions of the bank's properties for the goal.

    They are those of the aspects with the nearest questions.
    """

    name = "MiniLM, span of the bank"
    note = f"{N_DIRECTIONS} directions of the {N_ASPECTS} nearest aspects' properties"

    def __init__(self, cache_dir: Path | None) -> None:
        super().__init__(cache_dir)
        self._last: tuple[str, np.ndarray] | None = None  # goal and span

    def _transform(self, goal: str, vectors: np.ndarray) -> np.ndarray:
        if self._last is None or self._last[0] != goal:
            self._last = goal, self._span(goal)
        return np.asarray(vectors @ self._last[1].T)

    def _span(self, goal: str) -> np.ndarray:
        """Return the principal directions (50, 384)."""
        (vector,) = self._minilm([goal])
        aspects = load_bank().aspects
        cosines = [
            float((self._minilm([aspect.question, *aspect.questions]) @ vector).max()) for aspect in aspects
        ]
        nearest = np.argsort(-np.array(cosines), kind="stable")[:N_ASPECTS]
        properties = [self._minilm([item.text for item in aspects[number].properties]) for number in nearest]
        return Whitening.fit(np.concatenate(properties), N_DIRECTIONS, scale=False).components


class Pie(Method):
    """PIE: states of SmolLM2 after a prompt that names the goal."""

    name = "SmolLM2, PIE"
    note = "goal in the template"
    is_slow = True

    def encode(self, goal: str, texts: Sequence[str]) -> np.ndarray:
        return cached(PromptedEncoder("smollm2", goal=goal, dtype=DTYPE), self.cache_dir).encode(texts)


METHODS: tuple[type[Method], ...] = (Ours, Plain, Prefixed, Subtracted, Projected, Pie)


def make_methods(
    only: Sequence[str] = (), *, adapter: Path | None, cache_dir: Path | None, slow: bool
) -> list[Method]:
    """Return the methods of these names, by default all; without the slow ones if `slow` is false."""
    chosen = [kind for kind in METHODS if (kind.name in only or not only) and (slow or not kind.is_slow)]
    return [Ours(cache_dir, adapter) if kind is Ours else kind(cache_dir) for kind in chosen]
