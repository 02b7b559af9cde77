"""The benchmark of the encoder goal: its wordings, measures, controls and nested parts of the corpus."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bench.kit.datasets import banking77, bills, casino, cfpb, emotions, helpdesk, sgd, syngoalex
from bench.uses.goal_corpus_size import SIZES, take_domains
from bench.uses.goal_linking import measure_goal
from bench.uses.goal_methods import METHODS, N_DIRECTIONS, Projected, Subtracted
from bench.uses.goal_wordings import GOALS
from goalspace.encoders.minilm import MiniLM
from recipes.goal.corpus import read_domains, split

TEXTS = ("I want my money back.", "The parcel is late again!", "Danke, alles bestens.")
PROPERTIES = ("asks for a refund", "annoyed")


@pytest.mark.parametrize("goal", GOALS, ids=[goal.name for goal in GOALS])
def test_goals_have_ten_wordings_without_the_names_of_classes(goal, shared_data):
    assert len(set(goal.wordings)) == len(goal.wordings) >= 10
    read = (banking77, bills, casino, cfpb, emotions, helpdesk, sgd, syngoalex)
    (data,) = (data for data in (each() for each in read) if data.name == goal.data)
    labels = {label.replace("_", " ") for label in data.labels[goal.label]}
    assert len(labels) > 1
    for wording in goal.wordings:
        assert not [name for name in labels if re.search(rf"\b{re.escape(name)}\b", wording, re.IGNORECASE)]


def test_measures_of_a_goal():
    properties = np.eye(7)
    texts = np.array([[1, 0, 0, 0, 0, 0, 0], [0, 0.6, 0.8, 0, 0, 0, 0], [0, 0.8, 0.6, 0, 0, 0, 0]])
    has = np.zeros((3, 7), dtype=bool)
    has[0, 0] = has[1, 1] = has[2, 1] = True
    found = measure_goal(texts, properties, has)
    assert found.recall == 1
    assert found.auc == pytest.approx((1 + 5 / 6 + 1) / 3)  # property 2 is nearer to the second text
    assert found.auc_within == 1  # property 2 answers no text
    assert found.text_auc == 1
    assert found.cosines == pytest.approx([0, 0, 0.96])
    answers = has.copy()
    answers[2, 1], answers[2, 2] = False, True
    assert measure_goal(texts, properties, answers).auc_within == pytest.approx((1 + 0.5 + 0.5) / 3)
    has[0, 0] = False  # the only pair that is left shares a property
    assert np.isnan(measure_goal(texts, properties, has).text_auc)


def test_recall_counts_at_most_five_properties():
    has = np.ones((1, 7), dtype=bool)
    has[0, 6] = False
    cosines = np.array(
        [[0.7, 0.6, 0.5, 0.4, 0.1, 0.2, 0.3]]
    )  # the fifth is the one that the text does not have
    assert measure_goal(cosines, np.eye(7), has).recall == pytest.approx(4 / 5)


def test_controls_transform_texts_and_properties_alike():
    subtracted, projected = Subtracted(None), Projected(None)
    (direction,) = MiniLM().encode(["what the customer wants"])
    for encode, items in (("encode", TEXTS), ("encode_properties", PROPERTIES)):
        vectors = getattr(subtracted, encode)("what the customer wants", items)
        assert vectors @ direction == pytest.approx(0, abs=1e-6)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
        assert getattr(projected, encode)("what the customer wants", items).shape == (
            len(items),
            N_DIRECTIONS,
        )


def test_names_of_methods_are_unique():
    assert len({method.name for method in METHODS}) == len(METHODS)


def test_parts_of_the_corpus_are_nested_and_large_enough():
    domains = split(read_domains()).train
    parts = [take_domains(domains, size) for size in SIZES]
    for part, size in zip(parts, SIZES, strict=True):
        assert part == domains[: len(part)]
        n_texts = sum(len(domain.texts) for domain in part)
        assert size is None or size <= n_texts < size + max(len(domain.texts) for domain in domains)
    assert parts[-1] == domains
    assert [len(part) for part in parts] == sorted({len(part) for part in parts})
