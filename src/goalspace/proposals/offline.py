"""The offline proposer: properties of the bank and phrases of the texts, chosen for every text by the encoder `goal`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goalspace.encoders.goal import NOT_RELEVANT, GoalEncoder
from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.stored import load_stored
from goalspace.proposals.answers import Answer
from goalspace.proposals.bank import load_bank
from goalspace.proposals.phrases import Phrase, find_phrases

PER_TEXT = 5  # properties of a text

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
        found = {} if own is None else dict(zip(self.vocabulary, own, strict=True))
        missing = [name for name in names if name not in found]
        found |= dict(zip(missing, encoder.encode_properties(missing), strict=True))
        return np.stack([found[name] for name in names])


def propose_offline(
    texts: Sequence[str],
    vectors: np.ndarray,
    encoder: GoalEncoder,
    *,
    known: KnownTexts | None = None,
    per_text: int = PER_TEXT,
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

    Returns
    -------
    For every text its properties, best first, phrases with their words in the text; none for texts that are nearer to "not
    relevant to the goal" than to its answers.
    """
    phrases = [{phrase.name: phrase for phrase in find_phrases(text)} for text in texts]
    counts = Counter(name for own in phrases for name in own)
    common = [name for name, n in counts.most_common(_MAX_PHRASES) if n >= _MIN_TEXTS]
    candidates = _candidates(common, vectors, encoder, known)
    irrelevant = _are_irrelevant(vectors, candidates, encoder)
    in_bank = np.isin(candidates.names, load_bank().properties)
    first = list(_best(candidates, in_bank, vectors, phrases, irrelevant, _FIRST))
    n_texts_with = np.bincount(np.concatenate(first), minlength=len(candidates.names))
    candidates, in_bank = _distinct(candidates, in_bank, n_texts_with, len(texts), known)
    best = _best(candidates, in_bank, vectors, phrases, irrelevant, per_text)
    return [
        Answer(properties=tuple(_quoted(candidates.names[i], text, own) for i in chosen))
        for chosen, text, own in zip(best, texts, phrases, strict=True)
    ]


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


def _quoted(name: str, text: str, phrases: dict[str, Phrase]) -> tuple[str, str]:
    found = phrases.get(name)
    return name, text[found.start : found.end] if found else ""


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
    candidates: _Candidates, in_bank: np.ndarray, counts: np.ndarray, n_texts: int, known: KnownTexts | None
) -> tuple[_Candidates, np.ndarray]:
    """Drop properties of too few or too many texts, and those near one of more texts; those of known texts stay."""
    least, most = (max(share * n_texts, _MIN_TEXTS) for share in (_MIN_SHARE, _MAX_SHARE))
    vocabulary = frozenset(() if known is None else known.vocabulary)
    stay = np.array([name in vocabulary for name in candidates.names], dtype=bool)
    order = np.lexsort((-counts, ~stay))
    order = order[stay[order] | ((counts[order] >= least) & ((counts[order] <= most) | (known is not None)))]
    kept: list[int] = []
    for row in order:
        if stay[row] or not kept or (candidates.vectors[kept] @ candidates.vectors[row]).max() < _NEAR:
            kept.append(int(row))
    return candidates.take(np.array(kept, dtype=np.int64)), in_bank[kept]
