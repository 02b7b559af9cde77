"""Near-duplicates: which rows stand for others, by exact and by approximate search."""

from __future__ import annotations

import numpy as np
import pytest

from goalspace.vectors.duplicates import near_duplicates
from goalspace.vectors.geometry import normalize


@pytest.mark.parametrize("exact", [True, False])
def test_kept_rows_are_apart_and_others_near_one(exact):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 16))
    vectors = normalize(np.repeat(centres, 50, axis=0) + 0.1 * rng.standard_normal((2000, 16))).astype(
        np.float32
    )
    stands = near_duplicates(vectors, 0.95, exact=exact)
    kept = np.unique(stands)
    np.testing.assert_array_equal(stands[kept], kept)
    apart = vectors[kept] @ vectors[kept].T - 2 * np.eye(len(kept))
    assert apart.max() < 0.95
    if exact:
        assert (np.einsum("ij,ij->i", vectors, vectors[stands]) >= 0.95).all()
    assert len(kept) < 200


def test_approximate_search_finds_the_same_near_duplicates():
    vectors = normalize(np.random.default_rng(0).standard_normal((3000, 24))).astype(np.float32)
    vectors[2000:] = normalize(vectors[:1000] + 0.01 * vectors[1000:2000])
    exact = near_duplicates(vectors, 0.95, exact=True)
    np.testing.assert_array_equal(near_duplicates(vectors, 0.95, exact=False), exact)
    assert (exact[2000:] == np.arange(1000)).all()
