"""Detection of texts that are not English, the only language of the bundled encoders."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ENCODERS = ("minilm", "task")  # encoders trained on English only
_SAMPLE = 1000  # texts
_MIN_WORDS = 8  # of a text in Latin script, for a reliable judgement
_MIN_FUNCTION_WORDS = 0.08  # smallest share of function words in an English text; the average is a quarter
_WORD = re.compile(r"[^\W\d_]+")
_FUNCTION_WORDS = frozenset(
    _WORD.findall("the of and to is that for it you with this not are be have in a i my was on")
)
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_LETTER = re.compile(r"[^\W\d_]")


def share_foreign(texts: Sequence[str]) -> float:
    """Return the share of texts that do not look English, estimated from at most 1,000 of them (fixed sample).

    A text does not look English if most of its letters are not Latin, or if it has hardly any English function
    words. Short texts in Latin script are inconclusive and left out.
    """
    rows = random.Random(0).sample(range(len(texts)), min(len(texts), _SAMPLE))
    verdicts = [verdict for row in rows if (verdict := _is_foreign(texts[row])) is not None]
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


def _is_foreign(text: str) -> bool | None:
    letters = len(_LETTER.findall(text))
    if len(_LATIN.findall(text)) < letters / 2:
        return True
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < _MIN_WORDS:
        return None
    return sum(word in _FUNCTION_WORDS for word in words) < _MIN_FUNCTION_WORDS * len(words)
