"""Phrases of the texts that can describe them: noun phrases, and verbs with their object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from goalspace.language.detection import ENGLISH, detect_language
from goalspace.language.germanic import dutch_phrases, german_phrases
from goalspace.language.romance import romance_phrases
from goalspace.language.sentences import sentence_spans
from goalspace.language.stopwords import DUTCH, FRENCH, GERMAN, ITALIAN, PORTUGUESE, SPANISH
from goalspace.language.tagging import Word, lemma, words_of

MAX_SENTENCES = 12  # of a text: later ones rarely say what it is about, and tagging takes time
_MAX_WORDS = 60  # of a sentence
_MAX_LENGTH = 3  # words of a noun phrase
_MIN_LETTERS = 4  # of a phrase
_NOUNS = ("noun", "name")
_VERBS = ("verb", "past", "participle", "gerund", "verb-s")
_SKIPPED = ("determiner", "possessive", "number", "adverb", "particle")  # between a verb and its object
_ARTICLES = ("a", "an", "the")
_NEGATIONS = ("not", "n't", "never")
# nouns that name nothing by themselves, and verbs that say nothing about their object
_EMPTY_NOUNS = frozenset(
    [
        "thing",
        "things",
        "stuff",
        "bit",
        "lot",
        "lots",
        "way",
        "ways",
        "kind",
        "sort",
        "one",
        "ones",
        "time",
        "times",
        "day",
        "days",
        "man",
        "woman",
        "guy",
        "guys",
        "other",
        "others",
        "thanks",
        "please",
        "hello",
        "dear",
        "regards",
        "anything",
        "everything",
        "something",
        "nothing",
        "someone",
        "everyone",
    ]
)
_EMPTY_VERBS = frozenset(
    [
        "be",
        "have",
        "do",
        "get",
        "go",
        "make",
        "take",
        "let",
        "say",
        "see",
        "come",
        "seem",
        "become",
        "keep",
        "put",
    ]
)


class Phrase(NamedTuple):
    """A phrase, in English in lower case with its verb in the base form, and the span of the text that says it."""

    name: str
    start: int
    end: int


def quoted(name: str, text: str, phrases: Mapping[str, Phrase]) -> tuple[str, str]:
    """Return a property and the words of the text that say it, if it is one of its phrases, otherwise ""."""
    found = phrases.get(name)
    return name, text[found.start : found.end] if found else ""


def find_phrases(text: str, *, max_sentences: int = MAX_SENTENCES) -> list[Phrase]:
    """Return the noun phrases of the first sentences, and their verbs with an object, each at its first occurrence.

    English only; see `find_native_phrases`. A noun phrase has at most three words, adjectives and nouns. In "I returned the
    broken router", "broken router" and "return the broken router" are found.
    """
    found: dict[str, Phrase] = {}
    for start, end in sentence_spans(text, limit=max_sentences):
        words = words_of(text[start:end], limit=_MAX_WORDS)
        spans = list(_spans(text, start, words))
        for name, first, last in _phrases_of(words):
            found.setdefault(name, Phrase(name, spans[first][0], spans[last][1]))
    return list(found.values())


def find_native_phrases(text: str, language: str | None = None) -> list[Phrase]:
    """Return the noun phrases of a text in its language, each at its first occurrence.

    They are written as a label in this language would be: "lange Lieferzeit", German nouns with their capitals.

    Parameters
    ----------
    text
        The text.
    language
        Its language if this cannot be told from the text, which is then read as one of the most frequent language.

    Returns
    -------
    The phrases; those of `find_phrases` if the text is English, none in languages without rules.
    """
    known = detect_language(text) or language
    if known == ENGLISH:
        return find_phrases(text)
    found: dict[str, Phrase] = {}
    for start, end in sentence_spans(text, limit=MAX_SENTENCES):
        for name, first, last in _native(text[start:end], known):
            found.setdefault(name, Phrase(name, start + first, start + last))
    return list(found.values())


def _native(sentence: str, language: str | None) -> Iterator[tuple[str, int, int]]:
    if language == GERMAN:
        return german_phrases(sentence)
    if language == DUTCH:
        return dutch_phrases(sentence)
    if language in (FRENCH, SPANISH, ITALIAN, PORTUGUESE):
        return romance_phrases(sentence, language)
    return iter(())


def _spans(text: str, at: int, words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    for word in words:
        start = text.index(word.text, at)
        at = start + len(word.text)
        yield start, at


def _phrases_of(words: Sequence[Word]) -> Iterator[tuple[str, int, int]]:
    """Yield phrases with the positions of their first and last word."""
    at = 0
    while at < len(words):
        end = _end_of_noun_phrase(words, at)
        if end == at:
            at += 1
            continue
        name = " ".join(word.low for word in words[at:end])
        if len(name) >= _MIN_LETTERS and words[end - 1].low not in _EMPTY_NOUNS:
            yield name, at, end - 1
            verb = _verb_before(words, at)
            if verb is not None and (base := lemma(words[verb].low, "verb")) not in _EMPTY_VERBS:
                negated = any(word.low.endswith(_NEGATIONS) for word in words[max(0, verb - 2) : verb])
                article = "".join(f"{word.low} " for word in words[verb + 1 : at] if word.low in _ARTICLES)
                yield f"{'not ' * negated}{base} {article}{name}", verb, end - 1
        at = end


def _end_of_noun_phrase(words: Sequence[Word], at: int) -> int:
    """Return the end of the noun phrase that starts at `at`, without determiners; `at` if there is none."""
    end = at
    while end < len(words) and words[end].kind in (*_NOUNS, "adjective") and words[end].low[0].isalpha():
        if words[end].kind == "adjective" and end > at and words[end - 1].kind in _NOUNS:
            break
        end += 1
    if end == at or words[end - 1].kind not in _NOUNS:
        return at
    return at if end - at > _MAX_LENGTH else end


def _verb_before(words: Sequence[Word], at: int) -> int | None:
    """Return the position of the verb whose object starts at `at`, None if no verb is before it."""
    before = at - 1
    while before >= 0 and words[before].kind in _SKIPPED and words[before].low not in _NEGATIONS:
        before -= 1
    return before if before >= 0 and words[before].kind in _VERBS else None
