"""Redaction: private data is replaced by placeholders such as ``[EMAIL-1]`` before a text leaves for a language model.

Replies are not translated back: names and analyses keep the placeholders, and a quote is found in the masked text, whose
places lead to the passage of the text itself. So a placeholder never turns into what another text holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goalspace.llm.placeholders import PLACEHOLDER, Placeholders
from goalspace.llm.private_data import Finding, PlainView, check_installed, find_private
from goalspace.llm.protocol import LLM, Reply, StreamingLLM, is_batched, stream

_FILE = "redacted.sqlite"
_BATCH = 256  # texts whose placeholders are stored at once


@dataclass(frozen=True)
class MaskedText:
    """A text, and what replaces parts of it.

    Attributes
    ----------
    original
        The text.
    masks
        Start and end of each part, and what replaces it; in order.
    """

    original: str
    masks: tuple[tuple[int, int, str], ...] = ()

    @property
    def text(self) -> str:
        """The text with the masks."""
        return self.passage(0, len(self.original))

    def passage(self, start: int, end: int) -> str:
        """Return a passage of the original with its masks, whole ones also at its ends."""
        pieces = []
        for first, last, mask in self.masks:
            if last > start and first < end:
                pieces += [self.original[start:first], mask]
                start = last
        return "".join([*pieces, self.original[start:end]])

    def restore(self, start: int, end: int) -> str:
        """Return the passage of the original that a span of `text` stands for; a part of a mask stands for all of it."""
        moved, begin, finish = 0, None, None
        for first, last, mask in self.masks:
            at, after = first + moved, first + moved + len(mask)
            if begin is None and start < after:
                begin = min(start - moved, first)
            if finish is None and end <= at:
                finish = end - moved
            elif finish is None and end <= after:
                finish = last
            moved = after - last
        begin = start - moved if begin is None else begin
        return self.original[begin : end - moved if finish is None else finish]


class Redactor:
    """Masks private data with the same placeholder for the same value.

    Parameters
    ----------
    cache_dir
        The folder that keeps the placeholders, in a file that only its owner may read; None keeps them in memory.

    Raises
    ------
    MissingDependency
        If the extra ``redact`` is not installed.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        check_installed()
        self._placeholders = Placeholders(None if cache_dir is None else cache_dir / _FILE)

    def mask(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> list[MaskedText]:
        """Mask texts; what looks like a placeholder in them gets other brackets, so that it is not taken for one."""
        return self._mask(texts, _find_in_text, progress)

    def mask_prompts(self, prompts: Sequence[str]) -> list[str]:
        """Mask prompts, whose placeholders stay."""
        return [masked.text for masked in self._mask(prompts, _find_in_prompt, None)]

    def _mask(
        self,
        texts: Sequence[str],
        find: Callable[[str], list[Finding]],
        progress: Callable[[int, int], None] | None,
    ) -> list[MaskedText]:
        masked = []
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            found = [find(text) for text in batch]
            name = self._placeholders.assign([finding for findings in found for finding in findings])
            masked += [
                MaskedText(text, tuple((f.start, f.end, name(f)) for f in findings))
                for text, findings in zip(batch, found, strict=True)
            ]
            if progress:
                progress(len(masked), len(texts))
        return masked


def _find_in_text(text: str) -> list[Finding]:
    view = PlainView.of(text)
    lookalikes = [
        Finding(*view.span(*match.span()), "", f"({match[0][1:-1]})")
        for match in PLACEHOLDER.finditer(view.text)
    ]
    return sorted(find_private(_blank(text, lookalikes)) + lookalikes)


def _find_in_prompt(prompt: str) -> list[Finding]:
    own = [Finding(*match.span(), "", "") for match in PLACEHOLDER.finditer(prompt)]
    return find_private(_blank(prompt, own))


def _blank(text: str, findings: Sequence[Finding]) -> str:
    masks = tuple((f.start, f.end, "_" * (f.end - f.start)) for f in findings)
    return MaskedText(text, masks).text if masks else text


class RedactedLLM(StreamingLLM):
    """An LLM whose prompts are masked, before they are stored or sent.

    Parameters
    ----------
    llm
        The LLM, with its cache.
    redactor
        Masks the prompts.
    """

    def __init__(self, llm: LLM, redactor: Redactor) -> None:
        self.llm = llm
        self.redactor = redactor
        self.name = llm.name
        self.is_batched = is_batched(llm)

    def renewed(self) -> RedactedLLM:
        """Return the same LLM, which makes every call again that its cache holds."""
        again: Callable[[], LLM] | None = getattr(self.llm, "renewed", None)
        return self if again is None else RedactedLLM(again(), self.redactor)

    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply); replies keep the placeholders."""
        yield from stream(self.llm, self.redactor.mask_prompts(prompts), schema=schema, max_tokens=max_tokens)


def passage_for(llm: LLM, text: str, start: int, end: int) -> str:
    """Return a passage of a text for a prompt; of a `RedactedLLM`, masked, also what the passage has only a part of."""
    if not isinstance(llm, RedactedLLM):
        return text[start:end]
    return llm.redactor.mask([text])[0].passage(start, end)
