"""The default encoder of instructions: MiniLM with an adapter that looks for the task, and the command in words."""

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
from goalspace.language import label_task

if TYPE_CHECKING:
    import torch


_HEAD, _TAIL = 80, 47  # tokens kept of a longer instruction: what to do stands at its start or at its end
_MAX_CHARACTERS = 4096  # of either end, before the tokeniser reads it
_MAX_READ = 500  # characters; in longer instructions the first command may be one of the text they are about


class TaskEncoder:
    """An instruction encoder: near to each other lie instructions that ask for the same task, whatever the topic.

    The sum of two vectors. One is of the whole text, by all-MiniLM-L6-v2 with weights trained with InfoNCE
    (arXiv 2409.19680, section 4.2) on instructions with task labels; recipes/task trains them and names its data.
    It understands paraphrase, and keeps what utterances without a command are about. The other is of the command
    that the grammar finds, "write poem", by the same weights; a short instruction without one, or a long one,
    counts twice itself. Of instructions with more than 128 tokens the middle is left out.

    Parameters
    ----------
    adapter
        A file that recipes/task wrote; None takes the one inside the package.
    fingerprint
        Eight characters that the adapter's numbers must have, as in `name`; "" takes any.
    """

    dim = 384

    def __init__(self, adapter: Path | None = None, *, fingerprint: str = "") -> None:
        self.adapter = adapter
        self.fingerprint = fingerprint

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read ``task``, ``task:FILE``, or either with the ``@`` and the fingerprint of a `name`."""
        found = re.fullmatch(r"task(?::(.+?))?(?:@([0-9a-f]{8}))?", spec, re.DOTALL)
        file, fingerprint = found.groups() if found else (spec.partition(":")[2], None)
        return cls(Path(file).expanduser() if file else None, fingerprint=fingerprint or "")

    @functools.cached_property
    def name(self) -> str:
        """Identifies the adapter's very numbers: vectors kept under this name are always these."""
        self._check()
        return f"task{f':{self.adapter}' if self.adapter else ''}@{low_rank.fingerprint(_read(self.adapter))}"

    def _check(self) -> None:
        found = low_rank.fingerprint(_read(self.adapter)) if self.fingerprint else ""
        if found != self.fingerprint:
            raise InputError(
                f"This was made with the encoder task@{self.fingerprint}, and the one found is task@{found}: "
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
            If the adapter's file is missing or no adapter.
        """
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        self._check()
        weights = _weights(self.adapter)
        whole = embed_tokens(_tokenize(texts), weights, load()[2])
        commands = [_command(text) for text in texts]
        phrases = sorted({phrase for phrase in commands if phrase})
        of_phrase = dict(zip(phrases, embed_tokens(_tokenize(phrases), weights, load()[2]), strict=True))
        for row, phrase in enumerate(commands):
            if phrase:
                total = whole[row] + of_phrase[phrase]
                whole[row] = total / np.linalg.norm(total)
        return whole


def _command(text: str) -> str:
    """What a short instruction tells to do, as verb and noun; "" where it gives no command."""
    if len(text) > _MAX_READ:
        return ""
    label = label_task(text)
    return f"{label.verb} {label.noun}" if label.kind == "command" else ""


def _tokenize(texts: Sequence[str]) -> list[list[int]]:
    """Token ids with the special ones at both ends; of long texts the first and the last."""
    tokenizer = load()[0]
    heads, tails = [], []
    for text in texts:
        # a lone surrogate has no UTF-8 form, which the tokeniser needs
        clean = text.encode(errors="replace").decode()
        heads.append(clean[:_MAX_CHARACTERS])
        tails.append(clean[-_MAX_CHARACTERS:])
    found = []
    most = _HEAD + _TAIL + 1
    for encoding, tail in zip(tokenizer.encode_batch_fast(heads), tails, strict=True):
        ids = encoding.ids
        if len(ids) > most or len(tail) == _MAX_CHARACTERS:
            end = tokenizer.encode(tail[-(_TAIL * 12) :], add_special_tokens=False).ids[-_TAIL:]
            ids = [*ids[:_HEAD], *end, ids[-1]]
        found.append(ids)
    return found


@functools.cache
def _read(adapter: Path | None) -> low_rank.Adapter:
    if adapter is not None:
        return low_rank.load(adapter)
    with resources.as_file(resources.files("goalspace") / "data" / "task.safetensors") as path:
        return low_rank.load(path)


@functools.cache
def _weights(adapter: Path | None) -> dict[str, torch.Tensor]:
    return low_rank.merge(load()[1], _read(adapter))
