"""Noun phrases: the head noun of a verb's object, and the nouns a sentence mentions."""

from __future__ import annotations

from collections.abc import Sequence

from goalspace.language.lexicon import (
    ANAPHORS,
    EMPTY_HEADS,
    GATHERINGS,
    OPENERS,
    PARTICLES,
    QUANTITIES,
    QUOTES,
)
from goalspace.language.tagging import Word, can_be, is_known, lemma

# placeholders for a noun: a pronoun, a clause, a proper name, numbers
IT, CLAUSE, NAME, MATH = "it", "clause", "name", "math"

_NOMINAL = ("noun", "name", "adjective", "number", "gerund", "participle")
_BEFORE_NOUN = ("determiner", "possessive", "adjective", "number", "genitive", "participle")
_BEFORE_CLAUSE = ("question", "subordinator", "adverb", "particle", "preposition", "be", "auxiliary")
_SINGULAR = ("NN1", "NN0")


def object_of(words: Sequence[Word], at: int) -> str:
    """Return the head of the direct object of a verb that ends before `at`, else of the first prepositional object."""
    head = ""
    while at < len(words):
        word = words[at]
        following = words[at + 1] if at + 1 < len(words) else None
        if word.kind in ("adverb", "particle", "interjection") or word.low in PARTICLES:
            at += 1
        elif word.kind == "pronoun" and word.low not in ANAPHORS and _starts_object(following):
            at += 1  # tell me a joke
        elif word.low == "to" and following is not None and following.low in ("me", "us"):
            at += 2  # describe to me the process
        elif word.low == "at" and following is not None and following.low in ("least", "most"):
            at += 2
        elif word.kind in ("question", "subordinator") and word.low not in ("than", "as"):
            return head or CLAUSE
        elif word.kind in ("preposition", "to") or word.low == "as":
            if following is not None and (
                following.kind in ("question", "gerund", "verb") or following.low == "if"
            ):
                return head or (CLAUSE if following.kind == "question" else object_of(words, at + 2))
            noun, at = phrase(words, at + 1)
            head = head or noun
            if not noun or at >= len(words) or words[at].kind == "punctuation":
                return head
        elif word.low == "," and not head and (end := _aside(words, at)):
            at = end  # explain, step by step, how
        elif word.kind == "punctuation":
            return head if head or word.low not in QUOTES else IT
        elif word.kind == "conjunction" and not head:
            at += 1  # yes or no
        else:
            noun, end = phrase(words, at)
            if noun and not (head and noun == IT):
                return noun
            if head or end == at:
                return head
            at = end
    return head


def clause_noun(words: Sequence[Word], at: int) -> str:
    """Return the noun of "whether the sentence is correct", "what kind of book this is", "how many times it occurs"."""
    while at < len(words) and words[at].kind in _BEFORE_CLAUSE:
        degree = words[at].low == "how" and at + 1 < len(words) and words[at + 1].kind == "adjective"
        at += 2 if degree else 1
    return phrase(words, at)[0] if at < len(words) else ""


def named_in(words: Sequence[Word]) -> str:
    """Return the last noun of a phrase like "a set of tweets" or "the following poem", "" if there is none."""
    named = ""
    for at, word in enumerate(words):
        if word.low not in ("a", "an", "two", "some", "following", "this", "the"):
            continue
        if named and word.low in ("this", "the"):
            continue
        noun, end = phrase(words, at)
        if noun in GATHERINGS and end < len(words) and words[end].low == "of":
            noun = phrase(words, end + 1)[0] or noun
        if noun not in ("", IT, NAME, MATH):
            named = noun
    return named


def last_name(words: Sequence[Word], at: int) -> str:
    """Return the first common or proper noun from `at` on."""
    for word in words[at:]:
        if word.kind in ("noun", "name"):
            return lemma(word.low, "noun")
    return ""


def phrase(words: Sequence[Word], at: int) -> tuple[str, int]:
    """Return the lemma of the head of the noun phrase that starts at `at`, and the end of the phrase.

    The head is the last noun before the first word that cannot continue a noun phrase, or before "of".
    """
    head: Word | None = None
    if at + 1 < len(words) and words[at].low == "at" and words[at + 1].low in ("least", "most"):
        at += 2
    start = at
    while at < len(words):
        word = words[at]
        if word.kind == "genitive" or (word.low == "of" and at > start and _is_quantity(head, words[at - 1])):
            head = None  # the company's mission, a lot of ideas
        elif word.low in ANAPHORS and head is None and not _goes_on(words, at + 1):
            if at > start and words[at - 1].low not in OPENERS:
                break  # an infographic that
            return IT, at + 1
        elif word.kind == "pronoun":
            if head is None and word.low in ("they", "he", "she"):
                return IT, at + 1
            break
        elif (noun := _as_noun(words, at, start, head)) is not None:
            head = noun
        elif not _inside(words, at, start, head):
            break
        at += 1
    return _lemma_of(head, words[start:at]), at


def _as_noun(words: Sequence[Word], at: int, start: int, head: Word | None) -> Word | None:
    """Return the word if it is a noun in this context, regardless of its tag."""
    word = words[at]
    if word.kind in ("noun", "name"):
        return word
    before = words[at - 1].kind if at > start else ""
    following = words[at + 1] if at + 1 < len(words) else None
    if word.kind in ("verb", "verb-s"):
        if head is None:  # the cause, a bash script; planets
            return word if before in _BEFORE_NOUN or can_be(word.low, ("NN1", "NN2")) else None
        goes_on = following is not None and following.kind in ("determiner", "pronoun", "possessive", "to")
        # a base verb cannot follow a singular noun
        singular = word.kind == "verb" and lemma(head.low, "noun") == head.low
        return (
            word
            if singular and not goes_on and (can_be(word.low, ("NN1",)) or not is_known(word.low))
            else None
        )
    bare = not word.low.endswith(("ed", "ing", "en"))
    if word.kind in ("participle", "past") and head is None and bare and before in _BEFORE_NOUN:
        return word  # a tweet
    if word.kind == "gerund" and head is None and (following is None or following.kind not in _NOMINAL):
        return word if before in _BEFORE_NOUN or can_be(word.low, _SINGULAR) else None
    return None


def _inside(words: Sequence[Word], at: int, start: int, head: Word | None) -> bool:
    """Return whether the phrase continues with a word that is not its head."""
    word = words[at]
    following = words[at + 1] if at + 1 < len(words) else None
    nouns_follow = following is not None and following.kind in ("noun", "name")
    if word.low in EMPTY_HEADS:  # the following topics; following is a preposition elsewhere
        return head is None and at > start
    if word.kind in ("number", "adjective"):
        return head is None or nouns_follow
    if word.kind in ("determiner", "possessive"):
        before = words[at - 1] if at > start else None
        return head is None and (
            before is None or before.kind in ("determiner", "number") or before.low in OPENERS
        )
    if word.kind in ("participle", "past"):
        return head is None and (word.kind == "participle" or at > start)
    if word.kind == "gerund":
        return head is None or nouns_follow
    if word.kind in ("punctuation", "conjunction", "adverb"):
        opens = word.low in QUOTES or (word.kind == "adverb" and at == start)
        return head is None and (opens or at > start) and _goes_on(words, at + 1)
    return False


def _goes_on(words: Sequence[Word], at: int) -> bool:
    return at < len(words) and words[at].kind in (*_NOMINAL, "determiner")


def _is_quantity(head: Word | None, before: Word) -> bool:
    return (head or before).low in QUANTITIES or (head is None and before.kind in ("number", "determiner"))


def _lemma_of(head: Word | None, words: Sequence[Word]) -> str:
    if head is None:
        if not words:
            return ""
        last = words[-1]
        if all(word.kind in ("number", "determiner", "conjunction", "punctuation") for word in words):
            return MATH if any(word.text[0].isdigit() for word in words) else ""
        if last.low in EMPTY_HEADS:
            return IT
        return lemma(last.low, "noun") if last.kind in ("gerund", "adjective", "participle", "past") else ""
    if head.low in EMPTY_HEADS:
        return IT
    proper = head.kind == "name" or not is_known(head.low)
    return NAME if proper and head.text[0].isupper() and not head.text.isupper() else lemma(head.low, "noun")


def _starts_object(word: Word | None) -> bool:
    if word is None:
        return False
    return word.kind in ("determiner", "possessive", "question", "preposition", "subordinator", *_NOMINAL)


def _aside(words: Sequence[Word], at: int) -> int:
    """Return the position after an aside between two commas, 0 if there is none."""
    ends = [index for index in range(at + 1, min(at + 7, len(words) - 1)) if words[index].low == ","]
    return ends[0] + 1 if ends else 0
