"""score and update: further texts on the factors of a run, and runs that take them in."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import goalspace
from goalspace.corpus import Corpus
from goalspace.errors import GoalspaceError, InputError, UnnamedEndpoint
from goalspace.explorer.editor import Editor
from goalspace.increments.corpus import join
from goalspace.increments.groups import find_groups
from goalspace.increments.shares import compare_shares, measure_share
from goalspace.links.heads import PairTable, add_proposals, remove_proposals
from goalspace.reports.page_columns import columns_of
from goalspace.run import discover
from goalspace.run.folder import Run
from goalspace.run.further_texts import score
from goalspace.run.record import locked
from goalspace.run.update import update
from goalspace.vectors.geometry import normalize
from llm_server import EMBEDDINGS, LLMServer, prompt_of

cli = partial(goalspace, COLUMNS="100")
GOAL = "what the message is about"
TOPICS = {
    "parcel": (
        "The parcel",
        "My delivery",
        "The package from the courier",
        "arrived late",
        "was left in the rain",
        "never came",
        "went to the neighbours",
    ),
    "battery": (
        "The battery of the phone",
        "My charger",
        "The phone at night",
        "is empty by noon",
        "gets hot while charging",
        "loses power",
        "switches off",
    ),
    "bill": (
        "The invoice",
        "My monthly bill",
        "The bank charge",
        "is too high",
        "was taken twice",
        "has the wrong amount",
        "includes a fee",
    ),
    "garden": (
        "The roses in the garden",
        "My tomato plants",
        "The apple tree",
        "need more water",
        "have brown leaves",
        "flower in spring",
        "are eaten by snails",
    ),
}
PLACES = (
    "in Leeds",
    "in York",
    "in Hull",
    "at home",
    "at work",
    "again",
    "since Monday",
    "since June",
    "every week",
    "today",
)


def messages(topic: str, n: int, *, seed: int = 0) -> list[str]:
    """Different messages on a topic."""
    words = TOPICS[topic]
    every = [f"{a} {b} {c}." for a in words[:3] for b in words[3:] for c in PLACES]
    return random.Random(seed).sample(every, n)


def write(
    path: Path, rows: Iterable[Sequence[object]], columns: Sequence[str] = ("ref", "body", "region")
) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    texts = [text for topic in ("parcel", "battery", "bill") for text in messages(topic, 40)]
    rows = [(f"A{i}", text, "north" if i % 2 else "south") for i, text in enumerate(texts)]
    folder = tmp_path_factory.mktemp("base")
    source = write(folder / "base.csv", [*rows, ("A-again", texts[0], "east")])
    return discover(source, goal=GOAL, text="body", id="ref", n_factors=3, out=folder / "run")


@pytest.fixture
def run(base: Run, tmp_path: Path) -> Run:
    shutil.copytree(base.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.fixture
def news(tmp_path: Path) -> Path:
    """Messages on a new topic and on known ones, one of them known, and one under a new id."""
    corpus = [*messages("garden", 30), *(text for text in messages("bill", 60)[40:50])]
    rows: list[tuple[object, ...]] = [(f"B{i}", text, "west", i) for i, text in enumerate(corpus)]
    known = messages("parcel", 40)
    rows += [("A0", known[0], "south", 0), ("B-repeat", known[1], "west", 0)]
    return write(tmp_path / "news.csv", rows, ("ref", "body", "region", "stars"))


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


# ---------------------------------------------------------------- score


def test_scores_have_a_row_for_every_row_and_leave_the_run_as_it_is(run: Run, tmp_path: Path) -> None:
    texts = messages("battery", 60)[38:44]
    rows = [("x1", texts[0], ""), ("x2", "", ""), *((f"y{i}", text, "") for i, text in enumerate(texts))]
    before = folder_bytes(run.path)
    done = cli("score", run.path, write(tmp_path / "new.csv", rows), "-o", tmp_path / "scores.csv")
    assert done.returncode == 0, done.stderr
    assert "7 rows read, 6 different texts scored" in done.stdout
    assert "Rows without a text, left out: 1" in done.stdout
    assert folder_bytes(run.path) == before
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == ["x1", *(f"y{i}" for i in range(6))]
    assert {**table[0], "id": ""} == {**table[1], "id": ""}  # the same text twice
    expected = run.factors.encode(texts)
    for k, name in enumerate(run.factors.names):
        np.testing.assert_allclose(
            [float(row[f"score: {name}"]) for row in table[1:]], expected[:, k], atol=1e-4
        )
    described = [row for row in table if row["number"]]
    assert described
    assert all(run.factors.names[int(row["number"]) - 1] == row["dominant"] for row in described)


def test_scores_follow_the_edits(run: Run, tmp_path: Path) -> None:
    edited = Editor(run, lambda: pytest.fail("no encoder is needed"))
    k = int(run.factors.assign(messages("bill", 1))[0])
    edited.do({"do": "rename", "factor": k, "name": "Money"})
    scored = score(Run.open(run.path), messages("bill", 8))
    assert "Money" in scored.names
    assert scored.as_columns()["dominant"] == ["Money"] * 8
    edited.do({"do": "hide", "factor": k, "hidden": True})
    scored = score(Run.open(run.path), messages("bill", 8))
    assert "Money" not in scored.as_columns()["dominant"]
    assert k not in [change.factor for change in scored.changes]


def test_known_texts_are_scored_as_in_the_run(run: Run) -> None:
    scored = score(run, list(run.corpus.texts))
    assert (scored.dominant == run.factors.dominant).mean() > 0.95
    np.testing.assert_allclose(scored.scores, run.factors.scores, atol=1e-3)
    assert not any(change.is_significant for change in scored.changes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("ref,body\n", "no rows"),
        ("ref,body\na,\n", "is empty"),
        ("ref,body\na,one text here\na,another text here\n", "repeats 'a'"),
        ("number\n1\n2\n", "holds numbers"),
    ],
)
@pytest.mark.parametrize("verb", [score, update])
def test_bad_files_are_refused(base: Run, tmp_path: Path, verb: Any, content: str, words: str) -> None:
    (tmp_path / "new.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        verb(base, tmp_path / "new.csv")
    assert not base.path.with_name("run-2").exists()


def test_scores_do_not_overwrite_the_run(run: Run, tmp_path: Path) -> None:
    new = write(tmp_path / "new.csv", [("a", messages("bill", 1)[0], "")])
    for out in (run.path / "scores.csv", new):
        assert cli("score", run.path, new, "-o", out).returncode == 2
    assert "must end in .csv or .parquet" in cli("score", run.path, new, "-o", tmp_path / "s.txt").stderr


# ---------------------------------------------------------------- update


def test_an_update_adds_a_factor_and_keeps_the_others(run: Run, news: Path, tmp_path: Path) -> None:
    done = cli("update", run.path, news)
    assert done.returncode == 0, done.stderr
    assert "40 new texts beside 120" in done.stdout
    assert "1 row with a known text" in done.stdout
    assert "1 row with a known id and text" in done.stdout
    new = Run.open(tmp_path / "run-2")
    assert new.stale() == []
    assert new.factors.names[: run.factors.dim] == run.factors.names
    assert new.factors.dim == run.factors.dim + 1
    assert new.corpus.texts[:120] == run.corpus.texts
    assert new.corpus.ids[:120] == run.corpus.ids
    np.testing.assert_array_equal(new.factors.map[:120], run.factors.map)
    np.testing.assert_array_equal(new.links.text_vectors[:120], run.links.text_vectors)
    assert new.proposals.properties[: len(run.proposals)] == run.proposals.properties
    assert (new.factors.dominant[:120] == run.factors.dominant).mean() > 0.95
    garden = [row for row, text in enumerate(new.corpus.texts) if text in messages("garden", 30)]
    # all those that are relevant to the goal
    assert set(new.factors.dominant[garden]) <= {run.factors.dim, -1}
    assert new.record["updates"][0]["factors"][0]["n_texts"] >= 10
    assert new.factors.evidence[-1]
    assert {item.text_id for item in new.factors.evidence[-1]} <= {new.corpus.ids[row] for row in garden}
    np.testing.assert_allclose(new.factors.scores.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(new.factors.scores.std(axis=0), 1, atol=1e-3)
    assert "40 texts added by the last update" in (new.path / "report.md").read_text(encoding="utf-8")
    # columns: a new one, and a duplicate with its own values
    assert new.corpus.metadata["stars"][:120] == [None] * 120
    assert new.corpus.metadata["region"][120] == "west"
    assert new.corpus.counts[1] == 2
    assert "B-repeat" in new.corpus.folded
    (batch,) = (column for column in columns_of(new) if column.unit == "batch")
    assert batch.labels == ("first", "update 1")
    np.testing.assert_array_equal(batch.values, np.arange(len(new.corpus)) >= 120)


def test_the_same_update_again_does_nothing_and_another_is_refused(
    run: Run, news: Path, tmp_path: Path
) -> None:
    first = update(run, news, out=tmp_path / "new")
    before = folder_bytes(tmp_path / "new")
    again = update(Run.open(run.path), news, out=tmp_path / "new")
    assert again.changes == first.changes
    assert folder_bytes(tmp_path / "new") == before
    other = write(tmp_path / "other.csv", [("C1", messages("bill", 60)[55], "")])
    with pytest.raises(InputError, match="holds another run"):
        update(Run.open(run.path), other, out=tmp_path / "new")
    with pytest.raises(InputError, match="choose another folder"):
        update(Run.open(run.path), other, out=run.path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not a run folder"):
        update(Run.open(run.path), other, out=tmp_path / "taken")


def test_known_texts_change_nothing(run: Run, tmp_path: Path) -> None:
    rows = [(id, text, "") for id, text in zip(run.corpus.ids, run.corpus.texts, strict=True)][:20]
    done = cli("update", run.path, write(tmp_path / "old.csv", rows))
    assert done.returncode == 0
    assert "nothing was changed" in done.stdout
    assert not (tmp_path / "run-2").exists()


def test_an_id_of_another_text_is_refused(run: Run, tmp_path: Path) -> None:
    new = write(tmp_path / "new.csv", [("A3", messages("garden", 1)[0], "")])
    done = cli("update", run.path, new)
    assert done.returncode == 2
    assert "the id 'A3' is that of another text" in done.stderr
    assert not (tmp_path / "run-2").exists()


def test_edits_survive_two_updates(run: Run, news: Path, tmp_path: Path) -> None:
    editor = Editor(run, lambda: run.edit_context().encoder())
    editor.do({"do": "rename", "factor": 1, "name": "My name"})
    shown = editor.do({"do": "merge", "factors": [0, 2], "name": "Merged"}).factors.dominant
    editor.do({"do": "hide", "factor": 0, "hidden": True})
    edited = Run.open(run.path)
    first = update(edited, news, out=tmp_path / "first").run
    assert first.factors.names[:2] == edited.factors.names == ("Merged", "My name")
    assert first.factors.hidden == (0,)
    assert first.factors.dim == 3
    assert first.edits.done == edited.edits.done
    assert not first.edits.lost
    # texts of a hidden factor are given to the next one, perhaps a new one
    assert (first.factors.dominant[: len(run.corpus)][shown == 1] == 1).mean() > 0.95
    later = [("D" + str(i), text, "") for i, text in enumerate(messages("garden", 60)[30:36])]
    second = update(first, write(tmp_path / "later.csv", later), out=tmp_path / "second").run
    assert second.factors.names == first.factors.names
    assert second.factors.hidden == (0,)
    assert set(second.factors.dominant[-6:]) <= {2, -1}  # the factor that the first update found
    assert len(second.record["updates"]) == 2
    assert columns_of(second)[-1].labels == ("first", "update 1", "update 2")
    # the edits can be undone on the updated run
    undone = Editor(second, lambda: second.edit_context().encoder()).undo()
    assert undone.factors.hidden == ()
    assert undone.factors.names[:2] == ("Merged", "My name")


def test_other_columns_and_languages(run: Run, tmp_path: Path) -> None:
    texts = [
        f"Der Brief ist am {i}. Tag nicht mit der Post zu mir gekommen und das ist für mich neu."
        for i in range(12)
    ]
    rows = [(text, "de") for text in texts]
    new = write(tmp_path / "de.csv", rows, ("nachricht", "sprache"))
    done = cli("update", run.path, new, "--text", "nachricht")
    assert done.returncode == 0, done.stderr
    updated = Run.open(tmp_path / "run-2")
    assert updated.corpus.texts[-1] == texts[-1]
    assert updated.corpus.metadata["sprache"][-1] == "de"
    assert updated.corpus.ids[-12:] == tuple(str(121 + i) for i in range(12))  # rows are numbered on
    russian = [
        (f"R{i}", f"Посылка номер {i} так и не пришла к нам домой на этой неделе", "") for i in range(12)
    ]
    done = cli("score", run.path, write(tmp_path / "ru.csv", russian))
    assert "do not look English, German, French or Spanish" in done.stdout


def test_an_unfinished_or_busy_run_is_refused(run: Run, news: Path) -> None:
    with locked(run.path), pytest.raises(GoalspaceError, match="Another process"):
        update(run, news)
    record = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    del record["stages"]["factor"]
    (run.path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    for verb in (score, update):
        with pytest.raises(InputError, match="the stage 'factor' is missing"):
            verb(Run.open(run.path), news)


def test_a_killed_update_leaves_the_run_and_resumes(run: Run, news: Path, tmp_path: Path) -> None:
    before = folder_bytes(run.path)
    with LLMServer(_properties) as server:
        command = ("update", run.path, news, "--llm", server.spec, "--concurrency", 1)
        process = subprocess.Popen(
            [sys.executable, "-m", "goalspace.cli", *map(str, command)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len(server.bodies()) < 4:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert folder_bytes(run.path) == before
        n_calls = len(server.bodies())
        done = cli(*command)
        assert done.returncode == 0, done.stderr
        prompts = server.prompts()
    resumed = Run.open(tmp_path / "run-2")
    texts = [text for text in resumed.corpus.texts if any(text in prompt for prompt in prompts)]
    # an LLM reads only what no factor explains, and at most the calls in flight twice
    assert set(texts) <= set(resumed.corpus.texts[120:])
    assert len(texts) < 40
    assert len(prompts) <= len(texts) + 1
    assert n_calls >= 4
    assert "plants in a garden" in resumed.proposals.properties
    assert folder_bytes(run.path) == before


def _properties(_: dict[str, object]) -> str:
    time.sleep(0.2)
    return json.dumps({"analysis": "noted", "properties": [{"property": "plants in a garden", "quote": ""}]})


def test_an_encoder_behind_an_endpoint_is_named_again(tmp_path: Path) -> None:
    def embed(text: str) -> list[float]:
        named = [sum(word in text for word in (topic, *words)) for topic, words in TOPICS.items()]
        return [1.0, len(text) / 100, *(3.0 * n for n in named)]

    def answer(body: dict[str, Any]) -> str:
        prompt = prompt_of(body)
        topics = [topic for topic, words in TOPICS.items() if any(word in prompt for word in words)]
        found = [f"{start}{topic}" for topic in topics for start in ("", "something with a ")]
        return json.dumps(
            {"analysis": "noted", "properties": [{"property": name, "quote": ""} for name in found]}
        )

    old, new = [*messages("parcel", 20), *messages("bill", 20)], messages("garden", 12)
    with LLMServer(answer, embed=embed) as server:
        made = discover(
            old, goal=GOAL, llm=server.spec, encoder=server.spec, n_factors=2, out=tmp_path / "run"
        )
        sent = len(server.requests)
        for verb in (score, update):
            with pytest.raises(UnnamedEndpoint, match="repeat --encoder"):
                verb(Run.open(made.path), new)
        assert len(server.requests) == sent
        named = Run.open(made.path, encoder=server.spec)
        score(named, new)
        updated = update(named, new, llm=server.spec).run
        texts = [text for body in server.bodies(EMBEDDINGS)[sent:] for text in body["input"]]
        assert not set(old) & set(texts)  # their vectors are there
        assert len(updated.corpus) == 52


# ---------------------------------------------------------------- the parts


def test_shares_have_wilsons_interval_and_fishers_test() -> None:
    share = measure_share(10, 40)
    assert (share.low, share.high) == pytest.approx(
        (0.1419, 0.4019), abs=1e-4
    )  # Newcombe 1998, table I: 0.25 of 40
    before, after = np.array([0] * 80 + [1] * 20), np.array([0] * 20 + [1] * 30)
    first, second, none = compare_shares(before, after, (0, 1))
    assert first.is_significant
    assert first.high < 0 < second.low
    assert none.before.count == none.after.count == 0
    assert not none.is_significant


def test_proposals_can_be_taken_out_of_vectors() -> None:
    rng = np.random.default_rng(0)
    vectors, properties = (normalize(rng.standard_normal((n, 8))).astype(np.float32) for n in (30, 12))
    pairs = PairTable.build(np.repeat(np.arange(20), 2), rng.integers(0, 12, 40), 30)
    moved = add_proposals(vectors.copy(), properties, pairs)
    assert np.abs(moved - vectors).max() > 0.1
    np.testing.assert_allclose(remove_proposals(moved, properties, pairs), vectors, atol=1e-4)


def test_groups_are_of_further_texts_only() -> None:
    rng = np.random.default_rng(0)
    axes = np.eye(4, 30)

    def around(k: int, n: int) -> np.ndarray:
        return normalize(axes[k] + rng.normal(0, 0.12, (n, 30)))

    known = np.concatenate([around(k, 60) for k in range(3)])
    new = np.concatenate([around(k, 8) for k in range(3)])
    unexplained = np.ones(len(new), dtype=bool)
    assert len(find_groups(known, new, axes[:3], unexplained=unexplained)) == 0  # near the factors
    new = np.concatenate([new, around(3, 15)])
    groups = find_groups(known, new, axes[:3], unexplained=np.arange(len(new)) >= 24)
    assert len(groups) == 1
    assert groups[0] @ axes[3] > 0.95
    few = find_groups(known, new[:33], axes[:3], unexplained=np.arange(33) >= 24)
    assert len(few) == 0  # nine texts are too few


def test_joined_columns_of_different_types_are_texts() -> None:
    known = Corpus.read([{"text": "one text", "stars": 1}, {"text": "another text", "stars": 2}])
    further = Corpus.read([{"text": "a third text", "stars": "many"}])
    joined = join(known, further, source="new", first_row=2).corpus
    assert joined.ids == ("0", "1", "2")
    assert list(joined.metadata["stars"]) == ["1", "2", "many"]
