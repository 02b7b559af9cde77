"""The default encoder of instructions: MiniLM with an adapter tuned to tasks, plus the vector of the command."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from goalspace.encoders import low_rank
from goalspace.encoders.backend import Weights
from goalspace.encoders.minilm import embed_tokens, load_arrays, load_tokenizer, place
from goalspace.errors import InputError
from goalspace.language import label_task

_HEAD, _TAIL = 80, 47  # tokens kept of a longer instruction, which states the task at its start or end
_MAX_CHARACTERS = 4096  # kept at either end before tokenisation
_MAX_READ = 500  # characters; in longer instructions the first command may belong to a quoted text


class TaskEncoder:
    """An instruction encoder: instructions for the same task have similar vectors, regardless of the topic.

    A vector is the normalised sum of two. The first encodes the whole text with all-MiniLM-L6-v2 and weights trained
    with InfoNCE (arXiv 2409.19680, section 4.2) on instructions with task labels (see recipes/task, which lists the
    data); it handles paraphrases, and the content of utterances without a command. The second encodes the command
    found by the grammar, such as "write poem", with the same weights; instructions that are long or have no command
    use the first vector alone. Of instructions with more than 128 tokens the middle is left out.

    Parameters
    ----------
    adapter
        A file written by recipes/task; None uses the one in the package.
    fingerprint
        Fingerprint that the adapter must have, as in `name`; "" accepts any.

    Attributes
    ----------
    n_cut
        The instructions encoded whose middle was left out.
    """

    dim = 384

    def __init__(self, adapter: Path | None = None, *, fingerprint: str = "") -> None:
        self.adapter = adapter
        self.fingerprint = fingerprint
        self.n_cut = 0

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read ``task``, ``task:FILE``, or either with the ``@`` and the fingerprint of a `name`."""
        match = re.fullmatch(r"task(?::(.+?))?(?:@([0-9a-f]{8}))?", spec, re.DOTALL)
        file, fingerprint = match.groups() if match else (spec.partition(":")[2], None)
        return cls(Path(file).expanduser() if file else None, fingerprint=fingerprint or "")

    @functools.cached_property
    def name(self) -> str:
        """Name with the fingerprint of the adapter, so that vectors cached under it are unambiguous."""
        self._check()
        return f"task{f':{self.adapter}' if self.adapter else ''}@{low_rank.fingerprint(_read(self.adapter))}"

    def _check(self) -> None:
        actual = low_rank.fingerprint(_read(self.adapter)) if self.fingerprint else ""
        if actual != self.fingerprint:
            raise InputError(
                f"This was made with the encoder task@{self.fingerprint}, but the installed one is task@{actual}: "
                "make it again."
            )

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn instructions into unit vectors.

        Parameters
        ----------
        texts
            Any number of instructions.

        Returns
        -------
        (n_texts, 384) float32.

        Raises
        ------
        InputError
            If the file is missing or not an adapter.
        """
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        self._check()
        weights = _weights(self.adapter)
        tokens, n_cut = _tokenize(texts)
        self.n_cut += n_cut
        whole = embed_tokens(tokens, weights)
        commands = [_command(text) for text in texts]
        phrases = sorted({phrase for phrase in commands if phrase})
        of_phrase = dict(zip(phrases, embed_tokens(_tokenize(phrases)[0], weights), strict=True))
        for row, phrase in enumerate(commands):
            if phrase:
                total = whole[row] + of_phrase[phrase]
                whole[row] = total / np.linalg.norm(total)
        return whole


def _command(text: str) -> str:
    """Return the command of a short instruction as verb and noun; "" if there is none."""
    if len(text) > _MAX_READ:
        return ""
    label = label_task(text)
    return f"{label.verb} {label.noun}" if label.kind == "command" else ""


def _tokenize(texts: Sequence[str]) -> tuple[list[list[int]], int]:
    """Return token ids with special tokens at both ends, of long texts the first and the last tokens, and how many are long."""
    tokenizer = load_tokenizer()
    heads, tails = [], []
    for text in texts:
        # the tokeniser needs UTF-8, which cannot encode a lone surrogate
        clean = text.encode(errors="replace").decode()
        heads.append(clean[:_MAX_CHARACTERS])
        tails.append(clean[-_MAX_CHARACTERS:])
    tokens, n_cut = [], 0
    limit = _HEAD + _TAIL + 1
    for encoding, tail in zip(tokenizer.encode_batch_fast(heads), tails, strict=True):
        ids = encoding.ids
        if len(ids) > limit or len(tail) == _MAX_CHARACTERS:
            end = tokenizer.encode(tail[-(_TAIL * 12) :], add_special_tokens=False).ids[-_TAIL:]
            ids = [*ids[:_HEAD], *end, ids[-1]]
            n_cut += 1
        tokens.append(ids)
    return tokens, n_cut


def _read(adapter: Path | None) -> low_rank.Adapter:
    return low_rank.load_or_shipped(adapter, "task.safetensors")


@functools.cache
def _weights(adapter: Path | None) -> Weights:
    return place(low_rank.merge(load_arrays(), _read(adapter)))
