"""Detection of the language of texts, and of those in one that the encoder does not know."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from goalspace.language.stopwords import STOP_WORDS

ENGLISH, OTHER = "English", "another language"

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
_ENGLISH_WORDS = _FUNCTION_WORDS["English"][0] | frozenset(
    [
        "about",
        "an",
        "as",
        "at",
        "but",
        "by",
        "can",
        "did",
        "do",
        "does",
        "from",
        "had",
        "has",
        "he",
        "her",
        "here",
        "his",
        "how",
        "if",
        "just",
        "me",
        "no",
        "or",
        "our",
        "out",
        "she",
        "some",
        "than",
        "then",
        "there",
        "they",
        "up",
        "we",
        "were",
        "what",
        "when",
        "which",
        "who",
        "will",
        "would",
        "your",
    ]
)
_LISTS: Mapping[str, frozenset[str]] = {ENGLISH: _ENGLISH_WORDS, **STOP_WORDS}
_MIN_KNOWN = 0.2  # share of function words from which a text is in a language
_MIN_FOUND = 2  # function words
_MARGIN = 1.5  # times as many function words as of English, of which each list has some: die, in, me, no
_MIN_ACCENTS = (
    0.03  # share of the letters that are not ASCII: Polish, Turkish or Swedish rather than names or code
)
_MIN_LETTERS = 4
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
    verdicts = [verdict for text in _drawn(texts) if (verdict := _is_foreign(text, languages)) is not None]
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


def detect_language(text: str) -> str | None:
    """Return the language of a text, as far as its function words tell it.

    Parameters
    ----------
    text
        The text, of which the first 4,000 characters are read.

    Returns
    -------
    "English", "German", "French", "Spanish", "Italian", "Portuguese" or "Dutch"; `OTHER` for a text in another script, or one
    with accents and without their function words; None if it cannot be told, as of names, numbers, code and a few words.
    """
    text = text[:_MAX_CHARACTERS]
    letters = _LETTER.findall(text)
    latin = _LATIN.findall(text)
    if len(letters) >= _MIN_LETTERS and len(latin) < len(letters) / 2:
        return OTHER
    words = [word.lower() for word in _WORD.findall(text)]
    found = {language: sum(word in known for word in words) for language, known in _LISTS.items()}
    best = max(found, key=lambda language: found[language])
    if found[best] >= max(_MIN_FOUND, _MIN_KNOWN * len(words)):
        rest = max(n for language, n in found.items() if language != best)
        return best if best == ENGLISH or found[best] > max(rest, _MARGIN * found[ENGLISH]) else None
    accents = sum(not letter.isascii() for letter in latin)
    return OTHER if len(words) >= _MIN_WORDS and accents >= _MIN_ACCENTS * len(letters) else None


def language_shares(texts: Sequence[str]) -> dict[str, float]:
    """Return the share of the texts in each language, largest first, estimated from at most 1,000 texts (fixed sample).

    The shares add up to less than 1 if the language of some texts cannot be told.
    """
    counts = Counter(map(detect_language, _drawn(texts)))
    return {language: n / counts.total() for language, n in counts.most_common() if language is not None}


def _drawn(texts: Sequence[str]) -> Iterator[str]:
    rows = random.Random(0).sample(range(len(texts)), min(len(texts), _SAMPLE))
    return (texts[row] for row in rows)


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
