"""Held-out proposals: how well links find them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import linear_model

from goalspace.links import heads


def test_held_out_proposals_are_found_and_ranked() -> None:
    pairs = heads.PairTable.build(np.array([0, 0, 1]), np.array([0, 1, 30]), 2)
    scores = np.zeros((2, 40), dtype=np.float32)
    scores[0, :2] = 2, 1
    scores[1] = np.arange(40)
    found = heads.evaluate_links(scores, pairs, np.array([0, 1]))
    assert found["recall_at_10"] == pytest.approx((1 + 1) / 2)
    assert found["auc"] == pytest.approx((1 + 30 / 39) / 2)


@pytest.mark.parametrize(("n", "width"), [(30, 8), (8, 30), (20, 20), (1, 3)])
def test_ridge_regressions_are_those_of_scikit_learn(n: int, width: int) -> None:
    draw = np.random.default_rng(0)
    inputs, targets, others = (draw.normal(size=shape) for shape in ((n, width), (n, 4), (5, width)))
    fitted = heads.Ridge(inputs)
    for alpha in (0.1, 1000.0):
        model = linear_model.Ridge(alpha=alpha * n / 1000).fit(inputs, targets - targets.mean(axis=0))
        weights, offset = fitted.weights(targets, alpha)
        np.testing.assert_allclose(weights, model.coef_.T, atol=1e-5)
        np.testing.assert_allclose(offset, model.intercept_, atol=1e-5)
        np.testing.assert_allclose(
            fitted.predict(others, targets, [alpha])[0], model.predict(others), atol=1e-5
        )
