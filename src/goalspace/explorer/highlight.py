"""Case and accent folding for search, and excerpts of texts with highlighted matches."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from goalspace.text import to_line, utf16_spans

EXCERPT = 300  # characters per text in a list
MAX_WORDS = 20
_LEAD = 60  # characters before the first match
_MAX_MARKS = 40
_QUERY = re.compile(r'"([^"]*)"?|(\S+)')


def fold(text: str) -> str:
    """Return the text in lower case without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def words_of(search: str) -> list[str]:
    """Return the words and quoted phrases of a query, folded; at most 20."""
    terms = [" ".join(fold(quoted or word).split()) for quoted, word in _QUERY.findall(search)]
    return list(dict.fromkeys(word for word in terms if word))[:MAX_WORDS]


def excerpt(text: str, words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return an excerpt around the first match, and the spans of all matches in it in UTF-16 code units."""
    if not words:
        return to_line(text, EXCERPT), []
    pattern = re.compile("|".join(re.escape(word).replace("\\ ", r"\s+") for word in words))
    first = pattern.search(fold(text)) if text.isascii() else None
    at = first.start() if first else _first_match(text, pattern)
    start = max(0, at - _LEAD)
    if start:
        space = text.find(" ", start, at)
        start = space + 1 if space >= 0 else start
    shown = ("… " if start else "") + to_line(text[start:], EXCERPT)
    return shown, utf16_spans(shown, _matches(shown, pattern))


def _first_match(text: str, pattern: re.Pattern[str]) -> int:
    return next(iter(_matches(text, pattern)), (0, 0))[0]


def _matches(text: str, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
    """Return the spans of the text whose folded form matches."""
    folded, origin = [], []
    for position, character in enumerate(text):
        plain = fold(character)
        folded.append(plain)
        origin += [position] * len(plain)
    origin.append(len(text))
    spans = []
    for match in pattern.finditer("".join(folded)):
        start, end = origin[match.start()], origin[match.end() - 1] + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        spans.append((start, end))
        if len(spans) == _MAX_MARKS:
            break
    return spans
