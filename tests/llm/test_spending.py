"""Caps: what is spent stays below them, whatever the endpoint does."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from goalspace.errors import CapReached, InputError, LLMError
from goalspace.llm import get_llm
from goalspace.llm.cache import CachedLLM
from goalspace.llm.chat import ChatLLM
from goalspace.llm.completion import Completion
from goalspace.llm.endpoint import connect, find_endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.pricing import Prices, estimate_tokens, most_tokens
from goalspace.llm.protocol import FunctionLLM, Reply, stream
from goalspace.llm.spending import Ledger
from goalspace.run import discover, redo
from llm_server import Answer, LLMServer, completion, failure, prompt_of
from schedules import Schedule, preload, run_schedule, schedules

TIERED = "gemini-2.5-pro"  # twice the price from 200,000 tokens on


def prices(folder: Path, **models: dict[str, float]) -> Path:
    path = folder / "prices.json"
    path.write_text(json.dumps(models), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("model", "address", "cost"),
    [
        ("gpt-4o-mini", "https://api.openai.com/v1", 0.15 + 0.60),
        ("no-such-model", "https://api.openai.com/v1", None),
        ("gpt-4o-mini", "http://127.0.0.1:8000/v1", None),  # who knows what that costs
    ],
)
def test_prices_are_known_by_model_and_provider(model: str, address: str, cost: float | None) -> None:
    found = Prices(model, address).cost(1_000_000, 1_000_000)
    assert found == (None if cost is None else pytest.approx(cost))


def test_prices_of_a_file_come_first(tmp_path: Path) -> None:
    path = prices(tmp_path, own={"input": 1, "output": 3, "cached": 0.5})
    own = Prices("own", "http://127.0.0.1:8000/v1", path)
    assert own.cost(1_000_000, 1_000_000) == 4
    assert own.cost(1_000_000, 0, cached_tokens=1_000_000) == 0.5
    assert Prices("other", "http://127.0.0.1:8000/v1", path).cost(1, 1) is None
    for bad in (
        '{"own": 3}',
        '{"own": {"input": "1", "output": 2}}',
        '{"own": {"input": 1}}',
        "{",
        '{"own": {"input": -1, "output": 1}}',
    ):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(InputError, match="price"):
            Prices("own", "http://127.0.0.1:8000/v1", path).cost(1, 1)


@pytest.mark.parametrize(
    ("text", "estimate"), [("word " * 400, 500), ("客服态度很差" * 100, 600), ("", 0), ("Straße", 3)]
)
def test_tokens_are_estimated_in_every_script(text: str, estimate: int) -> None:
    assert estimate_tokens(text) == estimate
    assert most_tokens(text) >= estimate


@pytest.mark.parametrize(
    ("values", "words"),
    [({"budget": 0}, "budget"), ({"rpm": -1}, "rpm"), ({"patience": float("inf")}, "patience")],
)
def test_limits_must_be_positive(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Limits(**values)


def test_a_budget_needs_a_price_and_a_place(tmp_path: Path) -> None:
    with LLMServer() as server:
        with pytest.raises(
            InputError, match=r"price of the model 'model'.*--prices FILE.*--max-tokens-total"
        ):
            get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=Limits(budget=1))
        with pytest.raises(InputError, match="cache"):
            get_llm(server.spec, limits=Limits(budget=1))
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=Limits(max_tokens_total=10**6))
        assert llm.complete(["a"])[0].text == "ok"
        assert not [path for path, _, _ in server.requests if path.endswith("completions")][1:]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=schedules())
def test_no_schedule_spends_more_than_its_cap(
    tmp_path_factory: pytest.TempPathFactory, schedule: Schedule
) -> None:
    """`python -m bench.calls.cap` runs 1,000 of them."""
    preload()
    found = run_schedule(schedule, tmp_path_factory.mktemp("cap"))
    assert found.holds, found


def test_a_small_budget_is_used_up(tmp_path: Path) -> None:
    """Calls wait for each other instead of blocking themselves by what they might cost."""
    with LLMServer() as server:
        limits = Limits(max_tokens_total=2500, concurrency=16)
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=limits)
        got: list[Reply] = []
        with pytest.raises(
            CapReached, match=r"of 2,500 tokens are spent or set aside, and the next call may take"
        ):
            got.extend(reply for _, reply in stream(llm, [f"text {n}" for n in range(2000)], max_tokens=512))
    assert len(got) > 500  # 3 tokens each, though 600 are set aside for each


def test_a_ledger_is_shared_by_processes_and_outlives_them(tmp_path: Path) -> None:
    limits = Limits(max_tokens_total=1000)
    first, second = (Ledger(tmp_path / "llm.sqlite", limits, Prices("m", "")) for _ in range(2))
    reserved = first.reserve(100, 500)
    assert reserved is not None
    assert second.reserve(100, 500) is None
    first.close()  # a process that is killed leaves what it set aside
    assert second.reserve(300, 101) is None
    assert second.spent() == (0.0, 600)
    second.settle(reserved, Completion("", 10, 20))
    assert second.spent() == (0.0, 30)
    second.settle(reserved, Completion("", None, None))  # not counted: stays at its largest cost
    assert second.spent() == (0.0, 30)
    second.release(reserved)
    second.close()


def answer(body: dict[str, Any]) -> str:
    words = [word for word in prompt_of(body).split() if word.isalpha()][-3:]
    names = [{"property": f"says {word}", "quote": word} for word in words[:3]]
    return json.dumps({"analysis": "", "properties": names, "name": "name", "description": "what it is"})


def test_a_run_at_its_cap_is_usable_and_goes_on(tmp_path: Path) -> None:
    things = ("router", "invoice", "login", "delivery", "screen", "refund")
    texts = [f"{things[n % 6]} trouble number {n}" for n in range(60)]
    with LLMServer(answer) as server:
        arguments: dict[str, Any] = {
            "goal": "trouble",
            "llm": server.spec,
            "out": tmp_path / "run",
            "n_factors": 3,
            "tune": "none",
        }
        run = discover(texts, **arguments, limits=Limits(max_tokens_total=5000, concurrency=2))
        first = run.record["stages"]["propose"]["result"]
        assert 0 < first["n_read"] < 60
        assert "tokens are spent" in first["cap"]
        assert len(run.factors.names) >= 2
        n = len(server.bodies())
        run = discover(texts, **arguments)
        again = run.record["stages"]["propose"]["result"]
        assert (again["n_read"], "cap" in again) == (60, False)
        assert len(run.links.property_vectors) == len(run.proposals) > 0  # what builds on them was done again
        assert len(server.bodies()) - n <= 60 - first["n_read"] + 3
        redo(run, "factor", {"n_factors": 2}, limits=Limits(max_tokens_total=10**6))


def test_two_streams_share_a_cap(tmp_path: Path) -> None:
    with LLMServer() as server:
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=Limits(max_tokens_total=10**8))
        first, second = (stream(llm, [f"{name}{i}" for i in range(30)]) for name in "ab")
        assert len(list(zip(first, second, strict=True))) == 30


def test_what_was_paid_before_there_was_a_cap_counts(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    with LLMServer(lambda body: "three words here") as server:
        get_llm(server.spec, cache=path).complete([f"text {n}" for n in range(20)])
        limits = Limits(budget=1, prices=prices(tmp_path, model={"input": 1000, "output": 2000}))
        ledger = Ledger(path, limits, Prices("model", server.url, limits.prices))
        assert ledger.spent() == (pytest.approx(20 * (2 * 1000 + 3 * 2000) / 1e6), 20 * 5)
        ledger.close()


def test_starts_without_a_cap_count(tmp_path: Path) -> None:
    """Also those whose price was not known, and those of another model."""
    path, own = (
        tmp_path / "llm.sqlite",
        prices(tmp_path, model={"input": 1000, "output": 2000}, other={"input": 1, "output": 1}),
    )
    capped = Limits(budget=100, prices=own)
    with LLMServer(lambda body: "three words here", models=("model", "other")) as server:
        other = f"{server.url}#other"
        for spec, limits in (
            (server.spec, capped),
            (server.spec, Limits()),
            (other, Limits()),
            (server.spec, Limits(prices=own)),
        ):
            prompts = [f"{spec} {limits.budget} {limits.prices} {n}" for n in range(5)]
            get_llm(spec, cache=path, limits=limits).complete(prompts)
        counts = [(len(prompt_of(body).split()), 3, body["model"]) for body in server.bodies()]
        ledger = Ledger(path, capped, Prices("model", server.url, own))
        usd = sum((p * 1000 + r * 2000 if model == "model" else p + r) / 1e6 for p, r, model in counts)
        assert ledger.spent() == (pytest.approx(usd), sum(p + r for p, r, _ in counts))
        ledger.close()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TRIGGER t AFTER UPDATE ON spending BEGIN UPDATE spending SET tokens = 0; END",
        "UPDATE spending SET tokens = 'none'",
        "ALTER TABLE spending RENAME COLUMN tokens TO other",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_a_ledger_that_was_tampered_with_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "llm.sqlite"
    with closing(Ledger(path, Limits(max_tokens_total=1000), Prices("m", ""))) as ledger:
        ledger.reserve(1, 1)
    with closing(sqlite3.connect(path)) as log:
        log.execute(change)
        log.commit()
    with (
        closing(Ledger(path, Limits(max_tokens_total=1000), Prices("m", ""))) as ledger,
        pytest.raises(InputError, match=r"llm\.sqlite"),
    ):
        ledger.reserve(1, 1)


@pytest.mark.parametrize("junk", [b"\xff\xfe`X", b"`\n\nX"], ids=["no UTF-8", "lines"])
def test_a_damaged_log_is_refused_with_one_line(tmp_path: Path, junk: bytes) -> None:
    """SQLite quotes what it finds in the file, in a message that is then neither UTF-8 nor one line."""
    path = tmp_path / "llm.sqlite"
    get_llm(FunctionLLM(str), cache=path).complete(["a"])
    with closing(sqlite3.connect(path)) as log:
        log.execute("PRAGMA journal_mode = DELETE")
    path.write_bytes(path.read_bytes().replace(b"TEXT", junk))
    with pytest.raises(InputError, match=r"llm\.sqlite: the log .* cannot be used") as caught:
        get_llm(FunctionLLM(str), cache=path).complete(["a"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("status", "tokens"), [(500, 0), (503, 0), (400, 0), (502, 574), (504, 574)])
def test_an_answer_of_a_gateway_that_gave_up_stays_counted(tmp_path: Path, status: int, tokens: int) -> None:
    limits = Limits(max_tokens_total=1000, patience=0.2)
    with LLMServer(lambda body: failure(status, "no", retry_after=5)) as server:
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=limits)
        with pytest.raises(LLMError):
            llm.complete(["ab"], max_tokens=504)
        with closing(Ledger(tmp_path / "llm.sqlite", limits, Prices("model", server.url))) as ledger:
            assert ledger.spent() == (0, tokens)


GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai"


@pytest.mark.parametrize(
    ("prompt_tokens", "cached_tokens", "cost"),
    [
        (100_000, 0, 0.125 + 0.01),
        (100_000, 60_000, 0.04 * 1.25 + 0.06 * 0.125 + 0.01),
        (300_000, 0, 0.3 * 2.5 + 0.015),
        (300_000, 200_000, 0.1 * 2.5 + 0.2 * 0.25 + 0.015),
    ],
)
def test_cached_tokens_and_long_prompts_have_their_own_prices(
    tmp_path: Path, prompt_tokens: int, cached_tokens: int, cost: float
) -> None:
    def counted(body: dict[str, Any]) -> Answer:
        found = completion("ok")
        found["usage"] = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": 1000,
            "prompt_tokens_details": {"cached_tokens": cached_tokens},
        }
        return Answer(200, found)

    with LLMServer(counted) as server:
        limits = Limits(budget=1000)
        ledger = Ledger(tmp_path / "llm.sqlite", limits, Prices(TIERED, GOOGLE))
        opener = partial(connect, find_endpoint(server.spec))
        ChatLLM("m", "model", opener, limits=limits, ledger=ledger).complete(["a"])
        assert ledger.spent() == (pytest.approx(cost), prompt_tokens + 1000)
        ledger.close()


def test_calls_from_before_there_was_a_ledger_are_priced_one_by_one(tmp_path: Path) -> None:
    """Together, their prompts are longer than what has a price of its own."""
    path = tmp_path / "llm.sqlite"
    with LLMServer(lambda body: "ok") as server:
        opener = partial(connect, find_endpoint(server.spec))
        for name in (f"{GOOGLE}#{TIERED}", "smollm2"):  # the other one costs nothing
            llm = ChatLLM(name, "model", opener, limits=Limits())
            CachedLLM(llm, path).complete(["word " * 30_000 + str(n) for n in range(10)])
    ledger = Ledger(
        path, Limits(budget=10), Prices("other", GOOGLE, prices(tmp_path, other={"input": 1, "output": 1}))
    )
    assert ledger.spent() == (pytest.approx(10 * (30_001 * 1.25 + 10) / 1e6), 300_020)
    ledger.close()


def test_a_price_that_is_known_later_counts_once(tmp_path: Path) -> None:
    path, own = tmp_path / "llm.sqlite", prices(tmp_path, m={"input": 1000, "output": 1000})
    unpriced, priced = (
        Ledger(path, Limits(), Prices("m", "")),
        Ledger(path, Limits(budget=9), Prices("m", "", own)),
    )
    first, second = unpriced.reserve(100, 100), unpriced.reserve(100, 100)
    unpriced.close()  # killed; another start knows the price, and gets the reply of a batch, or that it was refused
    assert priced.spent() == (pytest.approx(0.4), 400)
    assert first is not None
    assert second is not None
    priced.settle(first, Completion("", 10, 10))
    priced.release(second)
    assert priced.spent() == (pytest.approx(0.02), 20)
    priced.close()


def test_a_reply_that_bills_more_than_it_may_makes_room_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "llm.sqlite", Limits(max_tokens_total=10**6), Prices("m", ""))
    reserved = [ledger.reserve(10, 100) for _ in range(8)]
    for found in reserved:  # all were set aside before the first reply was seen
        assert found is not None
        ledger.settle(found, Completion("", 10, 250))
    after = ledger.reserve(10, 100)
    assert after is not None
    assert after.completion_tokens == 250
    ledger.close()


@pytest.mark.parametrize("values", [{"budget": 1e300}, {"max_tokens_total": 10**30}])
def test_enormous_limits_hold_too(tmp_path: Path, values: dict[str, Any]) -> None:
    path = prices(tmp_path, m={"input": 1e6, "output": 1e6})
    ledger = Ledger(tmp_path / "llm.sqlite", Limits(prices=path, **values), Prices("m", "", path))
    assert ledger.reserve(10**9, 10**9) is not None
    ledger.close()


def test_the_ledger_writes_through_no_link(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"")
    (tmp_path / "llm.sqlite").symlink_to(target)
    ledger = Ledger(tmp_path / "llm.sqlite", Limits(max_tokens_total=9), Prices("m", ""))
    with pytest.raises(InputError, match="link"):
        ledger.reserve(1, 1)
    assert target.read_bytes() == b""
