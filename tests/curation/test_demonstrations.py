"""Demonstrations: what is found, kept on disk, and handed to a prompt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from goalspace.cli import main
from goalspace.curation.demonstrations import Demonstrations, Selector
from goalspace.errors import InputError

POOL = (
    "Write a poem about the sea.",
    "Compose a short poem on autumn leaves.",
    "Translate this sentence into French: I am tired.",
    "Translate the following text to Spanish: Good morning.",
    "What is the capital of Peru?",
    "Which city is the capital of Norway?",
    "Write a Python function that reverses a list.",
    "Implement a function in Python to sort a list of numbers.",
    "Give me a recipe for pancakes.",
    "How do I cook a lentil soup?",
)
ROWS = tuple({"instruction": text, "input": "", "number": i} for i, text in enumerate(POOL))
QUERIES = (
    "Write a poem about snow.",
    "What is the capital of Kenya?",
    "Write a Python function that adds numbers.",
)


class Angles:
    """Puts a text that is a number of degrees on the unit circle."""

    name, dim = "angles", 2

    def encode(self, texts):
        angles = np.radians([float(text.split()[0]) for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


@pytest.fixture(scope="module")
def built():
    return Demonstrations.build(POOL, encoder="minilm", rows=ROWS)


@pytest.fixture(params=[False, True], ids=["exact", "approximate"])
def angles(request):
    """Texts at 0, 10, …, 350 degrees, in a mixed order."""
    degrees = np.random.default_rng(0).permutation(np.arange(0, 360, 10))
    return Demonstrations.build([f"{d}" for d in degrees], encoder=Angles(), approximate=request.param)


def texts_of(index, hits):
    return [index.text(hit.index) for hit in hits]


def test_finds_the_same_task(built):
    found = built.retrieve(QUERIES, 2)
    assert [{hit.index for hit in hits} for hits in found] == [{0, 1}, {4, 5}, {6, 7}]
    assert all(hits[0].score > hits[1].score for hits in found)


def test_scores_are_cosines_best_first(angles):
    [hits] = angles.retrieve(["43"], 5)
    assert texts_of(angles, hits) == ["40", "50", "30", "60", "20"]
    np.testing.assert_allclose([hit.score for hit in hits], np.cos(np.radians([3, 7, 13, 17, 23])), atol=1e-6)


def test_whole_pool_can_be_asked_for(angles):
    [hits] = angles.retrieve(["5"], len(angles))
    assert sorted(hit.index for hit in hits) == list(range(36))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_equal_texts_come_in_the_order_of_the_pool():
    index = Demonstrations.build(["90", "10", "0", "10", "10"], encoder=Angles())
    assert [hit.index for hit in index.retrieve(["12"], 4)[0]] == [1, 3, 4, 2]


def test_diversity_weighs_likeness_to_those_taken():
    """Query at 0: 5 is nearest; then -6 (cos 0.995, likeness cos 11°) is marked down less than 6 (likeness cos 1°)."""
    index = Demonstrations.build(["5", "6", "-6", "80"], encoder=Angles())
    assert texts_of(index, index.retrieve(["0"], 3)[0]) == ["5", "6", "-6"]
    assert texts_of(index, index.retrieve(["0"], 3, diversity=0.4)[0]) == ["5", "-6", "6"]
    assert texts_of(index, index.retrieve(["0"], 2, diversity=1.0)[0]) == ["5", "80"]


def test_a_query_is_not_a_demonstration_of_itself():
    copies = ["20"] * 60 + ["30", "40"]
    index = Demonstrations.build(copies, encoder=Angles())
    assert texts_of(index, index.retrieve(["20"], 1)[0]) == ["20"]
    [hits] = index.retrieve(["20"], 2, skip_same=True)
    assert texts_of(index, hits) == ["30", "40"]
    [hits] = index.retrieve(["20"], 5, skip_same=True)
    assert texts_of(index, hits) == ["30", "40"]  # there are no others


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("diversity", [0.0, 0.3])
def test_loaded_is_built(tmp_path, approximate, diversity):
    built = Demonstrations.build(POOL, encoder="minilm", rows=ROWS, approximate=approximate)
    built.save(tmp_path / "index")
    opened = Demonstrations.open(tmp_path / "index")
    assert opened.retrieve(QUERIES, 4, diversity=diversity) == built.retrieve(QUERIES, 4, diversity=diversity)
    assert [opened.row(i) for i in range(len(opened))] == list(ROWS)
    assert [opened.text(i) for i in range(len(opened))] == list(POOL)


def test_one_query_gets_what_it_gets_among_many(built):
    for text, hits in zip(POOL, built.retrieve(POOL, 3), strict=True):
        [alone] = built.retrieve([text], 3)
        assert [hit.index for hit in alone] == [hit.index for hit in hits]
        # a vector depends on its batch in the last bits
        np.testing.assert_allclose([hit.score for hit in alone], [hit.score for hit in hits], atol=1e-5)


class Directions:
    """Puts a text that is a number in a random direction; on a circle, half precision could not tell near ones apart."""

    name, dim = "directions", 32

    def encode(self, texts):
        return np.stack([np.random.default_rng(int(text)).standard_normal(32) for text in texts]).astype(
            np.float32
        )


def test_an_approximate_search_finds_nearly_all():
    texts, queries = ([str(n) for n in range(*ends)] for ends in ((3000,), (3000, 3050)))
    exact, graph = (
        Demonstrations.build(texts, encoder=Directions(), approximate=approximate)
        for approximate in (False, True)
    )
    pairs = zip(exact.retrieve(queries, 4), graph.retrieve(queries, 4), strict=True)
    shared = [len({hit.index for hit in a} & {hit.index for hit in b}) for a, b in pairs]
    assert sum(shared) / 200 > 0.95


def test_an_index_is_opened_by_memory_map(tmp_path, built):
    built.save(tmp_path)
    opened = Demonstrations.open(tmp_path)
    mapped = Path("/proc/self/maps").read_text("utf-8")
    for name in ("vectors.npy", "rows.npy"):
        assert str(tmp_path / name) in mapped
    assert opened.row(0) == ROWS[0]


def test_a_folder_is_used_again_only_for_the_same_pool(tmp_path):
    class Counting(Angles):
        encoded = 0

        def encode(self, texts):
            Counting.encoded += len(texts)
            return super().encode(texts)

    texts = [f"{d}" for d in range(50)]
    Demonstrations.build(texts, encoder=Counting(), folder=tmp_path)
    assert Counting.encoded == 50
    again = Demonstrations.build(texts, encoder=Counting(), folder=tmp_path)
    assert Counting.encoded == 50
    assert texts_of(again, again.retrieve(["7"], 1)[0]) == ["7"]
    changed = Demonstrations.build([*texts[:-1], "99"], encoder=Counting(), folder=tmp_path)
    assert texts_of(changed, changed.retrieve(["99"], 1)[0]) == ["99"]
    rows = Demonstrations.build(texts, encoder=Counting(), rows=[{"a": 1}] * 50, folder=tmp_path)
    assert rows.row(3) == {"a": 1}


def test_another_encoder_is_noticed(tmp_path):
    class Turned(Angles):
        def encode(self, texts):
            return super().encode(texts)[:, ::-1]

    Demonstrations.build(["0", "10"], encoder=Angles()).save(tmp_path)
    with pytest.raises(InputError, match="other vectors than those of the index"):
        Demonstrations.open(tmp_path, encoder=Turned()).retrieve(["0"], 1)
    with pytest.raises(InputError, match="other vectors than those of the index"):
        Demonstrations.open(tmp_path, encoder="minilm").retrieve(["0"], 1)


@pytest.mark.parametrize("name", ["index.json", "vectors.npy", "rows.jsonl", "rows.npy", "graph.usearch"])
def test_a_part_that_is_missing_or_cut_is_noticed(tmp_path, name):
    Demonstrations.build(["0", "10", "20"], encoder=Angles(), approximate=True).save(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "cut")
    content = (tmp_path / name).read_bytes()
    (tmp_path / "cut" / name).write_bytes(content[: len(content) // 2])
    (tmp_path / name).unlink()
    for folder in (tmp_path, tmp_path / "cut"):
        with pytest.raises(InputError, match="build"):
            Demonstrations.open(folder, encoder=Angles())


@pytest.mark.parametrize(
    "about", ["[]", "{}", '{"format": 1}', '{"format": 1, "files": [1]}', '{"format": 2}', "x"]
)
def test_a_strange_description_is_noticed(tmp_path, about):
    (tmp_path / "index.json").write_text(about, "utf-8")
    with pytest.raises(InputError, match="another kind or version"):
        Demonstrations.open(tmp_path)


def test_rows_come_back_whatever_they_hold(tmp_path):
    hostile = '</script>\n"quoted" \\ \u2028 \ud800 \x00 😀'
    rows = [{"t": hostile, "n": None, "l": [1, {"a": 2.5}], "b": True}, {}]
    Demonstrations.build(["0", f"10 {hostile}"], encoder=Angles(), rows=rows).save(tmp_path)
    opened = Demonstrations.open(tmp_path, encoder=Angles())
    assert [opened.row(0), opened.row(1)] == rows
    assert opened.text(1) == f"10 {hostile}"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda d: d.retrieve(["0"], 0), "k, must be from 1 to 3, the size of the pool. Got 0"),
        (lambda d: d.retrieve(["0"], 4), "k, must be from 1 to 3, the size of the pool. Got 4"),
        (lambda d: d.retrieve(["0"], 1, diversity=1.5), "diversity must be from 0 to 1. Got 1.5"),
        (lambda d: d.retrieve("0", 1), "must be a list of texts"),
        (lambda d: Demonstrations.build([], encoder=Angles()), "must not be empty"),
        (lambda d: Demonstrations.build(["0"], encoder=Angles(), rows=[]), "must have 1 rows. Got 0"),
        (lambda d: Selector(d).select_examples({"a": "0", "b": "1"}), "one text, or the selector a key"),
        (lambda d: Selector(d, key="c").select_examples({"a": "0"}), "a text 'c'. Got a instead"),
    ],
)
def test_what_cannot_be_done_is_reported(call, said):
    index = Demonstrations.build(["0", "10", "20"], encoder=Angles())
    with pytest.raises(InputError, match=said):
        call(index)


def test_a_selector_returns_rows(built):
    selector = Selector(built, k=2, key="instruction")
    assert {row["number"] for row in selector("Write a poem about snow.")} == {0, 1}
    assert [row["number"] for row in selector("What is the capital of Peru?", 1)] == [
        5
    ]  # not the query itself
    assert (
        selector.select_examples({"instruction": "Tell me how to cook soup.", "style": "short"})[0] == ROWS[9]
    )


def test_an_added_example_is_found_and_saved(tmp_path):
    for approximate in (False, True):
        index = Demonstrations.build(["0", "90"], encoder=Angles(), approximate=approximate)
        selector = Selector(index, k=1, key="q")
        assert selector.add_example({"q": "44", "a": "yes"}) == 2
        assert selector.select_examples({"q": "45"}) == [{"q": "44", "a": "yes"}]
        assert texts_of(index, index.retrieve(["45"], 2, diversity=0.5)[0])[0] == "44"
        index.save(tmp_path)
        opened = Demonstrations.open(tmp_path, encoder=Angles())
        assert Selector(opened, k=3, key="q")("45") == [
            {"q": "44", "a": "yes"},
            {"text": "0"},
            {"text": "90"},
        ]


# ---------------------------------------------------------------- the verb


@pytest.fixture
def files(tmp_path):
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    (tmp_path / "queries.txt").write_text("\n".join(QUERIES) + "\n", "utf-8")
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["retrieve", *map(str, arguments)])


def test_verb_writes_demonstrations_index_and_page(files):
    done = run(
        files / "pool.jsonl", files / "queries.txt", "--encoder", "minilm", "-k", 2, "-o", files / "out"
    )
    assert done.exit_code == 0, done.output
    lines = [
        json.loads(line) for line in (files / "out" / "demonstrations.jsonl").read_text("utf-8").splitlines()
    ]
    assert [line["query"] for line in lines] == list(QUERIES)
    assert [{d["index"] for d in line["demonstrations"]} for line in lines] == [{0, 1}, {4, 5}, {6, 7}]
    for demonstration in lines[0]["demonstrations"]:
        assert demonstration["row"] == ROWS[demonstration["index"]]
        assert 0.4 < demonstration["score"] < 1
    assert "Write a poem about the sea." in done.output
    for name in ("report.html", "report.md"):
        assert "Compose a short poem on autumn leaves." in (files / "out" / name).read_text("utf-8")
    opened = Demonstrations.open(files / "out" / "index")
    assert opened.retrieve(QUERIES[:1], 1)[0][0].index in (0, 1)


def test_verb_takes_queries_as_text(files):
    done = run(
        files / "pool.jsonl", "--query", QUERIES[1], "--encoder", "minilm", "--k", 1, "-o", files / "out"
    )
    assert done.exit_code == 0, done.output
    [line] = (files / "out" / "demonstrations.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["demonstrations"][0]["index"] in (4, 5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pool.jsonl", "queries.txt", "--k", "0"], "k, must be from 1 to 10, the size of the pool. Got 0"),
        (["pool.jsonl", "queries.txt", "--k", "11"], "k, must be from 1 to 10, the size of the pool. Got 11"),
        (["pool.jsonl", "queries.txt", "--diversity", "2"], "diversity must be from 0 to 1"),
        (["empty.jsonl", "queries.txt"], "empty.jsonl"),
        (["pool.jsonl", "empty.jsonl"], "empty.jsonl"),
        (["pool.jsonl", "none.jsonl"], "none.jsonl"),
        (["pool.jsonl", "queries.txt", "--field", "nothing"], "no field 'nothing'"),
        (["pool.jsonl", "queries.txt", "--encoder", "nothing"], "'nothing' is neither an encoder"),
        (["pool.jsonl"], "Give a file of queries, or texts with --query"),
        (["pool.jsonl", "queries.txt", "--query", "x"], "one of the two"),
        (["pool.jsonl", "--query", " "], "must not be empty"),
    ],
)
def test_verb_reports_errors_in_one_line(files, arguments, said):
    done = run(
        *(files / part if part.endswith((".jsonl", ".txt")) else part for part in arguments),
        "-o",
        files / "o",
    )
    assert done.exit_code == 2
    line = [line for line in done.output.splitlines() if not line.endswith("…")]
    assert len(line) == 1
    assert said in line[0]
    assert not (files / "o").exists()
