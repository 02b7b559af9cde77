"""Runs of long texts: read to their end, told in every output, and older runs stay as they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import goalspace
from conftest import ROOT
from goalspace.errors import InputError
from goalspace.run import discover, redo
from goalspace.run.folder import Run

GOAL = "what makes customers unhappy"
SECTION = " ".join(
    [
        "The courier brought a dog, and the angry dog bit my hand at the door.",
        "I complained about the angry dog, but the courier laughed and left with the dog.",
        "My hand hurts since the dog bit it, and I am afraid of the angry dog.",
    ]
    * 4
)


def messages() -> list[str]:
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        return [row["message"] for row in csv.DictReader(file)]


def write_reports(folder: Path, *, n_messages: int) -> Path:
    """Five reports of recombined messages; two of them have a section about a dog in the middle."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        parts = rng.choice(messages(), n_messages, replace=False).tolist()
        if number in (1, 3):
            parts.insert(n_messages // 2, SECTION)
        (folder / f"report{number}.md").write_text(f"# Report {number}\n\n" + "\n\n".join(parts))
    return folder


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reports(tmp_path_factory.mktemp("long") / "reports", n_messages=40)


@pytest.fixture(scope="module")
def finished(reports: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("runs") / "run"
    done = goalspace("discover", reports, "--goal", GOAL, "--out", path, COLUMNS="300")
    assert done.returncode == 0, done.stderr
    assert "5 long texts read in" in done.stdout
    return Run.open(path)


def test_five_reports_are_read_to_their_end_without_any_option(finished: Run) -> None:
    for stage in ("propose", "link"):
        result = finished.record["stages"][stage]["result"]
        assert result["n_long"] == 5
        assert 40 < result["n_passages"] < 200
        assert "n_skipped" not in result
    told = f"5 long texts read in {result['n_passages']} passages"
    for name in ("report.md", "report.html"):
        assert told in (finished.path / name).read_text(encoding="utf-8")


def test_what_one_passage_says_is_found_with_the_sentence(finished: Run) -> None:
    proposals, corpus = finished.proposals, finished.corpus
    owners: dict[int, set[str]] = {}
    sentences: dict[int, list[str]] = {}
    for row, i, quote in zip(proposals.text_index, proposals.property_index, proposals.quotes, strict=True):
        assert quote is not None
        owners.setdefault(int(i), set()).add(corpus.ids[row])
        sentences.setdefault(int(i), []).append(quote)
    of_section = [i for i, ids in owners.items() if ids == {"report1.md", "report3.md"}]
    shown = [quote for i in of_section for quote in sentences[i]]
    assert sum(quote in SECTION for quote in shown) >= 4


def test_the_evidence_comes_from_all_of_a_text(finished: Run) -> None:
    texts = dict(zip(finished.corpus.ids, finished.corpus.texts, strict=True))
    items = [item for items in finished.factors.evidence for item in items]
    assert max(item.start / len(texts[item.text_id]) for item in items) > 0.3
    assert all(texts[item.text_id][item.start : item.end].strip() for item in items)


def test_new_texts_are_read_as_those_of_the_run(finished: Run) -> None:
    factors, texts = finished.factors, finished.corpus.texts
    np.testing.assert_allclose(factors.encode(texts), factors.scores, atol=1e-3)


def test_a_finished_run_of_long_texts_is_not_redone(reports: Path, finished: Run) -> None:
    before = (finished.path / "run.json").read_bytes()
    discover(reports, goal=GOAL, out=finished.path)
    assert (finished.path / "run.json").read_bytes() == before


def test_two_reports_are_too_few(reports: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(2):
        (few / f"{number}.md").write_bytes((reports / f"report{number}.md").read_bytes())
    with pytest.raises(InputError, match=r"2 different texts, too few .* at least 10, or 3 long ones"):
        discover(few, goal=GOAL, out=tmp_path / "run")
    with pytest.raises(InputError, match="5 different texts, too few"):
        discover(reports, goal=GOAL, out=tmp_path / "run", passages="off")
    assert not (tmp_path / "run").exists()


def recorded_run(folder: Path, texts: list[str], **options: Any) -> Run:
    """A run whose properties are given, linked with MiniLM."""
    rows = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kinds = ("late parcel", "wrong invoice", "rude agent")
    found = [{"id": str(i), "properties": [kinds[i % 3], kinds[i % 2]]} for i in range(len(texts))]
    (folder / "found.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    spec = f"recorded:{folder / 'found.jsonl'}"
    source = folder / "texts.jsonl"
    return discover(source, goal=GOAL, out=folder / "run", llm=spec, encoder="minilm", n_factors=2, **options)


def digests(run: Run) -> dict[str, str]:
    return {stage: entry["digest"] for stage, entry in run.record["stages"].items()}


def test_runs_of_short_texts_stay_as_they_are(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, messages()[:12], passages="off")
    path = tmp_path / "run" / "run.json"
    old = json.loads(path.read_text())
    for stage in ("propose", "link"):  # as an earlier version wrote it
        del old["stages"][stage]["arguments"]["passages"]
    path.write_text(json.dumps(old))
    again = recorded_run(tmp_path, messages()[:12])
    assert again.record == old
    assert digests(again) == digests(run)


def test_reading_long_texts_in_another_way_makes_the_links_again(tmp_path: Path) -> None:
    texts = [*messages()[:12], "\n\n".join(messages()[12:40])]
    first = recorded_run(tmp_path, texts)
    vectors = [first.links.encode(texts)[-1]]
    assert first.record["stages"]["link"]["result"]["n_passages"] > 5
    second = recorded_run(tmp_path, texts, passages=2)
    vectors.append(second.links.encode(texts)[-1])
    result = second.record["stages"]["link"]["result"]
    assert (result["n_passages"], result["n_long"]) == (2, 1)
    assert result["n_skipped"] > 3
    assert digests(second)["propose"] == digests(first)["propose"]  # the LLM reads no passages
    assert digests(second)["link"] != digests(first)["link"]
    assert redo(second, "link", {"passages": "off"}) == ["factor"]
    third = Run.open(second.path)
    assert third.links.passages == "off"
    vectors.append(third.links.encode(texts)[-1])
    assert len({vector.tobytes() for vector in vectors}) == 3


def test_off_is_told(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, [*messages()[:12], "\n\n".join(messages()[12:40])])
    done = goalspace("link", run.path, "--passages", "off")
    assert done.returncode == 0, done.stderr
    factored = goalspace("factor", run.path, COLUMNS="300")
    assert "of 1 long text, only the beginning was read (--passages off)" in factored.stdout


def test_embed_says_how_long_texts_were_read(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": " ".join(messages()[:30])}) + "\n")
    arguments = ("embed", tmp_path / "texts.jsonl", "--encoder", "minilm", "-o", tmp_path / "out.npy")
    for options, words in (
        ((), "1 long text read in "),
        (("--passages", "2"), "1 long text read in 2 passages, "),
        (("--passages", "off"), "Of 1 long text, only the beginning was read (--passages off)."),
    ):
        done = goalspace(*arguments, *options)
        assert words in done.stdout, done.stderr
    assert goalspace(*arguments, "--passages", "none").returncode == 2
    instructed = goalspace(*arguments[:2], "-o", tmp_path / "out.npy")
    assert "Long texts of which only a part was read: 1" in instructed.stdout


def test_damaged_passages_of_links_give_one_line(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, messages()[:12])
    path = run.path / "links" / "links.json"
    path.write_text(path.read_text().replace('"passages": "auto"', '"passages": "all"'))
    with pytest.raises(InputError, match="'passages' is neither auto, off nor a number of at least 1"):
        _ = Run.open(run.path).links
