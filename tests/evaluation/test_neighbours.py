"""What comes next, by the nearest texts: Hit@k and next actions counted by hand, and the files that tasks come in."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from command_line import goalspace
from goalspace.cli.score_tables import cell, score_tables
from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.evaluation.episodes import DIALOGUE_CHARACTERS
from goalspace.evaluation.metrics import decision_tree_probe, logistic_probe
from goalspace.evaluation.neighbours import RANKS, NextAction, Recommendation, TestStates
from goalspace.evaluation.tasks import Probe, open_recommendation, open_task


def at(*degrees: float) -> np.ndarray:
    """Vectors of length 1 in these directions of the plane (n, 2)."""
    angles = np.radians(degrees)
    return np.c_[np.cos(angles), np.sin(angles)].astype(np.float32)


def recommendation(
    items: Sequence[Sequence[str]], wanted: Sequence[str], *, setting: str = "ours"
) -> Recommendation:
    train = tuple(f"train {i}" for i in range(len(items)))
    test = tuple(f"test {i}" for i in range(len(wanted)))
    return Recommendation("recommendation", train, tuple(map(tuple, items)), test, tuple(wanted), setting)


def rank_of(items: Sequence[Sequence[str]], wanted: str, vectors: np.ndarray) -> float:
    """The smallest k at which the item is hit."""
    found = recommendation(items, [wanted]).score(vectors)
    return next((k for k in RANKS if found[f"Hit@{k}"].mean == 1), np.inf)


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


cli = partial(goalspace, COLUMNS="100")


# --- recommendation --------------------------------------------------------------------------------


def test_the_items_of_the_nearest_texts_come_first_and_unknown_ones_never():
    """Five training texts allow one neighbour. To the right lie a0 … a5, above b0 … b5, c is left and popular."""
    items = [[f"a{i}" for i in range(6)], [f"b{i}" for i in range(6)], ["c"], ["c"], ["c"]]
    train = at(0, 90, 180, 180, 180)
    # from the right: a0 … a5 are ranked 0 to 5, then c for its popularity, then b0 … b5 from 7 on
    places = {"a0": 1, "a4": 5, "a5": 10, "c": 10, "b2": 10, "b3": 20, "unheard of": np.inf}
    assert {item: rank_of(items, item, np.r_[train, at(10)]) for item in places} == places
    assert rank_of(items, "b3", np.r_[train, at(80)]) == 5

    task = recommendation(items, ["a0", "a5", "unheard of"])
    found = task.score(np.r_[train, at(0, 0, 0)])
    assert task.reachable.tolist() == [True, True, False]
    assert found["Hit@1"] == Estimate.of([1, 0, 0])
    assert found["Hit@10"] == Estimate.of([1, 1, 0])
    assert found["Hit@1 reachable"] == Estimate.of([1, 0])
    assert found["Hit@10 reachable"] == (1.0, 0.0)
    assert set(found) == {*task.metrics, *(f"{m} reachable" for m in task.metrics), "neighbours"}


def test_equal_counts_are_ranked_by_popularity_then_by_first_appearance():
    """One neighbour with three items, each once: `zebra` follows on two texts, `mule` came before `ant`."""
    items = [["mule", "ant", "zebra"], ["zebra"], ["other"], ["other"], ["other"]]
    vectors = np.r_[at(0, 90, 180, 180, 180), at(0, 0, 0, 0)]
    task = recommendation(items, ["zebra", "mule", "ant", "other"])
    ranks = [
        [recommendation(items, [item]).score(np.r_[vectors[:5], at(0)])[f"Hit@{k}"].mean for k in (1, 5)]
        for item in task.wanted
    ]
    assert task.score(vectors)["neighbours"].mean == 1
    assert ranks[0] == [1, 1]  # the spelling would put ant first, and zebra last
    assert ranks[1:] == [[0, 1], [0, 1], [0, 1]]
    renamed = [[{"mule": "zzz", "ant": "aaa"}.get(item, item) for item in own] for own in items]
    again = recommendation(renamed, ["zebra", "zzz", "aaa", "other"])
    assert again.score(vectors) == task.score(vectors)


def test_first_appearance_decides_between_equally_popular_items():
    items = [["z"], ["y"], ["x"], ["w"], ["v"], ["a"]] * 2
    same = np.ones((13, 2), dtype=np.float32)
    places = {item: rank_of(items, item, same) for item in "zyxwva"}
    assert places == {"z": 1, "y": 5, "x": 5, "w": 5, "v": 5, "a": 10}


def crowd(last: str) -> Recommendation:
    """100 texts: "first" follows on the first, "hit" on every fifth, `last` on the last 20, junk on the others."""
    junk = iter(range(10_000))
    items = [["hit"] if i % 5 == 4 else [f"junk {next(junk)}" for _ in range(25)] for i in range(80)]
    return recommendation([["first", *items[0]], *items[1:], *[[last]] * 20], [last])


@pytest.mark.parametrize(("last", "n"), [("first", 1), ("hit", 5)])
def test_the_number_of_neighbours_is_the_smallest_with_most_hits_on_the_last_fifth(last, n):
    """All texts are alike, so that the first n are the nearest: one has "first", five have "hit" too."""
    found = crowd(last).score(np.ones((101, 2), dtype=np.float32))
    assert found["neighbours"] == (n, 0.0)
    assert found["Hit@1"].mean == 1


def test_popularity_needs_no_vectors():
    task = recommendation([["a", "b"], ["b"], ["b", "c"]], ["b", "a", "nothing"])
    found = task.by_popularity()
    assert found["Hit@1"] == Estimate.of([1, 0, 0])
    assert found["Hit@5"] == Estimate.of([1, 1, 0])
    assert found["Hit@5 reachable"] == (1.0, 0.0)


def test_nothing_reachable_leaves_those_metrics_out():
    found = recommendation([["a"], ["b"]], ["c"]).score(at(0, 90, 0))
    assert found["Hit@50"] == (0.0, 0.0)
    assert not [name for name in found if "reachable" in name]


# --- next action -----------------------------------------------------------------------------------


def next_action(actions: Sequence[str], **groups: tuple[Sequence[str], Sequence[str]]) -> NextAction:
    """Test groups are (actions, episodes)."""
    tests = {
        name: TestStates(tuple(f"{name} {i}" for i in range(len(own))), tuple(own), tuple(episodes))
        for name, (own, episodes) in groups.items()
    }
    return NextAction("next-action", tuple(f"s{i}" for i in range(len(actions))), tuple(actions), tests)


def test_the_nearest_state_gives_the_action_and_the_frequent_one_of_equally_near():
    actions = ["aim", "take", "take", "go", "go", "go"]
    task = next_action(actions, seen=(["take", "aim", "go"], "abc"), unseen=(["go"], "d"))
    # the first three states are one point: "take" is twice there, "aim" once; "go" is far
    found = task.score(np.r_[at(0, 0, 0, 90, 90, 90), at(5, 5, 80), at(10)])
    assert found["seen"] == (pytest.approx(2 / 3), pytest.approx(np.std([1, 0, 1], ddof=1) / np.sqrt(3)))
    assert found["unseen"] == (0.0, 0.0)
    assert task.metrics == ("seen", "unseen")


def test_frequency_counts_in_all_states_not_among_the_equally_near():
    task = next_action(["rare", "common", "common"], seen=(["common"], "a"))
    assert task.score(at(0, 0, 90, 1))["seen"].mean == 1
    assert task.score(at(0, 30, 90, 1))["seen"].mean == 0


def test_the_most_frequent_action_and_of_equal_ones_the_first():
    task = next_action(["zap", "aim", "aim", "zap"], seen=(["zap", "aim"], "ab"))
    assert task.by_frequency()["seen"].mean == 0.5
    assert next_action(["zap", "aim"], seen=(["zap"], "a")).by_frequency()["seen"].mean == 1


def test_the_error_counts_episodes_not_their_states():
    """Ten right states of one episode and ten wrong ones of another are two independent answers, not twenty."""
    alike = next_action(["go"], seen=(["go"] * 10 + ["no"] * 10, ["a"] * 10 + ["b"] * 10))
    apart = next_action(["go"], seen=(["go"] * 10 + ["no"] * 10, [str(i) for i in range(20)]))
    vectors = at(*[0] * 21)
    assert alike.score(vectors)["seen"] == (0.5, pytest.approx(0.5))  # of the values 1 and 0
    assert apart.score(vectors)["seen"].se == pytest.approx(np.std([1] * 10 + [0] * 10, ddof=1) / np.sqrt(20))


# --- logistic regression ---------------------------------------------------------------------------


def test_logistic_regression_reads_what_no_single_column_tells():
    """The label is whether two columns together are positive: a line for one, a staircase for a tree."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8))
    labels = (x.sum(axis=1) > 0).astype(int)
    assert logistic_probe(x, labels).mean > 0.93
    assert decision_tree_probe(x, labels, seeds=1).mean < 0.8
    assert logistic_probe(x, rng.permutation(labels)).mean == pytest.approx(0.5, abs=0.1)
    assert 0 < logistic_probe(x, labels).se < 0.05


def test_logistic_regression_does_not_see_the_units_of_columns():
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(120, 4)), np.arange(120) % 3
    x[:, 0] += labels
    assert logistic_probe(x * [1, 1e4, 1e-4, 7] + 5, labels).mean == pytest.approx(
        logistic_probe(x, labels).mean, abs=1e-3
    )


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        (np.zeros((4, 2)), [0, 0, 1, 1], "'labels' parameter of logistic_probe"),
        (np.zeros((6, 2)), [0] * 5, "'scores' parameter of logistic_probe"),
        (np.full((10, 1), np.nan), [0, 1] * 5, "must be finite"),
    ],
)
def test_logistic_regression_says_what_is_wrong(scores, labels, says):
    with pytest.raises(InputError, match=says):
        logistic_probe(scores, labels)


# --- files -----------------------------------------------------------------------------------------

DIALOGUES = [
    {"text": f"I like {kind} films, number {i}.", "items": [f"{kind} {i % 4}"], "split": "train"}
    for i in range(12)
    for kind in ("scary", "funny")
] + [
    {"text": "Show me scary films.", "items": ["scary 1"], "split": "test"},
    {"text": "Show me funny films.", "items": ["never seen"], "split": "test"},
]
STATES = [
    {"text": f"You see a {thing} {i}.", "action": f"take {thing}", "episode": f"e{i}", "split": split}
    for split, numbers in (("train", range(8)), ("kitchen", range(8, 11)), ("bath", range(11, 13)))
    for i in numbers
    for thing in ("mug", "towel")
]
TOPICS = [{"summary": f"A bill on {t}, no. {i}", "topic": t} for i in range(6) for t in ("health", "defence")]


def test_texts_of_dialogues_keep_their_newest_words(tmp_path):
    long = " ".join(f"word{i}" for i in range(1000))
    rows = [{**row, "text": f"{long} {row['text']}\n"} for row in DIALOGUES]
    task = open_recommendation(write_lines(tmp_path / "d.jsonl", rows))
    assert all(len(text) <= DIALOGUE_CHARACTERS for text in task.texts)
    assert all(len(text) > DIALOGUE_CHARACTERS - 20 for text in task.texts)
    assert task.train[0].endswith("I like scary films, number 0.")
    assert task.test[1].endswith("Show me funny films.")
    assert all(
        set(text.split()) <= set(f"{long} {row['text']}".split())
        for text, row in zip(task.texts, rows, strict=True)
    )


def test_rows_to_fit_a_run_on_are_the_training_texts_with_the_ids_of_the_source(tmp_path):
    rows = [{"id": f"d{i}", **row} for i, row in enumerate(DIALOGUES)]
    task = open_recommendation(write_lines(tmp_path / "d.jsonl", rows))
    assert [row["id"] for row in task.rows] == [f"d{i}" for i in range(24)]
    assert [row["text"] for row in task.rows] == list(task.train)
    numbered = open_recommendation(write_lines(tmp_path / "d.jsonl", DIALOGUES))
    assert [row["id"] for row in numbered.rows] == [str(i) for i in range(24)]


def test_the_release_of_inspired_is_a_folder_whose_lists_stand_in_strings(tmp_path):
    train = [
        {
            "idx": str(7 * i),
            "full_situation": f"\nUser: hello {i}\nSystem: ",
            "movies": "['It\\'s a film', 'B']",
        }
        for i in range(6)
    ]
    write_lines(tmp_path / "train.jsonl", train)
    write_lines(tmp_path / "test.jsonl", [{"test_inputs": "\nUser: hello\nSystem: ", "test_outputs": "B"}])
    task = open_recommendation(tmp_path)
    assert task.items[0] == ("It's a film", "B")
    assert task.texts[0] == "User: hello 0\nSystem:"
    assert [row["id"] for row in task.rows] == ["0", "7", "14", "21", "28", "35"]
    assert task.wanted == ("B",)


def test_states_with_a_split_of_their_own(tmp_path):
    task = open_task("next-action", write_lines(tmp_path / "s.jsonl", STATES))
    assert isinstance(task, NextAction)
    assert task.metrics == ("kitchen", "bath")
    assert task.train == tuple(row["text"] for row in STATES if row["split"] == "train")
    assert task.groups["bath"].episodes == ("e11", "e11", "e12", "e12")
    assert task.rows[1] == {"id": "1", "text": "You see a towel 0.", "action": "take towel", "episode": "e0"}


def test_episodes_may_be_numbered_and_ids_null_everywhere(tmp_path):
    rows = [{**row, "id": None, "episode": int(row["episode"][1:])} for row in STATES]
    task = open_task("next-action", write_lines(tmp_path / "s.jsonl", rows))
    assert task.groups["bath"].episodes == ("11", "11", "12", "12")
    assert [row["id"] for row in task.rows][:2] == ["0", "1"]


def test_categorisation_reads_labelled_texts(tmp_path):
    task = open_task("categorisation", write_lines(tmp_path / "b.jsonl", TOPICS), label="topic", seeds=2)
    assert isinstance(task, Probe)
    assert task.texts[0] == "A bill on health, no. 0"
    vectors = np.c_[[row["topic"] == "health" for row in TOPICS], np.arange(12)]
    assert task.score(vectors) == {"tree": (1.0, 0.0), "logistic": (1.0, 0.0)}


def without(row: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}


@pytest.mark.parametrize(
    ("name", "rows", "options", "says"),
    [
        ("recommendation", [without(DIALOGUES[0], "items")], {}, "'split' must hold train and test"),
        (
            "recommendation",
            [without(row, "items") for row in DIALOGUES],
            {},
            "line 1 has no 'items': the task reads text, items and split",
        ),
        (
            "recommendation",
            [without(row, "text") for row in DIALOGUES],
            {},
            "line 1 has no 'text': the task reads text, items and split",
        ),
        (
            "recommendation",
            [{**row, "items": "no list"} for row in DIALOGUES],
            {},
            "must be a list of strings",
        ),
        (
            "recommendation",
            [{**row, "items": "[1, 2]"} for row in DIALOGUES],
            {},
            "must be a list of strings",
        ),
        (
            "recommendation",
            [{**row, "items": "__import__('os')"} for row in DIALOGUES],
            {},
            "list of strings",
        ),
        (
            "recommendation",
            [{**row, "items": ["a", "b"]} for row in DIALOGUES],
            {},
            "must have one item. Got 2",
        ),
        (
            "recommendation",
            [*DIALOGUES, {**DIALOGUES[0], "split": "valid"}],
            {},
            "line 27: 'split' must be train or test. Got 'valid' instead",
        ),
        (
            "recommendation",
            [{**row, "id": i % 20} for i, row in enumerate(DIALOGUES)],
            {},
            "line 21 has the 'id' of line 1, '0'",
        ),
        (
            "recommendation",
            [{"id": "0", **DIALOGUES[0]}, *DIALOGUES[1:]],
            {},
            "line 2 has no 'id' and others do",
        ),
        (
            "recommendation",
            [{"id": None if i else "a", **row} for i, row in enumerate(DIALOGUES)],
            {},
            "line 2 has no 'id' and others do",
        ),
        ("next-action", [{"id": 7, **row} for row in STATES], {}, "line 2 has the 'id' of line 1, '7'"),
        ("recommendation", DIALOGUES, {"text": "text"}, "reads text, items and split: leave 'text' out"),
        ("recommendation", DIALOGUES, {"label": "items"}, "leave 'label' out"),
        ("recommendation", DIALOGUES, {"sample": 5}, "for the task next-action"),
        ("recommendation", DIALOGUES, {"setting": "official"}, "one setting only"),
        (
            "next-action",
            [without(row, "action") for row in STATES],
            {},
            "line 1 has no 'action': the task reads text, action",
        ),
        ("next-action", STATES[:4], {}, "must hold train and the name of a test group"),
        ("next-action", STATES[-4:], {}, "must hold train and the name of a test group"),
        ("next-action", STATES, {"sample": 5}, "holds states, not episodes to split"),
        ("next-action", STATES, {"sample": 0}, "'sample' parameter of open_task"),
        ("next-action", [{"steps": []}], {}, "jsonl, line 1: there is no 'id'"),
        ("categorisation", TOPICS, {"label": "party"}, "line 1 has no 'party': name another column"),
        ("categorisation", TOPICS, {"label": "topic", "setting": "official"}, "one setting only"),
    ],
)
def test_files_and_options_that_cannot_be_used(tmp_path, name, rows, options, says):
    path = write_lines(tmp_path / "data.jsonl", rows)
    with pytest.raises(InputError, match=says) as caught:
        open_task(name, path, **options)
    assert "\n" not in str(caught.value)


# --- the verb --------------------------------------------------------------------------------------


def test_verb_shows_all_cases_and_the_reachable_ones_beside_popularity(tmp_path):
    data, out = write_lines(tmp_path / "d.jsonl", DIALOGUES), tmp_path / "scores.json"
    done = cli("evaluate", "--encoder", "minilm", "--task", "recommendation", "--data", data, "-o", out)
    assert done.returncode == 0, done.stderr
    for part in ("24 training texts with 8 items", "all 2 test texts", "the 1 whose item", "popularity"):
        assert part in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    written = json.loads(out.read_text("utf-8"))
    (score,) = written["scores"]
    assert score["values"]["Hit@5"]["mean"] == 0.5
    assert score["values"]["Hit@5 reachable"]["mean"] == 1.0
    assert f"{score['values']['neighbours']['mean']:.0f}" in done.stdout
    assert written["baseline"]["popularity"]["Hit@50"]["mean"] == 0.5


def test_verb_shows_groups_of_states_beside_the_most_frequent_action(tmp_path):
    data = write_lines(tmp_path / "s.jsonl", STATES)
    done = cli("evaluate", "--encoder", "minilm", "--task", "next-action", "--data", data)
    assert done.returncode == 0, done.stderr
    rows = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert "6 kitchen of 3 episodes, 4 bath of 2 episodes" in " ".join(done.stdout.split())
    # an error of 0 is not shown: it is that of a single episode, too
    assert rows["most frequent"].split()[2:] == ["0.500", "0.500"]
    assert rows["minilm"].split()[1:3] == ["1.000", "1.000"]
    assert "±" not in "".join(rows["most frequent"] + rows["minilm"])


def test_names_of_groups_are_shown_as_they_are_and_harmless(tmp_path):
    names = {"kitchen": "[/red] x", "bath": "[bold]\x1b[31m\u202e\n\ud800y"}
    rows = [{**row, "split": names.get(str(row["split"]), row["split"])} for row in STATES]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "scores.json"
    command = ("evaluate", "--encoder", "minilm", "--task", "next-action", "--data", tmp_path / "s.jsonl")
    done = cli(*command, "-o", out)
    assert done.returncode == 0, done.stderr
    header = next(line for line in done.stdout.splitlines() if line.startswith("encoder"))
    assert header.split() == ["encoder", "[/red]", "x", "[bold][31m", "y", "s", "per", "1,000"]
    assert set(json.loads(out.read_text("utf-8"))["scores"][0]["values"]) == set(names.values())


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_width_of_the_terminal_loses_a_name_or_a_number(width):
    columns = ["Hit@1", "Hit@5", "Hit@10", "a group of a long name", "neighbours", "s per 1,000"]
    values = [Estimate(i / 8, i / 1000) for i in range(4)]
    names = ["popularity", "st:sentence-transformers/all-MiniLM-L6-v2", "run:runs/a"]
    rows = [(name, [*map(cell, values), "1,024", "12345.6"]) for name in names]
    tables = list(score_tables(columns, rows, width=width))
    pages = []
    for table in tables:
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(table)
        pages.append(console.export_text())
        wide = table.columns[0].width or 0
        assert "".join(names) in "".join(line[:wide].strip() for line in pages[-1].splitlines())
    shown = "".join(pages)
    assert max(map(len, shown.splitlines())) <= width
    for text in ("0.000", "0.125", "0.250", "0.375", "± 0.001", "± 0.003", "1,024", "12345.6"):
        assert shown.count(text) == 3, text
    assert "± 0.000" not in shown
    for column in columns:
        assert all(word in shown for word in column.split()), column
    assert (len(tables) == 1) == (width >= 60)
    assert ("0.125 ± 0.001" in shown) == (width == 120)


def test_verb_probes_labels(tmp_path):
    data = write_lines(tmp_path / "b.jsonl", TOPICS)
    command = [
        "evaluate",
        "--encoder",
        "minilm",
        "--task",
        "categorisation",
        "--data",
        data,
        "--label",
        "topic",
    ]
    done = cli(*command, "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert "12 texts, 2 labels" in done.stdout
    assert all(name in done.stdout for name in ("tree", "logistic", "2 seeds"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--task", "recommendation"), "Missing option --data"),
        (("--task", "recommendation", "--encoder", "minilm"), "leave --encoder, --goal and --out out"),
        (("--task", "recommendation", "--data", "DATA"), "is the input"),
        (("--task", "recommendation", "--seeds", "3"), "--seeds is for"),
        (("--task", "grouping", "--label", "split"), "--texts is for recommendation and next-action"),
    ],
)
def test_verb_says_what_texts_are_for(tmp_path, options, says):
    data = write_lines(tmp_path / "d.jsonl", DIALOGUES)
    texts = data if "DATA" in options else tmp_path / "texts.jsonl"
    named = [str(data) if option == "DATA" else option for option in options]
    given = [] if "--data" in named or says.startswith("Missing") else ["--data", data]
    done = cli("evaluate", "--texts", texts, *given, *named)
    assert done.returncode == 2
    assert says in done.stderr
    assert data.read_text("utf-8").count("\n") == len(DIALOGUES)


def test_texts_in_the_folder_that_is_read_are_refused(tmp_path):
    folder = tmp_path / "inspired"
    folder.mkdir()
    train = [{"idx": str(i), "full_situation": f"hello {i}", "movies": ["A"]} for i in range(6)]
    write_lines(folder / "train.jsonl", train)
    write_lines(folder / "test.jsonl", [{"test_inputs": "hello", "test_outputs": "A"}])
    before = (folder / "train.jsonl").read_bytes()
    for path in (folder / "train.jsonl", folder / "new.jsonl", folder):
        done = cli("evaluate", "--task", "recommendation", "--data", folder, "--texts", path)
        assert done.returncode == 2
        assert "the input" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["test.jsonl", "train.jsonl"]
    assert (folder / "train.jsonl").read_bytes() == before
    done = cli("evaluate", "--task", "recommendation", "--data", folder, "--texts", tmp_path / "texts.jsonl")
    assert done.returncode == 0, done.stderr


def test_texts_that_utf8_cannot_hold_are_written_as_json_spells_them(tmp_path):
    rows = [{**row, "text": f"{row['text']} \ud800"} for row in DIALOGUES]
    data, texts = tmp_path / "d.jsonl", tmp_path / "texts.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = cli("evaluate", "--task", "recommendation", "--data", data, "--texts", texts)
    assert done.returncode == 0, done.stderr
    assert json.loads(texts.read_text("utf-8").splitlines()[0])["text"] == rows[0]["text"]


def test_verb_refuses_the_encoder_of_a_folder_without_a_run(tmp_path):
    data = write_lines(tmp_path / "s.jsonl", STATES)
    done = cli("evaluate", "--encoder", f"run:{tmp_path}", "--task", "next-action", "--data", data)
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "is not a run folder" in done.stderr
    done = cli("evaluate", "--encoder", "run:", "--task", "next-action", "--data", data)
    assert done.returncode == 2
    assert "'run:' names no folder" in done.stderr


# --- the paper's data ------------------------------------------------------------------------------


def test_popularity_on_inspired(shared_data: Path):
    """Issue 4: 140 of the 208 wanted movies are known, and popularity hits these shares of all."""
    task = open_recommendation(shared_data / "inspired")
    assert len(task.wanted) == 208
    assert int(task.reachable.sum()) == 140
    found = [cell(task.by_popularity()[f"Hit@{k}"]).split()[0] for k in RANKS]
    assert found == ["0.043", "0.091", "0.125", "0.212", "0.312"]
    assert ", ".join(found) in (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text("utf-8")


def test_recorded_proposals_fit_the_texts_of_inspired(shared_data: Path):
    """Their ids are those of the first of equal dialogues, and the corpus keeps that one."""
    task = open_recommendation(shared_data / "inspired")
    with (shared_data / "proposals" / "inspired.jsonl").open(encoding="utf-8") as lines:
        recorded = {json.loads(line)["id"] for line in lines}
    first: dict[str, str] = {}
    for row in task.rows:
        first.setdefault(row["text"], row["id"])
    assert len(recorded & set(first.values())) / len(first) > 0.99
