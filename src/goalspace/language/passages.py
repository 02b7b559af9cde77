"""Passages: consecutive parts of a long text that each fit into what an encoder reads at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from goalspace.language.sentences import sentence_starts

_BLANK_LINES = re.compile(r"\n\s*\n")
_MAX_OVERLAP = 0.2  # of the window: a longer sentence is not repeated in the next passage
_SLACK = 8  # tokens that a word may gain where it is cut, as its parts are tokenised anew
_LONGEST_WORD = 100  # characters; WordPiece reads a longer word as one unknown token


class Window(NamedTuple):
    """How much of a text an encoder reads: so many tokens, special ones apart, of so many characters."""

    tokens: int
    characters: int

    def holds(self, text: str, tokens: np.ndarray) -> bool:
        """Return whether the window holds all of a text, whose tokens have these spans (n_tokens, 2)."""
        return len(tokens) <= self.tokens and len(text) <= self.characters


def split_passages(text: str, tokens: np.ndarray, window: Window) -> list[tuple[int, int]]:
    """Split a text into passages that fit into a window, as long as possible.

    Paragraphs are put together as long as they fit. A longer paragraph is cut between sentences or lines, and its passages
    overlap by one sentence if that is short. A longer sentence is cut between words, or anywhere in a script without spaces.

    Parameters
    ----------
    text
        The text.
    tokens
        (n_tokens, 2) first character of every token and the one after its last, in the order of the text.
    window
        What fits.

    Returns
    -------
    Spans of the passages, in order, without surrounding whitespace; together they hold every other character of the text.
    """
    return [(0, len(text))] if window.holds(text, tokens) else list(_Splitter(text, tokens, window))


class _Splitter:
    """The passages of one long text."""

    def __init__(self, text: str, tokens: np.ndarray, window: Window) -> None:
        self._text, self._window = text, window
        self._starts, self._ends = np.ascontiguousarray(tokens[:, 0]), tokens[:, 1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start, end in self._packed():
            part = self._text[start:end]
            if part.strip():
                yield start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())

    def _packed(self) -> Iterator[tuple[int, int]]:
        """Put paragraphs together, and cut those that do not fit."""
        borders = [0, *(match.end() for match in _BLANK_LINES.finditer(self._text)), len(self._text)]
        start, end = 0, 0  # of the open passage
        for first, last in pairwise(borders):
            if self._fits(start, last):
                end = last
                continue
            if end > start:
                yield start, end
            start, end = first, last
            if not self._fits(first, last):
                *full, (start, end) = self._cut(first, last)
                yield from full
        if end > start:
            yield start, end

    def _cut(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Cut a paragraph into passages, the last of which may have room."""
        parts = list(self._sentences(first, last))
        at = 0
        while at < len(parts):
            after = at + 1
            while after < len(parts) and self._fits(parts[at][0], parts[after][1]):
                after += 1
            yield parts[at][0], parts[after - 1][1]
            if after < len(parts) and after - 1 > at and self._repeats(parts[after - 1], parts[after]):
                after -= 1
            at = after

    def _repeats(self, sentence: tuple[int, int], following: tuple[int, int]) -> bool:
        is_short = self._count(*sentence) <= _MAX_OVERLAP * self._window.tokens
        return is_short and self._fits(sentence[0], following[1])

    def _sentences(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the sentences and lines of a paragraph, those that do not fit in parts."""
        starts = sentence_starts(self._text, first, last)
        for start, end in zip(starts, [*starts[1:], last], strict=True):
            while not self._fits(start, end):
                cut = self._reach(start, end)
                yield start, cut
                start = cut
            yield start, end

    def _reach(self, start: int, end: int) -> int:
        """Return how far a passage that starts here can go: between words if there are any, never in a later token."""
        here = int(np.searchsorted(self._starts, start))
        room = self._window.tokens - _SLACK * self._is_in_word(start) - self._rest(start, end)
        cut = self._after(start, here + room, end)
        if not self._is_in_word(cut):
            return cut
        space = max(self._text.rfind(mark, (start + cut) // 2, cut) for mark in " \t\n\u3000")
        return space + 1 if space >= 0 else self._after(start, here + max(room - _SLACK, 1), end)

    def _after(self, start: int, token: int, end: int) -> int:
        """Return the start of a token, or less if it is too far or would cut another token."""
        cut = min(
            int(self._starts[token]) if token < len(self._starts) else end,
            start + self._window.characters,
            end,
        )
        last = int(np.searchsorted(self._starts, cut)) - 1
        if last >= 0 and start < self._starts[last] and cut < self._ends[last]:
            cut = int(self._starts[last])
        return max(cut, start + 1)

    def _fits(self, start: int, end: int) -> bool:
        return end - start <= self._window.characters and self._count(start, end) <= self._window.tokens

    def _count(self, start: int, end: int) -> int:
        """Return the most tokens that a part of the text can have."""
        begun = int(np.searchsorted(self._starts, end) - np.searchsorted(self._starts, start))
        edges = self._is_in_word(start) + self._is_in_word(end)
        return begun + self._rest(start, end) + _SLACK * edges

    def _rest(self, start: int, end: int) -> int:
        """Return the most tokens that the rest of a token that was cut can have."""
        before = int(np.searchsorted(self._starts, start)) - 1
        length = min(int(self._ends[before]), end) - start if before >= 0 else 0
        return max(length, 0) if length <= _LONGEST_WORD else 1

    def _is_in_word(self, at: int) -> bool:
        inside = 0 < at < len(self._text)
        return inside and self._text[at - 1].isalnum() and self._text[at].isalnum()
