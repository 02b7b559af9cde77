"""Keys and texts reach only the endpoint: redirects, plain http, the addresses of keys, keys that a server repeats."""

from __future__ import annotations

import json
import os
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from goalspace.cli import main
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError, LLMError
from goalspace.llm import address, get_llm
from goalspace.llm.endpoint import find_endpoint
from goalspace.llm.transport import mask_key
from llm_server import CHAT, MODELS, Answer, LLMServer, completion, failure, prompt_of

KEY = "sk-own-4f9c2a71d0e85b36"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("OPENAI_", "GOALSPACE_", "OLLAMA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GOALSPACE_API_KEY", KEY)


# ---------------------------------------------------------------------------------- redirects


class Redirecting(LLMServer):
    """Answers requests of texts with a redirect; `lists` redirects the list of models, too."""

    def __init__(self, status: int, target: str, *, lists: bool = False) -> None:
        super().__init__()
        self.redirect, self.lists = Answer(status, {}, {"Location": target}), lists

    def answer(
        self, path: str, body: dict[str, Any], headers: dict[str, str], method: str = "POST"
    ) -> Answer:
        if path == MODELS and not self.lists:
            return super().answer(path, body, headers, method)
        return self.redirect


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("lists", [False, True])
def test_a_redirect_to_another_host_is_refused(status: int, lists: bool) -> None:
    with LLMServer() as other, Redirecting(status, other.url + "/chat/completions", lists=lists) as server:
        uses: tuple[Callable[[], object], ...] = (
            lambda: get_llm(server.spec).complete(["secret text"]),
            lambda: get_encoder(server.spec).encode(["secret text"]),
        )
        for use in uses:
            with pytest.raises(LLMError) as caught:
                use()
            message = str(caught.value)
            assert message.startswith(server.url)
            assert f"redirects to {other.url.removesuffix('/v1')} " in message
            assert "\n" not in message
        assert other.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:{port}/v1/chat/completions",
        "https://127.0.0.1:{port}/v1/chat/completions",
        "//localhost:{port}/v1/chat/completions",
        "http://user:pass@localhost:{port}/v1/chat/completions",
        "http://127.0.0.1.evil.example:{port}/v1/chat/completions",
        "http://127.0.0.1:9/v1/chat/completions",
    ],
)
def test_what_differs_in_scheme_host_or_port_is_another_address(target: str) -> None:
    with LLMServer() as other:
        port = other.url.rpartition(":")[2].removesuffix("/v1")
        with Redirecting(307, target.format(port=port)) as server:
            with pytest.raises(LLMError, match="to which nothing was sent"):
                get_llm(server.spec).complete(["secret text"])
            assert len(server.bodies()) == 1  # and it was not tried again
        assert other.requests == []


def test_a_redirect_on_the_same_origin_is_followed() -> None:
    class Moved(LLMServer):
        def answer(
            self, path: str, body: dict[str, Any], headers: dict[str, str], method: str = "POST"
        ) -> Answer:
            if path == CHAT:
                return Answer(307, {}, {"Location": "/v2/chat/completions"})
            return (
                Answer(200, completion("moved"))
                if path.startswith("/v2")
                else super().answer(path, body, headers, method)
            )

    with Moved() as server:
        assert get_llm(server.spec).complete(["a"])[0].text == "moved"
    with Redirecting(307, "/v1/chat/completions") as server, pytest.raises(LLMError, match="redirects to"):
        get_llm(server.spec).complete(["a"])


# ---------------------------------------------------------------------------------- plain http


@pytest.mark.parametrize(
    "spec",
    [
        "http://gpu-box:8000/v1#model",
        "HTTP://gpu-box/v1#model",
        "http://10.0.0.7:8000/v1#model",
        "http://localhost.evil.example/v1#model",
        "http://127.0.0.1.nip.io/v1#model",
        "http://[2001:db8::1]:8000/v1#model",
        "http://2130706433/v1#model",
    ],
)
def test_plain_http_to_another_machine_must_be_accepted(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--insecure-http"):
        find_endpoint(spec)
    assert find_endpoint(address.PlainHttpSpec(spec)).key == KEY
    monkeypatch.setenv("GOALSPACE_INSECURE_HTTP", "1")
    assert find_endpoint(spec).key == KEY
    monkeypatch.setenv("GOALSPACE_INSECURE_HTTP", "0")
    with pytest.raises(InputError, match="GOALSPACE_INSECURE_HTTP"):
        find_endpoint(spec)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.0.1", "[::1]", "0.0.0.0"])
def test_plain_http_to_this_machine_is_no_question(host: str) -> None:
    assert find_endpoint(f"http://{host}:8000/v1#model").key == KEY


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OLLAMA_HOST"])
def test_plain_http_of_the_environment_must_be_accepted_too(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    monkeypatch.setenv(variable, "http://me:secret@gpu-box:8000")
    with pytest.raises(InputError, match="--insecure-http") as caught:
        find_endpoint("openai:model" if variable.startswith("OPENAI") else "ollama:model")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("discover", "{texts}", "--goal", "why", "--llm", "{spec}", "-o", "{out}"),
        ("discover", "{texts}", "--goal", "why", "--llm", "{spec}", "--encoder", "{spec}", "-o", "{out}"),
        ("embed", "{texts}", "--encoder", "{spec}", "-o", "{out}.npy"),
        ("correlate", "{texts}", "{texts}", "--encoder", "{spec}", "-o", "{out}"),
        ("select", "{texts}", "--budget", "2", "--encoder", "{spec}", "-o", "{out}"),
        ("retrieve", "{texts}", "{texts}", "--encoder", "{spec}", "-o", "{out}"),
    ],
)
def test_every_command_has_the_flag(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of this machine that goalspace takes for another one."""
    monkeypatch.setattr(address, "is_this_machine", lambda _: False)
    texts = tmp_path / "texts.jsonl"
    rows = [{"text": f"Explain the {thing} {i}."} for i in range(8) for thing in ("kettle", "router")]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with LLMServer() as server:
        given = [a.format(texts=texts, spec=server.spec, out=tmp_path / "out") for a in arguments]
        done = CliRunner().invoke(main, given)
        assert done.exit_code == 2
        assert "accept it with --insecure-http" in done.stderr
        assert server.requests == []
        CliRunner().invoke(main, [*given, "--insecure-http"])
        assert server.requests
        assert {headers["authorization"] for _, _, headers in server.requests} == {f"Bearer {KEY}"}


# ---------------------------------------------------------------------------------- where a key goes


def test_a_key_with_an_address_goes_to_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALSPACE_BASE_URL", "https://mine.example/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    assert find_endpoint("https://mine.example/v1#m").key == KEY
    assert find_endpoint("https://MINE.example:443/other#m").key == KEY
    for other in (
        "https://mine.example:8443/v1#m",
        "https://mine.example.evil.example/v1#m",
        "https://other.example/v1#m",
        "http://127.0.0.1:8000/v1#m",
    ):
        assert find_endpoint(other).key == "none"
    assert find_endpoint("https://api.openai.com/v1#m").key == "sk-openai"
    assert find_endpoint(address.RecordedSpec("https://mine.example/v1#m")).key == KEY
    monkeypatch.setenv("GOALSPACE_BASE_URL", "mine")
    with pytest.raises(InputError, match="GOALSPACE_BASE_URL"):
        find_endpoint("https://mine.example/v1#m")


@pytest.mark.parametrize(
    "spec",
    ["http://a\\@evil.example/v1#m", "http://a b/v1#m", "http://a\n.evil.example/v1#m", "http:///v1#m"],
)
def test_addresses_that_programs_read_differently_are_refused(spec: str) -> None:
    with pytest.raises(InputError, match="is not an endpoint"):
        find_endpoint(spec)


# ---------------------------------------------------------------------------------- keys that a server repeats

ESCAPED = "".join(f"\\u{ord(c):04x}" for c in KEY)


@pytest.mark.parametrize(
    "answer",
    [
        failure(401, f"Incorrect API key provided: {KEY}."),
        failure(403, f"The key {KEY} may not use this model."),
        failure(400, f"Bad header: Bearer {KEY}", code=KEY, param=KEY),
        failure(404, f"The model does not exist for {KEY[:12]}…"),
        failure(422, f"Key ending in …{KEY[-9:]} is invalid."),
        Answer(403, f"<html>Forbidden: {KEY}</html>".encode(), {"Content-Type": "text/html"}),
        Answer(403, f'{{"error": {{"message": "{ESCAPED}"}}}}'.encode()),
        Answer(403, json.dumps({"error": {"message": KEY}}).encode("utf-16")),
        Answer(403, KEY.encode("utf-16"), {"Content-Type": "text/plain; charset=utf-16"}),
        Answer(403, json.dumps({KEY: KEY}).encode()),
        Answer(200, f"not JSON but {KEY}".encode()),
        Answer(200, {"error": {"message": f"wrapped {KEY}"}}),
        Answer(307, {"error": KEY}, {"Location": f"http://{KEY}.evil.example/{KEY}"}),
    ],
    ids=range(13),
)
def test_no_message_repeats_the_key(answer: Answer) -> None:
    with LLMServer(lambda _: answer) as server, pytest.raises(LLMError) as caught:
        get_llm(server.spec).complete(["a"])
    shown = "".join(traceback.format_exception(caught.value))  # with the causes
    for part in (KEY, KEY[:8], KEY[-8:], ESCAPED[:48]):
        assert part not in shown


def test_a_malformed_answer_that_repeats_the_key() -> None:
    class Broken(LLMServer):
        def answer(
            self, path: str, body: dict[str, Any], headers: dict[str, str], method: str = "POST"
        ) -> Answer:
            return Answer(200, {}, {f"{KEY} bad name": "x"})

    with Broken() as server, pytest.raises(LLMError, match="cannot be reached") as caught:
        get_llm(server.spec).complete(["a"])
    assert KEY[:8] not in "".join(traceback.format_exception(caught.value))


def test_a_stored_reply_does_not_hold_the_key(tmp_path: Path) -> None:
    with LLMServer(lambda body: f"re: {prompt_of(body)}, by the way: {KEY}") as server:
        llm = get_llm(server.spec, cache=tmp_path / "llm.sqlite")
        assert llm.complete(["ä"])[0].text == "re: ä, by the way: [key]"
    with sqlite3.connect(tmp_path / "llm.sqlite") as log:
        assert log.execute("SELECT reply FROM calls").fetchone()[0].endswith("[key]")
    log.close()
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_replies_without_the_key_are_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = 'café \\ "quoted" \ud83d\ude00 \x00 customer'
    with LLMServer(lambda _: Answer(200, completion(odd))) as server:
        for key in (KEY, "none", "c", "café"):
            monkeypatch.setenv("GOALSPACE_API_KEY", key if key.isascii() else "x")
            assert get_llm(server.spec).complete(["a"])[0].text == odd.encode(
                "utf-16", "surrogatepass"
            ).decode("utf-16")


def test_vectors_are_untouched() -> None:
    with LLMServer(embed=lambda text: [0.1, 1 / 3, -7e-12]) as server:
        first = get_encoder(server.spec).encode(["a"])
    expected = [0.1, 1 / 3, -7e-12]
    assert first[0].tolist() == pytest.approx([v / sum(x * x for x in expected) ** 0.5 for v in expected])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"a {KEY} b {KEY}", "a [key] b [key]"),
        (KEY[:8], "[key]"),
        (f"{KEY[:-1]}!", "[key]!"),
        (KEY[1:], "[key]"),
        (KEY[:7], KEY[:7]),
        ("nothing", "nothing"),
    ],
)
def test_beginnings_and_ends_are_masked(text: str, masked: str) -> None:
    assert mask_key(text, KEY) == masked
    assert mask_key(text, "") == text
    assert mask_key("x y z", "x") == "x y z"
    assert mask_key("the key abcd1 was wrong", "abcd1") == "the key [key] was wrong"
