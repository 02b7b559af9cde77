"""Tiny benchmarks: items, weights, estimates of full scores on held-out models, matrices in files, and the verb."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from goalspace.cli import main
from goalspace.curation.compression import TinyBenchmark, compress, evaluate_compression, family_of, hold_out
from goalspace.curation.item_selection import choose_items
from goalspace.curation.score_curve import fit_curve
from goalspace.errors import InputError
from goalspace.instructions.responses import read_responses

PENALTY = 5.0  # of the squared weights, as in choose_items


def answers(n_models=240, n_items=60, seed=0):
    """Answers by a logistic model with unequal items: some tell much of the ability, some little."""
    rng = np.random.default_rng(seed)
    ability, difficulty = abilities(n_models, seed)[:, None], rng.normal(size=n_items)
    steepness = np.where(np.arange(n_items) % 3 == 0, 4.0, 0.3)
    right = 1 / (1 + np.exp(-steepness * (ability - difficulty)))
    return (rng.random((n_models, n_items)) < right).astype(float)


def abilities(n_models=240, seed=0):
    return np.random.default_rng(1000 + seed).normal(size=n_models)


@pytest.fixture(scope="module")
def split():
    correct = answers()
    return correct[:180], correct[180:]


def test_estimates_are_nearer_than_those_of_random_items(split):
    train, held = split
    scores, held_scores = np.split(
        100 / (1 + np.exp(-abilities())), [180]
    )  # of a benchmark with far more items
    tiny = compress(None, 10, correctness=train, full_scores=scores)
    found = evaluate_compression(tiny, held, held_scores)
    draws = [np.random.default_rng(seed).choice(60, 10, replace=False) for seed in range(5)]
    random = [
        evaluate_compression(TinyBenchmark.learn(items, train, full_scores=scores), held, held_scores)
        for items in draws
    ]
    assert found.mae < 0.75 * np.mean([each.mae for each in random])
    assert found.kendall > np.mean([each.kendall for each in random]) + 0.05
    assert found.spearman > found.kendall
    assert found.estimates.shape == (60,)
    assert len(set(tiny.items.tolist())) == 10
    assert (tiny.items % 3 == 0).mean() > 0.7, "the items that tell much"


def test_all_items_give_the_score(split):
    train, held = split
    assert evaluate_compression(compress(None, 60, correctness=train), held).mae < 0.005


def test_full_scores_in_any_unit_are_estimated(split):
    train, held = split
    points = 20 + 70 / (1 + np.exp(-2 * abilities()))  # bent against the share right
    tiny = compress(None, 15, correctness=train, full_scores=points[:180])
    found = evaluate_compression(tiny, held, points[180:])
    assert found.mae < 0.35 * np.abs(points[180:] - points[:180].mean()).mean()
    by_hand = tiny.by_hand(held[:, tiny.items])
    np.testing.assert_allclose(by_hand, tiny.intercept + held[:, tiny.items] @ tiny.weights)
    assert np.corrcoef(by_hand, found.estimates)[0, 1] > 0.97


def test_the_curve_bends_where_a_line_does_not():
    rng = np.random.default_rng(0)
    x = (rng.random((600, 6)) < 0.5).astype(float)
    y = 10 * x[:, 0] * x[:, 1] + x[:, 2]  # items that count together
    line, curve = (
        fit_curve(x[:500], y[:500], groups=None, rng=rng, linear=linear) for linear in (True, False)
    )
    missed = [np.abs(each(x[500:]) - y[500:]).mean() for each in (line, curve)]
    assert missed[1] < 0.1 < missed[0]


def test_noise_is_not_learned():
    rng = np.random.default_rng(0)
    x, y = (rng.random((60, 20)) < 0.5).astype(float), rng.normal(size=60)
    curve = fit_curve(x, y, groups=None, rng=rng)
    assert curve((rng.random((200, 20)) < 0.5).astype(float)).std() < 0.6


def test_choice_is_the_best_ridge_regression_of_small_sets():
    correct = answers(80, 12, seed=3)
    scores = correct.mean(axis=1)
    x, y = correct - correct.mean(axis=0), scores - scores.mean()

    def explained(items):
        covariance = x[:, items].T @ x[:, items] + PENALTY * np.eye(len(items))
        return y @ x[:, items] @ np.linalg.solve(covariance, x[:, items].T @ y)

    every = [[i, j, k] for i in range(12) for j in range(i) for k in range(j)]
    found = choose_items(correct, scores, 3)
    assert explained(found) == pytest.approx(max(explained(items) for items in every), rel=1e-6)


def test_items_that_everyone_gets_right_do_no_harm():
    correct = np.hstack([np.ones((40, 3)), answers(40, 6)])
    tiny = compress(None, 9, correctness=correct)
    assert sorted(tiny.items.tolist()) == list(range(9))
    assert np.isfinite(tiny.estimate(correct[:, tiny.items])).all()
    assert set(compress(None, 4, correctness=correct).items.tolist()) <= set(range(3, 9))


def test_without_models_items_stand_for_clusters():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [50, 30, 20])
    vectors = np.eye(8)[groups] + 0.05 * rng.standard_normal((100, 8))
    tiny = compress(vectors, 3)
    assert groups[tiny.items].tolist() == [0, 1, 2]
    np.testing.assert_allclose(tiny.weights, [0.5, 0.3, 0.2])
    np.testing.assert_allclose(tiny.estimate([[1, 1, 1], [0, 0, 1], [0, 0, 0]]), [1, 0.2, 0])
    assert tiny.estimate([1, 0, 0]).tolist() == pytest.approx([0.5])
    by_group = (rng.random((50, 3)) < 0.5).astype(float)
    assert evaluate_compression(tiny, by_group[:, groups]).mae == pytest.approx(0, abs=1e-12)


def test_copies_without_models():
    tiny = compress(np.repeat(np.eye(2), 5, axis=0), 4)
    assert len(set(tiny.items.tolist())) == 4
    assert tiny.weights.sum() == pytest.approx(1)


def test_saved_and_opened_is_the_same(split, tmp_path):
    train, held = split
    tiny = compress(None, 8, correctness=train)
    tiny.save(tmp_path / "tiny.safetensors")
    opened = TinyBenchmark.open(tmp_path / "tiny.safetensors")
    assert opened.items.tolist() == tiny.items.tolist()
    np.testing.assert_array_equal(opened.estimate(held[:, opened.items]), tiny.estimate(held[:, tiny.items]))
    np.testing.assert_array_equal(opened.by_hand(held[:, opened.items]), tiny.by_hand(held[:, tiny.items]))
    for content in (None, b"nothing", b"\x00" * 100):
        path = tmp_path / "other"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match="tiny benchmark"):
            TinyBenchmark.open(path)


def test_the_same_seed_gives_the_same(split):
    train, held = split
    first, second = (compress(None, 8, correctness=train, seed=1) for _ in range(2))
    np.testing.assert_array_equal(
        first.estimate(held[:, first.items]), second.estimate(held[:, second.items])
    )


def test_families_stay_together():
    models = [f"org{i % 9}/model-{i}" for i in range(90)]
    train, held = hold_out(models, seed=1)
    assert sorted([*train, *held]) == list(range(90))
    assert not {family_of(models[i]) for i in train} & {family_of(models[i]) for i in held}
    assert 10 <= len(held) <= 40
    train, held = hold_out(models, by="model", seed=1)
    assert {family_of(models[i]) for i in train} & {family_of(models[i]) for i in held}
    assert [family_of(name) for name in ("Qwen/Qwen2-7B", "gpt-4o-mini", "claude")] == [
        "qwen",
        "gpt",
        "claude",
    ]
    assert [len(side) for side in hold_out(["a/1", "b/2"])] == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_items": 0}, "must be at least 1"),
        ({"n_items": 61}, "61 items are more than the 60"),
        ({"items": None, "correctness": None}, "'items' parameter"),
        ({"items": np.eye(3)}, "column for each of the 3 items. Got 60"),
        ({"correctness": answers(9)}, "Answers of at least 10 models are needed for fitting. Got 9"),
        ({"correctness": np.zeros(60)}, "matrix of models × items"),
        ({"correctness": answers() * 2}, "Answers must be between 0 and 1. Got 2 of model"),
        ({"full_scores": [1.0]}, "one finite full score for each of the 240 models"),
    ],
)
def test_arguments_that_do_not_fit_are_reported(change, message):
    given = {"items": None, "n_items": 5, "correctness": answers(), **change}
    with pytest.raises(InputError, match=message):
        compress(given.pop("items"), given.pop("n_items"), **given)


def test_missing_cells_are_one_error():
    correct = answers()
    correct[[3, 5, 5], [7, 1, 2]] = np.nan
    with pytest.raises(InputError, match="lacks 3 of 14,400 cells, the first of model 4 and item 8"):
        compress(None, 5, correctness=correct)


def test_answers_must_fit_the_items(split):
    tiny = compress(None, 5, correctness=split[0])
    with pytest.raises(InputError, match="must hold 5 numbers from 0 to 1 per model"):
        tiny.estimate([1, 0])
    with pytest.raises(InputError, match="from 0 to 1"):
        tiny.estimate([1, 0, 1, 0, float("nan")])
    with pytest.raises(InputError, match="two models"):
        evaluate_compression(tiny, split[1][:1])


# ---------------------------------------------------------------- matrices in files


def write_matrix(path, correct, *, scores=None, ids=None):
    models = [f"org{i % 12}/model-{i}" for i in range(len(correct))]
    if path.suffix == ".jsonl":
        rows = [
            {"model": name, "bits": "".join(str(int(cell)) for cell in row)}
            | ({} if scores is None else {"full_score": float(scores[i])})
            for i, (name, row) in enumerate(zip(models, correct, strict=True))
        ]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        return path
    names = ids or [f"q{j}" for j in range(correct.shape[1])]
    columns = {"model": models, **({} if scores is None else {"full_score": list(map(float, scores))})}
    columns |= {name: correct[:, j].astype(int).tolist() for j, name in enumerate(names)}
    if path.suffix == ".parquet":
        parquet.write_table(pa.table(columns), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


@pytest.mark.parametrize("name", ["m.jsonl", "m.csv", "m.parquet"])
@pytest.mark.parametrize("scored", [True, False])
def test_every_form_of_matrix_is_read(tmp_path, name, scored):
    correct = answers(20, 7)
    scores = correct.mean(axis=1) * 90 if scored else None
    found = read_responses(write_matrix(tmp_path / name, correct, scores=scores))
    np.testing.assert_array_equal(found.correct, correct)
    assert found.models[13] == "org1/model-13"
    if scored:
        np.testing.assert_allclose(found.scores, scores)
    else:
        assert found.scores is None


def test_columns_are_matched_by_id(tmp_path):
    correct = answers(20, 4)
    found = read_responses(write_matrix(tmp_path / "m.csv", correct, ids=["d", "a", "c", "b"]))
    np.testing.assert_array_equal(found.of_items(["a", "b", "c", "d"]).correct, correct[:, [1, 3, 2, 0]])
    np.testing.assert_array_equal(found.of_items(["0", "1", "2", "3"]).correct, correct)
    with pytest.raises(InputError, match="has 4 items, the benchmark has 3"):
        found.of_items(["a", "b", "c"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "m.jsonl",
            '{"model": "a", "bits": "01"}\n{"model": "b", "bits": "0"}\n',
            "'b' has 1 answers, .* has 2",
        ),
        ("m.jsonl", '{"model": "a", "bits": "0x"}\n', "'a' has 'x' for item number 2"),
        ("m.jsonl", '{"model": "a", "bits": [1, null]}\n', "'a' has no answer for item number 2"),
        ("m.jsonl", '{"model": "a", "text": "01"}\n', "not a models × items matrix"),
        ("m.csv", "model,q1,q2\na,1,0\nb,,1\n", "row 3: the model 'b' has no answer for item 'q1'"),
        ("m.csv", "model,q1,q2\na,1,7\n", "'a' has '7' for item 'q2'"),
        ("m.csv", "model,full_score,q1\na,12,1\nb,,0\n", "row 3: the full_score of the model 'b' is missing"),
        ("m.csv", "question,answer\nwhy?,no\n", "not a models × items matrix"),
        ("m.csv", "model,q1\n", "no rows"),
    ],
)
def test_what_is_wrong_with_a_matrix_is_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_responses(path)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- the verb


@pytest.fixture
def bench(tmp_path):
    path = tmp_path / "bench.jsonl"
    rows = [{"id": f"=q{j}", "question": f"<b>How much is {j} + {j}?</b>"} for j in range(60)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["compress", *map(str, arguments), "--encoder", "minilm"])


def test_verb_with_a_matrix(bench, tmp_path):
    out = tmp_path / "out"
    correct = answers()
    matrix = write_matrix(tmp_path / "m.jsonl", correct, scores=100 * correct.mean(axis=1))
    result = run(bench, "--items", 8, "--responses", matrix, "-o", out)
    assert result.exit_code == 0, result.output
    chosen = [json.loads(line) for line in (out / "tiny.jsonl").read_text("utf-8").splitlines()]
    with (out / "weights.csv").open(encoding="utf-8") as file:
        weights = list(csv.DictReader(file))
    assert [row["id"] for row in weights] == ["(intercept)", *(f"'{row['id']}" for row in chosen)]
    tiny = TinyBenchmark.open(out / "tiny.safetensors")
    assert [f"=q{item}" for item in tiny.items] == [row["id"] for row in chosen]
    assert [float(row["weight"]) for row in weights[1:]] == pytest.approx(tiny.weights.tolist())
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<svg") == 1
    assert "<b>How" not in page
    assert "&lt;b&gt;How" in page
    assert "random, mean of 5 draws" in page
    assert "bench.jsonl: 8 of 60 items" in result.output


def test_verb_without_a_matrix(bench, tmp_path):
    out = tmp_path / "out"
    result = run(bench, "--items", 8, "-o", out)
    assert result.exit_code == 0, result.output
    assert len((out / "tiny.jsonl").read_text("utf-8").splitlines()) == 8
    with (out / "weights.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(float(row["weight"]) for row in rows) == pytest.approx(1)
    assert "Kendall" not in result.output


@pytest.mark.parametrize(
    ("items", "n_models", "n_items", "message"),
    [
        (61, 240, 60, "61 items are more than the 60"),
        (0, 240, 60, "must be at least 1"),
        (5, 240, 59, "The matrix has 59 items, the benchmark has 60"),
        (5, 12, 60, "m.csv has 12 models; at least 14 are needed"),
    ],
)
def test_verb_reports_errors_in_one_line(bench, tmp_path, items, n_models, n_items, message):
    matrix = write_matrix(tmp_path / "m.csv", answers(n_models, n_items))
    result = run(bench, "--items", items, "--responses", matrix, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.output.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_verb_refuses_a_matrix_beside_rows_without_a_text(bench, tmp_path):
    bench.write_text(bench.read_text("utf-8") + '{"id": "x", "question": ""}\n', "utf-8")
    result = run(bench, "--items", 5, "--responses", write_matrix(tmp_path / "m.csv", answers()))
    assert result.exit_code == 2
    assert "1 rows of bench.jsonl have no 'question'" in result.output


def test_twenty_items_of_arc_estimate_the_score(shared_data):
    found = read_responses(shared_data / "metabench" / "responses_arc_A.jsonl")
    some = np.random.default_rng(0).permutation(len(found.models))[:1200]
    train, held = some[:900], some[900:]
    tiny = compress(None, 20, correctness=found.correct[train], full_scores=found.scores[train])
    error = evaluate_compression(tiny, found.correct[held], found.scores[held])
    random = TinyBenchmark.learn(np.arange(0, 100, 5), found.correct[train], full_scores=found.scores[train])
    assert error.mae < 2.2
    assert error.kendall > 0.82
    assert error.mae < 0.9 * evaluate_compression(random, found.correct[held], found.scores[held]).mae
