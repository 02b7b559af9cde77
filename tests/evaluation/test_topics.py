"""Topics without labels: known values of coherence, diversity, intrusion and stability, and what bad input says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score

from goalspace.errors import InputError
from goalspace.evaluation.topics import (
    coherence,
    diversity,
    intrusion,
    npmi,
    occurrences,
    stability,
    top_words,
)

FOOD = ("ham", "eggs", "toast", "bacon", "jam")
TOOLS = ("saw", "drill", "nail", "screw", "plane")


class Kinds:
    """An encoder that knows food from tools, and nothing else."""

    name = "kinds"
    dim = 3

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array(
            [[3.0 * (t in FOOD), 0.5 * (t in TOOLS), t not in (*FOOD, *TOOLS)] for t in texts], np.float32
        )


def test_npmi_is_that_of_its_formula() -> None:
    # 10 texts: a in 5, b in 4, both in 3
    a, b = np.zeros(10), np.zeros(10)
    a[:5], b[2:6] = 1, 1
    expected = np.log(0.3 / (0.5 * 0.4)) / -np.log(0.3)
    assert npmi(csr_matrix(np.c_[a, b]), [[0, 1]])[0] == pytest.approx(expected)


def test_independent_terms_have_no_npmi_and_those_that_never_occur_the_least() -> None:
    incidence = csr_matrix([[1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]])
    found = npmi(incidence, [[0, 1], [0, 2], [2, 2], [3, 3, 3], [0, 3]])
    assert found[0] == pytest.approx(0)
    assert found[1] == -1
    assert np.isnan(found[2:4]).all(), "a term twice is no pair"
    assert found[4] == pytest.approx(0), "a term of all texts says nothing about another"
    everywhere = csr_matrix([[1, 1], [1, 1]])
    assert npmi(everywhere, [[0, 1]])[0] == 0


def test_npmi_counts_an_incidence_of_several_mentions_once() -> None:
    once, often = csr_matrix([[1, 1], [1, 0], [0, 1], [0, 0]]), csr_matrix([[5, 2], [3, 0], [0, 9], [0, 0]])
    np.testing.assert_array_equal(npmi(once, [[0, 1]]), npmi(often, [[0, 1]]))


@pytest.mark.parametrize(
    ("text", "term", "there"),
    [
        ("A LATE-delivery!", "late delivery", 1),
        ("late. Delivery", "late delivery", 1),
        ("deliveries", "delivery", 0),
        ("delivery was late", "late delivery", 0),
        ("a b", "a", 1),
        ("Größe 3", "größe 3", 1),
        ("anything", "!?", 0),
    ],
)
def test_where_a_term_occurs(text: str, term: str, there: int) -> None:
    assert occurrences([text, ""], [term]).toarray().tolist() == [[there], [0]]


def test_terms_that_are_spelled_alike_occur_together() -> None:
    assert occurrences(["Wi-Fi"], ["wi fi", "WI-FI", "!"]).toarray().tolist() == [[1, 1, 0]]


def test_top_words_are_those_of_the_formula() -> None:
    texts = ["ham ham eggs", "paint eggs", "paint wall wall wall", "left out"]
    found = top_words(texts, [0, 1, 1, -1])
    assert found[0][0] == "ham"
    assert set(found[1]) == {"wall", "paint", "eggs"}
    assert "left" not in {word for words in found for word in words}
    # by hand for group 1: shares of its 6 words, frequencies 3, 2 and 2 in all, 4.5 words per group
    weights = {"wall": 3 / 6 * np.log(1 + 4.5 / 3), "paint": 2 / 6 * np.log(1 + 4.5 / 2)}
    weights["eggs"] = 1 / 6 * np.log(1 + 4.5 / 2)
    assert list(found[1]) == sorted(weights, key=lambda word: -weights[word])


def test_groups_without_texts_or_words_have_no_top_words() -> None:
    assert top_words(["ham"], [2]) == [(), (), ("ham",)]
    assert top_words(["the and of"], [0]) == [()]


def test_coherence_is_a_mean_over_topics_with_its_error() -> None:
    texts = ["ham eggs", "ham eggs", "saw", "drill"]
    found = coherence([["ham", "eggs"], ["saw", "drill"], ["lonely"]], texts)
    assert found.mean == pytest.approx(0)
    assert found.se == pytest.approx(1)
    assert coherence([["ham", "eggs", "saw"]], texts, top=2).mean == 1


def test_diversity_looks_at_the_top_words_only() -> None:
    assert diversity([["a", "b"], ["a", "c"]], top=1) == 0.5
    assert diversity([["a", "b"], ["a", "c"], []]) == 0.75


def test_an_encoder_finds_intruders_among_words_it_knows() -> None:
    found = intrusion([FOOD, TOOLS], Kinds(), seeds=4)
    assert found.accuracy == (1.0, 0.0)
    assert found.chance == pytest.approx(1 / 6)
    assert found.n_topics == 2


def test_an_encoder_that_sees_no_difference_finds_none() -> None:
    class Same(Kinds):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            return np.ones((len(texts), 3), np.float32)

    assert intrusion([FOOD, TOOLS], Same()).accuracy.mean == 0


def test_what_is_strong_in_a_topic_is_not_an_intruder() -> None:
    # all tools stand behind the food: nothing is left to intrude
    found = intrusion([[*FOOD, *TOOLS], TOOLS], Kinds())
    assert found.n_topics == 1
    with pytest.raises(InputError, match="at least two topics with different words"):
        intrusion([FOOD, FOOD], Kinds())


def test_stability_is_the_mean_over_pairs_with_a_jackknife_error() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(4, size=60)
    groupings = [np.where(rng.random(60) < 0.2, rng.integers(-1, 4, size=60), base) for _ in range(5)]

    def mean(rows: Sequence[int]) -> float:
        return float(
            np.mean([adjusted_rand_score(groupings[i], groupings[j]) for i, j in combinations(rows, 2)])
        )

    found = stability(groupings)
    assert found.mean == pytest.approx(mean(range(5)))
    without = [mean([i for i in range(5) if i != left]) for left in range(5)]
    assert found.se == pytest.approx(np.sqrt(4 / 5 * np.sum((np.array(without) - np.mean(without)) ** 2)))
    assert stability(groupings[:2]).se == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: coherence([], ["text"]), "'topics' parameter of coherence"),
        (lambda: coherence(["ham", "eggs"], ["ham"]), "lists of words. Got a string"),
        (lambda: coherence([["ham", "eggs"]], []), "'texts' parameter of coherence"),
        (lambda: diversity([[]]), "'topics' parameter of diversity"),
        (lambda: intrusion([["a", "b"]], Kinds()), "'topics' parameter of intrusion must hold a topic of 3"),
        (lambda: intrusion([FOOD, TOOLS], Kinds(), seeds=0), "'seeds' parameter of intrusion"),
        (lambda: stability([[0, 1]]), "'groupings' parameter of stability"),
        (lambda: stability([[0, 1], [0, 1, 2]]), "'groupings' parameter of stability"),
        (lambda: top_words(["a"], [0, 1]), "'groups' parameter of top_words"),
        (lambda: top_words(["a", "b"], ["x", "y"]), "'groups' parameter of top_words must be whole numbers"),
        (lambda: top_words(["a"], [0.5]), "'groups' parameter of top_words must be whole numbers"),
        (lambda: top_words(["a"], [-1]), "'groups' parameter of top_words"),
    ],
)
def test_topics_say_what_is_wrong(call, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says) as error:
        call()
    assert "\n" not in str(error.value)
