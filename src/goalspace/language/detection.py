"""Do texts look English? The encoders that come with the install know no other language."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ENCODERS = ("minilm", "task")  # that know English only
_SAMPLE = 1000  # texts
_MIN_WORDS = 8  # of a text in Latin letters whose language can be told
_MIN_FUNCTION_WORDS = 0.08  # of the words of an English text; on average it is a quarter
_WORD = re.compile(r"[^\W\d_]+")
_FUNCTION_WORDS = frozenset(
    _WORD.findall("the of and to is that for it you with this not are be have in a i my was on")
)
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_LETTER = re.compile(r"[^\W\d_]")


def share_foreign(texts: Sequence[str]) -> float:
    """Share of the texts that do not look English, judged on at most 1,000 of them, always the same.

    A text does not if most of its letters are not Latin, or if it hardly has an English function word. Texts of
    few words in Latin letters tell nothing and are left out.
    """
    rows = random.Random(0).sample(range(len(texts)), min(len(texts), _SAMPLE))
    told = [verdict for row in rows if (verdict := _is_foreign(texts[row])) is not None]
    return sum(told) / len(told) if told else 0.0


def _is_foreign(text: str) -> bool | None:
    letters = len(_LETTER.findall(text))
    if len(_LATIN.findall(text)) < letters / 2:
        return True
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < _MIN_WORDS:
        return None
    return sum(word in _FUNCTION_WORDS for word in words) < _MIN_FUNCTION_WORDS * len(words)
