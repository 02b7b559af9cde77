"""Correlation of data sets, tasks that one has and another lacks, and rows that repeat a test set."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import wasserstein_distance

from goalspace.cli import main
from goalspace.curation.contamination import contamination
from goalspace.curation.correlation import correlate
from goalspace.errors import InputError

ANIMALS = ("dog", "horse", "tiger", "parrot", "whale", "ant", "camel", "lizard")
POEMS = tuple(f"Write a poem about a {animal}." for animal in ANIMALS)
SONGS = tuple(f"Compose a song about the {animal}." for animal in ANIMALS)
CODE = tuple(
    f"Write a Python function that {what}."
    for what in (
        "reverses a list",
        "sorts numbers",
        "counts words",
        "parses a date",
        "merges two dictionaries",
        "finds the largest prime factor",
        "removes duplicates",
        "computes a median",
    )
)
SUMS = tuple(
    f"{name} has {3 * i + 5} {thing} and buys {i + 2} more for ${i + 4} each. How much does {name} spend?"
    for i, (name, thing) in enumerate(
        [
            ("Anna", "apples"),
            ("Bill", "pens"),
            ("Carla", "bricks"),
            ("Dev", "tickets"),
            ("Eve", "stamps"),
            ("Fay", "tyres"),
        ]
    )
)


@pytest.fixture(scope="module")
def found():
    return correlate({"poems": POEMS, "code": CODE, "songs": SONGS}, encoder="minilm")


def points(rows, dim=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dim)) + 1


def normalised(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# ---------------------------------------------------------------- matrices


def test_alike_sets_are_near(found):
    assert found.nearest("poems") == ("songs", "code")
    assert found.cosine[0, 2] > found.cosine[0, 1] + 0.2
    assert found.wasserstein[0, 2] < found.wasserstein[0, 1]
    assert found.order in ((0, 2, 1), (2, 0, 1), (1, 0, 2), (1, 2, 0))
    for matrix in (found.cosine, found.wasserstein, found.overlap):
        np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(found.cosine), 1)
    np.testing.assert_allclose(np.diag(found.wasserstein), 0)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (5, 7), (1, 4), (6, 3)])
def test_wasserstein_is_that_of_scipy(n, m):
    a, b = points(n), points(m, seed=1) * 2
    found = correlate({"a": a, "b": b}, labels=False)
    a, b = normalised(a), normalised(b)
    scale = np.sqrt((a.var(axis=0) + b.var(axis=0)) / 2 + np.var([a.mean(axis=0), b.mean(axis=0)], axis=0))
    expected = np.mean([wasserstein_distance(a[:, i], b[:, i]) / scale[i] for i in range(3)])
    assert found.wasserstein[0, 1] == pytest.approx(expected, rel=1e-4)


def test_covered_is_the_mean_of_the_largest_cosines():
    a, b = points(5), points(8, seed=1)
    found = correlate({"a": a, "b": b}, labels=False)
    cosines = normalised(a) @ normalised(b).T
    np.testing.assert_allclose(
        found.covered, [[1, cosines.max(1).mean()], [cosines.max(0).mean(), 1]], atol=1e-6
    )
    np.testing.assert_allclose(
        found.cosine[0, 1], (cosines.max(1).mean() + cosines.max(0).mean()) / 2, atol=1e-6
    )


def test_a_vector_whose_components_sum_to_less_than_0_keeps_its_direction():
    """The papers' code divides by the sum, which turns such vectors round."""
    rows = np.array([[-3.0, 1.0], [-2.0, 1.0], [-3.0, 2.0]])
    found = correlate({"a": rows, "b": -rows, "c": rows * 5}, labels=False)
    assert found.cosine[0, 1] < -0.9
    assert found.cosine[0, 2] == pytest.approx(1)
    assert found.wasserstein[0, 2] == pytest.approx(0, abs=1e-5)


def test_overlap_is_the_weighted_jaccard_index():
    """Shares (3/4, 1/4, 0) and (1/2, 0, 1/2): 1/2 over 3/4 + 1/4 + 1/2."""
    labels = {"a": ["x", "x", "x", "y"], "b": ["x", "z"]}
    found = correlate({"a": points(4), "b": points(2)}, labels=labels)
    assert found.overlap[0, 1] == pytest.approx(0.5 / 1.5)
    assert correlate({"a": points(4), "b": points(2)}, labels=True).overlap is None


def test_the_size_of_a_set_does_not_weigh_in_the_unit_of_a_dimension():
    a, b = points(6), points(6, seed=1)
    small, large = (correlate({"a": a, "b": np.tile(b, (times, 1))}, labels=False) for times in (1, 50))
    np.testing.assert_allclose(small.wasserstein, large.wasserstein, rtol=1e-4)


# ---------------------------------------------------------------- missing tasks


def test_missing_names_the_task_and_shows_its_rows():
    found = correlate({"mixed": [*POEMS, *CODE], "poems": [*SONGS, *POEMS[:4]]}, encoder="minilm")
    tasks = found.missing("mixed", "poems")
    rows = {row for task in tasks for row in task.rows}
    assert rows == set(range(8, 16))
    assert tasks[0].labels == ("write|function",)
    assert set(tasks[0].words) <= {"python", "function", "that"}
    assert tasks[0].words
    assert all(task.cosine < 0.6 for task in tasks)
    assert found.missing("poems", "mixed") == ()


def test_an_unknown_set_is_named(found):
    with pytest.raises(InputError, match=r"no set 'verse'; the sets are poems, code, songs"):
        found.missing("verse", "code")


@pytest.mark.parametrize(
    ("sets", "labels", "said"),
    [
        ({"a": POEMS}, False, "at least two sets. Got 1"),
        ({"a": POEMS, "b": []}, False, "must not be empty"),
        ({"a": points(3), "b": points(3, dim=4)}, False, "same dimension"),
        ({"a": points(3), "b": np.full((3, 3), np.nan)}, False, "finite vectors"),
        ({"a": points(3), "b": points(2)}, {"a": ["x"] * 3, "b": ["x"] * 3}, "2 labels for 'b'. Got 3"),
    ],
)
def test_what_cannot_be_compared_is_reported(sets, labels, said):
    with pytest.raises(InputError, match=said):
        correlate(sets, labels=labels, encoder="minilm")


# ---------------------------------------------------------------- contamination

RUN_UP = "You are a careful assistant. Read what follows and answer in whole sentences.\n\n"
OTHER = (
    "The museum opens at nine on weekdays and stays closed on public holidays, so a visit should be planned some days "
    "ahead, all the more as groups must book a guide in writing."
)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (lambda text: text, "exact"),
        (lambda text: re.sub(r"[^\w\s]", "", text).upper() + "\n", "exact"),
        (lambda text: text.replace("buys", "byus").replace(" and", " and then"), "near"),
        (lambda text: RUN_UP + text, "near"),
        (lambda text: re.sub(r"\d+", lambda number: str(int(number[0]) + 20), text), "near"),
        (lambda text: "\n\n".join([OTHER, OTHER[::-1], text, OTHER.upper()]), "contained"),
    ],
)
def test_a_copy_is_found_however_it_is_dressed(changed, kind):
    train = [*CODE, changed(SUMS[2]), *POEMS]
    [leak] = contamination(train, SUMS)
    assert (leak.train, leak.test) == (len(CODE), 2)
    assert leak.kind == kind
    assert 0.8 <= leak.similarity <= 1


def test_a_paraphrase_is_found():
    other_words = (
        "Carla owns 11 bricks; then she purchases another 4, paying $6 apiece. What is the amount she pays?"
    )
    [leak] = contamination([*CODE, other_words, *POEMS], SUMS, threshold=0.75)
    assert (leak.train, leak.test, leak.kind) == (len(CODE), 2, "paraphrase")


def test_the_same_task_with_other_content_is_not_a_copy():
    """Half of a template's rows are none of the other half."""
    assert contamination(SUMS[::2], SUMS[1::2]) == ()
    assert contamination(POEMS[::2], POEMS[1::2]) == ()


def test_every_row_of_either_side_is_listed_once_at_least():
    leaks = contamination([SUMS[0], SUMS[0].lower(), SUMS[3]], [SUMS[3], SUMS[0], SUMS[3] + "!"])
    assert {leak.train for leak in leaks} == {0, 1, 2}
    assert {leak.test for leak in leaks} == {0, 1, 2}
    assert {leak.kind for leak in leaks} == {"exact"}


def test_texts_without_words_are_no_copies():
    assert contamination(["?!", "😀", *CODE], ["...", "", *POEMS]) == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"train": [], "test": POEMS}, "'train' parameter of contamination must not be empty"),
        ({"train": POEMS, "test": []}, "'test' parameter of contamination must not be empty"),
        ({"train": POEMS, "test": CODE, "threshold": 0.4}, "from 0.5 to 1. Got 0.4"),
    ],
)
def test_what_cannot_be_checked_is_reported(arguments, said):
    with pytest.raises(InputError, match=said):
        contamination(**arguments)


def test_planted_copies_of_a_benchmark_are_found_and_its_neighbours_are_not(shared_data):
    """gsm8k is one task throughout: only content tells its problems apart."""
    lines = (shared_data / "instructions" / "gsm8k_test.jsonl").read_text("utf-8").splitlines()[:160]
    problems = [json.loads(line)["question"] for line in lines]
    test, others = problems[:80], problems[80:]
    planted = [test[0], test[20].upper(), re.sub(r"\b(the|a)\b ", "", test[40])]
    for template in ("{}", RUN_UP + "{}"):  # a template on every row makes no copies
        train, asked = ([template.format(text) for text in texts] for texts in ([*planted, *others], test))
        found = {(leak.train, leak.test) for leak in contamination(train, asked)}
        assert found == {(0, 0), (1, 20), (2, 40)}


# ---------------------------------------------------------------- the verb


@pytest.fixture
def files(tmp_path):
    for name, texts in (("poems", [*POEMS, *SUMS]), ("code", [*CODE, SUMS[1].lower()]), ("songs", SONGS)):
        rows = "".join(json.dumps({"instruction": text}) + "\n" for text in texts)
        (tmp_path / f"{name}.jsonl").write_text(rows, "utf-8")
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["correlate", *map(str, arguments)])


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_verb_writes_matrices_tasks_and_page(files):
    out = files / "out"
    paths = [files / f"{name}.jsonl" for name in ("code", "poems", "songs")]
    done = run(*paths, "--encoder", "minilm", "--contamination", "-o", out)
    assert done.exit_code == 0, done.output
    names = ["code", "poems", "songs"]
    for matrix, diagonal in (("cosine", 1), ("covered", 1), ("wasserstein", 0), ("overlap", 1)):
        header, *rows = read_csv(out / f"{matrix}.csv")
        assert header == [matrix, *names]
        assert [row[0] for row in rows] == names
        assert [float(row[i + 1]) for i, row in enumerate(rows)] == [diagonal] * 3
    header, leak = read_csv(out / "contamination.csv")
    found = dict(zip(header, leak, strict=True))
    assert (found["training"], found["id"], found["test"], found["test id"]) == ("code", "8", "poems", "9")
    assert found["kind"] == "exact"
    missing = read_csv(out / "missing.csv")
    assert ["poems", "songs"] in [row[:2] for row in missing]
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<svg") == 4
    assert "Rows of code that repeat rows of poems" in page
    assert "Rows of code that repeat rows of songs" not in page


def test_verb_names_files_of_one_name(files):
    (files / "more").mkdir()
    (files / "more" / "poems.jsonl").write_bytes((files / "poems.jsonl").read_bytes())
    paths = (files / "poems.jsonl", files / "more" / "poems.jsonl")
    done = run(*paths, "--encoder", "minilm", "--no-labels", "-o", files / "out")
    assert done.exit_code == 0, done.output
    assert read_csv(files / "out" / "cosine.csv")[0] == ["cosine", "1-poems", "2-poems"]
    assert not (files / "out" / "overlap.csv").exists()


def test_cells_of_a_csv_are_no_formulas(files):
    (files / "evil.jsonl").write_text(json.dumps({"instruction": "=1+1 " + SUMS[0]}) + "\n", "utf-8")
    done = run(
        *(files / name for name in ("evil.jsonl", "poems.jsonl")),
        *("--encoder", "minilm", "--contamination", "--no-labels", "-o", files / "out"),
    )
    assert done.exit_code == 0, done.output
    assert read_csv(files / "out" / "contamination.csv")[1][8].startswith("'=1+1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["poems.jsonl"], "Give at least two files"),
        (["poems.jsonl", "empty.jsonl"], "empty.jsonl"),
        (["poems.jsonl", "none.jsonl"], "none.jsonl"),
        (["poems.jsonl", "code.jsonl", "--field", "nothing"], "no field 'nothing'"),
        (["poems.jsonl", "code.jsonl", "--contamination", "--threshold", "3"], "from 0.5 to 1. Got 3"),
    ],
)
def test_verb_reports_errors_in_one_line(files, arguments, said):
    done = run(
        *(files / part if part.endswith(".jsonl") else part for part in arguments), "-o", files / "out"
    )
    assert done.exit_code == 2
    line = [line for line in done.output.splitlines() if not line.endswith("…")]
    assert len(line) == 1
    assert said in line[0]
    assert not (files / "out" / "report.html").exists()
