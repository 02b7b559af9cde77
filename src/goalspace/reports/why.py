"""Explanation of a text's scores: its strongest factors and properties, each with the sentence that supports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from goalspace.language.sentences import sentence_spans
from goalspace.reports.contract_details import ExplainedText, Neighbour, Reason
from goalspace.reports.view import View
from goalspace.text import display_names, to_block, to_line, utf16_spans

# row and text → spans of the sentences, and their vectors if an encoder is loaded
Sentences = Callable[[int, str], tuple[list[tuple[int, int]], np.ndarray | None]]

MAX_TEXT_LENGTH = 50_000  # characters of a text that are shown
MAX_SENTENCES = 1_000  # of a text that are compared with its factors and properties
MAX_FACTORS = 10
MAX_PROPERTIES = 15
_MAX_NEIGHBOURS = 5
_STEM = 5  # leading letters by which words are compared if there is no encoder
_MAX_DUPLICATES = 50
_MAX_VALUE_LENGTH = 1_000  # characters of metadata


def unread(_: int, text: str) -> tuple[list[tuple[int, int]], None]:
    """Split a text into sentences without embedding them."""
    return sentence_spans(text, limit=MAX_SENTENCES), None


def why(
    view: View,
    row: int,
    *,
    read: Sentences = unread,
    max_length: int = MAX_TEXT_LENGTH,
    n_factors: int = MAX_FACTORS,
    n_properties: int = MAX_PROPERTIES,
) -> ExplainedText:
    """Explain the scores of a text; the metadata is left empty.

    Parameters
    ----------
    view
        The run.
    row
        The row of the text.
    read
        Splits a text into sentences and, if an encoder is loaded, embeds them.
    max_length
        The number of characters after which the text is cut.
    n_factors, n_properties
        The number of factors and properties to return.
    """
    corpus, factors = view.run.corpus, view.factors
    whole = to_block(corpus.texts[row])
    text = whole[:max_length]
    explanation = _Explanation(view, row, text, read)
    duplicates = corpus.duplicates.get(corpus.ids[row], ())
    return {
        "row": row,
        "id": to_line(str(corpus.ids[row]), 60),
        "text": text,
        "cut": len(whole) > len(text),
        "n_copies": int(corpus.counts[row]),
        "duplicates": [to_line(str(id), 60) for id in duplicates[:_MAX_DUPLICATES]],
        "values": [column.format_value(row) for column in view.columns],
        "metadata": {},
        "analysis": _analysis(view, row),
        "dominant": int(factors.dominant[row]),
        "factors": explanation.factors(n_factors),
        "properties": explanation.properties(n_properties),
        "selected": [
            {"name": to_line(item["name"], 400), "value": to_line(item["value"], 400)}
            for item in view.run.chosen(row)
        ],
    }


class _Explanation:
    """The strongest factors and properties of one text, with the supporting sentences."""

    def __init__(self, view: View, row: int, text: str, read: Sentences) -> None:
        self.view, self.row, self.text = view, row, text
        self.spans, self.vectors = read(row, text)
        proposals = view.run.proposals
        self.quotes = {
            proposals.properties[proposals.property_index[i]]: proposals.quotes[i] for i in view.pairs_of(row)
        }

    def factors(self, limit: int) -> list[Reason]:
        """Return the factors with the largest absolute scores."""
        factors = self.view.factors
        scores = factors.scores[self.row]
        order = [k for k in np.argsort(-np.abs(scores), kind="stable") if k not in factors.hidden]
        reasons = []
        for k in order[:limit]:
            names, direction = self.view.poles[k][int(scores[k] > 0)]
            span = self._sentence(direction, names)
            proposed = any(name in self.quotes for name in names)
            reasons.append(self._reason(int(k), factors.names[k], float(scores[k]), proposed, span))
        return reasons

    def properties(self, limit: int) -> list[Reason]:
        """Return the properties with the strongest links; properties proposed for the text get a small bonus."""
        factors = self.view.factors
        links = factors.links
        strength = links.property_vectors @ links.text_vectors[self.row]
        proposed = np.zeros(len(strength), dtype=bool)
        proposed[[self.view.index_of[name] for name in self.quotes if name in self.view.index_of]] = True
        order = np.argsort(-(strength + 0.1 * proposed), kind="stable")[:limit]
        order = order[np.argsort(-strength[order], kind="stable")]
        reasons = []
        for i in order:
            name = factors.vocabulary[i]
            span = self._quote(name) or self._sentence(links.property_vectors[i], [name])
            factor = int(factors.assignment[i])
            reasons.append(self._reason(factor, name, float(strength[i]), bool(proposed[i]), span))
        return reasons

    def _sentence(self, vector: np.ndarray, names: list[str]) -> tuple[int, int]:
        """Return the sentence closest to a direction or, without an encoder, the one that shares the most words."""
        if self.vectors is not None and self.vectors.shape[1] == len(vector):
            return self.spans[int((self.vectors @ vector).argmax())]
        stems = {word[:_STEM] for name in names for word in name.lower().split() if len(word) > 2}
        shared = [len(stems & words) for words in self.words]
        best = max(range(len(shared)), key=shared.__getitem__)
        return self.spans[best] if shared[best] else (0, 0)

    @cached_property
    def words(self) -> list[set[str]]:
        """The words of each sentence, cut to their first letters."""
        return [{word[:_STEM] for word in self.text[a:b].lower().split()} for a, b in self.spans]

    def _quote(self, name: str) -> tuple[int, int] | None:
        """Return the sentence that contains the quote of a property, or None."""
        quote = self.quotes.get(name)
        start = self.text.find(quote) if quote else -1
        if start < 0 or not quote:
            return None
        end = start + len(quote)
        return next((span for span in self.spans if span[0] <= start and end <= span[1]), (start, end))

    def _reason(self, factor: int, name: str, weight: float, proposed: bool, span: tuple[int, int]) -> Reason:
        start, end = utf16_spans(self.text, [span])[0]
        return {
            "factor": factor,
            "name": to_line(name, 160),
            "weight": round(weight, 3),
            "proposed": proposed,
            "start": start,
            "end": end,
        }


def format_metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a text by display name, without missing values."""
    shown = display_names(values)
    return {
        shown[str(name)]: to_line(str(value), _MAX_VALUE_LENGTH)
        for name, value in values.items()
        if value is not None
    }


def _analysis(view: View, row: int) -> str | None:
    analysis = view.run.proposals.analyses.get(row)
    return None if analysis is None else to_line(analysis, 1_000)


def near(view: View, row: int) -> list[Neighbour]:
    """Return the nearest texts."""
    corpus = view.run.corpus
    return [
        {
            "row": other,
            "id": to_line(str(corpus.ids[other]), 60),
            "text": to_line(corpus.texts[other], 160),
            "r": r,
        }
        for other, r in nearest(view.coordinates, row)
    ]


def nearest(coordinates: np.ndarray, row: int) -> list[tuple[int, float]]:
    """Return the rows of `coordinates` (unit vectors) that are most similar to one of them, with the cosines."""
    cosines = coordinates @ coordinates[row]
    cosines[row] = -np.inf
    count = min(_MAX_NEIGHBOURS, len(cosines) - 1)
    best = np.argpartition(-cosines, count - 1)[:count] if count > 0 else np.zeros(0, dtype=int)
    best = best[np.argsort(-cosines[best], kind="stable")]
    return [(int(i), round(float(cosines[i]), 3)) for i in best]
