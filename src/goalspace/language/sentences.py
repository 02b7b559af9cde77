"""Sentence boundaries of a text."""

from __future__ import annotations

import re

_MAX_SENTENCE_LENGTH = 400  # characters
_MAX_SENTENCES = 60
# A full stop within a word or number ends no sentence; one of a script without spaces always does.
_SENTENCE = re.compile(r"[^\n.!?。！？]+(?:[.!?](?!\s|$)[^\n.!?。！？]*)*[.!?。！？]*[\"'”’»)]*")


def sentence_spans(
    text: str, start: int = 0, end: int | None = None, *, limit: int = _MAX_SENTENCES
) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text, without surrounding whitespace; long sentences are truncated.

    Parameters
    ----------
    text
        The text.
    start, end
        The part to split, by default all.
    limit
        The number of sentences after which the text is not split any further.
    """
    spans = []
    end = len(text) if end is None else end
    for match in _SENTENCE.finditer(text, start, end):
        first, last = match.span()
        while first < last and text[first].isspace():
            first += 1
        last = min(last, first + _MAX_SENTENCE_LENGTH)
        while last > first and text[last - 1].isspace():
            last -= 1
        if last - first > 2:
            spans.append((first, last))
        if len(spans) == limit:
            break
    return spans or [(start, min(end, start + _MAX_SENTENCE_LENGTH))]


def sentence_starts(text: str, start: int, end: int) -> list[int]:
    """Return where the sentences and lines of a part of a text start, all of them; the first is `start`."""
    starts = [match.start() for match in _SENTENCE.finditer(text, start, end)]
    return [start, *starts[1:]]
