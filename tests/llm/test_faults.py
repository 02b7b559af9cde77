"""Endpoints that misbehave: what passes is waited out, and what does not costs one text, never the run."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from goalspace.corpus import Corpus
from goalspace.errors import LLMError
from goalspace.llm import attempts, get_llm
from goalspace.llm.completion import Unreadable, read_completion
from goalspace.llm.limits import Limits
from goalspace.proposals import propose
from llm_server import RESET, Answer, LLMServer, completion, failure, prompt_of

USAGE = {"prompt_tokens": 7, "completion_tokens": 3}


def body_of(message: Any, usage: Any = USAGE, **choice: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, **choice}], "usage": usage}).encode()


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "yes"}, "yes"),
        ({"content": [{"type": "text", "text": "y"}, {"type": "output_text", "text": "es"}]}, "yes"),
        ({"content": ["y", "es"]}, "yes"),
        ({"content": [{"type": "text", "text": {"value": "yes"}}]}, "yes"),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}]}, "yes"),
        ({"content": {"text": "yes"}}, "yes"),
        ({"content": {"answer": 1}}, '{"answer": 1}'),
        ("yes", "yes"),
        (None, ""),
        ({}, ""),
        ({"content": None, "refusal": "no"}, "no"),
        ({"content": "", "reasoning_content": "yes"}, "yes"),
        ({"content": "yes", "reasoning_content": "hm"}, "yes"),
        ({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}]}, '{"a": 1}'),
        ({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, '{"a": 1}'),
        ({"content": None, "function_call": {"name": "f", "arguments": '{"a": 1}'}}, '{"a": 1}'),
        ({"content": 7}, ""),
        ({"content": "a\ud800"}, "a?"),
    ],
)
def test_every_shape_of_a_message_is_read(message: Any, text: str) -> None:
    assert read_completion(body_of(message)).text == text


def test_a_completion_may_hold_its_text_beside_the_message() -> None:
    assert read_completion(b'{"choices": [{"text": "yes"}]}').text == "yes"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (USAGE, (7, 3, 0)),
        ({"input_tokens": 7, "output_tokens": 3}, (7, 3, 0)),
        ({**USAGE, "total_tokens": 40}, (7, 33, 0)),  # reasoning is billed, and shown only in the total
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 30}}, (7, 33, 0)),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 2}}, (7, 3, 0)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 5}}, (7, 3, 5)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 50}}, (7, 3, 7)),
        ({"prompt_tokens": 7.0, "completion_tokens": 3}, (7, 3, 0)),
        ({"prompt_tokens": -7, "completion_tokens": 10**30}, (None, None, 0)),
        ({"prompt_tokens": "7", "completion_tokens": True}, (None, None, 0)),
        (None, (None, None, 0)),
        ([], (None, None, 0)),
    ],
)
def test_every_shape_of_the_usage_is_read(usage: Any, tokens: tuple[int | None, int | None, int]) -> None:
    found = read_completion(body_of({"content": "yes"}, usage))
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens) == tokens


NOT_COMPLETIONS = (
    b"",
    b"<html>Bad gateway</html>",
    b'{"choices": [{"mess',
    b"{}",
    b"[]",
    b"null",
    b"7",
    b'{"choices": []}',
    b'{"choices": null}',
    b'{"choices": [null]}',
    b'{"choices": {"0": {}}}',
    b'{"error": {"message": "no provider"}}',
    b'{"error": "no provider"}',
    b"[" * 100_000,
    b"\xff\xfe\x00",
)


@pytest.mark.parametrize("content", NOT_COMPLETIONS, ids=lambda content: repr(content[:20]))
def test_what_is_no_completion_is_said(content: bytes) -> None:
    with pytest.raises(Unreadable):
        read_completion(content)


PASSING = (
    *(Answer(200, content) for content in NOT_COMPLETIONS),
    Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    failure(429, "slow down", retry_after=0.02),
    failure(429, "slow down"),
    failure(500, "oops"),
    Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"}),
    failure(503, "busy", retry_after=0.01),
    failure(529, "overloaded"),
    failure(408, "too slow"),
    RESET,
    Answer(200, completion("never whole"), reset=True, sent=20),
    Answer(200, completion("too late"), pause=0.2),
    Answer(200, completion("too late"), pause=60, hangs=True),
)


class Faulty:
    """Answers every prompt, but a share of the requests with a fault; counts the answers that a user would pay for."""

    def __init__(self, share: float, *, once: tuple[Answer, ...] = ()) -> None:
        self.share, self.once = share, list(once)
        self.random, self.lock = random.Random(1), threading.Lock()
        self.paid: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> str | Answer:
        prompt = prompt_of(body)
        with self.lock:
            is_first = not self.paid
            if not is_first and self.random.random() < self.share:
                return self.once.pop() if self.once else self.random.choice(PASSING)
            self.paid[prompt] += 1
        words = [word.strip(".,") for word in prompt.split("\n")[-1].split()][:3]
        return json.dumps(
            {"analysis": "", "properties": [{"property": f"says {w}", "quote": ""} for w in words]}
        )


def run(texts: list[str], folder: Path, server: LLMServer, **limits: Any) -> str:
    corpus = Corpus.read(texts)
    limits = {"deadline": 5.0, "concurrency": 16, **limits}
    found = propose(
        corpus, goal="what it is about", llm=server.spec, cache_dir=folder, limits=Limits(**limits)
    )
    assert "problems" not in found.stats
    found.save(folder / "proposals.jsonl", corpus)
    return (folder / "proposals.jsonl").read_text("utf-8")


def test_faults_of_all_kinds_change_nothing(tmp_path: Path) -> None:
    """One start ends with what a faultless endpoint gives, and every text is paid once."""
    texts = [f"Order {n} of item {n % 7} came {n % 5} days late." for n in range(250)]
    with LLMServer(Faulty(0)) as server:
        wanted = run(texts, tmp_path / "good", server)
        spec = server.spec
    faulty = Faulty(0.3, once=(failure(429, "come back in an hour", retry_after=3600),))
    with LLMServer(faulty) as server:
        found = run(texts, tmp_path / "bad", server)
    assert found == wanted
    assert not faulty.once
    assert sum(faulty.paid.values()) == len(texts)
    assert max(faulty.paid.values()) == 1
    assert spec


def test_a_prompt_that_always_fails_costs_one_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_LONGEST_WAIT", 0.1)

    def poisoned(body: dict[str, Any]) -> str | Answer:
        return failure(500, "oops", retry_after=0.01) if "poison" in prompt_of(body) else "fine"

    with LLMServer(poisoned) as server:
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite")
        replies = llm.complete([*(f"text {n}" for n in range(30)), "poison"])
        assert [reply.text for reply in replies] == ["fine"] * 30 + [""]
        assert "status 500" in replies[-1].problem
        n = len(server.bodies())
        assert llm.complete(["text 3"])[0].cached
        assert len(server.bodies()) == n
    with sqlite3.connect(tmp_path / "llm.sqlite") as log:  # the next run asks again
        assert log.execute("SELECT COUNT(*) FROM calls").fetchone() == (30,)


@pytest.mark.parametrize("value", ["0.3", "the date now", "nonsense", "-5", "inf", ""])
def test_retry_after_is_read_in_every_form(value: str) -> None:
    if value == "the date now":  # the time itself may not stand in the name of a test: workers collect apart
        value = formatdate(usegmt=True)
    answers = [Answer(429, {"error": {"message": "slow down"}}, {"Retry-After": value}), "yes"]
    with LLMServer(lambda body: answers.pop(0)) as server:
        assert get_llm(server.spec).complete(["a"])[0].text == "yes"


def test_fewer_calls_are_made_while_the_endpoint_is_overloaded() -> None:
    def narrow(body: dict[str, Any]) -> str | Answer:
        if server.in_flight > 3:
            return failure(429, "too many", retry_after=0.05)
        return Answer(200, completion("ok"), pause=0.05, hangs=True)

    with LLMServer(narrow) as server:
        llm = get_llm(server.spec, concurrency=16)
        replies = llm.complete([f"text {n}" for n in range(120)])
        n_refused = len(server.bodies()) - 120
    assert {reply.text for reply in replies} == {"ok"}
    assert n_refused < 90  # 16 at a time would be refused about 4 times out of 5


def test_a_reply_that_was_cut_is_asked_for_with_more_room() -> None:
    def cut(body: dict[str, Any]) -> Answer:
        room = body.get("max_tokens") or body["max_completion_tokens"]
        answer = completion("whole" if room >= 40 else "wh")
        answer["choices"][0]["finish_reason"] = "stop" if room >= 40 else "length"
        return Answer(200, answer)

    with LLMServer(cut) as server:
        assert get_llm(server.spec).complete(["a"], max_tokens=16)[0].text == "whole"
        assert [body["max_tokens"] for body in server.bodies()] == [16, 32, 64]
        assert get_llm(server.spec).complete(["a"], max_tokens=4)[0].text == "wh"  # there is an end to it


def test_calls_are_started_no_faster_than_asked() -> None:
    with LLMServer() as server:
        llm = get_llm(server.spec, limits=Limits(rpm=1200))
        begin = time.monotonic()
        llm.complete([f"text {n}" for n in range(21)])
        assert time.monotonic() - begin >= 0.99  # 20 intervals of 50 ms


@pytest.mark.parametrize("options", [{}, {"texts_per_call": 4}, {"prompting": "chained"}])
def test_a_text_that_is_too_long_for_the_model_is_halved(tmp_path: Path, options: dict[str, Any]) -> None:
    def short_sighted(body: dict[str, Any]) -> str | Answer:
        if len(prompt_of(body)) > 3000:
            return failure(400, "maximum context length is 700 tokens", code="context_length_exceeded")
        return Faulty(0)(body)

    texts = [f"Order {n} came late. " * (400 if n % 3 == 0 else 1) for n in range(30)]
    with LLMServer(short_sighted) as server:
        found = propose(
            Corpus.read(texts), goal="what it is about", llm=server.spec, cache_dir=tmp_path, **options
        )
    assert found.stats["n_unparsed"] == 0
    assert found.stats["coverage"] == 1


def test_mostly_unreadable_replies_stop_a_run_early(tmp_path: Path) -> None:
    with LLMServer(lambda body: "I cannot do that.") as server:
        with pytest.raises(LLMError, match=r"20 × refusal.*the first one begins 'I cannot do that.'"):
            run([f"text number {n} of many" for n in range(500)], tmp_path, server)
        assert len(server.bodies()) < 100
