"""Why a text scores as it does: its strongest factors and properties, each with the sentence that carries it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from goalspace import _report_text
from goalspace._reading import sentences
from goalspace._report_view import View

# row and text → spans of its sentences, and their vectors where an encoder read them
Sentences = Callable[[int, str], tuple[list[tuple[int, int]], np.ndarray | None]]

LONGEST = 50_000  # characters of a text that are shown
_MOST_FACTORS = 10
_MOST_PROPERTIES = 15
_MOST_NEAR = 5
_MOST_DUPLICATES = 50
_SAYING = 10  # properties that stand for a factor where no encoder reads


def unread(_: int, text: str) -> tuple[list[tuple[int, int]], None]:
    """The sentences of a text, without an encoder."""
    return sentences(text), None


def why(view: View, row: int, *, read: Sentences = unread) -> dict[str, Any]:
    """A text with its reasons, as `Why` of web/src/contract.ts; `read` embeds its sentences."""
    corpus, factors = view.run.corpus, view.factors
    whole = _report_text.block(corpus.texts[row])
    text = whole[:LONGEST]
    carrier = _Carrier(view, row, text, read)
    duplicates = corpus.duplicates.get(corpus.ids[row], ())
    return {
        "row": row,
        "id": _report_text.line(str(corpus.ids[row]), 60),
        "text": text,
        "cut": len(whole) > len(text),
        "n_copies": int(corpus.counts[row]),
        "duplicates": [_report_text.line(str(id), 60) for id in duplicates[:_MOST_DUPLICATES]],
        "values": [column.told(row) for column in view.columns],
        "metadata": _metadata(view, row),
        "analysis": _analysis(view, row),
        "dominant": int(factors.dominant[row]),
        "factors": carrier.factors(),
        "properties": carrier.properties(),
        "selected": [],
        "near": _near(view, row),
    }


class _Carrier:
    """The reasons of one text: what is strong in it, and which of its sentences says so."""

    def __init__(self, view: View, row: int, text: str, read: Sentences) -> None:
        self.view, self.row, self.text = view, row, text
        self.spans, self.vectors = read(row, text)
        proposals = view.run.proposals
        pairs = np.flatnonzero(proposals.text_index == row)
        self.quotes = {proposals.properties[proposals.property_index[i]]: proposals.quotes[i] for i in pairs}

    def factors(self) -> list[dict[str, Any]]:
        """The factors with the largest scores, either way."""
        factors = self.view.factors
        scores = factors.scores[self.row]
        order = [k for k in np.argsort(-np.abs(scores), kind="stable") if k not in factors.hidden]
        own = np.where(factors.assignment == np.arange(factors.dim)[:, None], factors.loadings, 0)
        found = []
        for k in order[:_MOST_FACTORS]:
            pole = np.maximum(own[k] if scores[k] > 0 else -own[k], 0)
            said = [factors.vocabulary[i] for i in np.argsort(-pole)[:_SAYING] if pole[i] > 0]
            span = self._sentence(pole @ factors.links.property_vectors, said)
            proposed = any(name in self.quotes for name in said)
            found.append(
                {"factor": int(k), **self._reason(factors.names[k], float(scores[k]), proposed, span)}
            )
        return found

    def properties(self) -> list[dict[str, Any]]:
        """The properties with the strongest links; those proposed for the text come before others as strong."""
        factors = self.view.factors
        links = factors.links
        strength = links.property_vectors @ links.text_vectors[self.row]
        proposed = np.array([name in self.quotes for name in factors.vocabulary], dtype=bool)
        order = np.argsort(-(strength + 0.1 * proposed), kind="stable")[:_MOST_PROPERTIES]
        order = order[np.argsort(-strength[order], kind="stable")]
        found = []
        for i in order:
            name = factors.vocabulary[i]
            span = self._quote(name) or self._sentence(links.property_vectors[i], [name])
            reason = self._reason(name, float(strength[i]), bool(proposed[i]), span)
            found.append({"factor": int(factors.assignment[i]), **reason})
        return found

    def _sentence(self, vector: np.ndarray, said: list[str]) -> tuple[int, int]:
        """The sentence closest to a direction; without an encoder, the one that shares most words."""
        if self.vectors is not None and self.vectors.shape[1] == len(vector):
            return self.spans[int((self.vectors @ vector).argmax())]
        best = _by_words(self.text, self.spans, said)
        return (0, 0) if best is None else self.spans[best]

    def _quote(self, name: str) -> tuple[int, int] | None:
        """The sentence with the words that a property was quoted from."""
        quote = self.quotes.get(name)
        start = self.text.find(quote) if quote else -1
        if start < 0 or not quote:
            return None
        end = start + len(quote)
        return next((span for span in self.spans if span[0] <= start and end <= span[1]), (start, end))

    def _reason(self, name: str, weight: float, proposed: bool, span: tuple[int, int]) -> dict[str, Any]:
        start, end = _report_text.utf16_spans(self.text, [span])[0]
        return {
            "name": _report_text.line(name, 160),
            "weight": round(weight, 3),
            "proposed": proposed,
            "start": start,
            "end": end,
        }


def _metadata(view: View, row: int) -> dict[str, str]:
    found = {}
    for name, value in view.run.corpus.metadata_of(row).items():
        if value is not None:
            found[_report_text.line(str(name), 60)] = _report_text.line(str(value), 1_000)
    return found


def _analysis(view: View, row: int) -> str | None:
    said = view.run.proposals.analyses.get(row)
    return None if said is None else _report_text.line(said, 1_000)


def _near(view: View, row: int) -> list[dict[str, Any]]:
    """The nearest texts in factor space: those whose scores point in the same direction."""
    scores = view.unit_scores
    likeness = scores @ scores[row]
    likeness[row] = -np.inf
    count = min(_MOST_NEAR, len(likeness) - 1)
    best = np.argpartition(-likeness, count - 1)[:count] if count > 0 else np.zeros(0, dtype=int)
    corpus = view.run.corpus
    return [
        {
            "row": int(i),
            "id": _report_text.line(str(corpus.ids[i]), 60),
            "text": _report_text.line(corpus.texts[i], 160),
            "r": round(float(likeness[i]), 3),
        }
        for i in best[np.argsort(-likeness[best], kind="stable")]
    ]


def _by_words(text: str, spans: Sequence[tuple[int, int]], wanted: Sequence[str]) -> int | None:
    """The sentence that shares most words with what is wanted, None where none shares any."""
    looked_for = {word[:5] for phrase in wanted for word in phrase.lower().split() if len(word) > 2}
    shared = [len(looked_for & {word[:5] for word in text[a:b].lower().split()}) for a, b in spans]
    best = max(range(len(spans)), key=shared.__getitem__)
    return best if shared[best] else None
