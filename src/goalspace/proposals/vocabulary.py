"""The vocabulary of properties: normalised spelling, and merging of near-duplicates by their vectors."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from goalspace.encoders.protocol import Encoder, encode_missing, encode_properties
from goalspace.llm.placeholders import PLACEHOLDER

# cosine from which two properties are merged, chosen by inspecting offline and recorded vocabularies
MERGE = 0.93
MAX_LENGTH = 120  # characters

_EDGES = " \t\n\r.,;:!?-–—*•·\"'`“”‘’«»()[]{}"
_HELD = ("\ue000", "\ue001")  # the brackets of a placeholder while edges are stripped
_NEGATION = re.compile(
    r"\b(no|not|non|never|without|lack|lacks|lacking|un\w+|in\w+able|dis\w+|anti\w*)\b|n't\b"
)
_NUMBER = re.compile(r"\d+")


def normalise(name: str, *, keep_case: bool = False) -> str:
    """Normalise case, width, whitespace and outer punctuation; "" if nothing is left or it is too long for a phrase.

    In German, whose nouns have capitals, the case is kept, and with it the letter ß.
    """
    plain = unicodedata.normalize("NFKC", name)
    folded = " ".join((plain if keep_case else plain.casefold()).split())
    held = PLACEHOLDER.sub(lambda found: found[0][1:-1].join(_HELD), folded)
    folded = held.strip(_EDGES).replace(_HELD[0], "[").replace(_HELD[1], "]")
    return folded if len(folded) <= MAX_LENGTH else ""


class KnownProperties:
    """An encoder that encodes no property twice."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.name = encoder.name
        self._vectors: dict[str, np.ndarray] = {}

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32."""
        return self.encoder.encode(texts)

    def encode_properties(self, properties: Sequence[str]) -> np.ndarray:
        """Return (n_properties, dim) float32."""
        found = encode_missing(
            properties, self._vectors, lambda missing: encode_properties(self.encoder, missing)
        )
        self._vectors.update(zip(properties, found, strict=True))
        return found


def merge_near_duplicates(
    names: Sequence[str], counts: Sequence[int], encoder: Encoder, *, threshold: float = MERGE
) -> dict[str, str]:
    """Map every property to its representative.

    Properties are visited in order of decreasing frequency; each joins the most similar earlier one whose cosine
    reaches `threshold`, unless the two differ in a number or a negation ("rhymed", "unrhymed"), which sentence
    encoders hardly distinguish.

    Parameters
    ----------
    names
        Distinct normalised properties.
    counts
        Number of texts that each property was proposed for.
    encoder
        Encoder for the cosine similarity.
    threshold
        Above 1, nothing is merged.
    """
    if threshold > 1 or len(names) < 2:
        return {name: name for name in names}
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    ordered = [names[i] for i in order]
    vectors = encode_properties(encoder, ordered)
    marks = [_marks(name) for name in ordered]
    stands_for = np.arange(len(ordered))
    for start in range(0, len(ordered), 1024):
        block = vectors[start : start + 1024] @ vectors[: start + 1024].T
        for row, column in zip(*np.nonzero(block >= threshold), strict=True):
            later = start + row
            # joins the most similar earlier property that represents itself
            if column >= later or stands_for[column] != column or marks[column] != marks[later]:
                continue
            current = stands_for[later]
            if current == later or block[row, column] > block[row, current]:
                stands_for[later] = column
    return {name: ordered[stands_for[i]] for i, name in enumerate(ordered)}


def _marks(name: str) -> tuple[Counter[str], int]:
    """Return the numbers in a property and its number of negations."""
    return Counter(_NUMBER.findall(name)), len(_NEGATION.findall(name))
