"""The offline proposer: properties of the bank and phrases of the texts, chosen for every text by the encoder `goal`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goalspace.encoders.goal import NOT_RELEVANT, GoalEncoder
from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.passages import PassageEncoder
from goalspace.encoders.protocol import encode_missing
from goalspace.encoders.stored import load_stored
from goalspace.language.sentences import sentence_spans
from goalspace.proposals.answers import Answer
from goalspace.proposals.bank import load_bank
from goalspace.proposals.phrases import MAX_SENTENCES, Phrase, find_phrases, quoted

PER_TEXT = 5  # properties of a text
Span = tuple[int, int]

_N_ASPECTS = 40  # aspects of the bank whose questions are most like the goal; the right one is almost always among them
_N_QUESTIONS = 3  # of an aspect: the mean similarity of its most similar questions counts
_N_RELEVANT = 400  # candidates that answer the goal best
_MAX_PHRASES = 12_000
_LIFT = 0.5  # weight of what sets a text apart from the others
_NEAR = 0.85  # cosine from which one of two properties stands for both
_FIRST = 15  # candidates of a text before rare ones are dropped
_MIN_TEXTS = 2  # texts that share a property
_MIN_SHARE = 0.01  # of the texts; what fits fewer is more often noise than an answer
_MAX_SHARE = 0.5  # of the texts; a property of more does not tell them apart
_N_ANSWERS = 100  # candidates whose mean stands for "an answer to the goal"
_MARGIN = 0.04  # by which "not relevant" must be nearer than an answer
_CHUNK = 2048  # texts
# passages of a text whose properties are chosen passage by passage: with fewer, most texts would have most properties, and
# whole runs on bills of three passages found 4 factors instead of 10
_MIN_PASSAGES = 8


@dataclass(frozen=True)
class _Candidates:
    """Properties that may answer the goal, with their vectors and their mean cosine to the texts."""

    names: list[str]
    vectors: np.ndarray  # (n, dim)
    means: np.ndarray  # (n,)

    def take(self, rows: np.ndarray) -> _Candidates:
        return _Candidates([self.names[row] for row in rows], self.vectors[rows], self.means[rows])

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """How well each property describes each text, and sets it apart from the others (n_texts, n)."""
        cosines = vectors @ self.vectors.T
        return np.asarray(cosines + _LIFT * (cosines - self.means))


@dataclass(frozen=True, eq=False)
class KnownTexts:
    """Texts for which properties were proposed before.

    Attributes
    ----------
    vectors
        (n_known, dim), as the encoder reads them.
    vocabulary
        Their properties.
    property_vectors
        (n_properties, dim) of these, as the encoder reads them; None if they are not at hand.
    further
        (n_texts, dim) of the texts that join, likewise.
    """

    vectors: np.ndarray
    vocabulary: Sequence[str]
    property_vectors: np.ndarray | None = None
    further: np.ndarray | None = None

    def encode_properties(self, names: Sequence[str], encoder: GoalEncoder) -> np.ndarray:
        """Encode properties, those whose vectors are not at hand (n, dim)."""
        own = self.property_vectors
        at_hand = {} if own is None else dict(zip(self.vocabulary, own, strict=True))
        return encode_missing(names, at_hand, encoder.encode_properties)


def propose_offline(
    texts: Sequence[str],
    vectors: np.ndarray,
    encoder: GoalEncoder,
    *,
    known: KnownTexts | None = None,
    per_text: int = PER_TEXT,
    max_sentences: int = MAX_SENTENCES,
    weights: np.ndarray | None = None,
) -> list[Answer]:
    """Choose for every text the properties that describe it best with respect to the goal.

    Candidates are the properties of the bank under the aspects that the goal may ask for, and the phrases of the texts. The
    encoder, which reads the texts under the goal, says which candidates answer the goal: those with the largest mean cosine
    to the texts. A property scores cos + 0.5 (cos − its mean over the texts) for a text; a phrase only for texts that
    contain it. Of near-equal properties the one with more texts is kept.

    Parameters
    ----------
    texts
        The texts.
    vectors
        (n_texts, dim), as the encoder reads them.
    encoder
        The encoder `goal` under the goal.
    known
        The texts that these ones join. Their properties are candidates, too, which replace near-equal ones; what sets a text
        apart is measured against all texts; and properties may be those of all further texts.
    per_text
        Maximum number of properties of a text.
    max_sentences
        Sentences of a text that are searched for phrases.
    weights
        (n_texts,) what share of a whole text each of them is, by default 1. Properties of too few are dropped if they are both of
        few `texts` and of few whole texts; those of too many, if they are of many whole texts.

    Returns
    -------
    For every text its properties, best first, phrases with their words in the text; none for texts that are nearer to "not
    relevant to the goal" than to its answers.
    """
    phrases = [
        {phrase.name: phrase for phrase in find_phrases(text, max_sentences=max_sentences)} for text in texts
    ]
    counts = Counter(name for own in phrases for name in own)
    common = [name for name, n in counts.most_common(_MAX_PHRASES) if n >= _MIN_TEXTS]
    candidates = _candidates(common, vectors, encoder, known)
    irrelevant = _are_irrelevant(vectors, candidates, encoder)
    in_bank = np.isin(candidates.names, load_bank().properties)
    first = list(_best(candidates, in_bank, vectors, phrases, irrelevant, _FIRST))
    weights = np.ones(len(texts)) if weights is None else weights
    candidates, in_bank = _distinct(candidates, in_bank, first, weights, known)
    best = _best(candidates, in_bank, vectors, phrases, irrelevant, per_text)
    return [
        Answer(properties=tuple(quoted(candidates.names[i], text, own) for i in chosen))
        for chosen, text, own in zip(best, texts, phrases, strict=True)
    ]


def propose_in_passages(
    texts: Sequence[str],
    reader: PassageEncoder,
    encoder: GoalEncoder,
    *,
    known: KnownTexts | None = None,
    per_text: int = PER_TEXT,
) -> list[Answer]:
    """Choose properties as `propose_offline` does, for every passage of a text of many, and put them together per text.

    Such a text has the properties of all its passages, those of more passages first, each with the sentence that shows it. A
    text of few passages is described as a whole, by its mean vector.

    Parameters
    ----------
    texts
        The texts.
    reader
        Encodes them with the encoder `goal`, in passages.
    encoder
        The encoder `goal` under the goal.
    known
        As in `propose_offline`.
    per_text
        Maximum number of properties of a passage.
    """
    if known is not None and known.further is not None and not any(map(reader.splits, texts)):
        return propose_offline(texts, known.further, encoder, known=known, per_text=per_text)
    units = reader.encode_units(texts, at_least=_MIN_PASSAGES)
    read = [texts[row][start:end] for row, (start, end) in zip(units.texts, units.spans, strict=True)]
    if len(read) == len(texts):
        return propose_offline(texts, units.vectors, encoder, known=known, per_text=per_text)
    answers = propose_offline(
        read,
        units.vectors,
        encoder,
        known=known,
        per_text=per_text,
        max_sentences=max(map(len, read)),  # a passage is short, and any of its sentences may matter
        weights=1 / np.bincount(units.texts)[units.texts],
    )
    own: list[list[tuple[Span, Answer]]] = [[] for _ in texts]
    for row, span, answer in zip(units.texts, units.spans, answers, strict=True):
        own[row].append((span, answer))
    return _join(texts, own, encoder)


def _join(
    texts: Sequence[str], parts: Sequence[Sequence[tuple[Span, Answer]]], encoder: GoalEncoder
) -> list[Answer]:
    """Put the properties of the passages of each text together, each with its words or a sentence of its best passage."""
    joined: list[dict[str, tuple[str, Span]]] = []
    for own in parts:
        weights: dict[str, float] = {}
        best: dict[
            str, tuple[int, str, Span]
        ] = {}  # the rank of the property there, the words, and the passage
        for span, answer in own:
            for rank, (name, quote) in enumerate(answer.properties):
                weights[name] = weights.get(name, 0.0) + 1 / (1 + rank)
                if name not in best or rank < best[name][0]:
                    best[name] = rank, quote, span
        joined.append({name: best[name][1:] for name in sorted(weights, key=lambda name: -weights[name])})
    silent = [
        (row, name, span)
        for row, own in enumerate(joined)
        for name, (quote, span) in own.items()
        if not quote and len(parts[row]) > 1
    ]
    sentences = _closest_sentences(texts, silent, encoder)
    return [
        Answer(
            properties=tuple((name, sentences.get((row, name), quote)) for name, (quote, _) in own.items())
        )
        for row, own in enumerate(joined)
    ]


def _closest_sentences(
    texts: Sequence[str], wanted: Sequence[tuple[int, str, Span]], encoder: GoalEncoder
) -> dict[tuple[int, str], str]:
    """Return for a text and a property the sentence of a passage that is closest to it."""
    passages = dict.fromkeys((row, span) for row, _, span in wanted)
    sentences = {
        (row, span): sentence_spans(texts[row], *span, limit=len(texts[row])) for row, span in passages
    }
    flat = [texts[row][start:end] for (row, _), own in sentences.items() for start, end in own]
    ends = np.cumsum([len(own) for own in sentences.values()])
    rows_of = dict(zip(sentences, np.split(np.arange(len(flat)), ends[:-1]), strict=True)) if flat else {}
    names = list(dict.fromkeys(name for _, name, _ in wanted))
    cosines = encoder.cosines(flat, names)
    found = {}
    for row, name, span in wanted:
        own = rows_of[row, span]
        found[row, name] = flat[own[int(cosines[own, names.index(name)].argmax())]]
    return found


def find_irrelevant(vectors: np.ndarray, encoder: GoalEncoder, known: KnownTexts) -> np.ndarray:
    """Say which further texts are not relevant to the goal, by the rule of `propose_offline`.

    Parameters
    ----------
    vectors
        (n_texts, dim) of the further texts, as the encoder reads them.
    encoder
        The encoder `goal` under the goal.
    known
        The texts that these ones join, which say what answers the goal.

    Returns
    -------
    (n_texts,) bool.
    """
    counted_once = replace(known, vectors=known.vectors[:0])
    candidates = _candidates(known.vocabulary, known.vectors, encoder, counted_once)
    return _are_irrelevant(vectors, candidates, encoder)


def _are_irrelevant(vectors: np.ndarray, candidates: _Candidates, encoder: GoalEncoder) -> np.ndarray:
    """Return which texts are nearer to "not relevant to the goal" than to its answers (n_texts,)."""
    answers = candidates.vectors[np.argsort(-candidates.means, kind="stable")[:_N_ANSWERS]].mean(axis=0)
    return np.asarray(vectors @ (encoder.encode_properties([NOT_RELEVANT])[0] - answers) > _MARGIN)


def _candidates(
    phrases: Sequence[str], vectors: np.ndarray, encoder: GoalEncoder, known: KnownTexts | None
) -> _Candidates:
    """Return the properties of the bank and phrases that answer the goal best, and all those of known texts."""
    names = list(dict.fromkeys([*_bank_properties(encoder.goal), *phrases]))
    order = np.argsort(-encoder.mean_cosines(vectors, names), kind="stable")[:_N_RELEVANT]
    names = [names[i] for i in order]
    if known is None:
        found = encoder.encode_properties(names)
    else:
        names = list(dict.fromkeys([*names, *known.vocabulary]))
        found = known.encode_properties(names, encoder)
        vectors = np.concatenate([known.vectors, vectors])
    return _Candidates(names, found, found @ vectors.mean(axis=0))


def _bank_properties(goal: str) -> Iterator[str]:
    """Yield the properties of the aspects whose questions are most like the goal."""
    aspects = load_bank().aspects
    numbers = np.array([number for number, _ in load_bank().questions])
    cosines = load_stored().questions @ MiniLM().encode([goal])[0]
    likeness = [np.sort(cosines[numbers == n])[-_N_QUESTIONS:].mean() for n in range(len(aspects))]
    for number in np.argsort(likeness)[::-1][:_N_ASPECTS]:
        for item in aspects[number].properties:
            if item.text != NOT_RELEVANT:
                yield item.text


def _best(
    candidates: _Candidates,
    in_bank: np.ndarray,
    vectors: np.ndarray,
    phrases: Sequence[dict[str, Phrase]],
    irrelevant: np.ndarray,
    k: int,
) -> Iterator[np.ndarray]:
    """Yield the best candidates of every text, none for irrelevant texts."""
    index = {name: i for i, name in enumerate(candidates.names)}
    for start in range(0, len(vectors), _CHUNK):
        scores = candidates.scores(vectors[start : start + _CHUNK])
        for row, own in enumerate(scores, start):
            if irrelevant[row]:
                yield np.empty(0, dtype=np.int64)
                continue
            said = np.fromiter((index[name] for name in phrases[row] if name in index), dtype=np.int64)
            allowed = in_bank.copy()
            allowed[said] = True
            order = np.argsort(-np.where(allowed, own, -np.inf), kind="stable")[:k]
            yield order[allowed[order]]


def _distinct(
    candidates: _Candidates,
    in_bank: np.ndarray,
    chosen: Sequence[np.ndarray],
    weights: np.ndarray,
    known: KnownTexts | None,
) -> tuple[_Candidates, np.ndarray]:
    """Drop properties of too few or too many texts, given those of every text, and those near one of more texts.

    Those of known texts stay.
    """
    found, n = np.concatenate(chosen), len(candidates.names)
    counts = np.bincount(found, minlength=n)
    weighted = np.bincount(found, np.repeat(weights, [len(own) for own in chosen]), minlength=n)
    least, least_weighted = (max(_MIN_SHARE * size, _MIN_TEXTS) for size in (len(weights), weights.sum()))
    is_common = (counts >= least) | (weighted >= least_weighted)
    is_rare = (known is not None) | (weighted <= max(_MAX_SHARE * weights.sum(), _MIN_TEXTS))
    vocabulary = frozenset(() if known is None else known.vocabulary)
    stay = np.array([name in vocabulary for name in candidates.names], dtype=bool)
    order = np.lexsort((-counts, ~stay))
    order = order[(stay | (is_common & is_rare))[order]]
    kept: list[int] = []
    for row in order:
        if stay[row] or not kept or (candidates.vectors[kept] @ candidates.vectors[row]).max() < _NEAR:
            kept.append(int(row))
    return candidates.take(np.array(kept, dtype=np.int64)), in_bank[kept]
