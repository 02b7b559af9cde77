"""Links and factors on planted data: what was planted is found, loaded is fitted, new texts are scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from goalspace.corpus import Corpus
from goalspace.errors import InputError
from goalspace.factors import Factors, factor, fitting, scoring
from goalspace.factors.naming import typical_properties
from goalspace.links import Links, link
from goalspace.llm.protocol import FunctionLLM
from goalspace.proposals import Proposals
from goalspace.vectors.geometry import normalize

SUBJECTS = ("the parcel from the shop", "a bill for March", "our kitchen lamp", "the blue bicycle")
SAID = {
    "shouting": ("angry shouting", "capital letters", "loud exclamation", "aggressive shout"),
    "polite prose": ("polite prose", "courteous sentence", "formal politeness", "well-mannered wording"),
    "bullet list": ("bullet list", "list of items", "itemised points", "bulleted enumeration"),
}
# the goal is form, not topic: shouting against whispering, lists against prose
FORMS = {
    "shouting": lambda s, n: f"WHERE IS {s.upper()}!!! I ASKED {n} TIMES!!!",
    "polite prose": lambda s, n: (
        f"I would be glad to hear, at your convenience, what became of {s}, asked {n} times."
    ),
    "bullet list": lambda s, n: f"- {s}\n- asked {n} times\n- no answer\n- please help",
}


def planted() -> tuple[Corpus, Proposals, np.ndarray]:
    texts, labels, pairs = [], [], []
    for n in range(2, 18):
        for subject in SUBJECTS:
            for label, (name, write) in enumerate(FORMS.items()):
                pairs += [(len(texts), 4 * label + (n + shift) % 4) for shift in (0, 1)]
                texts.append(write(subject, n))
                labels.append(label)
                assert len(SAID[name]) == 4
    names = tuple(said for form in FORMS for said in SAID[form])
    text_index, property_index = np.array(pairs, dtype=np.int32).T
    proposals = Proposals(
        names, text_index, property_index, (None,) * len(pairs), tuple((name,) for name in names)
    )
    return Corpus.read(texts), proposals, np.array(labels)


@pytest.fixture(scope="module")
def fitted() -> tuple[Corpus, Proposals, Links, Factors, np.ndarray]:
    corpus, proposals, labels = planted()
    links = link(corpus, proposals)
    return corpus, proposals, links, factor(corpus, proposals, links, goal="form", n_factors=3), labels


def test_a_goal_that_is_not_topic_is_learned(fitted) -> None:  # type: ignore[no-untyped-def]
    corpus, proposals, links, factors, labels = fitted
    plain = link(corpus, proposals, tune="none")
    assert links.recipe != "untrained"
    assert links.metrics["auc"] > plain.metrics["auc"] + 0.1
    assert adjusted_rand_score(labels, factors.dominant) > 0.95


def test_new_texts_are_placed_like_seen_ones(fitted) -> None:  # type: ignore[no-untyped-def]
    corpus, _, _, factors, _ = fitted
    # a list is one chunk of the encoder, as the corpus was: other neighbours change the last bits only
    # its own proposals move a text that was read, though not to another factor
    cosines = np.sum(normalize(factors.encode(corpus.texts)) * normalize(factors.scores), axis=1)
    assert cosines.min() > 0.9
    np.testing.assert_array_equal(factors.assign(corpus.texts), factors.dominant)
    new = [
        "WHERE IS MY NEW HAT!!! I ASKED 40 TIMES!!!",
        "- my new hat\n- asked 40 times\n- no answer\n- please help",
    ]
    shouting, listing = factors.assign(new)
    assert shouting == factors.dominant[0]
    assert listing == factors.dominant[2]
    assert factors.encode([]).shape == (0, factors.dim)
    # white space around a text counts as little as in the corpus, though surface features would see it
    np.testing.assert_array_equal(factors.encode([f"\n\n {text}\0\n" for text in new]), factors.encode(new))


def test_scores_are_standardised_and_factors_ordered(fitted) -> None:  # type: ignore[no-untyped-def]
    *_, factors, _ = fitted
    np.testing.assert_allclose(factors.scores.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(factors.scores.std(axis=0), 1, atol=1e-3)
    assert (np.diff(factors.tc) <= 1e-9).all()
    assert len(set(factors.names)) == factors.dim


def test_loaded_is_fitted(fitted, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    corpus, _proposals, links, factors, _ = fitted
    links.save(tmp_path / "links")
    factors.save(tmp_path)
    loaded_links = Links.load(tmp_path / "links")
    loaded = Factors.load(tmp_path, loaded_links)
    for name in (
        "scores",
        "dominant",
        "loadings",
        "assignment",
        "tc",
        "map",
        "factor_map",
        "property_counts",
    ):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(factors, name))
    np.testing.assert_array_equal(loaded.strength, loaded.tc)
    assert loaded.strength_unit == factors.strength_unit == "nats"
    for name in ("names", "descriptions", "poles", "vocabulary", "tc_curve", "evidence", "properties"):
        assert getattr(loaded, name) == getattr(factors, name)
    np.testing.assert_array_equal(loaded_links.text_vectors, links.text_vectors)
    assert loaded_links.recipe == links.recipe
    np.testing.assert_array_equal(loaded.encode(corpus.texts[:7]), factors.encode(corpus.texts[:7]))


def test_evidence_is_in_the_texts(fitted) -> None:  # type: ignore[no-untyped-def]
    corpus, _, _, factors, _ = fitted
    rows = {text_id: i for i, text_id in enumerate(corpus.ids)}
    for items in factors.evidence:
        assert items
        for item in items:
            assert corpus.texts[rows[item.text_id]][item.start : item.end].strip()


def test_the_number_of_factors_follows_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(40, 6)))[0].T
    texts = (centres[rng.integers(6, size=600)] + 0.15 * rng.normal(size=(600, 40))).astype(np.float32)
    properties = (np.repeat(centres, 20, axis=0) + 0.05 * rng.normal(size=(120, 40))).astype(np.float32)
    number, curve = fitting.choose_n_factors(texts, properties)
    assert 5 <= number <= 8
    assert [tc for _, tc in curve] == sorted(tc for _, tc in curve)
    found = fitting.fit_structure(texts, properties, 6)
    assert adjusted_rand_score(np.repeat(np.arange(6), 20), found.assignment) > 0.95


def test_rare_properties_join_the_groups_of_the_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(40, 6)))[0].T
    texts = (centres[rng.integers(6, size=600)] + 0.15 * rng.normal(size=(600, 40))).astype(np.float32)
    kind = np.tile(np.arange(6), 20)
    properties = (centres[kind] + 0.05 * rng.normal(size=(120, 40))).astype(np.float32)
    monkeypatch.setattr(fitting, "MAX_TREE_PROPERTIES", 30)
    assert adjusted_rand_score(kind, fitting.fit_structure(texts, properties, 6).assignment) > 0.95


def test_a_name_that_cannot_be_parsed_is_asked_for_again_and_counted(fitted) -> None:  # type: ignore[no-untyped-def]
    corpus, proposals, links, offline, _ = fitted
    prompts: list[str] = []

    def reply(prompt: str) -> str:
        prompts.append(prompt)
        if len(prompts) == 1:
            return "Gladly! I would call it"
        if len(prompts) == 2:
            return '{"name": "Tone\\u202e of voice", "description": ""}'
        return "no"

    named = factor(corpus, proposals, links, goal="form", n_factors=3, llm=FunctionLLM(reply))
    assert len(prompts) == 5  # three factors, two of them asked for again
    assert prompts[3].startswith(prompts[0])
    assert prompts[4].startswith(prompts[2])
    assert named.names == (offline.names[0], "Tone of voice", offline.names[2])
    assert named.descriptions == offline.descriptions
    assert named.stats["n_calls"] == 5
    assert "n_calls" not in offline.stats


@pytest.mark.parametrize(
    "reply",
    [
        '{"name": "Draft", "description": "A draft."} Better: %s',
        '<thinking>{"name": "Draft", "description": "A draft."}</thinking>%s',
        'The properties {"name": "late fees"}, {"quote": "x"} say: %s {"confidence": 0.9}',
        "```json\n%s\n```",
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        '{"name": "Tone of voice", "description": "How they\nspeak."}',
        "{'name': 'Tone of voice', 'description': 'How they speak.',}",
        '{"Description": "How they speak.", "Name": "Tone of voice"}',
    ],
)
def test_the_last_name_counts(fitted, reply: str, answer: str) -> None:  # type: ignore[no-untyped-def]
    corpus, proposals, links, _, _ = fitted
    llm = FunctionLLM(lambda prompt: reply % answer)
    named = factor(corpus, proposals, links, goal="form", n_factors=1, llm=llm)
    assert (named.names, named.descriptions) == (("Tone of voice",), ("How they speak.",))
    assert named.stats["n_calls"] == 1


def test_too_many_factors_are_refused(fitted) -> None:  # type: ignore[no-untyped-def]
    corpus, proposals, links, *_ = fitted
    with pytest.raises(InputError, match="'n_factors'"):
        factor(corpus, proposals, links, goal="form", n_factors=99)
    with pytest.raises(InputError, match="'tune'"):
        link(corpus, proposals, tune="some")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(10))
def test_every_factor_has_a_property_that_goes_along_with_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts, properties = rng.normal(size=(80, 16)), rng.normal(size=(14, 16))
    found = fitting.fit_structure(texts, properties, 5)
    for k in range(len(found.strength)):
        own = found.loadings[k, found.assignment == k]
        assert own.max() >= scoring.MIN_CORRELATION
    assert len(found.strength) == len(found.directions) == len(found.prototypes) == len(found.loadings)
    assigned = found.assignment >= 0
    nearest = np.abs(found.loadings).argmax(axis=0)
    # a factor to which no property is nearest takes one that others can spare; the properties of a dropped factor go elsewhere
    moved = assigned & (found.assignment != nearest) & (len(found.strength) == 5)
    for at in np.flatnonzero(moved):
        own = found.assignment == found.assignment[at]
        assert (nearest[own & (found.loadings[found.assignment[at]] > 0)] != found.assignment[at]).all()
    assert (np.diff(found.strength) <= 1e-9).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_single_factor_points_where_its_properties_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=16)
    texts = rng.normal(size=(200, 1)) * direction + 0.1 * rng.normal(size=(200, 16))
    signs = np.array([1.0] * 8 + [-1.0] * 4)  # twice as many at one end as at the other
    properties = signs[:, None] * direction + 0.3 * rng.normal(size=(12, 16))
    found = fitting.fit_structure(texts, properties, 1)
    assert (found.assignment == 0).all()
    loading = found.loadings[0]
    assert (np.sign(loading) == np.sign(loading[0]) * signs).all()
    assert np.abs(loading).min() > 0.9


def test_a_factor_has_a_second_pole_only_where_it_carries_something() -> None:
    assignment = np.zeros(4, dtype=np.int32)

    def ends(*loading: float) -> tuple[list[int], list[int]]:
        loadings = np.array([loading])
        return typical_properties(assignment, loadings, np.abs(loadings[0]), 0)

    assert ends(0.9, 0.8, -0.7, -0.6) == ([0, 1], [2, 3])
    assert ends(0.9, 0.8, -0.4, -0.35) == ([0, 1], [])
    assert ends(0.9, 0.8, 0.5, -0.9) == ([0, 1, 2], [])
