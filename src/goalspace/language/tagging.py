"""Tagging: sentences, words, word classes and lemmas, with the HanTa tagger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

# HanTa uses the tags of the British National Corpus (tag → class); words of closed classes are listed below
_CLASSES = {
    **dict.fromkeys(("VVB", "VVI"), "verb"),
    **dict.fromkeys(("VVD", "VDD", "VHD"), "past"),
    **dict.fromkeys(("VVN", "VDN", "VHN", "VBN"), "participle"),
    **dict.fromkeys(("VVG", "VDG", "VHG", "VBG"), "gerund"),
    **dict.fromkeys(("VVZ", "VDZ", "VHZ"), "verb-s"),
    **dict.fromkeys(("NN0", "NN1", "NN2", "NN", "ZZ0", "UNC"), "noun"),
    "NP0": "name",
    **dict.fromkeys(("AJ0", "AJC", "AJS", "ORD"), "adjective"),
    **dict.fromkeys(("AV0", "XX0"), "adverb"),
    "AVP": "particle",
    **dict.fromkeys(("PRP", "PRF"), "preposition"),
    "CRD": "number",
    "POS": "genitive",
    "ITJ": "interjection",
}
_CLOSED = {
    "determiner": "a an the this that these those some any every each all both no another either neither "
    "several few many much more most enough such",
    "possessive": "my your his her its our their whose",
    "pronoun": "i you he she it we they me him us them myself yourself himself herself itself ourselves themselves "
    "someone somebody something anyone anybody anything everyone everybody everything nobody nothing",
    "be": "be am is are was were been being 's 're 'm isn't aren't wasn't weren't",
    "auxiliary": "do does did have has had 've don't doesn't didn't haven't hasn't hadn't",
    "modal": "can could will would shall should may might must can't cannot couldn't won't wouldn't shouldn't 'd 'll",
    "question": "what which who whom how why when where whether",
    "conjunction": "and or but nor",
    "subordinator": "if because although though unless while whereas so since once until that than as",
    "number": "one two three four five six seven eight nine ten twelve twenty",
    "preposition": "of in on at by for with from about into onto between among against under over through during "
    "before after above below across behind within without toward towards upon via per using given based following "
    "regarding concerning including like near around along except besides despite",
    "adverb": "not n't there here",
    "to": "to",
}
# word of a closed class → its class
CLOSED = {word: name for name, words in reversed(_CLOSED.items()) for word in words.split()}
# words of closed classes whose class the tagger decides: determiner or pronoun, preposition or verb form
_OPEN_TOO = {"given", "based", "following", "using", "including", "regarding", "concerning", "like", "near"}

_WORD = re.compile(
    r"\b[A-Za-z](?:\+\+|#)|[^\W\d_]+(?:['’][^\W\d_]+)?(?:-[^\W\d_]+)*|\d+(?:[.,]\d+)*|_{2,}|[^\w\s]|_"
)
_LETTERS = re.compile(r"[^\W\d_]+")
_ENDING = re.compile(r"(?<=...)(?:s|es|d|ed|r|er|est|ing|ly)$")
_GLUED = re.compile(r"(.+)(['’](?:s|ve|re|ll|d|m))$", re.IGNORECASE)
_MAX_WORD_LENGTH = 32  # characters; longer runs of letters are not words, and the tagger is slow on them
_VERB_ENDINGS = ("ize", "ise", "ify", "ate")
_PREFIXES = ("re", "un", "de", "dis", "mis", "over", "out", "pre")
_PLAIN = re.compile(r"[a-z][a-z'-]*")


class Word(NamedTuple):
    """One word: as written, in lower case, and its class."""

    text: str
    low: str
    kind: str


def words_of(sentence: str, *, limit: int) -> list[Word]:
    """Split a sentence into words and punctuation marks, and tag the first `limit` of them."""
    texts = list(_pieces(sentence, limit))
    lows = [text.lower().replace("’", "'") for text in texts]
    if not texts:
        return []
    tags = _tagger().tag_sent([_readable(low) for low in lows], taglevel=0)
    kinds = [_kind(low, tag) for low, tag in zip(lows, tags, strict=True)]
    for index in range(1, len(kinds)):
        if lows[index] in ("following", "given") and kinds[index - 1] in ("determiner", "possessive"):
            kinds[index] = "adjective"  # the following text
    return [Word(*word) for word in zip(texts, lows, kinds, strict=True)]


def _pieces(sentence: str, limit: int) -> Iterator[str]:
    n_pieces = 0
    for match in _WORD.finditer(sentence):
        glued = _GLUED.match(match.group())  # the company's, you've
        for piece in glued.groups() if glued else (match.group(),):
            yield piece
            n_pieces += 1
            if n_pieces >= limit:
                return


def _readable(low: str) -> str:
    """Return the word as given to the tagger, with numbers and non-English words replaced by placeholders."""
    if low[0].isdigit():
        return "2"
    if low in CLOSED:
        return low
    if _PLAIN.fullmatch(low) and len(low) <= _MAX_WORD_LENGTH:
        return low
    return "thing" if low[0].isalpha() else ","


def _kind(low: str, tag: str) -> str:
    if low[-1] in "+#" and low[0].isalpha():
        return "noun"  # C++
    if not low[0].isalnum() and low not in CLOSED:
        return "punctuation"
    if low in _OPEN_TOO:
        return _CLASSES.get(tag, "preposition")
    if low in ("'s", "her", "that") and tag in ("POS", "PNP", "DT0", "CJT"):
        return {"POS": "genitive", "PNP": "pronoun", "DT0": "determiner", "CJT": "subordinator"}[tag]
    if tag == "NN" and low.endswith("ing"):
        return "gerund"
    if tag == "CRD" and low.isalpha():
        return CLOSED.get(low, "noun")
    return CLOSED.get(low) or _CLASSES.get(tag, "noun" if low[0].isalpha() else "number")


# ---------------------------------------------------------------- single words


@cache
def _tagger() -> Any:
    from HanTa.HanoverTagger import HanoverTagger

    return HanoverTagger("morphmodel_en.pgz")


@lru_cache(maxsize=1 << 16)
def can_be(low: str, tags: tuple[str, ...]) -> bool:
    """Return whether a word can have one of the BNC tags."""
    if not _PLAIN.fullmatch(low) or len(low) > _MAX_WORD_LENGTH:
        return False
    if not is_known(low) and not low.endswith(_VERB_ENDINGS):
        # the tagger allows too many tags for unknown words
        prefix = next(
            (prefix for prefix in _PREFIXES if low.startswith(prefix) and len(low) > len(prefix) + 2), ""
        )
        return bool(prefix) and can_be(low.removeprefix(prefix), tags)
    return any(tag in tags for tag, _ in _tagger().tag_word(low, cutoff=8))


def is_known(low: str) -> bool:
    """Return whether the tagger's lexicon contains the word form."""
    return low in CLOSED or low in _tagger().cache


def share_known(text: str) -> float:
    """Return the share of English words in a text, ignoring inflection; 0 for a text without letters."""
    words = [low for low in _LETTERS.findall(text.lower()) if len(low) > 1 or low in "ai"]
    known = [low for low in words if is_known(low) or is_known(_ENDING.sub("", low))]
    return len(known) / len(words) if words else 0.0


@lru_cache(maxsize=1 << 16)
def lemma(low: str, kind: str) -> str:
    """Return the dictionary form of a word of a class ("noun", or any class of verbs)."""
    if not _PLAIN.fullmatch(low) or len(low) > _MAX_WORD_LENGTH:
        return low[:_MAX_WORD_LENGTH]
    tags = ("NN0", "NN1", "NN2") if kind == "noun" else ("VVI", "VVB", "VVN", "VVD", "VVG", "VVZ")
    candidates = [tag for tag, _ in _tagger().tag_word(low, cutoff=8) if tag in tags]
    if not candidates and kind == "noun" and low.endswith("s") and not low.endswith(("ss", "us", "is")):
        candidates = ["NN2"]  # tweets
    return str(_tagger().analyze(low, pos=candidates[0])[0]).lower() if candidates else low


def split_sentences(text: str, *, limit: int) -> Sequence[str]:
    """Return the sentences and lines of a text; if there are more than `limit`, half of it from each end."""
    parts = [part.strip() for part in re.split(r"(?<=[.!?])[\"”'’)]*\s+|\s*\n\s*", text)]
    parts = [part for part in parts if part]
    return parts if len(parts) <= limit else [*parts[: limit - limit // 2], *parts[-(limit // 2) :]]
