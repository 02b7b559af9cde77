"""Sentence boundaries of a text."""

from __future__ import annotations

import re

_MAX_SENTENCE_LENGTH = 400  # characters
_MAX_SENTENCES = 60
_SENTENCE = re.compile(r"[^\n.!?。！？]+(?:[.!?。！？](?!\s|$)[^\n.!?。！？]*)*[.!?。！？]*[\"'”’»)]*")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text, without surrounding whitespace; long sentences are truncated."""
    spans = []
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        while start < end and text[start].isspace():
            start += 1
        end = min(end, start + _MAX_SENTENCE_LENGTH)
        while end > start and text[end - 1].isspace():
            end -= 1
        if end - start > 2:
            spans.append((start, end))
        if len(spans) == _MAX_SENTENCES:
            break
    return spans or [(0, min(len(text), _MAX_SENTENCE_LENGTH))]
