"""Task labels of instructions: the verb and noun of what an instruction asks for, by grammar rules on tagged words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from goalspace.language.commands import Reading, read_sentence
from goalspace.language.lexicon import CODE_NOUNS, MATH_NOUNS
from goalspace.language.nouns import IT
from goalspace.language.tagging import share_known, split_sentences, words_of

OTHER = "other"
_SENTENCES, _WORDS, _FIRST_WORDS = 12, 60, 28
_HEAD, _TAIL = 4000, 1500  # characters read from the start and the end of a long text
_ENGLISH = 0.4  # share of known words below which a sentence is not English
_ASKING = 200  # characters of a sentence used for this check
_CODE = re.compile(
    r"^\s*(?:def |class |import |from \w[\w.]* import |#include|package |public |function \w+\(|<\?php|<!DOCTYPE|SELECT |"
    r"CREATE TABLE )|```|^\s*(?:for|while|if) ?\(.*\) ?\{|;\s*$",
    re.MULTILINE,
)
_STARTS_AS_CODE = re.compile(
    r"\s*(?:def |class \w+[:(]|import \w|from \w[\w.]* import |#include|package \w|<\?php)"
)
_ARITHMETIC = re.compile(
    r"\d\s*[-+*/×÷^=%]\s*\(?\d|\d\s*(?:plus|minus|times|divided by|multiplied by|modulo|mod)\s*\d|square root|\d\s*%\s*of\b"
    r"|\b\d*[xyn]\s*[-+*/^=]\s*\d"
)
_NUMBER = re.compile(
    r"\b\d[\d,.]*\b|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twice|half|dozen)\b"
)
_AMOUNT = re.compile(
    r"\bhow (?:many|much|long|far|old|fast|tall|big|large|often)\b"
    r"|\bthe (?:total|sum|average|difference|number|cost|price|profit|ratio|percentage)\b"
)
_WORD_PROBLEM = 900  # characters; longer texts have numbers for other reasons
_BLANK = re.compile(r"_{2,}|\[(?:blank|mask)\]|<(?:blank|mask)>", re.IGNORECASE)


@dataclass(frozen=True)
class TaskLabel:
    """The task of one instruction.

    Attributes
    ----------
    verb
        The lemma of the verb of a command ("write"), or the question word ("why", "yes-no"); "" if there is none.
    noun
        The lemma of the head noun of the verb's object ("poem"), or "knowledge", "math", "code" or "text".
    kind
        "command", "question" (about what to do), "knowledge" (a question of fact), "math", "code" or "other".
    """

    verb: str
    noun: str
    kind: str

    def __str__(self) -> str:
        return f"{self.verb}|{self.noun}" if self.verb else OTHER


def label_task(text: str) -> TaskLabel:
    """Label one instruction; see `goalspace.curation.tasklabels.label_tasks`."""
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    if _STARTS_AS_CODE.match(text):
        return TaskLabel("complete", "function" if "def " in text else "code", "code")
    read: list[Reading] = []
    for sentence in split_sentences(text, limit=_SENTENCES):
        reading = _read(sentence)
        read.append(reading)
        if reading.asks and share_known(sentence[:_ASKING]) >= _ENGLISH:
            return _label(text, reading, read)
    if share_known(text[:_HEAD]) < _ENGLISH:
        return _unasked(text, [])
    weak = [reading for reading in read if reading.weak and not reading.scene]
    scenes = [reading for reading in read if reading.scene]
    for reading in [*weak, *scenes]:
        return _label(text, reading, read)
    return _unasked(text, read)


def _read(sentence: str) -> Reading:
    """Read a sentence; its end is tagged only if the first words do not settle what it asks for."""
    words = words_of(sentence, limit=_FIRST_WORDS)
    if len(words) == _FIRST_WORDS and "?" not in sentence:
        reading = read_sentence(words)
        if reading.asks and reading.noun:
            return reading
    if len(words) == _FIRST_WORDS:
        words = words_of(sentence, limit=_WORDS)
    return read_sentence(words)


def _label(text: str, reading: Reading, read: Sequence[Reading]) -> TaskLabel:
    noun = reading.noun
    if reading.form == "yes-no":
        return TaskLabel("yes-no", *_subject(text, "knowledge"))
    if reading.form == "question" and not noun:
        return TaskLabel(reading.verb, *_subject(text, "knowledge"))
    if noun in ("", IT):
        before = [r.noun for r in read if r is not reading and r.noun not in ("", IT)]
        if noun == IT and before:
            noun = before[-1]
        elif _CODE.search(text):
            noun = "code"
        elif reading.form == "command" and _ARITHMETIC.search(text):
            noun = "math"
        else:
            noun = "text"
    return TaskLabel(reading.verb, noun, _kind_of(noun, reading.form))


def _kind_of(noun: str, form: str) -> str:
    if noun in CODE_NOUNS:
        return "code"
    if noun in MATH_NOUNS:
        return "math"
    return "knowledge" if noun == "knowledge" else form


def _subject(text: str, kind: str) -> tuple[str, str]:
    """Return noun and kind of a question of fact: ("math", "math") for arithmetic and word problems, else `kind` twice."""
    n_numbers = len(_NUMBER.findall(text)) if len(text) <= _WORD_PROBLEM else 0
    problem = n_numbers >= 3 or (n_numbers == 2 and _AMOUNT.search(text.lower()) is not None)
    if (problem or _ARITHMETIC.search(text)) and not _CODE.search(text):
        return "math", "math"
    return kind, kind


def _unasked(text: str, read: Sequence[Reading]) -> TaskLabel:
    """Label a text in which no sentence asks for anything."""
    if _BLANK.search(text):
        return TaskLabel("complete", "sentence", "command")
    if _CODE.search(text):
        return TaskLabel("complete", "code", "code")
    if read and all(reading.form == "phrase" for reading in read):
        return TaskLabel("noun", "knowledge", "knowledge")
    return TaskLabel("", "", OTHER)
