"""Where texts lie among the factors of a run, by the links alone: the same way for its own texts and for further ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from goalspace.factors import Factors, scoring
from goalspace.links import Links
from goalspace.links.heads import PairTable, remove_proposals
from goalspace.proposals import Proposals
from goalspace.vectors.geometry import normalize

NOVEL_SHARE = (
    0.05  # of a run's own texts, those least like their factors, which set the limit for further texts
)


@dataclass(frozen=True)
class Placement:
    """Texts among factors.

    Attributes
    ----------
    vectors
        (n_texts, dim) float32, as the links place texts that no proposer has read.
    dominant
        (n_texts,) int32, the factor that describes each text best, -1 where none does.
    likeness
        (n_texts,) the cosine of each text, around the centre, with the nearest prototype of a factor, hidden or not.
    is_relevant
        (n_texts,) bool, False for texts that do not answer the goal.
    """

    vectors: np.ndarray
    dominant: np.ndarray
    likeness: np.ndarray
    is_relevant: np.ndarray = field(repr=False)

    @property
    def limit(self) -> float:
        """The likeness that all but 5 % of the relevant texts reach; −1 if there are none."""
        known = self.likeness[self.is_relevant]
        return float(np.quantile(known, NOVEL_SHARE)) if len(known) else -1.0

    def unexplained(self, limit: float) -> np.ndarray:
        """Return which relevant texts no factor explains: those that are less like any than `limit`, or unlike all."""
        return self.is_relevant & (self.likeness < max(limit, 0.0))


def place(factors: Factors, vectors: np.ndarray, is_relevant: np.ndarray) -> Placement:
    """Place texts by their vectors (n_texts, dim)."""
    return Placement(
        vectors, _assign(factors, vectors, is_relevant), _nearest(factors, vectors)[1], is_relevant
    )


def place_known(factors: Factors, links: Links, proposals: Proposals, is_relevant: np.ndarray) -> Placement:
    """Place the texts of a run as if it had been fitted without them, so that further texts compare with them.

    What was proposed for a text does not count, and its likeness is that to its prototype without the text (jackknife).
    """
    vectors = links.text_vectors
    if moves_proposals(links):
        pairs = PairTable.build(proposals.text_index, proposals.property_index, len(vectors))
        vectors = remove_proposals(vectors, links.property_vectors, pairs)
    nearest, likeness = _nearest(factors, vectors)
    # a prototype is the direction of the sum of its texts, which has this length
    length = np.bincount(nearest[is_relevant], likeness[is_relevant], minlength=nearest.max() + 1)[nearest]
    without = np.sqrt(np.maximum(length**2 - 2 * length * likeness + 1, 1e-12))
    likeness = np.where(length > 1, (length * likeness - 1) / without, likeness)
    return Placement(vectors, _assign(factors, vectors, is_relevant), likeness, is_relevant)


def _nearest(factors: Factors, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest prototype and its cosine for every text."""
    cosines = normalize(vectors - factors.centre) @ factors.prototypes.T
    nearest = cosines.argmax(axis=1)
    return nearest, cosines[np.arange(len(nearest)), nearest].astype(np.float64)


def _assign(factors: Factors, vectors: np.ndarray, is_relevant: np.ndarray) -> np.ndarray:
    return scoring.assign_texts(
        vectors,
        factors.prototypes,
        factors.owners,
        factors.centre,
        factors.hidden,
        np.flatnonzero(~is_relevant).tolist(),
    )


def moves_proposals(links: Links) -> bool:
    """Return whether the vectors of texts with proposals point half way to these (see `add_proposals`)."""
    return links.recipe != "full" and "candidates" in links.metrics
