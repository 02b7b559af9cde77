"""Sentence boundaries of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from goalspace.language.detection import detect_language
from goalspace.language.stopwords import DUTCH, FRENCH, GERMAN, ITALIAN, PORTUGUESE, SPANISH

_MAX_SENTENCE_LENGTH = 400  # characters
_MAX_SENTENCES = 60
# A full stop within a word or number ends no sentence; one of a script without spaces always does.
_SENTENCE = re.compile(r"[^\n.!?。！？]+(?:[.!?](?!\s|$)[^\n.!?。！？]*)*[.!?。！？]*[\"'”’»)]*")

# What ends with a period before a capital without ending a sentence. Before a word in lower case, no sentence ends anyway.
_TITLES = "Dr Prof St Nr ca vgl evtl inkl bzw"
_ABBREVIATIONS = {
    language: frozenset(f"{_TITLES} {words}".split())
    for language, words in {
        GERMAN: "z B d h u a o ä Hr Fr Hrn Str Tel Abt Bd S usf geb Art Mio Mrd Std Min zzgl max min",
        FRENCH: "M MM Mme Mmes Mlle Me p ex env éd av bd n no tél etc",
        SPANISH: "p ej Sr Sra Sres Srta D Dña Dra Ud Uds Vd Vds Avda núm pág tel aprox",
        ITALIAN: "p es ad Sig Sigg ra Dott ssa Ing Avv pag tel n",
        PORTUGUESE: "p ex Sr Sra Dra Exmo Exma Av pág tel n",
        DUTCH: "b v d w z o a m i v m Dhr Mevr Mw drs ir mr blz tel t",
    }.items()
}
# an end of a sentence with the quotation marks after it; in French, a space stands before » and before ! and ?
_END = re.compile(r"[.!?…。！？]+(?:[\"'”’“»)]|[ \u00a0\u202f]»)*(?=\s|$)|\n")
_LAST_WORD = re.compile(r"(?:^|[^\w])(\w+)\.$")
_ORDINAL = re.compile(r"(?<!\d)\d{1,2}\.$")
_AFTER_ORDINAL = re.compile(
    r"\s(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Stock|Etage|Platz|Klasse|Mal|Tag|Woche|Monat|Jahr|Reihe|Geburtstag)"
)


def sentence_spans(
    text: str, start: int = 0, end: int | None = None, *, limit: int = _MAX_SENTENCES
) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text, without surrounding whitespace; long sentences are truncated.

    In German, French, Spanish, Italian, Portuguese and Dutch, abbreviations and German ordinals ("3. Mai") end no sentence.

    Parameters
    ----------
    text
        The text.
    start, end
        The part to split, by default all.
    limit
        The number of sentences after which the text is not split any further.
    """
    end = len(text) if end is None else end
    language = detect_language(text[start:end])
    found = (
        _split(text, start, end, language)
        if language in _ABBREVIATIONS
        else (match.span() for match in _SENTENCE.finditer(text, start, end))
    )
    spans = []
    for first, last in found:
        while first < last and text[first].isspace():
            first += 1
        last = min(last, first + _MAX_SENTENCE_LENGTH)
        while last > first and text[last - 1].isspace():
            last -= 1
        if last - first > 2:
            spans.append((first, last))
        if len(spans) == limit:
            break
    return spans or [(start, min(end, start + _MAX_SENTENCE_LENGTH))]


def _split(text: str, start: int, end: int, language: str) -> Iterator[tuple[int, int]]:
    """Yield the spans between the ends of sentences."""
    for match in _END.finditer(text, start, end):
        if match.group() == "\n" or _ends(text, match.end(), language):
            yield start, match.end()
            start = match.end()
    yield start, end


def _ends(text: str, end: int, language: str) -> bool:
    """Return whether a sentence ends after a mark: not before a word in lower case, nor after an abbreviation."""
    before, after = text[max(0, end - 20) : end], text[end : end + 12]
    if after.lstrip()[:1].islower():
        return False
    if language == GERMAN and _ORDINAL.search(before) and _AFTER_ORDINAL.match(after):
        return False
    word = _LAST_WORD.search(before)
    return word is None or word[1] not in _ABBREVIATIONS[language]


def sentence_starts(text: str, start: int, end: int) -> list[int]:
    """Return where the sentences and lines of a part of a text start, all of them; the first is `start`."""
    starts = [match.start() for match in _SENTENCE.finditer(text, start, end)]
    return [start, *starts[1:]]
