"""Selections: what is chosen, what is set aside, what is covered, and the verb."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from goalspace.cli import main
from goalspace.cli.select import METHODS as CLI_METHODS
from goalspace.curation.selection import METHODS, coverage, select
from goalspace.errors import InputError

TASKS = ("Write a poem about", "Translate into French:", "Sort these numbers:", "Name the capital of")


def clouds(sizes=(200, 100, 50, 10), dim=12, spread=0.15, seed=0):
    """Vectors around as many directions as sizes, and the direction of each."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.standard_normal((dim, dim)))[0][: len(sizes)]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return centres[labels] + spread * rng.standard_normal((len(labels), dim)), labels.tolist()


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
def test_every_cloud_is_represented(method):
    vectors, labels = clouds((80, 60, 40, 20), spread=0.04)
    found = select(vectors, 4, method=method)
    assert sorted(labels[row] for row in found.rows) == [0, 1, 2, 3]
    assert {labels[row] for row in np.flatnonzero(found.groups == 0)} == {labels[found.rows[0]]}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [1, 7, 120])
def test_budget_is_met_with_different_rows(method, budget):
    vectors, _ = clouds((60, 60))
    found = select(vectors, budget, method=method)
    assert len(set(found.rows.tolist())) == len(found.rows) == budget
    assert set(found.groups) <= set(range(budget))
    np.testing.assert_array_equal(found.groups[found.rows], np.arange(budget))


@pytest.mark.parametrize("method", METHODS)
def test_copies_do_not_stop_a_choice(method):
    vectors = np.repeat(np.eye(3), 10, axis=0)
    assert len(set(select(vectors, 12, method=method).rows.tolist())) == 12


def test_representatives_follow_density_and_k_center_the_corners():
    rng = np.random.default_rng(0)
    crowd = np.eye(1, 8) + 0.2 * rng.standard_normal((300, 8))
    vectors = np.vstack([crowd, -np.eye(1, 8), np.eye(8)[1:2]])  # and two rows far away
    far = {300, 301}
    assert far <= set(select(vectors, 4, method="k-center").rows.tolist())
    assert not far <= set(select(vectors, 2, method="facility-location").rows.tolist())


def test_k_center_is_within_twice_the_least_radius():
    vectors = unit(clouds((20, 20, 20), spread=0.3)[0])
    cosine = vectors @ vectors.T
    chosen = select(vectors, 3, method="k-center").rows
    radius = np.sqrt(2 - 2 * cosine[:, chosen].max(axis=1).min())
    n = len(vectors)
    least = min(
        np.sqrt(2 - 2 * np.maximum(np.maximum(cosine[i], cosine[j]), cosine[k]).min())
        for i in range(n)
        for j in range(i)
        for k in range(j)
    )
    assert least <= radius <= 2 * least


def test_facility_location_is_near_the_greedy_sum():
    vectors = unit(clouds((80, 60, 40), spread=0.5)[0])
    cosine = np.maximum(vectors @ vectors.T, 0)
    nearest, greedy = np.zeros(len(vectors)), []
    for _ in range(15):
        row = int(np.maximum(cosine - nearest, 0).sum(axis=1).argmax())
        greedy.append(row)
        nearest = np.maximum(nearest, cosine[row])
    chosen = select(vectors, 15, method="facility-location").rows
    drawn = np.random.default_rng(0).choice(len(vectors), 15, replace=False)
    total = {name: cosine[:, rows].max(axis=1).sum() for name, rows in (("own", chosen), ("random", drawn))}
    assert total["own"] > 0.98 * nearest.sum() > total["random"]


@pytest.mark.parametrize("method", METHODS)
def test_better_rows_are_preferred(method):
    vectors, _ = clouds((100, 100, 100))
    quality = np.random.default_rng(1).random(300)
    plain = select(vectors, 12, method=method).rows
    better = select(vectors, 12, method=method, quality=quality).rows
    assert quality[better].mean() > quality[plain].mean() + 0.15


def test_missing_quality_is_worst():
    vectors = np.repeat(np.eye(2), 3, axis=0) + 0.001 * np.arange(6)[:, None]
    found = select(vectors, 2, quality=[None, 1, "", float("nan"), "2.5", -7])
    assert set(found.rows.tolist()) == {1, 4}


def test_near_duplicates_leave_one_of_each():
    vectors, _ = clouds((30, 30), spread=0.5)
    copies = np.vstack([vectors, vectors[:10] * 3, vectors[20:25] + 1e-4])
    found = select(copies, 60, dedupe=0.999)
    assert found.duplicates.tolist() == list(range(60, 75))
    assert sorted(found.rows.tolist()) == list(range(60))
    best = select(copies, 60, dedupe=0.999, quality=np.arange(75))
    assert best.duplicates.tolist() == [*range(10), *range(20, 25)]


def test_near_duplicates_are_found_by_content():
    tasks, content = np.repeat(np.eye(2), 5, axis=0), np.eye(10)
    content[3] = content[1]
    assert select(tasks, 4, dedupe=0.9, content=content).duplicates.tolist() == [3]
    texts = ["Translate rain into French.", "Translate rain to French.", "Translate cow into French."]
    assert select(texts, 2, dedupe=0.95, encoder="minilm").duplicates.tolist() == [1]


def test_by_task_every_label_gets_a_row_before_one_gets_two():
    vectors, labels = clouds((200, 100, 50, 10))
    assert sorted(labels[row] for row in select(vectors, 4, labels=labels).rows) == [0, 1, 2, 3]
    assert {labels[row] for row in select(vectors, 2, labels=labels).rows} == {0, 1}
    shares = np.bincount([labels[row] for row in select(vectors, 60, labels=labels).rows])
    assert (np.diff(shares) < 0).all()
    assert shares[0] < 200 / 360 * 60, "frequent labels have less than their part"
    assert shares.min() >= 5
    whole = select(vectors, 360, labels=labels).rows
    assert sorted(whole.tolist()) == list(range(360))


def test_the_front_of_a_selection_by_task_covers_all_tasks():
    vectors, labels = clouds((200, 100, 50, 10))
    rows = select(vectors, 40, labels=labels).rows
    assert [labels[row] for row in rows[:4]] == [0, 1, 2, 3]


def test_the_same_seed_chooses_the_same():
    vectors, _ = clouds(spread=0.6)
    for method in METHODS:
        first = select(vectors, 20, method=method, seed=3)
        assert first.rows.tolist() == select(vectors, 20, method=method, seed=3).rows.tolist()
    assert first.rows.tolist() != select(vectors, 20, method=method, seed=4).rows.tolist()


def test_coverage_counts_labels_and_distances():
    vectors = np.eye(4)[[0, 0, 1, 2, 3]]
    found = coverage([0, 2], vectors, labels=["a", "a", "b", "c", "d"])
    assert (found.n_labels, found.n_labels_in_all) == (2, 4)
    assert found.distance == pytest.approx(2 / 5)
    draws = [np.random.default_rng(seed).choice(5, 2, replace=False) for seed in range(5)]
    n_labels = [len({min(row - 1, 3) if row else 0 for row in draw}) for draw in draws]
    assert found.n_labels_random.mean == pytest.approx(np.mean(n_labels))
    assert found.times_random == pytest.approx(2 / np.mean(n_labels))
    assert coverage([0, 2], vectors).n_labels is None


def test_texts_are_encoded():
    texts = [f"{task} {i}" for task in TASKS for i in range(5)]
    found = select(texts, 4, encoder="minilm")
    assert {row // 5 for row in found.rows.tolist()} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 0}, "must be at least 1 row"),
        ({"budget": 361}, "361 rows is more than the 360 rows"),
        ({"method": "best"}, "must be one of representatives, k-center, facility-location"),
        ({"dedupe": 1.5}, "cosine above 0, up to 1"),
        ({"labels": ["a"]}, "must have 360 values. Got 1"),
        ({"quality": [1.0]}, "must have 360 values. Got 1"),
        ({"quality": ["good"] * 360}, "quality of row 1 must be a number. Got 'good'"),
        ({"dedupe": 0.9, "content": np.eye(3)}, "must have 360 rows. Got 3"),
        ({"dedupe": 0.01, "budget": 300}, "without near-duplicates"),
    ],
)
def test_arguments_that_do_not_fit_are_reported(change, message):
    vectors, _ = clouds()
    with pytest.raises(InputError, match=message):
        select(vectors, **{"budget": 3, **change})


def test_an_empty_input_is_reported():
    with pytest.raises(InputError, match="must not be empty"):
        select([], 1)


# ---------------------------------------------------------------- the verb


@pytest.fixture
def alpaca(tmp_path):
    rows = [
        {"instruction": f"{task} {thing}", "input": "", "output": f"{i}", "score": i}
        for task in TASKS
        for i, thing in enumerate(["rain", "snow", "wind", "fog", "hail", "sun"])
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["select", *map(str, arguments), "--encoder", "minilm"])


def test_verb_writes_rows_in_their_own_format_and_a_page(alpaca, tmp_path):
    out = tmp_path / "out"
    result = run(alpaca, "--budget", 4, "--by-task", "--quality", "score", "--dedupe", 0.999, "-o", out)
    assert result.exit_code == 0, result.output
    chosen = (out / "selected.jsonl").read_text("utf-8").splitlines()
    assert len(chosen) == 4
    assert set(chosen) <= set(alpaca.read_text("utf-8").splitlines())
    assert len({json.loads(line)["instruction"][:8] for line in chosen}) == 4
    page = (out / "report.html").read_text("utf-8")
    assert "data.jsonl: 4 of 24 rows" in page
    assert page.count("<svg") == 2
    assert {"report.md", "figure-1.svg", "figure-2.svg"} <= {path.name for path in out.iterdir()}
    assert "4 of 24 rows" in result.output
    assert "compared with random rows" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--budget", 25), "25 rows is more than the 24 rows"),
        (("--budget", 0), "must be at least 1 row"),
        (
            ("--budget", 3, "--quality", "stars"),
            "has no quality field 'stars'; its fields are input, instruction",
        ),
        (("--budget", 3, "--quality", "instruction"), "must be a number"),
        (("--budget", 3, "--field", "nothing"), "nothing"),
    ],
)
def test_verb_reports_errors_in_one_line(alpaca, tmp_path, arguments, message):
    result = run(alpaca, *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.output.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_verb_and_function_have_the_same_methods():
    assert CLI_METHODS == METHODS


def test_selection_by_task_covers_more_of_alpaca_than_random(shared_data):
    from goalspace.curation.tasklabels import label_tasks

    lines = (shared_data / "instructions" / "alpaca_5000.jsonl").read_text("utf-8").splitlines()[:1500]
    texts = [json.loads(line)["instruction"] for line in lines]
    labels = label_tasks(texts, merge=False).labels
    vectors = np.random.default_rng(0).standard_normal((len(texts), 8))  # labels alone decide
    found = select(vectors, 180, labels=labels)
    assert found.coverage.n_labels == 180
    assert found.coverage.times_random > 1.2
