"""The encoder that follows a goal: MiniLM tuned to read a goal and a text together, and properties beside them."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from goalspace.encoders import low_rank
from goalspace.encoders.minilm import embed_tokens, load
from goalspace.errors import InputError

if TYPE_CHECKING:
    import torch


WORDS = "embeddings.word_embeddings.weight"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
LINE_BREAK = "embeddings.line_break"  # (384,): added to the vector of the token that stands for a line break

_BREAK, _START, _END = 1, 101, 102  # ids of [unused0], [CLS] and [SEP] in BERT's vocabulary
_GOAL_TOKENS = 40
_TEXT_TOKENS = 200
_MAX_CHARACTERS = 4096  # of a text; 200 tokens of real text are far shorter


class GoalEncoder:
    """An encoder under a goal: texts that give the same answer to it have similar vectors, whatever else they say.

    all-MiniLM-L6-v2 reads the goal and the text as the two segments of one input, so that every layer can attend
    from the text to the goal. Properties, such as "asks for a refund", are encoded without a goal, into the same
    space: the cosine of a text and a property says how well the property describes the text with respect to the
    goal. The weights were trained with contrastive losses on the goal corpus in recipes/goal, which names what was
    held out; no data set on which goalspace is measured is in it. This amortises the proposals of Instruct-LF
    (arXiv 2502.15147), which asks a language model for the properties of every text.

    English goals and properties; the texts may also be German, French or Spanish. Of a text, 200 tokens are read.

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

    dim = 384

    def __init__(self, goal: str, adapter: Path | None = None) -> None:
        self.goal = " ".join(goal.split())
        if not self.goal:
            raise InputError(
                'The goal is empty. Describe what matters in the texts, for example "why customers leave".'
            )
        self.adapter = adapter

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
        if (goal or named) is None:
            raise InputError("The encoder 'goal' needs a goal: what matters in the texts, in plain language.")
        file = match["file"] if match else spec.partition(":")[2]
        encoder = cls(str(goal or named), Path(file).expanduser() if file else None)
        if named is not None and encoder.name != spec:
            raise InputError(
                f"This was made with the encoder {spec.partition('[')[0]}, but the installed one is "
                f"{encoder.name.partition('[')[0]}: make it again."
            )
        return encoder

    @functools.cached_property
    def name(self) -> str:
        """Name with the fingerprint of the weights and the goal, so that vectors cached under it are unambiguous."""
        file = f":{self.adapter}" if self.adapter else ""
        return f"goal{file}@{low_rank.fingerprint(_read(self.adapter))}[{self.goal}]"

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
        goal = [_START, *_tokenize_lines([self.goal])[0][:_GOAL_TOKENS], _END]
        tokens = [[*goal, *ids[:_TEXT_TOKENS], _END] for ids in _tokenize_lines(texts)]
        return self._embed(tokens, [len(goal)] * len(tokens))

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
        tokens = tokenize_properties(properties)
        return self._embed(tokens, [len(ids) for ids in tokens])

    def _embed(self, tokens: Sequence[Sequence[int]], starts: Sequence[int]) -> np.ndarray:
        if not len(tokens):
            return np.empty((0, self.dim), dtype=np.float32)
        return embed_tokens(tokens, _weights(self.adapter), load()[2], starts)


def tokenize(goal: str, text: str, limit: int = _TEXT_TOKENS) -> tuple[list[int], int]:
    """Return the token ids of a goal and the first `limit` tokens of a text, and where the text begins."""
    goal_ids, text_ids = _tokenize_lines([goal, text])
    start = [_START, *goal_ids[:_GOAL_TOKENS], _END]
    return [*start, *text_ids[:limit], _END], len(start)


def tokenize_properties(properties: Sequence[str]) -> list[list[int]]:
    """Return the token ids of properties, with special tokens at both ends."""
    return [[_START, *ids[:_GOAL_TOKENS], _END] for ids in _tokenize_lines(properties)]


def _tokenize_lines(texts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of texts, with one token for every line break: BERT's tokeniser drops them."""
    # the tokeniser needs UTF-8, which cannot encode a lone surrogate
    split = [text[:_MAX_CHARACTERS].encode(errors="replace").decode().splitlines() for text in texts]
    lines = [line for each in split for line in each]
    encodings = iter(load()[0].encode_batch_fast(lines, add_special_tokens=False) if lines else [])
    found = []
    for each in split:
        ids: list[int] = []
        for number in range(len(each)):
            ids += [_BREAK] * (number > 0) + next(encodings).ids
        found.append(ids)
    return found


@functools.cache
def _read(adapter: Path | None) -> low_rank.Adapter:
    if adapter is not None:
        return low_rank.load(adapter)
    with resources.as_file(resources.files("goalspace") / "data" / "goal.safetensors") as path:
        return low_rank.load(path)


@functools.cache
def _weights(adapter: Path | None) -> dict[str, torch.Tensor]:
    merged = low_rank.merge(load()[1], _read(adapter))
    words = merged[WORDS].clone()  # that of the base model is shared with the encoder 'minilm'
    words[_BREAK] += merged[LINE_BREAK]
    return {**merged, WORDS: words}
