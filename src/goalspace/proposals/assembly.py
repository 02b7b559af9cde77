"""From answers about texts to the fields of proposals: one vocabulary, and quotes that the texts contain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.language.detection import language_shares
from goalspace.language.stopwords import GERMAN
from goalspace.llm.redaction import MaskedText
from goalspace.proposals.answers import Answer
from goalspace.proposals.vocabulary import merge_near_duplicates, normalise

Answers = Mapping[
    int, Answer | None
]  # row of a text → its answer, None if no reply could be read; in the order of reading
_MIN_GERMAN = 0.1  # share of German texts from which the case of properties is kept


def spelling(texts: Sequence[str]) -> Callable[[str], str]:
    """Return what normalises the properties of these texts."""
    return partial(normalise, keep_case=language_shares(texts).get(GERMAN, 0) >= _MIN_GERMAN)


def merge_answers(
    answers: Answers, spell: Callable[[str], str], encoder: Encoder, threshold: float
) -> dict[str, str]:
    """Map every property in answers, as it is spelt, to the one that stands for it."""
    counts: Counter[str] = Counter()
    for answer in answers.values():
        counts.update({spell(name) for name, _ in (answer.properties if answer else ())})
    counts.pop("", None)
    return merge_near_duplicates(list(counts), list(counts.values()), encoder, threshold=threshold)


def assemble(
    corpus: Corpus,
    answers: Answers,
    sources: Mapping[int, MaskedText],
    stands_for: Mapping[str, str],
    spell: Callable[[str], str],
    *,
    may_be_empty: bool,
) -> dict[str, Any]:
    """Return the fields of proposals; quotes are checked against the texts.

    Parameters
    ----------
    corpus
        The texts.
    answers
        The answers.
    sources
        What was shown of texts with masks.
    stands_for, spell
        See `merge_answers`.
    may_be_empty
        Whether there may be no property.

    Raises
    ------
    InputError
        If there is no property, and must be one.
    """
    if not stands_for and not may_be_empty:
        raise InputError(
            f"No property was found for any of the {len(answers)} texts, so there is nothing to link."
        )
    answers = dict(sorted(answers.items()))
    pairs: dict[tuple[int, str], str | None] = {}
    forms: dict[str, Counter[str]] = {}
    n_dropped = 0
    for row, answer in answers.items():
        for wording, quote in answer.properties if answer else ():
            name = stands_for.get(spell(wording))
            if name is None:
                continue
            forms.setdefault(name, Counter())[spell(wording)] += 1
            exact = _find_quote(quote, sources.get(row) or MaskedText(corpus.texts[row]))
            n_dropped += bool(quote.strip()) and exact is None
            pairs[row, name] = pairs.get((row, name)) or exact
    not_relevant = tuple(row for row, answer in answers.items() if answer and not answer.properties)
    frequency = Counter(name for _, name in pairs)
    names = sorted(frequency, key=lambda name: (-frequency[name], name))
    index = {name: i for i, name in enumerate(names)}
    return {
        "properties": tuple(names),
        "text_index": np.array([row for row, _ in pairs], dtype=np.int32),
        "property_index": np.array([index[name] for _, name in pairs], dtype=np.int32),
        "quotes": tuple(pairs.values()),
        "surface_forms": tuple(tuple(form for form, _ in forms[name].most_common()) for name in names),
        "not_relevant": not_relevant,
        "analyses": {row: answer.analysis for row, answer in answers.items() if answer and answer.analysis},
        "stats": {
            "n_properties": len(names),
            "n_merged": len(stands_for) - len(names),
            "n_pairs": len(pairs),
            "coverage": len({row for row, _ in pairs}) / len(corpus),
            "n_not_relevant": len(not_relevant),
            "n_quotes": sum(quote is not None for quote in pairs.values()),
            "n_quotes_dropped": n_dropped,
        },
    }


def _find_quote(quote: str, source: MaskedText) -> str | None:
    """Return the passage of the text that a quote of what was shown matches up to whitespace and case, or None."""
    words = quote.strip().strip("\"'“”").split()
    if not words:
        return None
    pattern, text = r"\s+".join(re.escape(word) for word in words), source.text
    match = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return source.restore(*match.span()) if match else None
