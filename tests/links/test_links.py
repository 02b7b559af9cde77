"""The space of the properties: whitened where they share most of their wording, and what is read back from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from goalspace.corpus import Corpus
from goalspace.encoders.protocol import encode_properties
from goalspace.encoders.registry import get_encoder
from goalspace.evaluation.episodes import states_of
from goalspace.files import write_json
from goalspace.links import Links, link, towers
from goalspace.proposals import OFFLINE, Proposals

PLACES = (
    "drawer",
    "shelf",
    "sofa",
    "desk",
    "bed",
    "dresser",
    "armchair",
    "countertop",
    "toilet",
    "sidetable",
)
THINGS = ("mug", "book", "pillow", "egg", "candle", "laptop", "knife", "vase")


@pytest.fixture(scope="module")
def states() -> tuple[Corpus, Proposals]:
    """States of a text world with facts, which are worded alike: "last action: go to shelf", "at the shelf"."""
    rng = np.random.default_rng(0)
    episodes = []
    for number in range(22):
        thing, goal, *places = rng.permutation(len(THINGS))[0], *rng.permutation(len(PLACES))[:5]
        steps = []
        for step, place in enumerate(places):
            name, seen = f"{PLACES[place]} {rng.integers(1, 5)}", THINGS[rng.integers(len(THINGS))]
            there = f"a {THINGS[thing]} 1, and a {seen} 2" if step == 3 else f"a {seen} 2"
            steps.append([f"go to {name}", f"On the {name}, you see {there}."])
        steps.append(
            [f"take {THINGS[thing]} 1 from {name}", f"You pick up the {THINGS[thing]} 1 from the {name}."]
        )
        steps.append([f"go to {PLACES[goal]} 1", f"On the {PLACES[goal]} 1, you see nothing."])
        about = {
            "id": str(number),
            "goal": f"put a {THINGS[thing]} in {PLACES[goal]}",
            "init_obs": "You are in a room.",
        }
        episodes.append({**about, "steps": steps})
    texts = {state.text: state.facts for state in states_of(episodes)}
    corpus = Corpus.read(list(texts))
    names = tuple(dict.fromkeys(fact for facts in texts.values() for fact in facts))
    place_of = {name: i for i, name in enumerate(names)}
    pairs = [(row, place_of[fact]) for row, facts in enumerate(texts.values()) for fact in facts]
    text_index, property_index = np.array(pairs, dtype=np.int32).T
    forms = tuple((name,) for name in names)
    return corpus, Proposals(names, text_index, property_index, (None,) * len(pairs), forms)


@pytest.fixture(scope="module")
def linked(states: tuple[Corpus, Proposals]) -> Links:
    return link(*states)


def best(links: Links, *, whitened: bool) -> float:
    """The best held-out recall of a head alone in one of the spaces."""
    rows = [row for row in links.metrics["candidates"] if row["whitened"] == whitened]
    return max(row["recall_at_k"] for row in rows if row["residual"] == 0)


def test_properties_that_share_their_wording_are_separated_in_the_whitened_space(linked):
    assert "whitened properties" in linked.recipe
    assert best(linked, whitened=True) > best(linked, whitened=False) + 0.03
    assert linked.metrics["recall_at_k"] == pytest.approx(best(linked, whitened=True), abs=1e-4)


def test_whitening_makes_properties_vary_alike_in_all_directions_by_their_counts():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(400, 6)) * [9, 5, 3, 2, 1, 1] + [4, 0, 0, 0, 0, 0]).astype(np.float32)
    counts = rng.integers(100, 900, 400)  # many pairs for 6 directions: a low floor
    space = towers.Space.whitened(vectors, counts)
    placed = (np.repeat(vectors, counts, axis=0) - space.mean) @ space.spread
    values = np.linalg.eigvalsh(np.cov(placed.T))
    np.testing.assert_allclose(placed.mean(axis=0), 0, atol=1e-4)
    assert values.max() / values.min() < 1.2  # but for the floor under small variances
    np.testing.assert_allclose(np.linalg.norm(space.project(vectors), axis=1), 1, atol=1e-5)


def test_directions_without_variance_are_not_blown_up():
    vectors = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    vectors[:, 4] = 1e-6 * vectors[:, 0]
    space = towers.Space.whitened(vectors, np.ones(50))
    assert np.linalg.norm(space.spread, 2) == pytest.approx(1, abs=1e-5)
    assert np.abs((vectors - space.mean) @ space.spread[:, 4]).max() < 1e-3


def test_an_encoder_learns_nothing_from_the_properties_that_it_chose(states):
    corpus, proposals = states
    chosen = replace(proposals, stats={"proposer": OFFLINE})
    encoder = get_encoder("goal", goal="where the robot is")
    links = link(corpus, chosen, encoder=encoder)
    assert (links.recipe, links.metrics) == ("untrained", {})
    np.testing.assert_array_equal(links.text_vectors, encoder.encode(corpus.texts))
    np.testing.assert_array_equal(links.property_vectors, encode_properties(encoder, proposals.properties))
    assert "agreement" in link(corpus, chosen).metrics


def test_loaded_whitened_links_are_the_fitted_ones(states, linked, tmp_path: Path):
    linked.save(tmp_path)
    loaded = Links.load(tmp_path)
    assert loaded.recipe == linked.recipe
    assert loaded.tower.head is not None
    assert loaded.tower.head.space.whitens
    np.testing.assert_array_equal(loaded.property_vectors, linked.property_vectors)
    np.testing.assert_array_equal(loaded.encode(states[0].texts[:9]), linked.encode(states[0].texts[:9]))


def test_texts_that_were_read_are_moved_towards_their_proposals(states):
    corpus, proposals = states
    unread = np.arange(len(corpus)) % 2 == 1
    kept = ~unread[proposals.text_index]
    some = replace(
        proposals, text_index=proposals.text_index[kept], property_index=proposals.property_index[kept]
    )
    links = link(corpus, some)
    predicted = links.encode(corpus.texts)
    np.testing.assert_allclose(predicted[unread], links.text_vectors[unread], atol=2e-3)
    own = np.zeros((len(corpus), len(proposals)), dtype=bool)
    own[some.text_index, some.property_index] = True
    nearness = [np.mean((v @ links.property_vectors.T)[own]) for v in (predicted, links.text_vectors)]
    assert nearness[1] > nearness[0] + 0.01


@pytest.mark.parametrize("residual", [0.0, 3.0])
def test_links_of_before_there_was_a_space_are_plain(residual, tmp_path: Path):
    """Folders of format 1 that 0.1 wrote have no arrays of a space: vectors lie where that version put them."""
    rng = np.random.default_rng(0)
    texts = [f"text {i} about {word}" for i, word in enumerate(PLACES)]
    encoder = get_encoder("minilm")
    sentences = encoder.encode(texts)
    arrays = {
        "text_vectors": sentences,
        "property_vectors": sentences[:4],
        "tower.weights": rng.normal(size=(384, 384)).astype(np.float32),
        "tower.offset": rng.normal(size=384).astype(np.float32),
        "tower.centre": np.zeros(384, dtype=np.float32),
        "tower.sentence_mean": sentences.mean(axis=0),
        "tower.residual": np.array([residual], dtype=np.float32),
        "tower.mean.sentence": np.zeros(384, dtype=np.float32),
        "tower.scale.sentence": np.ones(384, dtype=np.float32),
    }
    save_file(arrays, tmp_path / "vectors.safetensors")
    write_json(tmp_path / "links.json", {"recipe": "sentence", "encoder": "minilm", "metrics": {}})

    loaded = Links.load(tmp_path)
    assert loaded.tower.head is not None
    assert not loaded.tower.head.space.whitens
    learned = unit(sentences @ arrays["tower.weights"] + arrays["tower.offset"])
    expected = unit(learned + residual * unit(sentences - arrays["tower.sentence_mean"]))
    np.testing.assert_allclose(loaded.encode(texts), expected, atol=1e-4)

    loaded.save(tmp_path / "again")
    assert load_file(tmp_path / "again" / "vectors.safetensors").keys() == arrays.keys() - {"text_vectors"}
    np.testing.assert_array_equal(Links.load(tmp_path / "again").text_vectors, sentences)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
