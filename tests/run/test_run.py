"""Runs: the folder, resuming after kill -9, redoing a stage, what bad input says, exports."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from command_line import goalspace
from conftest import ROOT
from goalspace.encoders.cache import embed
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.evaluation import evaluate
from goalspace.evaluation.run_encoder import find_encoder
from goalspace.factors import FactorSpace
from goalspace.reports.exports import export
from goalspace.run import discover, redo
from goalspace.run.folder import Run
from llm_server import CHAT, LLMServer

ARTEFACTS = (
    "corpus.parquet",
    "proposals.jsonl",
    "links/text_vectors.npy",
    "links/vectors.safetensors",
    "links/links.json",
    "factors.safetensors",
    "factors.json",
)
THINGS = ("kettle", "toaster", "radio", "mirror", "laptop", "camera")
WORDS = {
    "refund": "refund not paid",
    "router": "router drops out",
    "app": "app crashes",
    "bill": "billing error",
    "thermostat": "schedule ignored",
    "backup": "backup lost",
}


cli = partial(goalspace, COLUMNS="100")


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[:81]
    path = tmp_path_factory.mktemp("texts") / "tickets.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture(scope="module")
def finished(tickets: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return discover(tickets, goal="what makes customers unhappy", out=tmp_path_factory.mktemp("runs") / "run")


def answer(body: dict[str, object]) -> str:
    prompt = str(body["messages"][0]["content"])  # type: ignore[index]
    if '"name"' in prompt:
        return json.dumps({"name": "a named group", "description": "Texts that go together."})
    text = prompt.split("----------")[1].lower()
    found = [name for word, name in WORDS.items() if word in text] or ["something else"]
    return json.dumps({"analysis": "noted", "properties": [{"property": p, "quote": ""} for p in found]})


def test_killed_in_every_stage_a_run_ends_with_the_same_bytes(tickets: Path, tmp_path: Path) -> None:
    with LLMServer(answer) as server:
        arguments = ("discover", tickets, "--goal", "what went wrong", "--llm", server.spec)
        whole = cli(*arguments, "--out", tmp_path / "whole")
        assert whole.returncode == 0, whole.stderr
        n_calls = len(server.bodies(CHAT))
        for moment in (
            "asking the LLM",
            "choosing what the text tower reads",
            "fitting the factors",
            "drawing the map",
        ):
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "goalspace.cli",
                    *map(str, arguments),
                    "--out",
                    str(tmp_path / "killed"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith(moment):
                    process.send_signal(signal.SIGKILL)
                    break
            process.wait()
            process.stderr.close()
            assert process.returncode == -signal.SIGKILL, "".join(said)
        resumed = cli(*arguments, "--out", tmp_path / "killed")
        assert resumed.returncode == 0, resumed.stderr
        # at most the calls in flight when the first process was killed were made again
        assert len(server.bodies(CHAT)) <= 2 * n_calls + 8
    for name in ARTEFACTS:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not list((tmp_path / "killed").rglob(".*.tmp"))


def test_a_finished_run_is_not_redone(tickets: Path, finished: Run) -> None:
    before = {name: (finished.path / name).stat().st_mtime_ns for name in ARTEFACTS}
    again = discover(tickets, goal="what makes customers  unhappy", out=finished.path)
    assert {name: (again.path / name).stat().st_mtime_ns for name in ARTEFACTS} == before


def test_opening_a_run_needs_neither_torch_nor_an_llm(finished: Run) -> None:
    code = (
        "import sys; from goalspace import Run; run = Run.open(sys.argv[1]);"
        "assert run.factors.scores.shape == (len(run.corpus.ids), len(run.factors.names));"
        "assert run.links.text_vectors.shape[0] == len(run.corpus); assert run.factors.properties;"
        "loaded = [m for m in ('torch', 'transformers', 'openai', 'sklearn.cluster') if m in sys.modules];"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_loaded_scores_are_those_of_encode(finished: Run) -> None:
    run = Run.open(finished.path)
    np.testing.assert_allclose(run.factors.encode(run.corpus.texts), run.factors.scores, atol=2e-3)


def test_the_factors_of_a_run_are_an_encoder(tickets: Path, finished: Run, tmp_path: Path) -> None:
    """Its texts come out as they were scored, and the verb measures them: run:FOLDER."""
    found = find_encoder(f"run:{finished.path}", by_scores=True)
    assert get_encoder(found) is found
    np.testing.assert_allclose(
        embed(finished.corpus.texts, encoder=found), finished.factors.scores, atol=2e-3
    )
    assert found.name == Run.open(finished.path).factors.name

    with tickets.open(encoding="utf-8", newline="") as file:
        lines = [json.dumps(row) + "\n" for row in csv.DictReader(file)]
    data, out = tmp_path / "tickets.jsonl", tmp_path / "scores.json"
    data.write_text("".join(lines), encoding="utf-8")
    given = ["--task", "categorisation", "--data", data, "--text", "message", "--label", "product"]
    done = cli("evaluate", *given, "--encoder", f"run:{finished.path}", "-o", out)
    assert done.returncode == 0, done.stderr
    (score,) = json.loads(out.read_text("utf-8"))["scores"]
    assert score["encoder"] == f"run:{finished.path}"
    chance = 1 / len(set(finished.corpus.metadata["product"]))
    assert score["values"]["logistic"]["mean"] > 2 * chance


def test_texts_are_compared_in_the_space_that_the_factors_span(finished: Run) -> None:
    """Coordinates there give the inner products of the texts' vectors, as far as these lie in the space."""
    space = find_encoder(f"run:{finished.path}", by_scores=False)
    assert isinstance(space, FactorSpace)
    assert space.name != finished.factors.name
    texts = finished.corpus.texts[:30]
    placed = space.encode(texts)
    assert placed.shape == (30, space.dim)
    assert 1 < space.dim <= finished.factors.dim
    vectors = finished.links.text_vectors[:30] - finished.factors.centre
    onto = np.linalg.lstsq(finished.factors.prototypes.T, vectors.T, rcond=None)[0]
    shadows = (finished.factors.prototypes.T @ onto).T
    np.testing.assert_allclose(placed @ placed.T, shadows @ shadows.T, atol=2e-3)

    found = finished.factors
    doubled = replace(found, prototypes=np.vstack([found.prototypes] * 2), owners=np.tile(found.owners, 2))
    assert doubled.space.dim == space.dim
    fewer = replace(finished.factors, hidden=(0,)).space
    assert fewer.dim == space.dim - 1
    assert fewer.name != space.name


def test_the_verb_compares_texts_in_the_space_of_a_run(tickets: Path, finished: Run, tmp_path: Path) -> None:
    data, out = tmp_path / "tickets.jsonl", tmp_path / "scores.json"
    with tickets.open(encoding="utf-8", newline="") as file:
        data.write_text("".join(json.dumps(row) + "\n" for row in csv.DictReader(file)), encoding="utf-8")
    given = ["--task", "grouping", "--data", data, "--text", "message", "--label", "product"]
    done = cli("evaluate", *given, "--encoder", f"run:{finished.path}", "-o", out)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(out.read_text("utf-8"))["scores"]
    by_space, by_scores = evaluate(
        {"space": finished.factors.space, "scores": finished.factors},
        ["grouping"],
        data=data,
        text="message",
        label="product",
    )
    assert found["values"]["NMI"]["mean"] == pytest.approx(by_space.values["NMI"].mean, abs=1e-6)
    assert by_space.values["NMI"].mean != pytest.approx(by_scores.values["NMI"].mean, abs=1e-6)


def test_a_run_says_how_many_texts_its_encoder_cannot_read(finished: Run) -> None:
    assert finished.record["stages"]["link"]["result"]["share_foreign"] == 0.0


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("corpus.parquet", "discover"),
        ("proposals.jsonl", "propose"),
        ("links/text_vectors.npy", "link"),
        ("links/vectors.safetensors", "link"),
        ("links/links.json", "link"),
        ("factors.safetensors", "factor"),
        ("factors.json", "factor"),
    ],
)
@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "foreign"])
def test_a_damaged_run_says_which_file_and_what_to_do(
    finished: Run, tmp_path: Path, name: str, stage: str, damage: str
) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished.path, path)
    content = (path / name).read_bytes()
    if damage == "gone":
        (path / name).unlink()
    else:
        (path / name).write_bytes(
            {"cut": content[: len(content) // 2], "empty": b"", "foreign": b'{"a": []}\n{"b": 1}\n'}[damage]
        )
    run = Run.open(path)
    with pytest.raises(InputError) as caught:
        _ = run.proposals, run.factors
    said = str(caught.value)
    assert str(path / name) in said
    assert "\n" not in said
    assert f"goalspace {stage}" in said or name == "corpus.parquet"
    if stage in ("link", "factor"):  # and it helps
        redo(Run.open(path), stage, {})
        assert Run.open(path).factors.names == finished.factors.names


def test_a_folder_of_labels_is_reported_as_such_and_not_as_a_run(tmp_path: Path) -> None:
    (tmp_path / "labels.parquet").touch()
    with pytest.raises(InputError, match="is a folder of goalspace label"):
        Run.open(tmp_path)


def test_another_goal_gives_other_factors(tickets: Path, finished: Run, tmp_path: Path) -> None:
    other = discover(tickets, goal="which device is it about", out=tmp_path / "other")
    assert other.proposals.properties != finished.proposals.properties
    assert set(other.factors.names) != set(finished.factors.names)


def test_redoing_a_stage_says_what_is_stale(tickets: Path, tmp_path: Path) -> None:
    run = discover(tickets, goal="what went wrong", out=tmp_path / "run", n_factors=4)
    assert run.stale() == []
    assert redo(run, "link", {"tune": "none"}) == ["factor"]
    with pytest.raises(InputError, match="'stage'"):
        redo(run, "corpus", {})
    assert redo(run, "factor", {"n_factors": 3}) == []
    assert len(Run.open(run.path).factors.names) <= 3
    assert redo(run, "propose", {"sample": 40}) == ["link", "factor"]
    with pytest.raises(InputError, match="first redo the stage 'link'"):
        redo(run, "factor", {})


def test_names_that_a_model_words_are_safe_to_print(finished: Run, tmp_path: Path) -> None:
    path = tmp_path / "named"
    shutil.copytree(finished.path, path)
    said = {"name": "\x1b[31mLate\ud800\u202e fees\x00", "description": "Fees\n\x1b]0;that come \ud800late."}
    with LLMServer(lambda body: json.dumps(said)) as server:
        redo(Run.open(path), "factor", {"llm": server.spec, "n_factors": 1})
    factors = Run.open(path).factors
    assert factors.names == ("[31mLate fees",)
    assert factors.descriptions == ("Fees ]0;that come late.",)


def test_exports_hold_every_row_and_defuse_formulas(finished: Run, tmp_path: Path) -> None:
    paths = export(finished, tmp_path)
    assert sorted(path.name for path in paths) == sorted(
        f"{name}.{kind}"
        for name in ("scores", "properties", "factors", "evidence")
        for kind in ("csv", "parquet")
    )
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == int(np.sum(finished.corpus.counts))
    assert {"id", "dominant", "product", "month", "tier"} <= rows[0].keys()
    run = discover(
        [
            f"=broken {thing} arrived with a cracked {part}"
            for thing in THINGS
            for part in ("lid", "screen", "box")
        ],
        goal="why",
        out=tmp_path / "formulas",
    )
    export(run, tmp_path / "formulas-out")
    with (tmp_path / "formulas-out" / "evidence.csv").open(encoding="utf-8", newline="") as file:
        assert all(not row["sentence"].startswith("=") for row in csv.DictReader(file))


def test_the_cli_prints_factors_and_writes_the_report(tickets: Path, tmp_path: Path) -> None:
    done = cli("discover", tickets, "--goal", "what went wrong", "--factors", "4", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "An LLM reads more closely" in done.stdout
    assert (tmp_path / "run" / "report.html").is_file()
    report = cli("report", tmp_path / "run")
    assert report.returncode == 0
    assert "factor" in report.stdout
    exported = cli("export", tmp_path / "run", "-o", tmp_path / "out")
    assert exported.stdout.count("\n") == 8


def bad(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("empty.csv", b"", (), ("empty.csv", "empty")),
        ("one.txt", b"only one text\n", (), ("1 different text", "at least 10")),
        ("five.txt", b"a b\nc d\ne f\ng h\ni j\n", (), ("5 different texts",)),
        ("same.csv", b"text\n" + b"the same text again\n" * 100_000, (), ("1 different text",)),
        ("blank.csv", b"text,n\n" + b'"  ",1\n' * 20, (), ("blank.csv",)),
        (
            "two.csv",
            b"summary,comment\n" + b"a long enough text here,another long text there\n" * 20,
            (),
            ("--text",),
        ),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, (), ("picture.csv",)),
        ("latin.csv", "text\ncafé crème brûlée\n".encode("latin-1") * 20, (), ("latin.csv", "UTF-8")),
        ("broken.jsonl", b'{"text": "fine"}\n{"text": \n', (), ("broken.jsonl", "line 2")),
        ("fine.txt", b"some text\n" * 3, ("--text", "nothing"), ("nothing",)),
    ],
)
def test_bad_files_give_one_line_and_write_nothing(
    tmp_path: Path, name: str, content: bytes, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    path = bad(tmp_path, name, content)
    done = cli("discover", path, "--goal", "why", "--out", tmp_path / "run", *options)
    assert done.returncode == 2, done.stderr
    message = [line for line in done.stderr.splitlines() if not line.endswith("…")]
    assert len(message) == 1, done.stderr
    for word in words:
        assert word in message[0]
    assert not (tmp_path / "run").exists()


def test_bad_arguments_give_one_line(tickets: Path, finished: Run, tmp_path: Path) -> None:
    with LLMServer(answer, key="right", models=("model",)) as server:
        wrong_model = server.spec.partition("#")[0] + "#other"
        cases = [
            (("discover", tmp_path / "missing.csv", "--goal", "why"), "missing.csv", {}),
            (("discover", tickets, "--goal", "  "), "goal is empty", {}),
            (("discover", tickets, "--goal", "another", "--out", finished.path), "another goal", {}),
            (("discover", tickets, "--goal", "why", "--llm", "nonsense"), "Unknown LLM", {}),
            (("discover", tickets, "--goal", "why", "--llm", "http://127.0.0.1:9/v1#m"), "127.0.0.1:9", {}),
            (
                ("discover", tickets, "--goal", "why", "--llm", server.spec),
                "key",
                {"GOALSPACE_API_KEY": "wrong"},
            ),
            (
                ("discover", tickets, "--goal", "why", "--llm", wrong_model),
                "other",
                {"GOALSPACE_API_KEY": "right"},
            ),
            (("report", tmp_path), "no run.json", {}),
        ]
        for i, (arguments, word, environment) in enumerate(cases):
            out = () if arguments[0] == "report" or "--out" in arguments else ("--out", tmp_path / f"run{i}")
            done = cli(*arguments, *out, **environment)
            assert done.returncode == 2, (arguments, done.stderr)
            # before it, the screen says what would be sent
            message = [line for line in done.stderr.splitlines() if line.startswith("goalspace: ")]
            assert len(message) == 1, done.stderr
            assert done.stderr.endswith(f"{message[0]}\n")
            assert word in message[0], (arguments, message)


def test_hostile_and_huge_texts_do_no_harm(tmp_path: Path) -> None:
    texts = [
        f"Ticket {i}: the {w} is broken and nobody helps" for i, w in enumerate(("door", "lamp", "phone") * 6)
    ]
    texts += [
        "<script>alert(1)</script> </script> broken lamp",
        "مرحبا بالعالم",
        "你好，世界。坏了",
        "word " * 400_000,
    ]
    run = discover(texts, goal="what is broken", out=tmp_path / "run", n_factors=3, passages=100)
    assert np.isfinite(run.factors.scores).all()


def test_arguments_of_an_earlier_version_are_understood(tickets: Path, tmp_path: Path) -> None:
    """Hidden options on the command line, and names in run.json."""
    out = tmp_path / "run"
    options = ("--calls", "one", "--keep", "end", "--max-unread", "0.5")
    done = cli("discover", tickets, "--goal", "why customers write", "-o", out, *options)
    assert done.returncode == 0, done.stderr
    record = json.loads((out / "run.json").read_text())
    arguments = record["stages"]["propose"]["arguments"]
    expected = {"prompting": "single", "truncate_from": "start", "max_unparsed": 0.5}
    assert {name: arguments[name] for name in expected} == expected
    for name, old, value in (("prompting", "calls", "one"), ("truncate_from", "keep", "end")):
        del arguments[name]
        arguments[old] = value
    (out / "run.json").write_text(json.dumps(record))
    done = cli("propose", out, "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert {**expected, "seed": 1}.items() <= Run.open(out).record["stages"]["propose"]["arguments"].items()
