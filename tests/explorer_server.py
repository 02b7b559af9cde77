"""goalspace explore in a process of its own, and what a client may ask of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """Status, headers in lower case, and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ExplorerServer:
    """Serves a run from entry to exit; `ask` sends what the page would send, unless told otherwise."""

    def __init__(self, run: Path, *options: str) -> None:
        self.command = [sys.executable, "-m", "goalspace.cli", "explore", str(run), "--no-browser", *options]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise AssertionError(self.process.communicate(timeout=30)[1])
        parts = urlsplit(self.url)
        self.host, self.token = parts.netloc, parse_qs(parts.query)["token"][0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def stop(self) -> tuple[int, str]:
        """Send ctrl-C; returns the exit status and what was said on stderr."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said

    def ask(
        self,
        path: str,
        body: Any = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Send a request; `body` goes as JSON unless it is bytes, a header that is None is left out."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent: dict[str, str | None] = {"Host": self.host, "X-Goalspace-Token": self.token}
        if data is not None:
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        sent |= dict(headers or {})
        connection = http.client.HTTPConnection(*self.host.split(":"), timeout=60)  # type: ignore[arg-type]
        try:
            connection.putrequest(
                method or ("GET" if data is None else "POST"), path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(data)
            response = connection.getresponse()
            given = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, given, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON that a path answers with."""
        answer = self.ask(path)
        assert answer.status == 200, answer.body
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """The JSON that a path answers to a body."""
        answer = self.ask(path, body)
        assert answer.status == 200, answer.body
        return answer.json()
