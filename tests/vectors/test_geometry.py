"""Whitening: directions that vary alike, distances that centring keeps, and what cannot be whitened."""

from __future__ import annotations

import numpy as np
import pytest

from goalspace.errors import InputError
from goalspace.vectors.geometry import Whitening


def test_whitening_makes_directions_equal() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(500, 6)) * [9, 5, 1, 0.1, 1e-12, 0]) @ np.linalg.qr(rng.normal(size=(6, 6)))[
        0
    ] + 7
    whitening = Whitening.fit(vectors)
    assert whitening.dim == 4  # the others are noise
    white = whitening.apply(vectors)
    assert white.dtype == np.float32
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(white.T @ white / 500, np.eye(4), atol=1e-2)
    assert Whitening.fit(vectors, 2).apply(vectors).shape == (500, 2)
    np.testing.assert_allclose(
        np.abs(Whitening.fit(vectors, 2).apply(vectors)), np.abs(white[:, :2]), atol=1e-3
    )


def test_centring_alone_keeps_distances() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 5)) + 3
    centred = Whitening.fit(vectors, scale=False).apply(vectors)
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(centred[0] - centred[1]), np.linalg.norm(vectors[0] - vectors[1]), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("vectors", "dim", "message"),
    [
        (np.ones((1, 3)), None, "at least 2 rows"),
        (np.ones((4, 3)), None, "Got equal ones"),
        (np.eye(3), 4, "from 1 to 3. Got 4"),
        (np.eye(3), 0, "from 1 to 3. Got 0"),
        (np.full((3, 3), np.nan), None, "finite"),
    ],
)
def test_what_cannot_be_whitened_is_refused(vectors: np.ndarray, dim: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Whitening.fit(vectors, dim)
