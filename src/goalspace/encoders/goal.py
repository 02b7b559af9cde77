"""The encoder that follows a goal: MiniLM, tuned to read a text with the goal before it."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from goalspace.encoders import low_rank
from goalspace.encoders.backend import Array, Weights
from goalspace.encoders.blend import load_blend
from goalspace.encoders.layers import (
    LINE_BREAK,
    LINE_BREAK_ID,
    TOKEN_TYPES,
    Hidden,
    Prefix,
    embed_inputs,
    make_prefix,
    run_layers,
)
from goalspace.encoders.minilm import (
    N_LAYERS,
    MiniLM,
    count_tokens,
    embed_tokens,
    find_tokens,
    load_arrays,
    load_tokenizer,
    pad_tokens,
    place,
    run_batches,
)
from goalspace.encoders.protocol import encode_missing
from goalspace.encoders.stored import load_stored
from goalspace.encoders.surface import SURFACE_NAMES
from goalspace.errors import InputError
from goalspace.files import digest
from goalspace.language.passages import Window
from goalspace.vectors.geometry import normalize

GOAL_TOKENS = 40  # of a goal or property
# The property of texts to which the goal does not apply; see `GoalEncoder.encode_properties`
NOT_RELEVANT = "not relevant to the goal"

_FIRST_GOAL_LAYER = 3  # layer from which the texts attend to the goal
_TEXT_TOKENS = 200
_MAX_CHARACTERS = 4096  # of a text; 200 tokens of real text are far shorter
_START, _END = 101, 102  # ids of [CLS] and [SEP] in BERT's vocabulary


class GoalEncoder:
    """An encoder under a goal: texts that give the same answer to it have similar vectors, whatever else they say.

    A tuned all-MiniLM-L6-v2 reads the goal and the text. In its upper three layers, the tokens of the text attend to those
    of the goal too, as to a prefix (Li & Liang 2021, arXiv 2101.00190), while the goal is read by itself; the vector is the
    mean over the tokens of the text. As far as the goal asks for what texts are about, or for their form, the vectors of plain
    MiniLM and surface features stand beside it (see `Blend`).
    Properties, such as "asks for a refund", are encoded into the same space without a goal: the cosine of a text and a
    property says how well the property describes the text with respect to the goal. Trained with contrastive losses on the
    goal corpus in recipes/goal, which names what was held out; no data set on which goalspace is measured is in it. This
    amortises the proposals of Instruct-LF (arXiv 2502.15147), which asks a language model for the properties of every text.

    Goals and properties must be in English; the texts may also be German, French or Spanish. Of a text, 200 tokens are
    read, of a goal 40; see `PassageEncoder` for longer texts. Line breaks are read as tokens.

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

    dim = 2 * MiniLM.dim + len(SURFACE_NAMES)
    window = Window(_TEXT_TOKENS, _MAX_CHARACTERS)

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
        file = f":{self.adapter}" if self.adapter else ""
        mark = digest(low_rank.fingerprint(_load_adapter(self.adapter)), *load_blend())[:8]
        return f"goal{file}@{mark}[{self.goal}]"

    def find_tokens(self, text: str) -> np.ndarray:
        """Return the first character of every token of the whole text and the one after its last (n_tokens, 2)."""
        return find_tokens(text, line_breaks=True)

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        """Return the number of tokens of each whole text (n_texts,), faster than `find_tokens`."""
        return count_tokens(texts, line_breaks=True)

    @functools.cached_property
    def _beside(self) -> tuple[float, float]:
        return load_blend().weigh(self.goal)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors that say what they have to do with the goal.

        Parameters
        ----------
        texts
            Any number of texts.

        Returns
        -------
        (n_texts, 813) float32: 384 components of the encoder, 384 of plain MiniLM and 45 of the surface.

        Raises
        ------
        InputError
            If the file is missing or not an adapter.
        """
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        surface = load_blend().surface(texts) if self._beside[1] else None
        return self._blend(self._read(texts), texts, surface)

    def _read(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts under the goal before blending (n_texts, 384)."""
        weights = _weights(self.adapter)
        ids, mask = (
            weights.backend.from_numpy(array) for array in pad_tokens(tokenize([self.goal], GOAL_TOKENS))
        )
        prefix = encode_goals(ids, mask, weights)

        def embed(ids: Array, attention_mask: Array) -> Array:
            hidden = run_lower_layers(ids, attention_mask, weights)
            return run_upper_layers(hidden, prefix.take([0] * len(ids)), weights)

        return run_batches(tokenize(texts, _TEXT_TOKENS), weights, embed)

    def encode_properties(self, properties: Sequence[str]) -> np.ndarray:
        """Turn properties into unit vectors in the space of the texts.

        Parameters
        ----------
        properties
            Any number of short descriptions, such as "asks for a refund".

        Returns
        -------
        (n_properties, 813) float32; the components of the surface are 0.
        """
        if not len(properties):
            return np.empty((0, self.dim), dtype=np.float32)
        return self._blend(self._own(properties), properties, None)

    def mean_cosines(self, vectors: np.ndarray, properties: Sequence[str]) -> np.ndarray:
        """Return the mean cosine of each property to texts, by the encoder's own vectors alone (n_properties,).

        It is large for properties that answer the goal. For those of the bank, nothing is encoded.

        Parameters
        ----------
        vectors
            (n_texts, 813), as `encode` returns them.
        properties
            Any number of short descriptions.
        """
        return np.asarray(self._own(properties) @ normalize(vectors[:, : MiniLM.dim]).mean(axis=0))

    def cosines(self, texts: Sequence[str], properties: Sequence[str]) -> np.ndarray:
        """Return the cosines of texts and properties by the encoder's own vectors alone (n_texts, n_properties)."""
        if not len(texts) or not len(properties):
            return np.empty((len(texts), len(properties)), dtype=np.float32)
        return np.asarray(self._read(texts) @ self._own(properties).T)

    def _own(self, properties: Sequence[str]) -> np.ndarray:
        """Return the vectors of properties before blending (n_properties, 384); those of the bank are stored."""
        stored = {} if self.adapter else load_stored().properties
        return encode_missing(properties, stored, self._embed)

    def _embed(self, properties: Sequence[str]) -> np.ndarray:
        return embed_tokens(tokenize(properties, GOAL_TOKENS), _weights(self.adapter))

    def _blend(self, own: np.ndarray, texts: Sequence[str], surface: np.ndarray | None) -> np.ndarray:
        """Put the vectors of plain MiniLM and of the surface beside the own ones, each with its weight."""
        weight, weight_of_surface = self._beside
        vectors = np.zeros((len(own), self.dim), dtype=np.float32)
        vectors[:, : MiniLM.dim] = own
        if weight:
            vectors[:, MiniLM.dim : 2 * MiniLM.dim] = weight * MiniLM().encode(texts)
        if surface is not None:
            vectors[:, 2 * MiniLM.dim :] = weight_of_surface * surface
        return normalize(vectors)


def encode_goals(ids: Array, attention_mask: Array, weights: Weights) -> Prefix:
    """Turn the padded token ids of goals (n, longest) into prefixes for `run_upper_layers`."""
    hidden = run_layers(
        embed_inputs(ids, attention_mask, weights, segment=1), weights, range(_FIRST_GOAL_LAYER)
    )
    return make_prefix(hidden, weights, range(_FIRST_GOAL_LAYER, N_LAYERS))


def run_lower_layers(ids: Array, attention_mask: Array, weights: Weights) -> Hidden:
    """Run the lower layers, which do not depend on the goal, on the padded token ids of texts."""
    return run_layers(embed_inputs(ids, attention_mask, weights), weights, range(_FIRST_GOAL_LAYER))


def run_upper_layers(hidden: Hidden, goals: Prefix, weights: Weights) -> Array:
    """Run the upper layers on texts, each with its goal, and return unit vectors (n_texts, 384)."""
    last = run_layers(hidden, weights, range(_FIRST_GOAL_LAYER, N_LAYERS), prefix=goals)
    return weights.backend.mean_pool(last.states, last.attention_mask)


def tokenize(texts: Sequence[str], limit: int) -> list[list[int]]:
    """Return the ids of the first `limit` tokens of texts, with special tokens at both ends.

    Every line break is a token, which BERT's tokeniser would drop.
    """
    # the tokeniser needs UTF-8, which cannot encode a lone surrogate
    split = [text[:_MAX_CHARACTERS].encode(errors="replace").decode().splitlines() for text in texts]
    lines = [line for each in split for line in each]
    encodings = iter(load_tokenizer().encode_batch_fast(lines, add_special_tokens=False) if lines else [])
    found = []
    for each in split:
        ids: list[int] = []
        for number in range(len(each)):
            ids += [LINE_BREAK_ID] * (number > 0) + next(encodings).ids
        found.append([_START, *ids[:limit], _END])
    return found


def _load_adapter(adapter: Path | None) -> low_rank.Adapter:
    found = low_rank.load_or_shipped(adapter, "goal.safetensors")
    if not {LINE_BREAK, TOKEN_TYPES} <= set(found.whole):
        raise InputError(f"{adapter} is not an adapter of the encoder 'goal': make it with recipes/goal.")
    return found


@functools.cache
def _weights(adapter: Path | None) -> Weights:
    return place(low_rank.merge(load_arrays(), _load_adapter(adapter)))
