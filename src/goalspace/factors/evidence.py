"""Evidence: the sentences that show a factor best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.passages import PassageEncoder
from goalspace.language.sentences import sentence_spans

_TEXTS_PER_POLE = 10


@dataclass(frozen=True)
class Evidence:
    """A sentence that shows a factor: text[start:end] of the text with this id."""

    text_id: str
    score: float
    start: int
    end: int
    pole: int


def collect_evidence(
    corpus: Corpus,
    assignment: np.ndarray,
    loadings: np.ndarray,
    scores: np.ndarray,
    dominant: np.ndarray,
    poles: Sequence[tuple[str, str | None]],
    property_vectors: np.ndarray,
    encoder: PassageEncoder,
    factors: Sequence[int],
    known: Mapping[tuple[int, int, str], tuple[int, int]] | None = None,
) -> list[tuple[Evidence, ...]]:
    """From the highest-scoring texts of some factors, pick the sentence closest to the factor's properties.

    At the positive pole, these are texts whose dominant factor it is, if there are any. Of a long text, the sentences of the
    passage closest to these properties are compared. `known` has spans that were found before, by factor, pole and id of
    the text: these sentences are not looked for again.
    """
    known = known or {}
    chosen: list[tuple[int, int, int]] = []  # factor, pole, text
    for k in factors:
        order = np.argsort(-scores[:, k], kind="stable")
        mine = order[dominant[order] == k]
        best = [i for i in (mine if len(mine) else order)[:_TEXTS_PER_POLE] if scores[i, k] > 0]
        chosen += [(k, 1, int(i)) for i in best]
        if poles[k][1] is not None:
            worst = [i for i in order[::-1][:_TEXTS_PER_POLE] if scores[i, k] < 0]
            chosen += [(k, -1, int(i)) for i in worst]
    # the mean property vector of each factor, per pole
    own = np.where(assignment == np.arange(len(loadings))[:, None], loadings, 0)
    meaning = {1: np.maximum(own, 0) @ property_vectors, -1: np.maximum(-own, 0) @ property_vectors}
    unknown = [(k, pole, i) for k, pole, i in chosen if (k, pole, corpus.ids[i]) not in known]
    closest = _closest_parts([(corpus.texts[i], meaning[pole][k]) for k, pole, i in unknown], encoder)
    parts = dict(zip(unknown, closest, strict=True))
    pairs = sorted({(i, part) for (_, _, i), part in parts.items()})
    spans = {(i, part): _sentences_of(corpus.texts[i], part) for i, part in pairs}
    flat = [(at, span) for at in spans for span in spans[at]]
    vectors = encoder.encode([corpus.texts[i][start:end] for (i, _), (start, end) in flat])
    first: dict[tuple[int, tuple[int, int]], int] = {}
    for position, (at, _) in enumerate(flat):
        first.setdefault(at, position)
    collected: dict[int, list[Evidence]] = {k: [] for k in factors}
    for k, pole, i in chosen:
        found = known.get((k, pole, corpus.ids[i]))
        if found is None:
            part = parts[k, pole, i]
            begin = first[i, part]
            strengths = vectors[begin : begin + len(spans[i, part])] @ meaning[pole][k]
            found = spans[i, part][int(strengths.argmax())]
        collected[k].append(Evidence(corpus.ids[i], float(scores[i, k]), *found, pole))
    return [tuple(items) for items in collected.values()]


def _sentences_of(text: str, part: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the first sentences of a text that is read as a whole; all those of a passage."""
    return sentence_spans(text) if part == (0, len(text)) else sentence_spans(text, *part, limit=len(text))


def _closest_parts(pairs: Sequence[tuple[str, np.ndarray]], encoder: PassageEncoder) -> list[tuple[int, int]]:
    """Return for each text and meaning the passage of a long text that is closest; all of a text that is read as a whole."""
    row_of = {
        text: row for row, text in enumerate(dict.fromkeys(text for text, _ in pairs if encoder.splits(text)))
    }
    if not row_of:
        return [(0, len(text)) for text, _ in pairs]
    units = encoder.encode_units(list(row_of))
    found = []
    for text, meaning in pairs:
        own = np.flatnonzero(units.texts == row_of.get(text, -1))
        found.append(
            units.spans[own[(units.vectors[own] @ meaning).argmax()]] if len(own) else (0, len(text))
        )
    return found
