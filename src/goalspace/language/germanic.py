"""Noun phrases of German and Dutch texts, from words tagged with HanTa, as they would stand in a dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from goalspace.language.stopwords import DUTCH, GERMAN

_MODELS = {GERMAN: "morphmodel_ger.pgz", DUTCH: "morphmodel_dutch.pgz"}
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,]\d+)*|[^\w\s]")
_MAX_WORDS = 60  # of a sentence
_MAX_WORD_LENGTH = 40  # characters; the tagger is slow on longer runs of letters
_DEGREE = frozenset(
    [
        "sehr",
        "viel",
        "zu",
        "so",
        "total",
        "ganz",
        "recht",
        "ziemlich",
        "völlig",
        "wirklich",
        "echt",
        "extrem",
        "absolut",
        "leider",
        "immer",
        "einfach",
        "etwas",
        "sogar",
        "besonders",
        "noch",
        "auch",
        "schon",
    ]
)
# nouns that name nothing by themselves
_EMPTY = frozenset(
    [
        "Mal",
        "Male",
        "Tag",
        "Tage",
        "Jahr",
        "Jahre",
        "Woche",
        "Wochen",
        "Monat",
        "Monate",
        "Stunde",
        "Stunden",
        "Minute",
        "Minuten",
        "Uhr",
        "Uhren",
        "Ding",
        "Dinge",
        "Sache",
        "Sachen",
        "Art",
        "Teil",
        "Weise",
        "Wort",
        "Worte",
        "Ausdruck",
        "Frau",
        "Herr",
        "Euro",
        "Cent",
        "Prozent",
        "Leute",
        "Mensch",
        "Menschen",
        "Hälfte",
        "Moment",
        "Anfang",
        "Ende",
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
        "keer",
        "dag",
        "dagen",
        "jaar",
        "week",
        "weken",
        "maand",
        "uur",
        "minuut",
        "minuten",
        "ding",
        "dingen",
        "mensen",
        "euro",
        "mevrouw",
        "meneer",
    ]
)
# adjectives that only count or point
_EMPTY_ADJECTIVES = re.compile(
    r"(?:ganz|einzig|letzt|nächst|ander|erst|zweit|dritt|viert|fünft|eigen|halb|viel|wenig|einig|mehrer|gleich)(?:e|er|es|en|em)"
)
_STEMS = {"hoch": "hoh", "teuer": "teur", "sauer": "saur", "dunkel": "dunkl", "edel": "edl"}
_NEUTER_OR_PLURAL = ("het", "dit", "dat")


class Tagged(NamedTuple):
    """A word as written, its dictionary form, its tag, and its span in the sentence."""

    text: str
    lemma: str
    tag: str
    start: int
    end: int

    @property
    def low(self) -> str:
        return self.text.lower()


@cache
def _tagger(language: str) -> Any:
    from HanTa.HanoverTagger import HanoverTagger

    return HanoverTagger(_MODELS[language])


def tag_words(sentence: str, language: str) -> list[Tagged]:
    """Tag the first 60 words of a German or Dutch sentence, with the tags of its model: STTS or those of the CGN."""
    matches = [match for _, match in zip(range(_MAX_WORDS), _WORD.finditer(sentence), strict=False)]
    if not matches:
        return []
    words = [match.group() if len(match.group()) <= _MAX_WORD_LENGTH else "X" for match in matches]
    tagged = _tagger(language).tag_sent(words, taglevel=1)
    return [
        Tagged(match.group(), str(lemma), str(tag), *match.span())
        for match, (_, lemma, tag) in zip(matches, tagged, strict=True)
    ]


# ---------------------------------------------------------------- German


def german_phrases(sentence: str) -> Iterator[tuple[str, int, int]]:
    """Yield the noun phrases of a German sentence with their spans, nouns with a capital.

    An adjective gets the ending that it has without an article, as in "lange Lieferzeit", as far as article and ending
    tell the gender: it is left out of "mit dem alten Gerät". "Die Dusche war kaputt" gives "kaputte Dusche".
    """
    words = tag_words(sentence, GERMAN)
    for at, word in enumerate(words):
        if (
            word.tag != "NN"
            or not word.text[0].isupper()
            or {word.text, word.lemma} & _EMPTY
            or len(word.text) < 3
        ):
            continue
        first = _first_adjective(words, at)
        determiner = words[first - 1] if first and words[first - 1].tag in _DETERMINERS else None
        before = words[first - 2] if first > 1 and determiner else words[first - 1] if first else None
        after_preposition = before is not None and before.tag in ("APPR", "APPRART")
        adjectives = [
            _strong(own, determiner, word, after_preposition=after_preposition)
            for own in words[first:at]
            if not _EMPTY_ADJECTIVES.fullmatch(own.low)
        ]
        negation = _negation(determiner, before)
        if None not in adjectives and (adjectives or negation):
            start = words[first if not negation else first - 1].start
            yield " ".join([*negation, *map(str, adjectives), word.text]), start, word.end
        elif not negation:
            stated = _predicate(words, at, determiner) if first == at and not after_preposition else None
            if stated is not None:
                yield stated[0], word.start, stated[1]
            noun = _noun(word, determiner, after_preposition=after_preposition)
            if noun is not None:
                yield noun, word.start, word.end


_DETERMINERS = ("ART", "PPOSAT", "PIAT", "PDAT", "APPRART")
_COPULAS = ("ist", "war", "sind", "waren")
_SINGULAR_KIND = {"der": "er", "die": "e", "das": "es"}


def _first_adjective(words: Sequence[Tagged], at: int) -> int:
    """Return the position of the first adjective of the noun at `at`, at most two before it."""
    first = at
    while first > max(0, at - 2) and words[first - 1].tag == "ADJ(A)" and words[first - 1].text.isalpha():
        first -= 1
    return first


def _noun(word: Tagged, determiner: Tagged | None, *, after_preposition: bool) -> str | None:
    """Return a noun in the nominative; None for a dative plural, such as "mit Textbausteinen"."""
    if determiner is not None and determiner.low.endswith("es") and word.text.endswith("s"):
        return word.lemma  # des Herstellers
    dative = after_preposition or (determiner is not None and determiner.low.endswith("en"))
    return None if dative and word.text.endswith("n") and word.text == f"{word.lemma}en" else word.text


def _negation(determiner: Tagged | None, before: Tagged | None) -> list[str]:
    """Return "kein", in the nominative, or "ohne" before a noun."""
    if determiner is None:
        return ["ohne"] if before is not None and before.low == "ohne" else []
    if not determiner.low.startswith("kein") or (before is not None and before.low == "noch"):
        return []  # so schnell war noch keine
    return ["keine" if determiner.low in ("keine", "keiner") else "kein"]


def _strong(
    adjective: Tagged, determiner: Tagged | None, noun: Tagged, *, after_preposition: bool
) -> str | None:
    """Return an adjective in the nominative without an article; None if its gender cannot be told."""
    low = adjective.low
    if not low.endswith(("e", "er", "es", "en", "em")):
        return low if determiner is None or determiner.tag != "ART" else None  # rosa, Berliner
    ending = _ending(low)
    stem = low.removesuffix(ending)
    article = determiner.low if determiner is not None else ""
    indefinite = article.startswith(("ein", "kein", "mein", "dein", "sein", "ihr", "unser", "euer"))
    plural = noun.lemma != noun.text
    if ending == "em":
        return None
    if ending == "en":
        if (article.endswith("en") and indefinite) or (
            article == "den" and not plural and not noun.text.endswith("n")
        ):
            return f"{stem}er"  # einen alten Staubsauger, which only a masculine noun can have
        if article == "die" or (indefinite and article.endswith("e")):
            return f"{stem}e"  # die neuen Funktionen
        feminine = article in ("der", "zur") or (indefinite and article.endswith("er"))
        return f"{stem}e" if feminine and not plural else None
    if ending == "er" and determiner is None and after_preposition:
        return f"{stem}e"  # mit großer Freude
    if ending == "e" and article in ("der", "das"):
        return f"{stem}{_SINGULAR_KIND[article]}"
    return low


def _ending(low: str) -> str:
    return next(ending for ending in ("er", "es", "en", "em", "e") if low.endswith(ending))


def _predicate(words: Sequence[Tagged], at: int, determiner: Tagged | None) -> tuple[str, int] | None:
    """Return what "Die Dusche war kaputt" or "war die Dusche kaputt" says of its subject, and where it ends."""
    if determiner is None or determiner.low not in _SINGULAR_KIND or determiner.tag != "ART":
        return None
    before = words[at - 2] if at > 1 else None
    if before is not None and before.tag == "NN":  # die Hälfte der Eier
        return None
    inverted = before is not None and before.low in _COPULAS
    verb = before if inverted else words[at + 1] if at + 1 < len(words) else None
    if verb is None or verb.low not in _COPULAS:
        return None
    said = at + 1 + (not inverted)
    while said < len(words) and words[said].low in _DEGREE:
        said += 1
    if said >= len(words) or words[said].tag not in ("ADJ(D)", "VV(PP)"):
        return None
    if said + 1 < len(words) and words[said + 1].tag not in ("$,", "$.", "$(", "KON"):
        return None
    low = words[said].low
    ending = "e" if verb.low in ("sind", "waren") else _SINGULAR_KIND[determiner.low]
    return f"{_STEMS.get(low, low.removesuffix('e'))}{ending} {words[at].text}", words[said].end


# ---------------------------------------------------------------- Dutch


def dutch_phrases(sentence: str) -> Iterator[tuple[str, int, int]]:
    """Yield the noun phrases of a Dutch sentence with their spans: "het vriendelijke personeel" gives "vriendelijk personeel"."""
    words = tag_words(sentence, DUTCH)
    for at, word in enumerate(words):
        if not word.tag.startswith("N(soort") or word.low in _EMPTY or len(word.text) < 3:
            continue
        first = at
        while first > max(0, at - 2) and words[first - 1].tag.startswith("ADJ(prenom"):
            first -= 1
        before = words[first - 1].low if first else ""
        singular = ",ev," in word.tag
        names = [
            own.lemma.lower() if before in _NEUTER_OR_PLURAL and singular else own.low
            for own in words[first:at]
        ]
        if before == "geen":
            yield " ".join(["geen", *names, word.low]), words[first - 1].start, word.end
        elif names:
            yield " ".join([*names, word.low]), words[first].start, word.end
        else:
            yield word.lemma.lower(), word.start, word.end
