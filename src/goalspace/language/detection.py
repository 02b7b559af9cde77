"""Detection of texts in a language that the encoder does not know."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

MANY_FOREIGN = 0.2  # share of texts worth a warning; English lists and headlines are detected less reliably
_SAMPLE = 1000  # texts
_MAX_CHARACTERS = 4000  # of a text
_MIN_WORDS = 8  # of a text in Latin script, for a reliable judgement
_WORD = re.compile(r"[^\W\d_]+")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_LETTER = re.compile(r"[^\W\d_]")
# Function words of a language, and their smallest share in a text; the average is a quarter in English, more in the others
_FUNCTION_WORDS: dict[str, tuple[frozenset[str], float]] = {
    language: (frozenset(words.split()), share)
    for language, (words, share) in {
        "English": ("the of and to is that for it you with this not are be have in a i my was on", 0.08),
        "German": (
            "der die das den dem des und ist nicht ein eine einen einem zu in im mit von auf für es ich sie er wir wird auch als "
            "an sich hat aber wenn man dass war noch nur so mein ihr",
            0.25,
        ),
        "French": (
            "le la les l de des du d un une et est à dans que qu qui pas ne n ce se s il elle je j nous vous pour sur au aux avec "
            "mais c plus on sont quand",
            0.25,
        ),
        "Spanish": (
            "el la los las de del que y en un una no es se por con para lo su al como más pero me mi le ha muy sin sobre está cuando uno eso",
            0.25,
        ),
    }.items()
}
_LANGUAGES = {  # of the built-in encoders
    "minilm": ("English",),
    "task": ("English",),
    "goal": ("English", "German", "French", "Spanish"),
}


def languages_of(encoder: str) -> tuple[str, ...]:
    """Return the languages that an encoder knows, given its name; none if that is not known."""
    return _LANGUAGES.get(encoder.partition("@")[0].partition(":")[0], ())


def share_foreign(texts: Sequence[str], languages: Sequence[str] = ("English",)) -> float:
    """Return the share of texts that look like none of these languages, estimated from at most 1,000 of them (fixed sample).

    Known are English, German, French and Spanish. A text is foreign if most of its letters are not Latin, or if it has hardly
    function words of these languages. Short texts in Latin script are inconclusive and left out.
    """
    rows = random.Random(0).sample(range(len(texts)), min(len(texts), _SAMPLE))
    verdicts = [verdict for row in rows if (verdict := _is_foreign(texts[row], languages)) is not None]
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


def _is_foreign(text: str, languages: Sequence[str]) -> bool | None:
    text = text[:_MAX_CHARACTERS]
    letters = len(_LETTER.findall(text))
    if len(_LATIN.findall(text)) < letters / 2:
        return True
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < _MIN_WORDS:
        return None
    for language in languages:
        known, share = _FUNCTION_WORDS[language]
        if sum(word in known for word in words) >= share * len(words):
            return False
    return True
