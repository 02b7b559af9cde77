"""Which properties are typical of a factor, by the links, the proposals and a second encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from goalspace.factors.fitting import Structure
from goalspace.factors.typicality import distinguish, measure_typicality, of_own_factor, rank_properties
from goalspace.links import Links, towers
from goalspace.proposals import Proposals

VOCABULARY = ("late parcel", "money rules the world", "rude courier", "late")
ASSIGNMENT = np.array([0, 0, 1, 1], dtype=np.int32)
DOMINANT = np.array([0, 0, 0, 1, 1, -1], dtype=np.int32)
TEXTS = tuple(f"text {n}" for n in range(len(DOMINANT)))
TEXT_VECTORS = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 0]], dtype=np.float32)
PROPERTY_VECTORS = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
LOADINGS = np.array([[0.9, 0.9, -0.4, -0.4], [-0.4, -0.4, 0.9, 0.9]])
EYE = np.eye(2, dtype=np.float32)
STRUCTURE = Structure(ASSIGNMENT, EYE, np.zeros(2), EYE, np.zeros(2), LOADINGS, np.ones(2), 1.0)
LINKS = Links(TEXT_VECTORS, PROPERTY_VECTORS, "untrained", {}, towers.TextTower.untrained())


class Opinion:
    """An encoder that finds "money rules the world" true of no text."""

    name = "opinion"
    dim = 2

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        places = {"money rules the world": [0, 0], **dict(zip(TEXTS, TEXT_VECTORS.tolist(), strict=True))}
        places |= {"late parcel": [1, 0], "rude courier": [0, 1], "late": [0, 1]}
        return np.array([places[text] for text in texts], dtype=np.float32)


def measure(pairs: Sequence[tuple[int, int]], second: Opinion | None = None) -> np.ndarray:
    """The typicality of the four properties, which were proposed in these pairs of text and property."""
    rows, columns = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    proposals = Proposals(
        VOCABULARY, rows, columns, (None,) * len(pairs), tuple((name,) for name in VOCABULARY)
    )
    scores = np.where(DOMINANT[:, None] == np.arange(2), 1.0, -1.0)
    return measure_typicality(TEXTS, proposals, STRUCTURE, scores, DOMINANT, LINKS, second)


def test_distinctive_is_what_scores_higher_in_the_texts_of_a_factor():
    found = distinguish(TEXT_VECTORS, PROPERTY_VECTORS, DOMINANT, 3)
    spread = TEXT_VECTORS[:, 0].std()
    assert found[0, 0] == pytest.approx((1 - 0.5) / spread)
    assert found[1, 0] == pytest.approx((0 - 0.5) / spread)
    assert (found[2] == 0).all()  # a factor without texts


def test_what_was_proposed_for_more_texts_of_the_factor_comes_first():
    found = measure([(0, 0), (1, 0), (2, 0), (0, 1), (3, 2), (4, 2), (3, 3)])
    assert list(rank_properties(ASSIGNMENT, found, 0)) == [0, 1]
    found = measure([(0, 0), (0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (3, 3)])
    assert list(rank_properties(ASSIGNMENT, found, 0)) == [1, 0]
    found = measure([(0, 0), (0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)])  # as often for other texts
    assert found[1] == pytest.approx(found[0] * 3 / np.sqrt(6), rel=0.05)


def test_a_second_encoder_must_agree():
    pairs = [(0, 0), (0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (3, 3)]
    assert list(rank_properties(ASSIGNMENT, measure(pairs), 0)) == [1, 0]
    assert list(rank_properties(ASSIGNMENT, measure(pairs, Opinion()), 0)) == [0, 1]


def test_a_property_that_repeats_the_name_of_an_earlier_factor_comes_last():
    found = measure([(0, 0), (1, 0), (2, 0), (3, 2), (3, 3), (4, 3)])
    assert list(rank_properties(ASSIGNMENT, found, 1)) == [2, 3]  # "late" says "late parcel" again


def test_unassigned_properties_have_no_value():
    values = np.array([[2.0, -3.0, 1.0]])
    assignment = np.array([0, 0, -1], dtype=np.int32)
    assert of_own_factor(values, assignment).tolist() == [2, -3, 0]
