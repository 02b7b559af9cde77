"""The metrics: known values, what must not change them, rare labels, wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import decision_tree_probe, kmeans_groups, logistic_probe


def noisy_blobs(seed: int = 0, n: int = 120, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    return np.eye(k)[labels] + 0.45 * rng.normal(size=(n, k)), labels


def test_estimate_is_mean_and_standard_error():
    assert Estimate.of([1.0, 2.0, 3.0]) == pytest.approx((2.0, 1 / np.sqrt(3)))
    assert Estimate.of([0.25]) == (0.25, 0.0)


def test_probe_is_the_mean_of_the_folds_balanced_accuracy():
    scores, labels = noisy_blobs()
    values = []
    for seed in range(2):
        tree = DecisionTreeClassifier(random_state=seed)
        predicted = cross_val_predict(tree, scores, labels, cv=StratifiedKFold(5))
        folds = [test for _, test in StratifiedKFold(5).split(scores, labels)]
        values.append(np.mean([balanced_accuracy_score(labels[t], predicted[t]) for t in folds]))
    got = decision_tree_probe(scores, labels, seeds=2)
    assert 0.5 < got.mean < 1
    assert got == pytest.approx(Estimate.of(values))


def test_probe_of_noise_is_chance_and_of_the_labels_themselves_is_one():
    labels = np.array(["a", "b", "c", "d"] * 50)
    noise = np.random.default_rng(1).normal(size=(200, 3))
    assert decision_tree_probe(noise, labels).mean == pytest.approx(0.25, abs=0.1)
    assert decision_tree_probe(np.c_[noise, np.unique(labels, return_inverse=True)[1]], labels) == (1.0, 0.0)


def test_probe_takes_labels_rarer_than_the_folds_without_a_warning():
    scores, labels = noisy_blobs()
    rare = labels.copy()
    rare[:2] = 7  # only two rows: some folds have none of them in training, others none in the test part
    usual, with_rare = (
        decision_tree_probe(scores, labels, seeds=1),
        decision_tree_probe(scores, rare, seeds=1),
    )
    assert 0.3 < with_rare.mean < usual.mean


def test_fewer_distinct_vectors_than_clusters_raise_no_warning():
    vectors = np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0)
    (groups,) = kmeans_groups(vectors, n_clusters=4, seeds=1)
    assert len(set(zip(groups.tolist(), np.repeat([0, 1], 10).tolist(), strict=True))) == 2


@pytest.mark.parametrize("probe", [decision_tree_probe, logistic_probe])
def test_probes_take_a_label_on_a_single_row(probe):
    """Where that row is tested, there is one label to learn from, and the other rows have it."""
    labels = np.array(["x"] * 19 + ["y"])
    assert probe(np.arange(20.0)[:, None], labels).mean == pytest.approx((4 + 0.5) / 5)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: decision_tree_probe(np.zeros(5), np.zeros(5)), "'scores'.*one row per label"),
        (lambda: decision_tree_probe(np.zeros((5, 2)), np.zeros(4)), "'scores'.*one row per label"),
        (lambda: decision_tree_probe(np.zeros((6, 1)), np.arange(6)), "at least two labels.*on 5 rows"),
        (lambda: decision_tree_probe(np.zeros((6, 1)), np.zeros(6)), "at least two labels"),
        (lambda: decision_tree_probe(np.zeros((10, 1)), np.arange(10) % 2, seeds=0), "'seeds'"),
        (lambda: decision_tree_probe([[0.0]] * 9 + [[np.nan]], [0, 1] * 5), "NaN or inf in row 9"),
    ],
)
def test_wrong_input(call, says):
    with pytest.raises(InputError, match=says):
        call()


def test_probe_repeats_the_reference_figure_of_the_bills(shared_data: Path):
    """TF-IDF with 100 singular vectors reads the topic with 0.348 (issue 2), up to its vocabulary options."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    lines = (shared_data / "bills/bills.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    tfidf = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english")
    matrix = tfidf.fit_transform(row["summary"] for row in rows)
    vectors = TruncatedSVD(100, random_state=0).fit_transform(matrix)
    topics = [row["topic"] for row in rows]
    assert decision_tree_probe(vectors, topics, seeds=1).mean == pytest.approx(0.348, abs=0.04)
