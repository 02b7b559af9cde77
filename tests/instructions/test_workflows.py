"""What the instruction verbs do, from Python: the same files, byte for byte, and objects to go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import goalspace
from goalspace.cli import main
from goalspace.curation.compression import TinyBenchmark
from goalspace.curation.correlation import Correlation
from goalspace.curation.selection import Selection
from goalspace.curation.tasklabels import TaskLabels
from goalspace.errors import InputError
from goalspace.instructions.retrieve import Retrieval

EXAMPLE = Path(__file__).parents[2] / "examples" / "instructions.jsonl"
QUERIES = ["Write a poem about the sea.", "Add 3 and 4."]
TIMED = "label.json"  # says when it was written and how long that took


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Parts of the example: the pool, one that overlaps with it, and the answers of 16 models to the pool."""
    folder = tmp_path_factory.mktemp("files")
    lines = EXAMPLE.read_text("utf-8").splitlines(keepends=True)
    (folder / "pool.jsonl").write_text("".join(lines[:60]), "utf-8")
    (folder / "other.jsonl").write_text("".join(lines[40:100]), "utf-8")
    answers = [
        {"model": f"m{i}", "bits": "".join(str(int((7 * i + 3 * j) % 16 <= i)) for j in range(60))}
        for i in range(16)
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers), "utf-8")
    return folder


def label(files, **options):
    return goalspace.label_file(files / "pool.jsonl", **options)


def select(files, **options):
    return goalspace.select_file(files / "pool.jsonl", 8, by_task=True, dedupe=0.95, seed=1, **options)


def retrieve(files, **options):
    return goalspace.retrieve_file(files / "pool.jsonl", QUERIES, k=2, diversity=0.2, **options)


def compress(files, **options):
    return goalspace.compress_file(files / "pool.jsonl", 6, responses=files / "answers.jsonl", **options)


def correlate(files, **options):
    both = [files / "pool.jsonl", files / "other.jsonl"]
    return goalspace.correlate_files(both, contamination=True, threshold=0.9, **options)


WORKFLOWS = {
    label: "label pool.jsonl",
    select: "select pool.jsonl --budget 8 --by-task --dedupe 0.95 --seed 1",
    retrieve: "retrieve pool.jsonl -k 2 --diversity 0.2",
    compress: "compress pool.jsonl --items 6 --responses answers.jsonl",
    correlate: "correlate pool.jsonl other.jsonl --contamination --threshold 0.9",
}
RESULTS = {
    label: TaskLabels,
    select: Selection,
    retrieve: Retrieval,
    compress: TinyBenchmark,
    correlate: Correlation,
}


@pytest.fixture(scope="module", params=WORKFLOWS, ids=lambda workflow: workflow.__name__)
def done(request, files):
    """A workflow, what it returned, and the steps that it reported; the current folder is that of the files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(files)
        steps: list[str] = []
        yield request.param, request.param(files, progress=lambda step, *_: steps.append(step)), steps


def written(folder: Path) -> dict[str, bytes]:
    """What every file in a folder holds; of label.json, the entries without times."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if TIMED in found:
        about = json.loads(found[TIMED])
        found[TIMED] = json.dumps([about["format"], about["source"], about["n_tasks"]]).encode()
    return found


def test_writes_the_same_bytes_as_the_command(done, files, tmp_path):
    workflow, output, steps = done
    assert steps[0] == "reading"
    assert isinstance(output, goalspace.Output)
    assert isinstance(output.result, RESULTS[workflow])
    assert output.folder == Path("runs") / f"{workflow.__name__}-pool"

    words = [str(files / word) if word.endswith(".jsonl") else word for word in WORKFLOWS[workflow].split()]
    if workflow is retrieve:
        words += [part for query in QUERIES for part in ("--query", query)]
    command = CliRunner(env={"COLUMNS": "200"}).invoke(main, [*words, "-o", str(tmp_path)])
    assert command.exit_code == 0, command.output
    assert written(output.folder) == written(tmp_path)
    assert output.page.title in command.stdout
    for path in (*output.files, output.report):
        assert path.exists()
        assert str(tmp_path / path.relative_to(output.folder)) in command.stdout


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_result_is_that_of_the_files(done, files):
    workflow, output, _ = done
    result, folder, rows = output.result, output.folder, rows_of(files / "pool.jsonl")
    if workflow is label:
        assert [row["task"] for row in rows_of(folder / "labelled.jsonl")] == list(result.labels)
    elif workflow is select:
        assert rows_of(folder / "selected.jsonl") == [rows[at] for at in result.rows]
    elif workflow is retrieve:
        lines = rows_of(folder / "demonstrations.jsonl")
        assert [line["query"] for line in lines] == list(result.queries) == QUERIES
        assert [[hit["row"] for hit in line["demonstrations"]] for line in lines] == [
            [result.index.row(hit.index) for hit in hits] for hits in result.hits
        ]
    elif workflow is compress:
        assert TinyBenchmark.open(folder / "tiny.safetensors").items.tolist() == result.items.tolist()
        assert rows_of(folder / "tiny.jsonl") == [rows[at] for at in result.items]
    else:
        head = (folder / "cosine.csv").read_text("utf-8").splitlines()[0]
        assert head.split(",") == ["cosine", *result.names] == ["cosine", "pool", "other"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda files: goalspace.label_file(files / "none.jsonl"), "none.jsonl"),
        (lambda files: goalspace.label_file(files / "pool.jsonl", input=True), "no field 'input'"),
        (lambda files: goalspace.select_file(files / "pool.jsonl", 61), "budget of 61 rows"),
        (lambda files: goalspace.select_file(files / "pool.jsonl", 2, method="best"), "'method' parameter"),
        (lambda files: goalspace.retrieve_file(files / "pool.jsonl", []), "'queries' parameter"),
        (lambda files: goalspace.retrieve_file(files / "pool.jsonl", ["x", " "]), "must not be empty"),
        (lambda files: goalspace.retrieve_file(files / "pool.jsonl", ["x"], k=0), "k, must be from 1"),
        (lambda files: goalspace.compress_file(files / "pool.jsonl", 0), "Got 0"),
        (lambda files: goalspace.correlate_files([files / "pool.jsonl"]), "at least two files"),
        (lambda files: goalspace.correlate_files("pool.jsonl"), "at least two files"),
    ],
)
def test_mistakes_are_errors_of_one_line(call, message, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as raised:
        call(files)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
