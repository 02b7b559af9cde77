"""The offline proposer for texts that are not English: phrases of the texts, chosen by the multilingual encoder under the goal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from goalspace.encoders.multilingual_goal import MultilingualGoalEncoder
from goalspace.language.detection import language_shares
from goalspace.proposals.answers import Answer
from goalspace.proposals.bank import load_bank
from goalspace.proposals.phrases import Phrase, find_native_phrases, quoted

PER_TEXT = 5  # properties of a text

_MAX_PHRASES = 6_000  # of which the most frequent are kept
_N_RELEVANT = 400  # candidates that answer the goal best, at most,
_SHARE_RELEVANT = 0.5  # and at most this share of the phrases, where there are few
_MIN_PHRASES = 30  # below which properties of the bank are candidates too, in English
_SAID = 0.15  # added to the score of a phrase that stands in the text
_LIFT = 0.5  # weight of what sets a text apart from the others
_LONGER = 0.05  # added to the relevance of a phrase of several words, which says more than a noun alone
_NEAR = 0.9  # cosine from which one of two phrases stands for both
_FIRST = 15  # candidates of a text before rare ones are dropped
_MIN_TEXTS = 2  # texts that share a property
_MIN_SHARE = 0.01  # of the texts
_MAX_SHARE = 0.5  # of the texts; a property of more does not tell them apart
_CHUNK = 2048  # texts


def propose_multilingual(
    texts: Sequence[str], vectors: np.ndarray, encoder: MultilingualGoalEncoder, *, per_text: int = PER_TEXT
) -> list[Answer]:
    """Choose for every text the phrases that describe it best with respect to the goal.

    Candidates are the phrases of all texts that answer the goal best (see `MultilingualGoalEncoder.relevance`). They take
    the place of the bank, whose properties are English: a phrase may describe texts that do not contain it. It scores
    cos + 0.5 (cos − its mean over the texts) for a text, and 0.15 more if the text contains it.

    Parameters
    ----------
    texts
        The texts.
    vectors
        (n_texts, dim), as the encoder reads them.
    encoder
        The encoder under the goal.
    per_text
        Maximum number of properties of a text.

    Returns
    -------
    For every text its properties, best first, with their words in the text if it contains them.
    """
    language = next(iter(language_shares(texts)), None)
    phrases = [{phrase.name: phrase for phrase in find_native_phrases(text, language)} for text in texts]
    names = _relevant(phrases, encoder)
    found = encoder.encode_properties(names)
    first = np.concatenate([*_best(names, found, vectors, phrases, _FIRST)])
    kept = _distinct(found, np.bincount(first, minlength=len(names)), len(texts))
    names, found = [names[i] for i in kept], found[kept]
    return [
        Answer(properties=tuple(quoted(names[i], text, own) for i in chosen))
        for chosen, text, own in zip(
            _best(names, found, vectors, phrases, per_text), texts, phrases, strict=True
        )
    ]


def _relevant(phrases: Sequence[dict[str, Phrase]], encoder: MultilingualGoalEncoder) -> list[str]:
    """Return the candidates that answer the goal best."""
    counts = Counter(name for own in phrases for name in own)
    names = [name for name, _ in counts.most_common(_MAX_PHRASES)]
    if len(names) < _MIN_PHRASES:
        aspects = load_bank().aspects
        order = np.argsort(-encoder.aspects, kind="stable")
        own = (item.text for number in order for item in aspects[number].properties)
        names += [*dict.fromkeys(own)][:_N_RELEVANT]
    longer = np.array([_LONGER * (len(name.split()) > 1) for name in names])
    n = min(_N_RELEVANT, max(_MIN_PHRASES, int(_SHARE_RELEVANT * len(names))))
    return [names[i] for i in np.argsort(-encoder.relevance(names) - longer, kind="stable")[:n]]


def _best(
    names: Sequence[str],
    found: np.ndarray,
    vectors: np.ndarray,
    phrases: Sequence[dict[str, Phrase]],
    k: int,
) -> Iterator[np.ndarray]:
    """Yield the best candidates of every text."""
    index = {name: i for i, name in enumerate(names)}
    means = found @ vectors.mean(axis=0)
    for start in range(0, len(vectors), _CHUNK):
        cosines = vectors[start : start + _CHUNK] @ found.T
        for row, own in enumerate(cosines + _LIFT * (cosines - means), start):
            own[[index[name] for name in phrases[row] if name in index]] += _SAID
            yield np.argsort(-own, kind="stable")[:k]


def _distinct(found: np.ndarray, counts: np.ndarray, n_texts: int) -> np.ndarray:
    """Return the candidates of neither too few nor too many texts that are not near one of more texts."""
    least, most = (max(share * n_texts, _MIN_TEXTS) for share in (_MIN_SHARE, _MAX_SHARE))
    kept: list[int] = []
    for row in np.argsort(-counts, kind="stable"):
        fits = least <= counts[row] <= most
        if fits and (not kept or (found[kept] @ found[row]).max() < _NEAR):
            kept.append(int(row))
    return np.array(kept, dtype=np.int64)
