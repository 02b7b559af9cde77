"""TopicGPT and LLooM, with recorded replies."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from recorded_texts import RECORDED, TEXTS, check_peer

from bench.kit import datasets, llm_peers


@pytest.fixture(autouse=True)
def _cache_in_test_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets, "CACHE", tmp_path)


@pytest.fixture
def vectors() -> np.ndarray:
    return datasets.embed(TEXTS)


def test_topicgpt(vectors: np.ndarray) -> None:
    if importlib.util.find_spec("topicgpt_python") is None:  # cannot be imported without the peer's stand-ins
        pytest.skip("see bench/kit/llm_peers.py for how to install TopicGPT")
    fitted = llm_peers.topicgpt(TEXTS, vectors, RECORDED)
    check_peer(fitted, vectors, fitted.scores.shape[1])
    assert len({fitted.dominant[i] for i in range(3)}) == 3  # one of each kind
    with pytest.raises(ValueError, match="1 of 1 have none"):
        fitted.encode(["News."], vectors[:1])


def test_lloom(vectors: np.ndarray) -> None:
    pytest.importorskip("text_lloom", reason="see bench/kit/llm_peers.py for how to install LLooM")
    fitted = llm_peers.lloom(TEXTS, vectors, 4, RECORDED)
    check_peer(fitted, vectors, 4)
    assert fitted.scores.max() == 1
