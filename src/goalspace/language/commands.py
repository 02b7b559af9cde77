"""What one sentence asks for: the verb and object of a command, a question, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from goalspace.language.lexicon import (
    BREAKS,
    INNER_VERBS,
    LEAD_WORDS,
    LISTED,
    OPINIONS,
    QUOTES,
    REQUEST,
    ROLE,
    SAME_PAST,
    SCENE_VERBS,
    SUBJECTS,
    TASK_VERBS,
    TELLING,
    WANTED,
    WISH,
)
from goalspace.language.nouns import (
    CLAUSE,
    IT,
    MATH,
    NAME,
    clause_noun,
    last_name,
    named_in,
    object_of,
    phrase,
)
from goalspace.language.tagging import CLOSED, Word, can_be, is_known, lemma

_VERBAL = ("verb", "verb-s", "past", "be", "auxiliary", "modal")
_INFINITIVE = ("VVI", "VVB")
_MAX_DISTANCE = 8  # words that may precede a command without an introductory phrase


class Reading(NamedTuple):
    """What a sentence asks for.

    `form` is "command", "question", "yes-no", "statement" or "phrase"; `noun` is "" if there is no object, and
    "it" if the object is a pronoun for something mentioned before. A scene ("Imagine you are a pirate") precedes the
    task; a weak reading ("You should use short words") is the task only if there is no other.
    """

    form: str
    verb: str = ""
    noun: str = ""
    scene: bool = False
    weak: bool = False

    @property
    def asks(self) -> bool:
        """Whether this reading is the task regardless of the other sentences."""
        return self.form in ("command", "question", "yes-no") and not self.scene and not self.weak


def read_sentence(words: Sequence[Word]) -> Reading:
    """Read one tagged sentence.

    As in the labels of arXiv 2409.19680, the first imperative counts: its verb and the head of its direct object.
    """
    lead = words[0].kind if words else ""
    adjunct = lead in ("preposition", "subordinator", "gerund", "participle", "to", "adverb", "question")
    kept: Reading | None = None
    for start in range(len(words)):
        before = words[start - 1].low if start else ","
        scene = kept is not None and kept.scene
        if before not in BREAKS and before not in ("and", "then"):
            continue
        joined = before in ("and", "then") and not scene
        reading = _read_at(words, start, near=start <= _MAX_DISTANCE or adjunct or scene, asked_only=joined)
        if reading is not None and reading.asks:
            return reading
        kept = kept or reading
    return kept or _fallback(words, lead)


def _fallback(words: Sequence[Word], lead: str) -> Reading:
    """Read a sentence without a clause that starts like a command or a question."""
    if lead in ("preposition", "participle"):  # given a sentence identify the verb
        for at in range(2, len(words)):
            bound = words[at - 1].kind in (
                "to",
                "modal",
                "pronoun",
                "auxiliary",
                "conjunction",
                "preposition",
                "question",
            )
            if words[at].kind == "verb" and not bound and can_be(words[at].low, ("VVI",)):
                return _command(words, at)._replace(weak=True)
    if any(word.low == "?" for word in words):
        inner = next((word.low for word in words if word.kind == "question" and word.low != "whether"), "")
        return Reading("question", inner) if inner else Reading("yes-no")
    if wanted := WANTED.match(_ahead(words, 0)):  # I need a poem
        noun = phrase(words, wanted.group().count(" "))[0]
        if noun not in ("", IT):
            return Reading("command", "provide", noun if noun not in (NAME, MATH) else "", weak=True)
    for at in range(2, len(words)):  # the user asks you to tell a story
        if words[at - 2].low == "you" and words[at - 1].low == "to" and can_be(words[at].low, _INFINITIVE):
            return _command(words, at)._replace(weak=True)
    if any(word.kind in _VERBAL for word in words):
        return Reading("statement", noun=named_in(words))
    return Reading("phrase", noun=phrase(words, 0)[0])


def _read_at(words: Sequence[Word], start: int, *, near: bool, asked_only: bool) -> Reading | None:
    """Read a command or question that starts at a word; far from the sentence start, only if it is unmistakable."""
    at, asked, weak = _skip_lead(words, start)
    if at >= len(words) or (asked_only and not asked and not weak):
        return None
    if near or asked:
        question = _question(words, at)
        if question is not None:
            return question
    role = _role(words, at)
    if role is not None and (near or asked):
        return role
    gerund = asked and words[at].kind == "gerund"  # would you mind telling
    if not gerund and not _is_imperative(words, at):
        return None
    following = words[at + 1].kind if at + 1 < len(words) else ""
    far = not near and not asked
    if far and (words[at].kind != "verb" or following not in ("determiner", "possessive", "question")):
        return None
    reading = _command(words, at)
    if reading.noun == IT:
        reading = reading._replace(noun=named_in(words[:start]) or IT)
    sure = words[at].kind == "verb" or words[at].low in TASK_VERBS or words[at].low in SAME_PAST
    unsure = start > 0 and not asked and not sure
    return reading._replace(weak=True) if reading.form == "command" and (weak or far or unsure) else reading


def _skip_lead(words: Sequence[Word], at: int) -> tuple[int, bool, bool]:
    """Skip greetings, bullets and polite phrases; return the next position and whether a request or a wish was skipped."""
    asked = weak = False
    for _ in range(8):
        if at >= len(words):
            break
        word = words[at]
        following = words[at + 1].kind if at + 1 < len(words) else ""
        ahead = _ahead(words, at)
        request, wish = REQUEST.match(ahead), WISH.match(ahead)
        if skipped := request or wish:
            at += skipped.group().count(" ")
            asked, weak = asked or request is not None, weak or request is None
        elif (
            word.kind in ("punctuation", "interjection")
            or word.low in LEAD_WORDS
            or (word.kind == "number" and following == "punctuation")
            or (word.kind == "adverb" and at + 1 < len(words) and _is_imperative(words, at + 1))
        ):
            asked = asked or word.low == "please"
            at += 1
        else:
            break
    return at, asked, weak


def _ahead(words: Sequence[Word], at: int) -> str:
    return " ".join(word.low for word in words[at : at + 12]) + " "


# ---------------------------------------------------------------- questions


def _question(words: Sequence[Word], at: int) -> Reading | None:
    asks = any(word.low == "?" for word in words)
    first = words[at]
    if first.kind == "preposition" and at + 1 < len(words) and words[at + 1].kind == "question" and asks:
        at, first = at + 1, words[at + 1]
    following = words[at + 1] if at + 1 < len(words) else None
    inverted = following is not None and following.kind in ("be", "auxiliary", "modal")
    if first.kind == "question" and first.low != "whether":
        if first.low in ("when", "where") and not inverted:
            return None  # when I was young
        degree = following is not None and (
            following.kind in ("to", "adjective", "adverb") or following.low in ("many", "much")
        )
        helped = any(word.kind in ("be", "auxiliary", "modal") for word in words[at + 1 : at + 5])
        plain = at == 0 and (first.low in ("why", "how") or helped)  # why people do not go
        return _asked_for(words, at) if asks or inverted or plain or (first.low == "how" and degree) else None
    if first.kind in ("be", "auxiliary", "modal") and following is not None and asks:
        return Reading("yes-no")
    return None


def _asked_for(words: Sequence[Word], at: int) -> Reading:
    """Read a question: about what to do or to list, else about facts."""
    asked = words[at].low
    for index in range(at + 1, min(at + 8, len(words) - 2)):
        helper, subject, verb = words[index : index + 3]
        doing = verb.kind == "verb" and verb.low not in OPINIONS
        if helper.kind in ("auxiliary", "modal") and subject.low in SUBJECTS and doing:
            reading = _command(words, index + 2)
            if reading.form == "command" and reading.noun not in ("", IT, "knowledge"):
                return reading._replace(form="question")
    ahead = _ahead(words, at)
    if ahead.startswith(("what is ", "what are ", "what 's ", "which are ", "what would be a")):
        start = at + (3 if ahead.startswith("what would be") else 2)
        noun, end = phrase(words, start)
        inside = words[start:end]
        several = any(
            word.kind == "number" or word.low in ("some", "several", "best", "few", "good") for word in inside
        )
        if noun not in ("", IT, NAME, MATH) and (several or noun in LISTED or "would be" in ahead):
            return Reading("question", "be", noun)
    return Reading("question", asked)


# ---------------------------------------------------------------- commands


def _role(words: Sequence[Word], at: int) -> Reading | None:
    """Read "Act as a pirate" and "You are a pirate" as scenes."""
    role = ROLE.match(_ahead(words, at))
    if role is None:
        return None
    after = at + role.group().count(" ")
    if after >= len(words) or words[after].kind not in (
        "determiner",
        "possessive",
        "name",
        "adjective",
        "noun",
    ):
        return None
    noun = phrase(words, after)[0]
    return Reading("command", "act", "character" if noun in ("", IT, NAME, MATH) else noun, scene=True)


def _is_imperative(words: Sequence[Word], at: int) -> bool:
    """Return whether the word is an imperative: a base verb, not a subject or part of a noun phrase."""
    word = words[at]
    following = words[at + 1] if at + 1 < len(words) else None
    if (following is not None and following.kind in ("be", "modal")) or word.low in ("let", "be"):
        return False
    if word.low == "do":
        return following is not None and following.kind not in ("pronoun", "name", "adverb")
    before_object = following is not None and following.kind in ("determiner", "possessive")
    task = _whole(word.low) in TASK_VERBS
    if not task and not can_be(_whole(word.low), _INFINITIVE):
        if following is None or is_known(word.low) or not word.low.isalpha():
            return False
        if word.kind == "verb":  # a verb missing from the lexicon
            return following.kind in (
                "determiner",
                "possessive",
                "number",
                "adjective",
                "question",
                "preposition",
            )
        return before_object and word.kind in ("noun", "name", "adjective")
    if word.kind in ("past", "participle"):
        return task or word.low in SAME_PAST
    if word.kind == "verb":
        return True
    if before_object and word.low not in CLOSED:
        return True
    if word.kind not in ("noun", "name", "adjective", "adverb", "interjection"):
        return False
    if following is None or following.low in QUOTES:
        return task
    if following.kind in ("pronoun", "question"):
        return True
    if following.kind == "number" and at + 2 < len(words) and words[at + 2].kind == "punctuation":
        return False  # Sentence 1:
    stops = ("punctuation", "genitive", "conjunction", *_VERBAL)
    if following.kind == "conjunction" and at + 2 < len(words):  # research and describe
        return task and _is_imperative(words, at + 2)
    return task and following.kind not in stops and following.low != "of"


def _command(words: Sequence[Word], at: int) -> Reading:
    verb = lemma(_whole(words[at].low), "verb")
    after = at + 1
    # "Find and briefly explain all errors" is labelled find|error
    while after + 2 < len(words) and words[after].kind == "conjunction":
        other = after + 2 if words[after + 1].kind == "adverb" else after + 1
        if not _is_imperative(words, other):
            break
        after = other + 1
    inner = after + 1 if after < len(words) and words[after].kind == "to" else after
    controls = verb in INNER_VERBS and inner < len(words) and (inner > after or verb == "help")
    if controls and words[inner].kind == "verb":
        return _command(words, inner)
    if verb in ("know", "learn", "understand") and after < len(words) and words[after].kind == "question":
        return Reading("question", words[after].low)
    noun = object_of(words, after)
    if noun == CLAUSE:
        noun = "knowledge" if verb in TELLING else clause_noun(words, after)
        if noun in ("", IT) and any(
            word.low in ("how", "why", "when", "where", "who") for word in words[after:]
        ):
            noun = "knowledge"  # estimate how long it takes
    if noun == NAME:
        noun = "knowledge" if verb in TELLING else last_name(words, after)
    return Reading("command", verb, noun, scene=verb in SCENE_VERBS)


def _whole(low: str) -> str:
    """Remove the hyphen of "re-write"."""
    return low.replace("re-", "re", 1) if low.startswith("re-") else low
