"""Held-out proposals: how well links find them."""

from __future__ import annotations

import numpy as np
import pytest

from goalspace.links import heads


def test_held_out_proposals_are_found_and_ranked() -> None:
    pairs = heads.PairTable.build(np.array([0, 0, 1]), np.array([0, 1, 30]), 2)
    scores = np.zeros((2, 40), dtype=np.float32)
    scores[0, :2] = 2, 1
    scores[1] = np.arange(40)
    found = heads.evaluate_links(scores, pairs, np.array([0, 1]))
    assert found["recall_at_10"] == pytest.approx((1 + 1) / 2)
    assert found["auc"] == pytest.approx((1 + 30 / 39) / 2)
