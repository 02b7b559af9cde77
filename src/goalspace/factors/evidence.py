"""Evidence: the sentences that show a factor best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.protocol import Encoder
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
    encoder: Encoder,
    factors: Sequence[int],
    known: Mapping[tuple[int, int, str], tuple[int, int]] | None = None,
) -> list[tuple[Evidence, ...]]:
    """From the highest-scoring texts of some factors, pick the sentence closest to the factor's properties.

    At the positive pole, these are texts whose dominant factor it is, if there are any. `known` has spans that were found
    before, by factor, pole and id of the text: these sentences are not looked for again.
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
    texts = sorted({i for k, pole, i in chosen if (k, pole, corpus.ids[i]) not in known})
    spans = {i: sentence_spans(corpus.texts[i]) for i in texts}
    flat = [(i, span) for i in texts for span in spans[i]]
    vectors = encoder.encode([corpus.texts[i][start:end] for i, (start, end) in flat])
    first: dict[int, int] = {}
    for position, (i, _) in enumerate(flat):
        first.setdefault(i, position)
    # the mean property vector of each factor, per pole
    own = np.where(assignment == np.arange(len(loadings))[:, None], loadings, 0)
    meaning = {1: np.maximum(own, 0) @ property_vectors, -1: np.maximum(-own, 0) @ property_vectors}
    collected: dict[int, list[Evidence]] = {k: [] for k in factors}
    for k, pole, i in chosen:
        found = known.get((k, pole, corpus.ids[i]))
        if found is None:
            strengths = vectors[first[i] : first[i] + len(spans[i])] @ meaning[pole][k]
            found = spans[i][int(strengths.argmax())]
        collected[k].append(Evidence(corpus.ids[i], float(scores[i, k]), *found, pole))
    return [tuple(items) for items in collected.values()]
