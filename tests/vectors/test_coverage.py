"""Rows chosen by coverage: the greedy choice of facility location, found exactly."""

from __future__ import annotations

import numpy as np
import pytest

from goalspace.vectors.coverage import choose_covering
from goalspace.vectors.geometry import normalize


def draw(n: int, dim: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((8, dim))
    return normalize(centres[rng.integers(8, size=n)] + rng.standard_normal((n, dim))).astype(np.float32)


def choose_greedily(vectors: np.ndarray, n: int, given: list[int], weights: np.ndarray) -> list[int]:
    """Try every row in every step."""
    cosines = np.maximum(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0)
    chosen = list(given)
    for _ in range(n):
        covered = [(weights * cosines[[*chosen, row]].max(axis=0)).sum() for row in range(len(vectors))]
        chosen.append(max((row for row in range(len(vectors)) if row not in chosen), key=covered.__getitem__))
    return chosen[len(given) :]


@pytest.mark.parametrize("given", [[], [3, 50, 7]])
@pytest.mark.parametrize("weigh", [False, True])
def test_every_row_adds_most(given: list[int], weigh: bool) -> None:
    vectors = draw(150)
    weights = np.random.default_rng(1).random(150) if weigh else np.ones(150)
    expected = choose_greedily(vectors, 40, given, weights)
    found = choose_covering(vectors, 40, given=given, weights=weights if weigh else None)
    assert found.tolist() == expected
    assert choose_covering(vectors, 9, given=given, weights=weights).tolist() == expected[:9]


def test_copies_come_last_and_of_equal_rows_the_first() -> None:
    vectors = np.eye(5, dtype=np.float32)[[0, 1, 1, 2, 3, 0, 4]]
    assert choose_covering(vectors, 7).tolist() == [0, 1, 3, 4, 6, 2, 5]


def test_rows_that_do_not_count_are_not_covered() -> None:
    vectors = np.eye(4, dtype=np.float32)
    assert choose_covering(vectors, 2, weights=np.array([0, 0, 1, 0.5])).tolist() == [2, 3]


def test_all_rows_can_be_chosen() -> None:
    assert sorted(choose_covering(draw(40), 40).tolist()) == list(range(40))
    assert choose_covering(draw(40), 0).tolist() == []
