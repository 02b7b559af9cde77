"""Texts about three things, with the properties recorded for each."""

from __future__ import annotations

import numpy as np

from bench.kit.peers import Fitted

KINDS = {  # kind of text → its phrases, and the properties recorded for it
    "river": (
        ("boats on the river", "floods in spring", "a bridge over the water"),
        ("river floods", "bridges", "floods of rivers"),
    ),
    "school": (
        ("teachers and pupils", "new books for class", "exams in summer"),
        ("teachers' training", "school exams"),
    ),
    "bank": (
        ("loans for houses", "interest is rising", "a savings account"),
        ("bank loans", "interest rates"),
    ),
}
TEXTS = [
    f"Report {n} on the {kind}: {KINDS[kind][0][n % 3]}. Nothing else." for n in range(20) for kind in KINDS
]
RECORDED = {text: list(KINDS[kind][1]) for text, kind in zip(TEXTS, list(KINDS) * 20, strict=True)}


def check_peer(fitted: Fitted, new: np.ndarray, n_topics: int) -> None:
    """Check the shapes of what a peer returns, and that the same texts get the same scores when they are new."""
    assert fitted.scores.shape == (len(TEXTS), n_topics)
    assert fitted.dominant.shape == (len(TEXTS),)
    assert fitted.dominant.min() >= -1
    assert fitted.dominant.max() < n_topics
    np.testing.assert_allclose(fitted.encode(TEXTS[:9], new[:9]), fitted.scores[:9], atol=1e-4)
