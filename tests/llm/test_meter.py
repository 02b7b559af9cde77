"""What calls cost and what went wrong is counted while they are made, with and without a cap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goalspace.cli.calls import describe_calls, describe_cost, describe_pace, describe_totals
from goalspace.cli.progress_line import ProgressLine, wrap
from goalspace.corpus import Corpus
from goalspace.llm import get_llm
from goalspace.llm.limits import Limits
from goalspace.llm.meter import Meter, current_meter, metered
from goalspace.llm.protocol import FunctionLLM
from goalspace.proposals import propose
from llm_server import RESET, Answer, LLMServer, completion, failure, prompt_of

PRICES = {"model": {"input": 1_000_000, "output": 1_000_000}}  # a dollar a token
REPLY = json.dumps({"analysis": "", "properties": [{"property": "is late", "quote": ""}]})
TEXTS = [f"text number {n} of some" for n in range(24)]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES), encoding="utf-8")
    return path


def ask(llm: Any, folder: Path, **limits: Any) -> dict[str, Any]:
    corpus = Corpus.read(TEXTS)
    return dict(propose(corpus, goal="why", llm=llm, cache_dir=folder, limits=Limits(**limits)).stats)


def test_the_rate_is_that_of_the_last_minute() -> None:
    clock = Clock()
    meter = Meter(clock)
    with meter.timed():
        for clock.now in range(1, 121):
            meter.note_reply(is_replayed=False)
            meter.note_reply(is_replayed=True)
            if clock.now == 10:
                assert meter.rate() == 60
        assert meter.rate() == pytest.approx(60, abs=1)
        clock.now += 30
        assert meter.rate() == pytest.approx(30, abs=1)
        clock.now += 31
        assert meter.rate() == 0
    assert (meter.n_calls, meter.n_replayed, meter.seconds) == (120, 120, 181)


def test_the_cost_is_known_without_a_cap_and_a_replay_is_free(tmp_path: Path, prices: Path) -> None:
    with LLMServer(lambda body: REPLY) as server:
        with metered() as meter:
            stats = ask(server.spec, tmp_path, prices=prices)
        spent = stats["prompt_tokens"] + stats["completion_tokens"]
        assert (meter.tokens, meter.usd, meter.n_calls) == (spent, spent, len(TEXTS))
        assert describe_cost(meter, of_cap=False) == f"${spent:,.2f}"
        with metered() as meter:
            ask(server.spec, tmp_path, prices=prices)
        assert (meter.tokens, meter.usd, meter.n_calls, meter.n_replayed) == (0, 0, 0, len(TEXTS))
        assert describe_totals(meter) == ""
        with metered() as meter:
            get_llm(server.spec).complete(["a b c"])
        assert describe_cost(meter, of_cap=False) == f"{meter.tokens} tokens"
        assert current_meter() is not meter


def test_what_an_endpoint_does_not_count_is_estimated(prices: Path) -> None:
    with (
        LLMServer(lambda body: Answer(200, {**completion("yes"), "usage": None})) as server,
        metered() as meter,
    ):
        get_llm(server.spec, limits=Limits(prices=prices)).complete(["a prompt of 24 letters!!"])
    assert describe_cost(meter, of_cap=False) == "about $7.00"


def test_a_cap_is_shown_with_what_earlier_starts_spent(tmp_path: Path, prices: Path) -> None:
    with LLMServer(lambda body: REPLY) as server:
        ask(server.spec, tmp_path, prices=prices)
        with metered() as meter:
            llm = get_llm(
                server.spec, cache=tmp_path / "llm.sqlite", limits=Limits(budget=1e9, prices=prices)
            )
            llm.complete(["new"])
        assert meter.ledger is not None
        assert meter.ledger.spent()[0] > meter.usd > 0
        assert describe_cost(meter, of_cap=True).endswith(" of $1,000,000,000.00")
        assert "of" not in describe_cost(meter, of_cap=False)


def test_retries_are_counted_by_reason() -> None:
    faults = [
        failure(429, "slow down", retry_after=0.01),
        failure(500, "oops"),
        RESET,
        Answer(200, b"<html>"),
    ]
    faults.append(failure(429, "slow down", retry_after=0.01))
    with LLMServer(lambda body: faults.pop() if faults else "yes") as server, metered() as meter:
        get_llm(server.spec).complete(["a"])
    assert meter.retries == {"status 429": 2, "status 500": 1, "connection": 1, "no completion": 1}
    assert describe_calls(meter)[1] == (
        "5 retries: 2 × status 429, 1 × connection, 1 × no completion, 1 × status 500"
    )


def test_replies_that_were_repaired_or_not_read_are_counted() -> None:
    replies = {0: f"```json\n{REPLY}\n```", 1: REPLY.replace('"', "'"), 2: "", 3: "I'm sorry."}

    def answer(prompt: str) -> str:
        return replies.get(int(prompt.split("Parcel <")[1].partition(">")[0]), REPLY)

    corpus = Corpus.read([f"Parcel <{n}> came late." for n in range(24)])
    with metered() as meter:
        found = propose(corpus, goal="why", llm=FunctionLLM(answer))
    assert meter.n_repaired == 1
    assert meter.unread == found.stats["unread"] == {"empty": 1, "refusal": 1}
    assert not meter.pending
    assert "26 times in 0 s: 1 reply repaired, 2 replies unread (1 × empty, 1 × refusal)" in describe_totals(
        meter
    )


def test_lines_are_not_wider_than_the_terminal() -> None:
    meter = Meter()
    for reason, number in (("status 429", 1108), ("timeout", 104), ("connection", 12)):
        for _ in range(number):
            meter.note_retry(reason)
    meter.note_cost(112.34, 1, is_estimate=False)
    meter.n_repaired, meter.unread["empty"] = 133, 42
    parts = describe_calls(meter)
    assert wrap(parts, 120) == [
        "$112.34 · 1,224 retries: 1,108 × status 429, 104 × timeout, 12 × connection · 133 repaired · 42 unread"
    ]
    assert wrap(parts, 80) == [
        "$112.34 · 1,224 retries: 1,108 × status 429, 104 × timeout, 12 × connection",
        "133 repaired · 42 unread",
    ]


def test_the_time_left_does_not_count_replays(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter()
    line = ProgressLine(meter)
    for done in range(1, 501):
        meter.note_reply(is_replayed=True)
        line("asking the LLM", done, 1000)
    line.print()
    for done in range(501, 504):
        meter.note_reply(is_replayed=False)
        line("asking the LLM", done, 1000)
    line.print()
    line.print()  # the same is not said twice in a row, unless the pace has changed
    _, said = capsys.readouterr()
    first, before, after, *_ = said.splitlines()
    assert first == "asking the LLM …"
    assert before == "asking the LLM: 500 of 1,000"
    assert after.startswith("asking the LLM: 503 of 1,000 · ")
    assert after.endswith(" left")
    assert describe_pace(meter, 100) == [describe_pace(meter, None)[0], "2 min left"]


def test_a_prompt_is_sent_whatever_shows_it() -> None:
    """A callback of the public interface gets what it got before: the step, and how much of it is done."""
    told: list[tuple[str, int, int]] = []
    with LLMServer(lambda body: REPLY if "second" not in prompt_of(body) else "") as server:
        propose(Corpus.read(TEXTS), goal="why", llm=server.spec, progress=lambda *step: told.append(step))
    asked = [step for step in told if step[0] == "asking the LLM"]
    assert asked == [("asking the LLM", n, len(TEXTS)) for n in range(1, len(TEXTS) + 1)]
