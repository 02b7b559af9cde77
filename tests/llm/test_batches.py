"""Calls through the batch API: the same replies as single calls, none lost and none paid twice, whatever happens."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_process import EVENTS, Killer, kill_and_resume, start, start_command
from goalspace.corpus import Corpus
from goalspace.errors import CapReached, InputError, LLMError
from goalspace.llm import get_llm
from goalspace.llm.batch_files import read_results, request_line
from goalspace.llm.batches import BatchLLM
from goalspace.llm.limits import Limits
from goalspace.llm.meter import metered
from goalspace.llm.pricing import Prices
from goalspace.llm.protocol import PROMPT_TOO_LONG, Reply, stream
from goalspace.llm.spending import Ledger
from goalspace.proposals import propose
from llm_batches import BatchHost, Fate, Lines
from llm_server import Answer, LLMServer, completion, failure, prompt_of

TEXTS = [f"Order {n} of item {n % 7} came {n % 5} days late." for n in range(40)]
PROMPTS = [f"text {n}" for n in range(40)]
BATCH = Limits(batch=True)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("first_wait", 0.01), ("longest_wait", 0.03), ("grace", 0.3)):
        monkeypatch.setattr(BatchLLM, name, seconds)


def echo(body: dict[str, Any]) -> str | Answer:
    return f"re: {prompt_of(body)}"


def properties(body: dict[str, Any]) -> str:
    """Properties of the texts in a prompt of any form."""
    words = [word.strip(".,") for word in prompt_of(body).split("----------")[-2].split()][:4]
    named = [{"property": f"says {word}", "quote": word} for word in words]
    return json.dumps({"analysis": "late", "properties": named, "name": "name", "description": "what it is"})


def complete(server: LLMServer, folder: Path, *, prompts: list[str] = PROMPTS, **limits: Any) -> list[Reply]:
    llm = get_llm(server.spec, cache=folder / "llm.sqlite", limits=Limits(**{"batch": True, **limits}))
    return llm.complete(prompts)


def texts(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def stored(folder: Path, query: str) -> list[Any]:
    with sqlite3.connect(folder / "llm.sqlite") as log:
        return log.execute(query).fetchall()


def spent(folder: Path, **limits: Any) -> tuple[float, int]:
    ledger = Ledger(folder / "llm.sqlite", Limits(**limits), Prices("model", "", limits.get("prices")))
    try:
        return ledger.spent()
    finally:
        ledger.close()


def discover_in_batches(folder: Path, server: LLMServer) -> tuple[object, ...]:
    source = folder / "texts.txt"
    source.write_text("\n".join(TEXTS), encoding="utf-8")
    made = ("--llm", server.spec, "--batch", "--factors", 2, "-o", folder / "run")
    return ("discover", source, "--goal", "why", *made)


def check_paid_once(host: BatchHost, prompts: list[str] = PROMPTS) -> None:
    assert dict(host.paid) == dict.fromkeys(prompts, 1)


# ---------------------------------------------------------------- the same as single calls


@pytest.mark.parametrize("options", [{}, {"texts_per_call": 4}, {"prompting": "chained"}])
def test_proposals_are_those_of_single_calls(tmp_path: Path, options: dict[str, Any]) -> None:
    corpus = Corpus.read(TEXTS)
    found = {}
    for way, limits in (("single", Limits()), ("batch", BATCH)):
        with LLMServer(properties, batches=BatchHost()) as server:
            folder = tmp_path / way
            proposals = propose(
                corpus, goal="why", llm=server.spec, cache_dir=folder, limits=limits, **options
            )
            proposals.save(folder / "proposals.jsonl", corpus)
            n_single = len(server.bodies())
            calls = stored(
                folder, "SELECT prompt, reply, prompt_tokens, completion_tokens, max_tokens FROM calls"
            )
            found[way] = ((folder / "proposals.jsonl").read_text("utf-8"), sorted(calls))
    assert found["batch"] == found["single"]
    assert n_single == 0
    assert stored(tmp_path / "batch", "SELECT COUNT(*) FROM batch_calls") == [(0,)]


def test_replies_of_either_way_are_shared(tmp_path: Path) -> None:
    with LLMServer(echo, batches=BatchHost()) as server:
        complete(server, tmp_path, prompts=PROMPTS[:20])
        assert server.bodies() == []
        complete(server, tmp_path, batch=False)
        assert sorted(server.prompts()) == sorted(PROMPTS[20:])
        n = len(server.requests)
        assert texts(complete(server, tmp_path)) == [f"re: {prompt}" for prompt in PROMPTS]
        assert len(server.requests) == n


def test_prompts_that_are_alike_are_sent_once(tmp_path: Path) -> None:
    host = BatchHost()
    with LLMServer(echo, batches=host) as server:
        assert texts(complete(server, tmp_path, prompts=["a", "b", "a"])) == ["re: a", "re: b", "re: a"]
    assert host.paid.total() == 2


def test_batches_stay_below_the_limits_of_the_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BatchLLM.most_calls <= 25_000
    assert BatchLLM.most_bytes <= 100_000_000
    monkeypatch.setattr(BatchLLM, "most_calls", 16)
    monkeypatch.setattr(BatchLLM, "most_bytes", 2000)
    host = BatchHost()
    with LLMServer(echo, batches=host) as server:
        prompts = [*PROMPTS, "long " * 1000]
        assert texts(complete(server, tmp_path, prompts=prompts)) == [f"re: {prompt}" for prompt in prompts]
    sizes = [len(host.files[batch.body["input_file_id"]]) for batch in host.batches.values()]
    assert all(batch.n <= 16 for batch in host.batches.values())
    assert all(size <= 2000 for size in sizes[:-1])
    check_paid_once(host, prompts)


def test_progress_counts_the_requests_of_the_batch(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with LLMServer(echo, batches=BatchHost(polls=4)) as server:
        get_llm(
            server.spec,
            cache=tmp_path / "llm.sqlite",
            limits=BATCH,
            progress=lambda *step: told.append(step),
        ).complete(PROMPTS)
    assert told == [("waiting for the batch", done, 40) for done in (10, 20, 30, 40)]


def test_patience_does_not_end_a_batch(tmp_path: Path) -> None:
    with LLMServer(echo, batches=BatchHost(polls=40)) as server:
        assert len(complete(server, tmp_path, patience=0.2)) == 40


# ---------------------------------------------------------------- batches that end early


@pytest.mark.parametrize("status", ["expired", "cancelled", "completed"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_only_what_is_missing_is_asked_again(tmp_path: Path, status: str, share: float) -> None:
    host = BatchHost(fates=[Fate(status, share=share), Fate(status, share=0.9)])
    with LLMServer(echo, batches=host) as server:
        assert texts(complete(server, tmp_path)) == [f"re: {prompt}" for prompt in PROMPTS]
    assert len(host.batches) == 3
    check_paid_once(host)


def test_a_batch_that_fails_is_made_again(tmp_path: Path) -> None:
    errors = ({"code": "server_error", "message": "Something went wrong.", "line": None},)
    host = BatchHost(fates=[Fate("failed", errors=errors)])
    with LLMServer(echo, batches=host) as server:
        assert len(complete(server, tmp_path, max_tokens_total=10**6)) == 40
    check_paid_once(host)
    assert spent(tmp_path, max_tokens_total=10**6)[1] == 40 * (2 + 3)
    host = BatchHost(fates=[Fate("failed", errors=errors)] * 9)
    with LLMServer(echo, batches=host) as server:
        with pytest.raises(
            LLMError, match=r"refuses the batch \(model 'model'\): Something went wrong\. Run"
        ):
            complete(server, tmp_path / "b")
        assert len(host.batches) == 3
        host.fates.clear()
        assert len(complete(server, tmp_path / "b")) == 40


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("model_not_found", "The provided model is not supported by the Batch API."),
        ("billing_hard_limit_reached", "Billing hard limit has been reached."),
    ],
)
def test_a_batch_that_cannot_succeed_is_not_made_again(tmp_path: Path, code: str, message: str) -> None:
    host = BatchHost(fates=[Fate("failed", errors=({"code": code, "message": message},))])
    with LLMServer(echo, batches=host) as server, pytest.raises(LLMError, match=message[:20]):
        complete(server, tmp_path)
    assert len(host.batches) == 1


def test_batches_become_smaller_if_the_queue_of_the_account_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = ({"code": "token_limit_exceeded", "message": "Enqueued token limit reached for model."},)
    host = BatchHost(fates=[Fate("failed", errors=errors)] * 2)
    monkeypatch.setattr(BatchLLM, "most_calls", 40)
    with LLMServer(echo, batches=host) as server:
        assert len(complete(server, tmp_path)) == 40
        assert [batch.n for batch in host.batches.values()] == [40, 20, 10, 10, 10, 10]
        host.fates = [Fate("failed", errors=errors)] * 20
        with pytest.raises(LLMError, match="Enqueued token limit reached"):
            complete(server, tmp_path / "b")
    check_paid_once(host)


def test_a_call_that_fails_in_every_batch_costs_its_text(tmp_path: Path) -> None:
    def poisoned(body: dict[str, Any]) -> str | Answer:
        return failure(500, "oops") if "poison" in prompt_of(body) else echo(body)

    host = BatchHost()
    with LLMServer(poisoned, batches=host) as server:
        *others, last = complete(server, tmp_path, prompts=[*PROMPTS, "poison"], max_tokens_total=10**6)
        assert texts(others) == [f"re: {prompt}" for prompt in PROMPTS]
        assert (last.text, last.problem) == ("", "answers with status 500: oops")
        assert [batch.n for batch in host.batches.values()] == [41, 1, 1]
        assert spent(tmp_path, max_tokens_total=10**6)[1] == 40 * 5  # refused calls are not billed
    assert stored(tmp_path, "SELECT COUNT(*) FROM calls") == [(40,)]
    assert stored(tmp_path, "SELECT COUNT(*) FROM batch_calls") == [(0,)]  # the next run asks again


# ---------------------------------------------------------------- lines of errors


def test_errors_of_single_requests_mean_what_they_mean_in_single_calls(tmp_path: Path) -> None:
    refusals = {
        "slow": [failure(429, "slow down")],
        "filtered": [failure(400, "The prompt was filtered.", code="content_filter")] * 9,
        "long": [failure(400, "maximum context length is 700 tokens", code="context_length_exceeded")] * 9,
    }

    def strict(body: dict[str, Any]) -> str | Answer:
        answers = refusals.get(prompt_of(body))
        return answers.pop(0) if answers else echo(body)

    host = BatchHost()
    with LLMServer(strict, batches=host) as server:
        prompts = [*PROMPTS, "slow", "filtered", "long"]
        *_, slow, filtered, long = complete(server, tmp_path, prompts=prompts)
    assert slow.text == "re: slow"
    assert filtered.text == "The prompt was filtered"
    assert long.problem == PROMPT_TOO_LONG
    assert [batch.n for batch in host.batches.values()] == [43, 1]


def test_texts_that_are_too_long_are_halved(tmp_path: Path) -> None:
    def short_sighted(body: dict[str, Any]) -> str | Answer:
        if len(prompt_of(body)) > 3000:
            return failure(400, "maximum context length is 700 tokens", code="context_length_exceeded")
        return properties(body)

    long = [f"Order {n} came late. " * (400 if n % 3 == 0 else 1) for n in range(12)]
    with LLMServer(short_sighted, batches=BatchHost()) as server:
        found = propose(Corpus.read(long), goal="why", llm=server.spec, cache_dir=tmp_path, limits=BATCH)
    assert found.stats["n_unparsed"] == 0
    assert found.stats["coverage"] == 1


def test_parameters_that_the_endpoint_rejects_are_learned_and_remembered(tmp_path: Path) -> None:
    host = BatchHost()
    refuses = ["max_tokens", "temperature", "seed", "json_schema"]
    with LLMServer(lambda body: '{"a": 1}', batches=host, refuses=refuses) as server:
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=BATCH)
        assert texts(llm.complete(PROMPTS, schema=schema)) == ['{"a": 1}'] * 40
        n = len(host.batches)
        assert n == 1 + len(refuses)
        other = get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=BATCH)
        other.complete(["one more"], schema=schema)
        assert len(host.batches) == n + 1
    (request,) = host.lines(list(host.batches.values())[-1])
    assert sorted(request["body"]) == ["max_completion_tokens", "messages", "model", "response_format"]
    assert request["body"]["response_format"] == {"type": "json_object"}


def test_a_reply_that_was_cut_is_asked_for_with_more_room(tmp_path: Path) -> None:
    def cut(body: dict[str, Any]) -> Answer:
        answer = completion("whole" if body["max_tokens"] >= 40 else "wh")
        answer["choices"][0]["finish_reason"] = "stop" if body["max_tokens"] >= 40 else "length"
        return Answer(200, answer)

    host = BatchHost()
    with LLMServer(cut, batches=host) as server:
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite", limits=BATCH)
        assert texts(llm.complete(["a"], max_tokens=16)) == ["whole"]
        assert texts(llm.complete(["a"], max_tokens=4)) == ["wh"]  # there is an end to it
    lengths = [line["body"]["max_tokens"] for batch in host.batches.values() for line in host.lines(batch)]
    assert lengths == [16, 32, 64, 4, 8, 16]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (failure(404, "The model 'model' does not exist"), "has no model 'model'"),
        (
            failure(429, "You exceeded your current quota", code="insufficient_quota"),
            "no credit or quota left",
        ),
        (failure(401, "Incorrect API key"), "rejects the API key"),
    ],
)
def test_what_ends_a_run_loses_no_reply(tmp_path: Path, error: Answer, words: str) -> None:
    def fails(body: dict[str, Any]) -> str | Answer:
        return error if prompt_of(body) in PROMPTS[30:] else echo(body)

    host = BatchHost()
    with LLMServer(fails, batches=host) as server:
        with pytest.raises(LLMError, match=words):
            complete(server, tmp_path)
        assert stored(tmp_path, "SELECT COUNT(*) FROM calls") == [(30,)]
        server.chat = echo
        assert len(complete(server, tmp_path)) == 40
    check_paid_once(host)


# ---------------------------------------------------------------- files of results


def shuffled(lines: Lines) -> Lines:
    return random.Random(1).sample(lines, len(lines))


def doubled(lines: Lines) -> Lines:
    return [*lines, *lines[:5], *(line.replace(b"re: ", b"other: ") for line in lines[5:])]


def with_strangers(lines: Lines) -> Lines:
    """Lines of no request: unknown, negative and enormous ids, none, and those of another batch."""
    first = json.loads(lines[0])
    mark, _, _ = first["custom_id"].rpartition("-")
    ids = [
        f"{mark}-99",
        f"{mark}--1",
        f"{mark}-{10**30}",
        f"{mark}-٣",
        mark,
        "0",
        f"{'0' * 32}-3",
        None,
        7,
        [],
    ]
    return [json.dumps(first | {"custom_id": stranger}).encode() for stranger in ids] + lines


def with_rubbish(lines: Lines) -> Lines:
    rubbish = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"custom_id": "',
        b'"x"',
        b"1e999",
    ]
    return [*rubbish, *lines, *rubbish]


@pytest.mark.parametrize("spoil", [shuffled, doubled, with_strangers, with_rubbish])
def test_lines_may_come_in_any_order_and_company(tmp_path: Path, spoil: Callable[[Lines], Lines]) -> None:
    host = BatchHost(fates=[Fate(spoil=spoil)])
    with LLMServer(echo, batches=host) as server:
        assert texts(complete(server, tmp_path)) == [f"re: {prompt}" for prompt in PROMPTS]
    assert len(host.batches) == 1
    check_paid_once(host)


def cut_off(lines: Lines) -> Lines:
    return [*lines[:7], lines[7][:50]]


def spoiled(lines: Lines) -> Lines:
    return [line if n % 3 else line[:-9] for n, line in enumerate(lines)]


@pytest.mark.parametrize("spoil", [cut_off, spoiled, lambda lines: []], ids=["cut", "spoiled", "empty"])
def test_results_that_were_damaged_on_the_way_are_fetched_again(
    tmp_path: Path, spoil: Callable[[Lines], Lines]
) -> None:
    host = BatchHost(fates=[Fate(spoil=spoil, n_spoiled=2)])
    with LLMServer(echo, batches=host) as server:
        assert texts(complete(server, tmp_path)) == [f"re: {prompt}" for prompt in PROMPTS]
    check_paid_once(host)
    host = BatchHost(fates=[Fate(spoil=spoil)])  # for good: then the calls are lost, and may have been billed
    with LLMServer(echo, batches=host) as server:
        assert len(complete(server, tmp_path / "b", max_tokens_total=10**6)) == 40
    n_lost = host.paid.total() - 40
    assert n_lost > 0
    tokens = spent(tmp_path / "b", max_tokens_total=10**6)[1]
    assert tokens > 40 * 5 + n_lost * 512


BODIES = [
    None,
    7,
    [],
    "<html>",
    {},
    {"choices": []},
    {"error": {"message": "no"}},
    {"choices": [{"message": {"content": "a\ud800"}}], "usage": {"prompt_tokens": 10**40}},
    completion("fine"),
    json.dumps(completion("fine")),
]
ANSWERS = st.one_of(
    st.builds(
        lambda status, body: {"status_code": status, "body": body},
        st.sampled_from([200, 400, 401, 404, 418, 429, 500, 0, -1, 10**30, True, "200", None]),
        st.sampled_from(BODIES),
    ),
    st.sampled_from([None, 7, [], "x", {}]),
)
ERRORS = st.sampled_from(
    [None, {}, {"code": "batch_expired", "message": "late"}, {"message": ["\ud800"]}, "x", 7]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 12), ANSWERS, ERRORS), max_size=20))
def test_whatever_the_lines_hold_they_are_read(lines: list[tuple[int, Any, Any]]) -> None:
    content = b"\n".join(
        json.dumps({"custom_id": f"m-{n}", "response": response, "error": error}).encode()
        for n, response, error in lines
    )
    found = read_results([content], "m", 10)
    assert set(found) <= set(range(10))
    assert set(found) == {n for n, _, _ in lines if 0 <= n < 10}
    for result in found.values():
        assert result.status == 0 or 100 <= result.status < 600
        result.problem.encode()


@pytest.mark.parametrize("number", range(3))
def test_whatever_the_lines_hold_a_run_ends(tmp_path: Path, number: int) -> None:
    """With replies, problems, or one line."""
    draw = random.Random(number)

    def hostile(lines: Lines) -> Lines:
        found = []
        for line in lines:
            value = json.loads(line)
            kind = draw.randrange(4)
            if kind == 0:
                value["response"] = {"status_code": draw.choice([200, 429, 500]), "body": draw.choice(BODIES)}
            elif kind == 1:
                value["response"], value["error"] = (
                    None,
                    draw.choice([{"code": "x"}, {"message": "\ud800"}, 3]),
                )
            found.append(json.dumps(value).encode())
        return found

    with LLMServer(echo, batches=BatchHost(fates=[Fate(spoil=hostile)] * 9)) as server:
        replies = complete(server, tmp_path)
    assert len(replies) == 40
    assert all(reply.text or reply.problem for reply in replies)


def test_a_line_is_a_request_of_the_api() -> None:
    line = json.loads(request_line("m", 3, {"model": "a\u2028b"}))
    assert line == {
        "custom_id": "m-3",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "a\u2028b"},
    }
    assert request_line("m", 3, {"model": "a\n\u2028b"}).count(b"\n") == 1


# ---------------------------------------------------------------- trouble on the way


@pytest.mark.parametrize("event", ["upload", "create", "poll", "content"])
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize(
    ("status", "body"), [(500, {"error": {"message": "oops"}}), (429, {"error": {}}), (200, b"<html>")]
)
def test_faults_of_the_api_are_waited_out(
    tmp_path: Path, event: str, is_done: bool, status: int, body: Any
) -> None:
    """Also if the batch was created and the answer says otherwise."""
    if (event, status, is_done) == ("create", 429, True):
        pytest.skip("what is refused is not done")
    host = BatchHost()
    host.faults[event] = [(status, body, is_done)]
    with LLMServer(echo, batches=host) as server:
        assert texts(complete(server, tmp_path)) == [f"re: {prompt}" for prompt in PROMPTS]
    if (event, status) != ("content", 200):
        assert len(host.batches) == 1
    check_paid_once(host)


@pytest.mark.parametrize("body", [{}, {"id": "../files"}, {"id": 7}, {"id": "a/b"}, [], "x"])
def test_an_answer_without_a_valid_id_is_none(tmp_path: Path, body: Any) -> None:
    host = BatchHost()
    host.faults = {"upload": [(200, body, True)], "create": [(200, body, True)]}
    with LLMServer(echo, batches=host) as server:
        assert len(complete(server, tmp_path)) == 40
        assert all("/../" not in path for path, _, _ in server.requests)
    check_paid_once(host)


def test_results_that_the_endpoint_has_lost_are_asked_for_again(tmp_path: Path) -> None:
    host = BatchHost()
    gone = {"error": {"message": "No such File object"}}
    host.faults["content"] = [(404, gone, True)]
    with LLMServer(echo, batches=host) as server:
        assert len(complete(server, tmp_path)) == 40
    assert host.paid.total() == 80


def test_a_batch_that_another_key_created_is_not_paid_again(tmp_path: Path) -> None:
    host = BatchHost(polls=10**6)
    with LLMServer(echo, batches=host) as server:
        kill_while_polling(server, host, tmp_path, len(PROMPTS))
        hidden, host.batches = host.batches, {}
        with pytest.raises(LLMError, match=r"has no batch batch_1, .* use the API key of the project"):
            complete(server, tmp_path)
        host.batches, host.polls = hidden, 1
        assert len(complete(server, tmp_path)) == 40
    check_paid_once(host)


def test_an_endpoint_without_a_batch_api_is_named(tmp_path: Path) -> None:
    with LLMServer(echo) as server:
        with pytest.raises(LLMError, match=rf"{server.url} has no batch API .*: leave out --batch\.$"):
            complete(server, tmp_path)
        assert len(complete(server, tmp_path, batch=False, max_tokens_total=10**6)) == 40
        assert spent(tmp_path, max_tokens_total=10**6)[1] == 40 * 5


@pytest.mark.parametrize("spec", ["smollm2", "gguf:model.gguf", "ollama:llama3"])
def test_other_models_are_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(InputError, match=rf"'{spec}' has no batch API.*leave out --batch\.$"):
        get_llm(spec, cache=tmp_path / "llm.sqlite", limits=BATCH)


def test_batches_need_a_file() -> None:
    with pytest.raises(InputError, match="'cache'"):
        get_llm("http://127.0.0.1:9/v1#model", limits=BATCH)


# ---------------------------------------------------------------- processes that are killed


def kill_while_polling(
    server: LLMServer, host: BatchHost, folder: Path, n_prompts: int, **limits: Any
) -> None:
    killer = Killer("poll", 2)
    host.watch = killer.watch
    process = start(server.spec, folder / "llm.sqlite", n_prompts, **limits)
    killer.aim(process)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    host.watch = lambda event: None


@pytest.mark.parametrize("event", EVENTS)
def test_a_killed_process_pays_nothing_twice(tmp_path: Path, event: str) -> None:
    """Also if it dies while the batch is created, and if its replies are stored by several processes."""
    host = BatchHost(fates=[Fate("expired", share=0.7)])
    killer = Killer(event)
    host.watch = killer.watch
    limits = {"max_tokens_total": 10**6}
    with LLMServer(echo, batches=host) as server:
        process = start(server.spec, tmp_path / "llm.sqlite", 40, **limits)
        killer.aim(process)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        host.watch = lambda event: None
        process = start(server.spec, tmp_path / "llm.sqlite", 40, die_after=9, **limits)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert texts(complete(server, tmp_path, **limits)) == [f"re: {prompt}" for prompt in PROMPTS]
    check_paid_once(host)
    assert len(host.batches) == 2
    assert spent(tmp_path, **limits)[1] == 40 * 5  # nothing stays set aside, and nothing is settled twice


def test_random_kills_pay_nothing_twice(tmp_path: Path) -> None:
    host = kill_and_resume(tmp_path, seed=20)
    check_paid_once(host, [f"text {n}" for n in range(120)])


def test_ctrl_c_leaves_the_batch_at_the_endpoint(tmp_path: Path) -> None:
    host = BatchHost(polls=10**6)
    killer = Killer("poll", 3, signal.SIGINT)
    host.watch = killer.watch
    with LLMServer(properties, batches=host) as server:
        command = discover_in_batches(tmp_path, server)
        process = start_command(*command)
        killer.aim(process)
        _, told = process.communicate(timeout=900)
        assert process.returncode == 130
        assert f"batch_1 goes on at {server.url}: the same command fetches the replies" in told
        assert told.rstrip().endswith("goalspace: interrupted; run the same command to resume.")
        assert "Traceback" not in told
        host.polls = 1
        process = start_command(*command)
        _, told = process.communicate(timeout=900)
        assert process.returncode == 0, told
        assert "within 24 hours, as batches" in told
        assert server.bodies() == []
    assert max(host.paid.values()) == 1
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("tampering", "line"),
    [
        ("UPDATE batches SET n_calls = 1000000000000000", True),
        ("UPDATE batches SET n_calls = 'x'", True),
        ("UPDATE batches SET parameters = '[]'", True),
        ("UPDATE batches SET parameters = '{'", True),
        ("UPDATE batches SET refused = '7'", True),
        ("UPDATE batches SET asked = 'x'", True),
        ("UPDATE batches SET id = '../../elsewhere'", True),
        ("UPDATE batch_calls SET state = 'stolen'", True),
        ("UPDATE batch_calls SET max_tokens = 'x'", True),
        ("UPDATE batch_calls SET position = position + 1000000", False),
        ("ALTER TABLE batches RENAME COLUMN mark TO other", True),
        ("DROP TABLE batches", False),
    ],
)
def test_a_tampered_log_gives_one_line_or_is_made_good(tmp_path: Path, tampering: str, line: bool) -> None:
    host = BatchHost(polls=6)
    with LLMServer(echo, batches=host) as server:
        kill_while_polling(server, host, tmp_path, 40)
        with sqlite3.connect(tmp_path / "llm.sqlite") as log:
            log.execute(tampering)
        if line:
            with pytest.raises(InputError, match=r"llm\.sqlite: the log of LLM calls cannot be used \("):
                complete(server, tmp_path)
        else:
            assert texts(complete(server, tmp_path)) == [f"re: {prompt}" for prompt in PROMPTS]
        assert not [path for path, _, _ in server.requests if "elsewhere" in path]


def test_calls_that_are_paid_in_a_batch_are_not_made_singly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = BatchHost(fates=[Fate("cancelled", share=0.5)], polls=6)
    with LLMServer(echo, batches=host) as server:
        kill_while_polling(server, host, tmp_path, 40)
        assert texts(complete(server, tmp_path, batch=False)) == [f"re: {prompt}" for prompt in PROMPTS]
        assert sorted(server.prompts()) == sorted(PROMPTS[20:])
    assert "40 of these calls are paid in batches: waiting for batch_1; cancel" in caplog.text


# ---------------------------------------------------------------- what it costs


@pytest.mark.parametrize(
    ("model", "address", "share"),
    [
        ("gpt-4o-mini", "https://api.openai.com/v1", 0.5),
        ("gpt-4o-audio-preview", "https://api.openai.com/v1", 0.5),
        ("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai", 0.5),
        ("deepseek-chat", "https://api.deepseek.com", 1.0),
    ],
)
def test_batches_cost_less_where_it_is_known(model: str, address: str, share: float) -> None:
    single, batch = (Prices(model, address, is_batch=way).cost(10**5, 10**4) for way in (False, True))
    assert single is not None
    assert batch == pytest.approx(single * share)


@pytest.fixture
def price_file(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    def write(**rates: float) -> Path:
        path = tmp_path / "prices.json"
        path.write_text(json.dumps({"model": {"input": 1000, "output": 2000, **rates}}), encoding="utf-8")
        return path

    return write


def test_a_file_of_prices_says_what_batches_cost(price_file: Callable[..., Path]) -> None:
    assert Prices("model", "", price_file(), is_batch=True).cost(1000, 1000) == 3
    assert Prices("model", "", price_file(batch=0.4), is_batch=True).cost(1000, 1000) == pytest.approx(1.2)
    assert Prices("model", "", price_file(batch=0.4)).cost(1000, 1000) == 3
    with pytest.raises(InputError, match='"batch" is the share'):
        Prices("model", "", price_file(batch=1.5)).cost(1, 1)


def test_the_meter_counts_what_batches_cost(tmp_path: Path, price_file: Callable[..., Path]) -> None:
    rates = {"prices": price_file(batch=0.5)}
    with LLMServer(echo, batches=BatchHost()) as server:
        with metered() as meter:
            complete(server, tmp_path, **rates)
        assert meter.usd == pytest.approx(40 * (2 * 1 + 3 * 2) / 2 / 1000)
        assert (meter.tokens, meter.is_priced, meter.is_estimate) == (40 * 5, True, False)
        with metered() as meter:
            complete(server, tmp_path, **rates)
        assert (meter.usd, meter.tokens) == (0, 0)


def test_only_calls_that_fit_go_into_a_batch(tmp_path: Path, price_file: Callable[..., Path]) -> None:
    """A call may cost $0.55 and costs $0.004; the results make room for all others."""
    host = BatchHost()
    rates = {"prices": price_file(batch=0.5)}
    with LLMServer(echo, batches=host) as server:
        assert len(complete(server, tmp_path, budget=16, **rates)) == 40
        first, *others = (batch.n for batch in host.batches.values())
        assert first == 29  # 74 tokens of the prompt at most, and 512 of the reply
        assert others == [11]
        assert spent(tmp_path, budget=16, **rates)[0] == pytest.approx(40 * (2 * 1 + 3 * 2) / 2 / 1000)
        with pytest.raises(
            CapReached, match=r"\$0.1600 of \$0.3000 is spent or set aside, and the next call may cost"
        ):
            complete(server, tmp_path, prompts=["one more"], budget=0.3, **rates)
    check_paid_once(host)


def test_the_cap_ends_a_run_when_the_results_are_in(tmp_path: Path) -> None:
    host = BatchHost()
    with LLMServer(echo, batches=host) as server:
        llm = get_llm(
            server.spec, cache=tmp_path / "llm.sqlite", limits=Limits(batch=True, max_tokens_total=6000)
        )
        got = []
        with pytest.raises(
            CapReached, match=r"50 of 6,000 tokens are .*, and the next 30 calls may take 17,"
        ):
            got.extend(reply for _, reply in stream(llm, PROMPTS))
    assert len(got) == 10
    assert [batch.n for batch in host.batches.values()] == [10]


def test_a_run_at_its_cap_is_usable_and_exits_with_3(tmp_path: Path) -> None:
    host = BatchHost()
    with LLMServer(properties, batches=host) as server:
        command = discover_in_batches(tmp_path, server)
        process = start_command(*command, "--max-tokens-total", 30_000)
        _, told = process.communicate(timeout=900)
        assert process.returncode == 3, told
        assert "texts were read. The run is usable" in told
    assert (tmp_path / "run" / "report.html").is_file()
    assert 0 < next(iter(host.batches.values())).n < 40


@pytest.mark.parametrize("before", [{}, {"max_tokens_total": 10**6}])
@pytest.mark.parametrize("after", [{}, {"max_tokens_total": 10**6}])
def test_what_a_killed_process_set_aside_is_settled(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Whether there was a cap before, and whether there is one now."""
    host = BatchHost(polls=6)
    with LLMServer(echo, batches=host) as server:
        kill_while_polling(server, host, tmp_path, 40, **before)
        if before:
            assert spent(tmp_path, **before)[1] > 40 * 512
        assert len(complete(server, tmp_path, **after)) == 40
    assert spent(tmp_path, max_tokens_total=10**6)[1] == 40 * 5
    check_paid_once(host)


def test_a_new_cap_counts_what_is_in_a_batch(tmp_path: Path) -> None:
    host = BatchHost(polls=8)
    with LLMServer(echo, batches=host) as server:
        kill_while_polling(server, host, tmp_path, 40)
        llm = get_llm(
            server.spec, cache=tmp_path / "llm.sqlite", limits=Limits(batch=True, max_tokens_total=20_000)
        )
        found = stream(llm, [*PROMPTS, "one more"])
        next(found)
        assert len(host.batches) == 1  # there was no room beside it
        assert len(list(found)) == 40
    check_paid_once(host, [*PROMPTS, "one more"])
