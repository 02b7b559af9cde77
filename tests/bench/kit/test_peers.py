"""Peers of the benchmarks: what they return for texts and new texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_texts import TEXTS, check_peer

from bench.kit import datasets
from bench.kit.peers import corextopic, kmeans, semantic_signals


@pytest.fixture(autouse=True)
def _cache_in_test_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets, "CACHE", tmp_path)


@pytest.fixture
def vectors() -> np.ndarray:
    return datasets.embed(TEXTS)


@pytest.mark.parametrize("options", [{}, {"one_hot": True}], ids=["cosines", "one-hot"])
def test_kmeans(vectors: np.ndarray, options: Mapping[str, Any]) -> None:
    fitted = kmeans(TEXTS, vectors, 3, **options)
    check_peer(fitted, vectors, 3)
    if options:
        np.testing.assert_array_equal(fitted.scores.argmax(axis=1), fitted.dominant)


@pytest.mark.parametrize(
    "anchors", [(), [["river"], ["school", "unheard"], ["unheard"]]], ids=["free", "anchored"]
)
def test_corextopic(vectors: np.ndarray, anchors: list[list[str]]) -> None:
    pytest.importorskip("corextopic", reason="pip install -e '.[bench]' for this test")
    before = np.geterr()
    fitted = corextopic(TEXTS, vectors, 3, anchors=anchors)
    check_peer(fitted, vectors, 3)
    assert np.geterr() == before
    if anchors:
        on_river = np.array(["river" in text for text in TEXTS])
        assert fitted.scores[on_river, 0].min() > fitted.scores[~on_river, 0].max()


def test_semantic_signals(vectors: np.ndarray) -> None:
    pytest.importorskip("turftopic", reason="pip install -e '.[bench]' for this test")
    check_peer(semantic_signals(TEXTS, vectors, 3), vectors, 3)
