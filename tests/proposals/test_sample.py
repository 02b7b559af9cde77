"""Samples: texts that cover all are read, and with "auto" as many as bring new properties."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import goalspace
from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.encoders.passages import PassageEncoder
from goalspace.errors import InputError
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import FunctionLLM
from goalspace.proposals import Proposals, propose
from goalspace.proposals.plan import plan_calls
from goalspace.proposals.rounds import STORED
from goalspace.run import discover, redo
from goalspace.run.folder import Run
from goalspace.run.record import new_record
from goalspace.run.schema import check_record
from llm_server import LLMServer, prompt_of

THINGS = ("router", "invoice", "login", "delivery", "screen", "refund")
RARE = ("volcano", "opera", "glacier")
TEXTS = [f"The {THINGS[n % 6]} is broken again, case number {n}." for n in range(340)] + [
    f"A question about the {thing}, case number {400 + n}." for n, thing in enumerate(RARE)
]


WORDS = (
    "is broken",
    "fails",
    "does not work",
    "is out of order",
    "stopped working",
    "is defective",
    "is faulty",
)


def describe(prompt: str) -> str:
    """A property that the texts of a thing share, and another wording of it, so that the vocabulary grows."""
    (thing,) = re.findall(r"[Tt]he (\w+)(?: is broken again)?, case number \d+\.", prompt)[-1:]
    number = int(re.findall(r"case number (\d+)\.", prompt)[-1])
    own = f"the {thing} {WORDS[number % 7]}"
    names = [{"property": f"about the {thing}", "quote": ""}, {"property": own, "quote": ""}]
    return json.dumps({"analysis": "", "properties": names, "name": thing, "description": "what it is"})


def answer(body: dict[str, Any]) -> str:
    return describe(prompt_of(body))


def read(found: Proposals) -> list[int]:
    return sorted({*found.text_index.tolist(), *found.not_relevant})


def test_a_sample_covers_what_is_rare_and_its_vectors_serve_the_links(tmp_path: Path) -> None:
    corpus = Corpus.read(TEXTS)
    found = propose(corpus, goal="faults", llm=FunctionLLM(describe), sample=20, cache_dir=tmp_path)
    assert {f"about the {thing}" for thing in (*THINGS, *RARE)} <= set(found.properties)
    assert found.stats["n_read"] == 20
    again = propose(corpus, goal="faults", llm=FunctionLLM(describe), sample=20, seed=5, cache_dir=tmp_path)
    assert read(again) == read(found)
    before = set((tmp_path / "vectors").iterdir())
    PassageEncoder(cached("minilm", tmp_path), "auto").encode(corpus.texts)
    assert set((tmp_path / "vectors").iterdir()) == before


def test_without_a_language_model_a_sample_is_drawn() -> None:
    found = [propose(Corpus.read(TEXTS), goal="faults", sample=12, seed=seed) for seed in (0, 1)]
    assert read(found[0]) != read(found[1])


@pytest.mark.parametrize(("min_new", "n_read"), [(50, 100), (2, 200)])
def test_rounds_end_when_few_properties_are_new(min_new: int, n_read: int) -> None:
    found = propose(
        Corpus.read(TEXTS), goal="faults", llm=FunctionLLM(describe), sample="auto", min_new=min_new, merge=2
    )
    assert found.stats["n_read"] == n_read == len(read(found))
    first, *second = found.stats["new_by_read"].values()
    assert 6 <= first < found.stats["properties_by_read"]["100"]  # a thing is new once, in whatever words
    assert second in ([], [0])
    assert found.stats["properties_by_read"][str(n_read)] == len(found)
    assert found.stats["n_texts"] == len(TEXTS)


def test_all_texts_are_read_if_there_is_always_something_new() -> None:
    words = iter(("volcano", "opera singer", "tax law", "sourdough bread", "football", "knitting", "anaemia"))
    n = 0

    def answer_anew(prompt: str) -> str:
        nonlocal n, word
        word, n = (next(words) if n % 50 == 0 else word), n + 1
        return json.dumps({"properties": [word]})

    word = ""
    found = propose(Corpus.read(TEXTS), goal="g", llm=FunctionLLM(answer_anew), sample="auto", min_new=1)
    assert found.stats["n_read"] == len(TEXTS)
    assert list(found.stats["properties_by_read"]) == ["100", "200", "300", "343"]
    assert list(found.stats["new_by_read"].values()) == [2, 2, 2, 1]


def test_after_the_first_round_texts_unlike_every_property_come_first(tmp_path: Path) -> None:
    """Properties of the first round name half of the things only; the texts of the others are far from them."""
    lines = []
    for number, text in enumerate(TEXTS):
        thing = THINGS[number % 6]
        name = f"broken {thing}" if thing in THINGS[:3] else "unclear"
        lines.append(json.dumps({"id": str(number), "properties": [name]}) + "\n")
        assert thing in text or number >= 340
    file = tmp_path / "said.jsonl"
    file.write_text("".join(lines), encoding="utf-8")
    options: dict[str, Any] = {"goal": "g", "llm": f"recorded:{file}", "min_new": 1, "sample": "auto"}
    propose(Corpus.read(TEXTS), cache_dir=tmp_path, **options)
    rows = json.loads((tmp_path / STORED).read_text())["rows"]
    second = Counter(row % 6 >= 3 for row in rows[100:200] if row < 340)
    covering = propose(Corpus.read(TEXTS), cache_dir=tmp_path, **{**options, "sample": 200})
    plain = Counter(row % 6 >= 3 for row in set(read(covering)) - set(rows[:100]) if row < 340)
    assert second[True] > plain[True]


def in_run(folder: Path, server: LLMServer, *, min_new: int = 2, seed: int = 0, **limits: Any) -> Proposals:
    return propose(
        Corpus.read(TEXTS),
        goal="faults",
        llm=server.spec,
        sample="auto",
        min_new=min_new,
        seed=seed,
        cache_dir=folder,
        limits=Limits(concurrency=4, **limits),
    )


def test_a_smaller_threshold_goes_on_and_no_call_is_made_twice(tmp_path: Path) -> None:
    with LLMServer(answer) as server:
        assert in_run(tmp_path, server, min_new=50).stats["n_read"] == 100
        found = in_run(tmp_path, server)
        assert found.stats["n_read"] == 200
        assert len(server.prompts()) == len(set(server.prompts())) == 200
        again = in_run(tmp_path, server)
        assert len(server.prompts()) == 200
    assert again.properties == found.properties
    np.testing.assert_array_equal(again.text_index, found.text_index)


def test_a_cap_ends_a_round_and_the_next_run_goes_on_there(tmp_path: Path) -> None:
    with LLMServer(answer) as server:
        found = in_run(tmp_path, server, max_tokens_total=23_000)
        assert found.stats["cap"]
        assert 100 < found.stats["n_read"] < 200
        assert "unread" not in found.stats
        more = in_run(tmp_path, server, max_tokens_total=10_000_000)
        assert more.stats["n_read"] == 200
        assert "cap" not in more.stats
        assert len(server.prompts()) == len(set(server.prompts())) == 200
    assert set(read(found)) <= set(read(more))


def test_the_same_texts_are_read_if_replies_differ_at_the_second_start(tmp_path: Path) -> None:
    is_ill = True

    def sometimes(body: dict[str, Any]) -> str:
        number = int(re.findall(r"case number (\d+)\.", prompt_of(body))[-1])
        return "I cannot do that." if is_ill and number % 9 == 0 else answer(body)

    with LLMServer(sometimes) as server:
        found = in_run(tmp_path, server)
        assert found.stats["n_unparsed"] > 0
        rows = json.loads((tmp_path / STORED).read_text())["rows"]
        is_ill = False
        more = in_run(tmp_path, server, retry_unread=True)
    assert more.stats["n_unparsed"] == 0
    assert read(more) == sorted(rows)
    assert more.stats["n_read"] == found.stats["n_read"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda stored: "{", "cannot be read"),
        (lambda stored: json.dumps({**stored, "rows": [0, 0]}), "rows repeat"),
        (lambda stored: json.dumps({**stored, "rows": [343]}), "not that of a text"),
        (lambda stored: json.dumps({**stored, "rows": ["0"]}), "cannot be read"),
    ],
)
def test_a_damaged_order_is_one_line(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], str], message: str
) -> None:
    options: dict[str, Any] = {"llm": FunctionLLM(describe), "sample": "auto", "cache_dir": tmp_path}
    propose(Corpus.read(TEXTS), goal="g", **options)
    path = tmp_path / STORED
    stored = json.loads(path.read_text())
    path.write_text(spoil(stored), encoding="utf-8")
    with pytest.raises(InputError, match=message) as told:
        propose(Corpus.read(TEXTS), goal="g", **options)
    assert "delete it" in str(told.value)
    propose(Corpus.read(TEXTS[:-1]), goal="g", **options) if message != "cannot be read" else None


def test_an_order_of_other_texts_is_not_used(tmp_path: Path) -> None:
    options: dict[str, Any] = {"llm": FunctionLLM(describe), "sample": "auto", "cache_dir": tmp_path}
    propose(Corpus.read(TEXTS), goal="g", **options)
    before = json.loads((tmp_path / STORED).read_text())
    found = propose(Corpus.read(TEXTS[120:]), goal="g", **options)
    after = json.loads((tmp_path / STORED).read_text())
    assert after["digest"] != before["digest"]
    assert sorted(after["rows"]) == read(found)
    assert max(after["rows"]) < 223


@pytest.mark.parametrize("wrong", ["many", {"100": "3"}, [100]])
def test_a_record_with_other_counts_of_rounds_is_refused(wrong: Any) -> None:
    record = new_record("g")
    record["stages"]["propose"] = {
        "arguments": {"sample": "auto", "min_new": 3},
        "digest": "",
        "after": None,
        "result": {"properties_by_read": {"100": 3}},
    }
    check_record(record)
    record["stages"]["propose"]["result"]["properties_by_read"] = wrong
    with pytest.raises(ValueError, match="propose"):
        check_record(record)


def test_private_data_is_masked_in_every_round(tmp_path: Path) -> None:
    pytest.importorskip("phonenumbers")
    texts = [text.replace("again", f"again, says ann{n % 7}@example.org") for n, text in enumerate(TEXTS)]
    seen: list[str] = []

    def keep(prompt: str) -> str:
        seen.append(prompt)
        return json.dumps({"properties": ["about the " + prompt.rsplit("The ", 1)[-1].split()[0]]})

    options: dict[str, Any] = {"sample": "auto", "min_new": 1, "redact": True, "cache_dir": tmp_path}
    found = propose(Corpus.read(texts), goal="g", llm=FunctionLLM(keep), merge=2, **options)
    assert found.stats["n_read"] == 200 == len(seen)
    assert not any("@example.org" in prompt for prompt in seen)
    assert found.stats["n_masked"] >= 190


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": "all"}, "must be auto or a number of at least 1. Got 'all'"),
        ({"sample": True}, "'sample'"),
        ({"sample": "auto", "min_new": 0}, "'min_new' parameter of propose must be at least 1"),
        ({"sample": "auto", "llm": None}, "is for a language model"),
        ({"sample": "auto", "limits": Limits(batch=True)}, "leave out --batch"),
    ],
)
def test_what_cannot_be_sampled_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        propose(Corpus.read(TEXTS), goal="g", **{"llm": "http://127.0.0.1:1/v1#m", **options})


def test_plans_say_that_not_all_may_be_read() -> None:
    corpus = Corpus.read(TEXTS)
    arguments: dict[str, Any] = {"goal": "g", "llm": "http://127.0.0.1:1/v1#m"}
    everything, rounds = (plan_calls(corpus, **arguments, sample=sample) for sample in (None, "auto"))
    assert everything is not None
    assert rounds is not None
    assert rounds.most_prompt_tokens == everything.most_prompt_tokens
    assert rounds.what == "the column 'text' of at most 343 texts"
    assert rounds.ends == "100 texts at a time, until these bring fewer than 10 new properties"
    assert everything.ends == ""
    grouped = plan_calls(corpus, **arguments, sample="auto", texts_per_call=8)
    assert grouped is not None
    assert grouped.n_calls == 13 + 13 + 13 + 6  # no call is about texts of two rounds


def test_a_plan_bounds_the_tokens_of_any_sample() -> None:
    texts = [*TEXTS, *(f"{text} " * 30 for text in TEXTS[:5])]
    plan = plan_calls(Corpus.read(texts), goal="g", llm="http://127.0.0.1:1/v1#m", sample=5)
    assert plan is not None
    longest = plan_calls(Corpus.read(texts[-5:]), goal="g", llm="http://127.0.0.1:1/v1#m")
    assert longest is not None
    assert plan.most_prompt_tokens == longest.most_prompt_tokens
    assert plan.prompt_tokens < longest.prompt_tokens


def test_a_run_says_how_much_was_read_and_is_not_done_again(tmp_path: Path) -> None:
    source, run = tmp_path / "texts.csv", tmp_path / "run"
    source.write_text("message\n" + "\n".join(f'"{text}"' for text in TEXTS), encoding="utf-8")
    command = ("discover", source, "--goal", "faults", "--factors", "3", "--encoder", "minilm", "-o", run)
    command = (*command, "--sample", "auto", "--min-new", "2")
    with LLMServer(answer) as server:
        told = goalspace(*command, "--llm", server.spec, "--dry-run").stdout
        assert "of at most 343 texts" in told
        assert "rounds  100 texts at a time, until these bring fewer than 2 new properties;" in told
        assert server.prompts() == []
        done = goalspace(*command, "--llm", server.spec)
        assert done.returncode == 0, done.stderr
        n, record = len(server.prompts()), Run.open(run).record
        done = goalspace(*command, "--llm", server.spec)
        assert done.returncode == 0, done.stderr
        assert len(server.prompts()) == n
        assert Run.open(run).record == record
    report = (run / "report.md").read_text(encoding="utf-8")
    assert "200 of 343 texts read, of which the last 100 brought 0 new properties" in report
    assert re.search(r"100: \d+, \d+ new; 200: \d+, 0 new\.", report)
    refused = goalspace(*command, "--llm", "openai:gpt-4.1", "--batch", "-o", tmp_path / "other")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "other").exists()


def test_a_finished_run_can_be_sampled_in_another_way(tmp_path: Path) -> None:
    run = discover(
        TEXTS,
        goal="g",
        out=tmp_path / "run",
        llm=FunctionLLM(describe),
        encoder="minilm",
        tune="none",
        n_factors=2,
        sample="auto",
    )
    assert run.record["stages"]["propose"]["arguments"]["sample"] == "auto"
    redo(run, "propose", {"sample": 30, "llm": FunctionLLM(describe)})
    assert Run.open(run.path).record["stages"]["propose"]["result"]["n_read"] == 30
    with pytest.raises(InputError, match="is for a language model"):
        redo(run, "propose", {"sample": "auto", "llm": None})
