"""A real HTTP server on a loopback port that speaks the OpenAI API, counts requests, misbehaves on demand.

    with LLMServer(lambda body: '{"properties": ["late delivery"]}') as server:
        llm = get_llm(server.spec)

The function gets the decoded body of a chat request and returns the text of the reply, or an `Answer` with
which the server misbehaves. It is called from several threads at once. `embed` makes one text's embedding. With
`batches`, a `BatchHost`, it has the batch API, too.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from llm_batches import BATCHES, FILES, BatchHost, read_form

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
MODELS = "/v1/models"


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer; with `reset` the connection is torn down instead, after `sent` bytes of the body.

    `pause` is the seconds before each byte (a drip), or before the first one if `hangs`.
    """

    status: int = 200
    body: Any = None  # bytes are sent as they are, anything else as JSON
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    sent: int = 0
    pause: float = 0.0
    hangs: bool = False


RESET = Answer(reset=True)


def failure(status: int, message: str, *, retry_after: float | None = None, **more: Any) -> Answer:
    """An error in OpenAI's form; `more` are fields such as code and param."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(status, {"error": {"message": message, "type": "error", **more}}, headers)


def refusal(words: str) -> Answer:
    """A model that declines to answer."""
    return Answer(200, completion(None, refusal=words))


def completion(content: str | None, *, prompt: str = "", **message: Any) -> dict[str, Any]:
    """The body of a chat completion; tokens are counted as words."""
    counted = {"prompt_tokens": len(prompt.split()), "completion_tokens": len((content or "").split())}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "model",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {**counted, "total_tokens": sum(counted.values())},
    }


def prompt_of(body: dict[str, Any]) -> str:
    """The last message of a chat request."""
    return str(body["messages"][-1]["content"])


class LLMServer:
    """The server; `requests` holds (path, body, headers) of everything that it was sent.

    `refuses` names what is answered with 400: json_schema, json_object, temperature, seed, max_tokens.
    With a `key`, any other key is answered with 401. A model not in `models` is answered with 404.
    """

    def __init__(
        self,
        chat: Callable[[dict[str, Any]], str | Answer] = lambda body: "ok",
        *,
        embed: Callable[[str], Sequence[float]] = lambda text: [float(len(text)), 1.0],
        models: Sequence[str] = ("model",),
        key: str | None = None,
        refuses: Collection[str] = (),
        lists_models: bool = True,
        batches: BatchHost | None = None,
    ) -> None:
        self.chat, self.embed = chat, embed
        self.batches = batches
        self.models, self.key, self.refuses, self.lists_models = models, key, refuses, lists_models
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.released = threading.Event()  # ends every pause
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def spec(self) -> str:
        return f"{self.url}#{self.models[0]}"

    def bodies(self, path: str = CHAT) -> list[dict[str, Any]]:
        """The bodies of the requests to a path, in the order in which they came."""
        with self.lock:
            return [body for where, body, _ in self.requests if where == path]

    def prompts(self) -> list[str]:
        """The prompt of every chat request."""
        return [prompt_of(body) for body in self.bodies()]

    def _in_batch(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        found = self.answer(CHAT, body, headers)
        return found.status, found.body

    def answer(
        self, path: str, body: dict[str, Any], headers: dict[str, str], method: str = "POST"
    ) -> Answer:
        """What a well-behaved endpoint answers, unless it was told to refuse."""
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return failure(401, "Incorrect API key provided.", code="invalid_api_key")
        if path == MODELS and self.lists_models:
            return Answer(
                200, {"object": "list", "data": [{"id": m, "object": "model"} for m in self.models]}
            )
        if self.batches and path.startswith((FILES, BATCHES)):
            return Answer(*self.batches.answer(path, body, method, lambda one: self._in_batch(one, headers)))
        if path not in (CHAT, EMBEDDINGS):
            return failure(404, f"Invalid URL ({path})")
        if body["model"] not in self.models:
            return failure(404, f"The model '{body['model']}' does not exist", code="model_not_found")
        if path == EMBEDDINGS:
            return self._embeddings(body)
        kind = body.get("response_format", {}).get("type")
        for name in self.refuses:
            if name == kind:
                return failure(400, f"'response_format' of type '{name}' is not supported with this model.")
            if name in body:
                return failure(400, f"Unsupported parameter: '{name}'.", param=name)
        reply = self.chat(body)
        return Answer(200, completion(reply, prompt=prompt_of(body))) if isinstance(reply, str) else reply

    def _embeddings(self, body: dict[str, Any]) -> Answer:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        vectors = [[float(number) for number in self.embed(text)] for text in texts]
        if body.get("encoding_format") == "base64":  # what the SDK asks for unless it is told otherwise
            import base64

            encoded: list[Any] = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
        else:
            encoded = list(vectors)
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(encoded)]
        n_words = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": n_words, "total_tokens": n_words}
        return Answer(200, {"object": "list", "model": body["model"], "data": data, "usage": usage})


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: LLMServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are killed in the tests, in mid request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        self._respond(read_form(content, kind) if kind.startswith("multipart/") else json.loads(content))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests clean."""

    def _respond(self, body: dict[str, Any]) -> None:
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        with owner.lock:
            owner.requests.append((self.path, body, headers))
            owner.in_flight += 1
            owner.most_in_flight = max(owner.most_in_flight, owner.in_flight)
        try:
            answer = owner.answer(self.path, body, headers, self.command)
        finally:
            with owner.lock:
                owner.in_flight -= 1
        if answer.reset and not answer.sent:
            self._tear_down()
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self._write(content, answer)

    def _write(self, content: bytes, answer: Answer) -> None:
        if answer.hangs:
            self.server.owner.released.wait(answer.pause)
        if answer.reset:
            self.wfile.write(content[: answer.sent])
            self._tear_down()
        elif answer.pause and not answer.hangs:
            for i in range(len(content)):
                self.wfile.write(content[i : i + 1])
                if self.server.owner.released.wait(answer.pause):
                    break
        else:
            self.wfile.write(content)

    def _tear_down(self) -> None:
        # linger 0: the client sees a reset and not an orderly end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
