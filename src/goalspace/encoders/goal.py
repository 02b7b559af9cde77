"""The encoder that follows a goal: features of the texts, and a projection that the goal sets."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from goalspace.encoders import low_rank
from goalspace.encoders.goal_head import BLOCK, N_BLOCKS, add_goals, project_properties, read_answers
from goalspace.encoders.minilm import MiniLM, embed_tokens, load
from goalspace.errors import InputError

if TYPE_CHECKING:
    import torch


WORDS = "embeddings.word_embeddings.weight"
LINE_BREAK = "embeddings.line_break"  # (384,): added to the vector of the token that stands for a line break

_BREAK, _START, _END = 1, 101, 102  # ids of [unused0], [CLS] and [SEP] in BERT's vocabulary
_TOKENS = 200  # of a text
_MAX_CHARACTERS = 4096  # of a text; 200 tokens of real text are far shorter


class GoalFeatures:
    """Features of texts from which `GoalEncoder` computes the vectors for any goal.

    all-MiniLM-L6-v2 with tuned layers, which read line breaks too. They are (n_texts, 1536): the averages over the
    tokens in the last four layers, each of unit length. Of a text, 200 tokens are read.

    Parameters
    ----------
    adapter
        A file written by recipes/goal; None uses the one in the package.
    """

    dim = N_BLOCKS * BLOCK

    def __init__(self, adapter: Path | None = None) -> None:
        self.adapter = adapter

    @functools.cached_property
    def name(self) -> str:
        """Name with the fingerprint of the weights."""
        return f"{_mark(self.adapter)} features"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, 1536) float32."""
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        return embed_tokens(tokenize(texts), _weights(self.adapter), load()[2], n_last=N_BLOCKS)


class GoalEncoder:
    """An encoder under a goal: texts that give the same answer to it have similar vectors, whatever else they say.

    A tuned MiniLM turns a text into features, once for all goals; the goal opens and closes the units of a hidden
    layer above them (`read_answers`). Properties, such as "asks for a refund", are moved into the same space: the
    cosine of a text and a property says how well the property describes the text with respect to the goal. Trained
    with contrastive losses on the goal corpus in recipes/goal, which names what was held out; no data set on which
    goalspace is measured is in it. This amortises the proposals of Instruct-LF (arXiv 2502.15147), which asks a
    language model for the properties of every text.

    Goals and properties must be in English; the texts may also be German, French or Spanish.

    Parameters
    ----------
    goal
        What matters in the texts, in plain language.
    adapter
        A file written by recipes/goal; None uses the one in the package.

    Raises
    ------
    InputError
        If the goal is empty.
    """

    dim = BLOCK

    def __init__(self, goal: str, adapter: Path | None = None) -> None:
        self.goal = " ".join(goal.split())
        if not self.goal:
            raise InputError(
                'The goal is empty. Describe what matters in the texts, for example "why customers leave".'
            )
        self.adapter = adapter
        self.features = GoalFeatures(adapter)

    @classmethod
    def parse(cls, spec: str, goal: str | None) -> Self:
        """Read ``goal`` or ``goal:FILE``, or a `name`, which contains the goal.

        Raises
        ------
        InputError
            If there is no goal, two goals, or the weights are not those of the `name`.
        """
        match = re.fullmatch(
            r"goal(?::(?P<file>.+?))?(?:@(?P<mark>[0-9a-f]{8})\[(?P<goal>.*)\])?", spec, re.DOTALL
        )
        named = match["goal"] if match else None
        if named is not None and goal is not None and goal != named:
            raise InputError(f"The encoder '{spec}' already has a goal: omit the other one.")
        if goal is None and named is None:
            raise InputError("The encoder 'goal' needs a goal: what matters in the texts, in plain language.")
        file = match["file"] if match else spec.partition(":")[2]
        encoder = cls(str(named if goal is None else goal), Path(file).expanduser() if file else None)
        if named is not None and encoder.name != spec:
            raise InputError(
                f"This was made with the encoder {spec.partition('[')[0]}, but the installed one is "
                f"{encoder.name.partition('[')[0]}: make it again."
            )
        return encoder

    @functools.cached_property
    def name(self) -> str:
        """Name with the fingerprint of the weights and the goal, so that vectors cached under it are unambiguous."""
        return f"{_mark(self.adapter)}[{self.goal}]"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors that say what they have to do with the goal.

        Parameters
        ----------
        texts
            Any number of texts.

        Returns
        -------
        (n_texts, 384) float32.

        Raises
        ------
        InputError
            If the file is missing or not an adapter.
        """
        return self.project(self.features.encode(texts))

    def project(self, features: np.ndarray) -> np.ndarray:
        """Turn the features of texts (n_texts, 1536) into their vectors (n_texts, 384), which takes no second pass."""
        if not len(features):
            return np.empty((0, self.dim), dtype=np.float32)
        import torch

        weights, device = _weights(self.adapter), load()[2]
        with torch.inference_mode():
            goal = torch.from_numpy(self._goal_vector).to(device)
            answers = read_answers(torch.from_numpy(features).to(device), goal, weights)
            vectors = add_goals(answers, goal, weights)
        return np.asarray(vectors.cpu().numpy(), dtype=np.float32)

    @functools.cached_property
    def _goal_vector(self) -> np.ndarray:
        return MiniLM().encode([self.goal])

    def encode_properties(self, properties: Sequence[str]) -> np.ndarray:
        """Turn properties into unit vectors in the space of the texts, whatever the goal.

        Parameters
        ----------
        properties
            Any number of short descriptions, such as "asks for a refund".

        Returns
        -------
        (n_properties, 384) float32.
        """
        if not len(properties):
            return np.empty((0, self.dim), dtype=np.float32)
        import torch

        with torch.inference_mode():
            vectors = torch.from_numpy(MiniLM().encode(properties)).to(load()[2])
            moved = project_properties(vectors, _weights(self.adapter))
        return np.asarray(moved.cpu().numpy(), dtype=np.float32)


def tokenize(texts: Sequence[str], limit: int = _TOKENS) -> list[list[int]]:
    """Return the ids of the first `limit` tokens of texts, with special tokens at both ends.

    Every line break is a token, which BERT's tokeniser would drop.
    """
    # the tokeniser needs UTF-8, which cannot encode a lone surrogate
    split = [text[:_MAX_CHARACTERS].encode(errors="replace").decode().splitlines() for text in texts]
    lines = [line for each in split for line in each]
    encodings = iter(load()[0].encode_batch_fast(lines, add_special_tokens=False) if lines else [])
    found = []
    for each in split:
        ids: list[int] = []
        for number in range(len(each)):
            ids += [_BREAK] * (number > 0) + next(encodings).ids
        found.append([_START, *ids[:limit], _END])
    return found


def with_line_break(weights: dict[str, torch.Tensor], line_break: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return weights in which the token of a line break has a vector of its own; `weights` is not modified."""
    import torch

    words = weights[WORDS]
    own = words[_BREAK : _BREAK + 1] + line_break
    return {**weights, WORDS: torch.cat([words[:_BREAK], own, words[_BREAK + 1 :]])}


def _mark(adapter: Path | None) -> str:
    return f"goal{f':{adapter}' if adapter else ''}@{low_rank.fingerprint(_read(adapter))}"


def _read(adapter: Path | None) -> low_rank.Adapter:
    return low_rank.load_or_shipped(adapter, "goal.safetensors")


@functools.cache
def _weights(adapter: Path | None) -> dict[str, torch.Tensor]:
    merged = low_rank.merge(load()[1], _read(adapter))
    return with_line_break(merged, merged[LINE_BREAK])
