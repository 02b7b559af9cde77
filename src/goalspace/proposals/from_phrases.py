"""The offline proposer: phrases of the corpus, ranked for every text by similarity to the text and the goal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.language.stopwords import CONTRACTIONS, DETERMINERS

PER_TEXT = 8
MAX_PHRASE_WORDS = 3  # words
MAX_CANDIDATES = 12_000

# Weights of the ranking, chosen in docs/decisions/0002-offline-proposer.md
_GOAL = 0.6
_SALIENT = 0.03
_DIVERSE = 0.3
_LENGTH = np.array(
    [-0.1, 0.0, 0.0]
)  # for phrases of one word, two, three: single words are rarely properties
_COMMON = 0.2  # phrases in more than this share of the texts are not distinctive

_BREAK = re.compile(r"[^\w\s'’-]+|\d+|\n")
# separators permitted between two words of a phrase
_JOINT = re.compile(rf"\s+(?:(?:{'|'.join(sorted(DETERMINERS))})\s+)?", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_][\w'’-]*[^\W_]")


@dataclass(frozen=True)
class _Mined:
    """Candidate phrases, and their occurrences in each text: phrase index → (count, start, end of the first)."""

    phrases: list[str]
    document_frequency: np.ndarray
    occurrences: list[dict[int, tuple[int, int, int]]]


def propose_phrases(
    texts: Sequence[str], goal: str, encoder: Encoder, *, per_text: int = PER_TEXT
) -> list[list[tuple[str, str]]]:
    """Choose for every text the phrases of the corpus that describe it best with respect to the goal.

    The score of a phrase for a text is cos(text, phrase) + 0.6 cos(goal, phrase), plus small terms that favour high
    tf·idf and penalise single words; maximal marginal relevance (Carbonell & Goldstein 1998) makes the choice
    diverse.

    Parameters
    ----------
    texts
        The texts.
    goal
        What the analyst wants to know.
    encoder
        Encoder of texts, phrases and goal, with unit vectors.
    per_text
        Maximum number of phrases per text.

    Returns
    -------
    For every text, pairs of a phrase and its exact words in the text, best first.
    """
    mined = _mine(texts)
    if not mined.phrases:
        raise InputError(
            "The offline proposer found no phrase that could describe these texts: give more or longer texts, "
            "or use a language model with --llm."
        )
    vectors = encoder.encode(mined.phrases)
    text_vectors = encoder.encode(texts)
    fixed = _GOAL * (vectors @ encoder.encode([goal])[0])
    fixed += _LENGTH[np.minimum([phrase.count(" ") for phrase in mined.phrases], MAX_PHRASE_WORDS - 1)]
    rarity = _SALIENT * np.log(len(texts) / mined.document_frequency)
    chosen = []
    for text, vector, occurrences in zip(texts, text_vectors, mined.occurrences, strict=True):
        indices = np.fromiter(occurrences, dtype=np.int64, count=len(occurrences))
        times = np.array([times for times, _, _ in occurrences.values()])
        relevance = vectors[indices] @ vector + fixed[indices] + np.log1p(times) * rarity[indices]
        best = _diverse(relevance, vectors[indices], per_text)
        spans = (occurrences[index][1:] for index in indices[best])
        chosen.append(
            [
                (mined.phrases[index], text[start:end])
                for index, (start, end) in zip(indices[best], spans, strict=True)
            ]
        )
    return chosen


def _diverse(relevance: np.ndarray, vectors: np.ndarray, k: int) -> list[int]:
    """Choose up to k phrases by maximal marginal relevance, which penalises similarity to those already chosen."""
    chosen: list[int] = []
    penalty = np.zeros(len(relevance))
    for _ in range(min(k, len(relevance))):
        score = relevance - _DIVERSE * penalty
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
        penalty = np.maximum(penalty, vectors @ vectors[chosen[-1]])
    return chosen


def _mine(texts: Sequence[str]) -> _Mined:
    """Find phrases between stop words: those shared by texts, and longer ones even if they occur in one text only."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    stop_words = ENGLISH_STOP_WORDS | CONTRACTIONS | _frequent_words(texts)
    per_text = [_phrases_of(text, stop_words) for text in texts]
    frequency = Counter(phrase for phrases in per_text for phrase in phrases)
    max_frequency = max(_COMMON * len(texts), 5)
    kept = [
        phrase
        for phrase, n in frequency.items()
        # a longer phrase is descriptive even if no other text contains it verbatim; a rare word hardly is
        if n <= max_frequency and len(phrase) > 3 and (n > 1 or " " in phrase)
    ]
    # the most widely shared phrases are kept, with a preference for longer ones
    kept.sort(key=lambda phrase: (-frequency[phrase] * (2 + phrase.count(" ")), phrase))
    kept = kept[:MAX_CANDIDATES]
    index = {phrase: i for i, phrase in enumerate(kept)}
    occurrences = [
        {index[phrase]: span for phrase, span in phrases.items() if phrase in index} for phrases in per_text
    ]
    return _Mined(kept, np.array([frequency[phrase] for phrase in kept], dtype=np.float64), occurrences)


def _frequent_words(texts: Sequence[str]) -> frozenset[str]:
    """Return the words of many texts: function words of any language, and boilerplate of the corpus."""
    frequency = Counter(word for text in texts for word in {w.lower() for w in _WORD.findall(text)})
    return frozenset(word for word, n in frequency.items() if n > 0.4 * len(texts) and len(texts) >= 50)


def _phrases_of(text: str, stop_words: frozenset[str]) -> dict[str, tuple[int, int, int]]:
    """Return phrases of 1 to 3 words → (count, start, end of the first occurrence)."""
    phrases: dict[str, tuple[int, int, int]] = {}
    position = 0
    for gap in [*_BREAK.finditer(text), None]:
        end = gap.start() if gap else len(text)
        run: list[tuple[int, int]] = []
        for word in _WORD.finditer(text, position, end):
            lowered = word.group().lower().replace("’", "'")
            # "reset my password": a determiner does not end a phrase and is not part of it
            if lowered in DETERMINERS and run:
                continue
            if lowered in stop_words:
                run = []
                continue
            if run and not _JOINT.fullmatch(text, run[-1][1], word.start()):
                run = []
            run.append(word.span())
            for length in range(1, min(MAX_PHRASE_WORDS, len(run)) + 1):
                start = run[-length][0]
                phrase = " ".join(text[a:b].lower() for a, b in run[-length:]).replace("’", "'")
                times, first, last = phrases.get(phrase, (0, start, word.end()))
                phrases[phrase] = (times + 1, first, last)
        position = gap.end() if gap else end
    return phrases
