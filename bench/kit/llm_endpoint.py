"""An OpenAI-compatible endpoint in a process of its own, which does not share an interpreter with its client.

    with open_endpoint(latency=0.2) as endpoint:
        ... endpoint.spec ... endpoint.calls() ...

Replies and vectors depend on the prompt alone. `calls` returns what was asked, when, and whether it was answered; requests in
batches, which need tests/ on the path, count as asked and answered when their batch is created.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_DIM = 32
_CHAT, _EMBEDDINGS, _MODELS, _CALLS = "/v1/chat/completions", "/v1/embeddings", "/v1/models", "/calls"


@dataclass(frozen=True)
class Asked:
    """A paid request.

    Attributes
    ----------
    digest
        Of what was asked.
    is_chat
        Whether it was for a reply, and not for vectors.
    started, answered
        Seconds since the epoch; `answered` is None until the answer is sent.
    """

    digest: str
    is_chat: bool
    started: float
    answered: float | None


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint."""

    url: str

    @property
    def spec(self) -> str:
        """The model, for --llm and --encoder."""
        return f"{self.url}/v1#model"

    def calls(self) -> list[Asked]:
        """Return all paid requests, in the order in which they came."""
        with urllib.request.urlopen(f"{self.url}{_CALLS}", timeout=60) as answer:
            return [Asked(*row) for row in json.load(answer)]


@contextmanager
def open_endpoint(*, latency: float) -> Iterator[Endpoint]:
    """Start an endpoint that answers chat after so many seconds, and end it."""
    command = [sys.executable, "-m", "bench.kit.llm_endpoint", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Endpoint(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


class _Server:
    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.asked: list[list[Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, headers = _read_head(head)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, row, content = 200, None, b""
                if path in (_CHAT, _EMBEDDINGS):
                    row = self._note(body, is_chat=path == _CHAT)
                    request = json.loads(body)
                    if path == _CHAT:
                        await asyncio.sleep(self.latency)
                    content = json.dumps(_complete(request) if path == _CHAT else _embed(request)).encode()
                elif path == _CALLS:
                    content = json.dumps(self.asked).encode()
                elif path == _MODELS:
                    content = json.dumps({"data": [{"id": "model"}]}).encode()
                else:
                    status, content = self._batch(method, path, headers.get("content-type", ""), body)
                writer.write(
                    b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    % (status, len(content))
                    + content
                )
                await writer.drain()
                if row is not None:
                    row[3] = time.time()
        writer.close()

    def _note(self, body: bytes, *, is_chat: bool) -> list[Any]:
        row = [hashlib.sha256(body).hexdigest(), is_chat, time.time(), None]
        self.asked.append(row)
        return row

    @cached_property
    def _host(self) -> Any:
        from llm_batches import BatchHost

        return BatchHost()

    def _batch(self, method: str, path: str, kind: str, body: bytes) -> tuple[int, bytes]:
        from llm_batches import read_form

        def serve(request: dict[str, Any]) -> tuple[int, Any]:
            row = self._note(json.dumps(request).encode(), is_chat=True)
            row[3] = time.time()
            return 200, _complete(request)

        given = read_form(body, kind) if kind.startswith("multipart/") else json.loads(body or b"{}")
        status, found = self._host.answer(path, given, method, serve)
        return status, found if isinstance(found, bytes) else json.dumps(found).encode()


def _embed(request: dict[str, Any]) -> dict[str, Any]:
    texts = request["input"]
    rows = [{"index": i, "embedding": _vector(text)} for i, text in enumerate(texts)]
    n = sum(map(len, texts)) // 4
    return {"data": rows, "usage": {"prompt_tokens": n, "total_tokens": n}}


def _complete(request: dict[str, Any]) -> dict[str, Any]:
    prompt = request["messages"][-1]["content"]
    ending = [word for word in prompt.split() if word.isalpha()][-10:]
    words = sorted(ending, key=lambda word: hashlib.sha256((word + prompt).encode()).digest())[:3]
    found = {
        "analysis": "short",
        "properties": [{"property": f"says {word}", "quote": word} for word in words],
        "name": f"about {words[-1] if words else 'nothing'}",
        "description": "what it is",
    }
    usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 60}
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": json.dumps(found)}}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


def _read_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Return the method, the path, and the headers by name in lower case."""
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    method, path, _ = first.split()
    return method, path, {name.lower(): value.strip() for name, _, value in pairs}


def _vector(text: str) -> list[float]:
    """Return a vector of the words of a text: texts with the same words are alike."""
    vector = [0.01] * _DIM
    for word in text.lower().split():
        vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % _DIM] += 1.0
    return vector


async def _run(latency: float) -> None:
    server = await asyncio.start_server(_Server(latency).serve, "127.0.0.1", 0, backlog=256, limit=2**24)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds until chat is answered")
    asyncio.run(_run(parser.parse_args().latency))
