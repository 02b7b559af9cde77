"""The files and batches of the OpenAI API for `LLMServer`: requests are answered at once, and shown after some polls.

    host = BatchHost(fates=[Fate("expired", share=0.5)])
    with LLMServer(chat, batches=host) as server:
        ...

Every request that is answered with status 200 counts as paid (`host.paid`), whether its result is ever fetched or not.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qs, urlsplit

FILES, BATCHES = "/v1/files", "/v1/batches"
Lines = list[bytes]
Served = Callable[[dict[str, Any]], tuple[int, Any]]


def same(lines: Lines) -> Lines:
    """Leave the lines of a result file as they are."""
    return lines


@dataclass(frozen=True)
class Fate:
    """What becomes of a batch: its last status, the share of requests that is answered, what spoils its result files."""

    status: str = "completed"
    share: float = 1.0
    errors: tuple[dict[str, Any], ...] = ()
    spoil: Callable[[Lines], Lines] = same
    n_spoiled: int = 10**9  # downloads that are spoiled


@dataclass
class StoredBatch:
    id: str
    body: dict[str, Any]
    fate: Fate
    n: int
    created: int
    n_polls: int = 0
    files: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def as_json(self, polls: int) -> dict[str, Any]:
        is_over = self.n_polls >= polls or self.fate.status == "failed"
        steps = ("validating", "in_progress", "finalizing")
        status = self.fate.status if is_over else steps[min(self.n_polls * 3 // max(polls, 1), 2)]
        errors = {"object": "list", "data": list(self.fate.errors)} if self.fate.errors and is_over else None
        part = {name: value * self.n_polls // max(polls, 1) for name, value in self.counts.items()}
        return {
            **{"id": self.id, "object": "batch", "endpoint": self.body["endpoint"], "errors": errors},
            **{"input_file_id": self.body["input_file_id"], "completion_window": "24h", "status": status},
            **{f"{kind}_file_id": self.files.get(kind) if is_over else None for kind in ("output", "error")},
            "created_at": self.created,
            "request_counts": {**(self.counts if is_over else part), "total": self.n},
            "metadata": self.body.get("metadata"),
        }


class BatchHost:
    """Stores files and batches.

    `fates` are those of the batches to come, in order; later ones are completed. A batch ends after `polls` looks at it.
    `watch` is called, before the answer is sent, with upload, uploaded, create, created, poll, content or list. `faults`
    are answers (status, body) in place of the next ones to what they name, which is done all the same if `is_done`.
    """

    def __init__(
        self,
        *,
        fates: Sequence[Fate] = (),
        polls: int = 2,
        watch: Callable[[str], None] = lambda event: None,
    ) -> None:
        self.fates, self.polls, self.watch = list(fates), polls, watch
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, StoredBatch] = {}
        self.paid: Counter[str] = Counter()
        self.faults: dict[str, list[tuple[int, Any, bool]]] = {}
        self.downloads: Counter[str] = Counter()
        self._spoilers: dict[str, Fate] = {}
        self._lock = threading.RLock()

    def lines(self, batch: StoredBatch) -> list[dict[str, Any]]:
        """The requests of a batch."""
        return [json.loads(line) for line in self.files[batch.body["input_file_id"]].splitlines()]

    def answer(self, path: str, body: dict[str, Any], method: str, serve: Served) -> tuple[int, Any]:
        """Return the status and the body of the answer to a request; bytes are sent as they are."""
        split = urlsplit(path)
        parts = split.path.removeprefix("/v1/").split("/")
        event = {
            ("POST", "files", 1): "upload",
            ("POST", "batches", 1): "create",
            ("GET", "batches", 1): "list",
            ("GET", "batches", 2): "poll",
            ("GET", "files", 3): "content",
            ("POST", "batches", 3): "cancel",
        }.get((method, parts[0], len(parts)), "")
        self.watch(event)
        with self._lock:
            status, found, is_done = (self.faults.get(event) or [(0, None, True)]).pop(0)
            done = self._do(event, parts, body, parse_qs(split.query), serve) if is_done else None
        if event in ("upload", "create"):
            self.watch(f"{event}ed".replace("eed", "ed"))
        return (status, found) if status else done or (404, {"error": {"message": f"Invalid URL ({path})"}})

    def _do(
        self, event: str, parts: list[str], body: dict[str, Any], query: dict[str, list[str]], serve: Served
    ) -> tuple[int, Any] | None:
        missing = (404, {"error": {"message": f"No such object: {parts[-1]}", "code": None}})
        if event == "upload":
            return 200, {"id": self._store(body["file"]), "object": "file", "purpose": body["purpose"]}
        if event == "create":
            return 200, self._create(body, serve).as_json(self.polls)
        if event == "list":
            return 200, self._list(query)
        if event == "content":
            return (200, self._content(parts[1])) if parts[1] in self.files else missing
        if event in ("poll", "cancel"):
            batch = self.batches.get(parts[1])
            if batch is None:
                return missing
            batch.n_polls += 1
            return 200, batch.as_json(self.polls)
        return None

    def _store(self, content: bytes) -> str:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content
        return name

    def _create(self, body: dict[str, Any], serve: Served) -> StoredBatch:
        assert body["completion_window"] == "24h"
        fate = self.fates.pop(0) if self.fates else Fate()
        requests = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert len({request["custom_id"] for request in requests}) == len(requests)
        batch = StoredBatch(f"batch_{len(self.batches) + 1}", body, fate, len(requests), int(time.time()))
        self.batches[batch.id] = batch
        if fate.status == "failed":
            return batch
        results: dict[str, Lines] = {"output": [], "error": []}
        n_served = round(len(requests) * fate.share)
        for request in requests[:n_served]:
            assert request["url"] == body["endpoint"] == "/v1/chat/completions"
            status, answer = serve(request["body"])
            if status == 200:
                self.paid[request["body"]["messages"][-1]["content"]] += 1
            response = {"status_code": status, "request_id": "r", "body": answer}
            line = {"id": "b", "custom_id": request["custom_id"], "response": response, "error": None}
            results["output" if status == 200 else "error"].append(json.dumps(line).encode())
        batch.counts = {"completed": len(results["output"]), "failed": len(results["error"])}
        for request in requests[n_served:]:
            error = {"code": f"batch_{fate.status}", "message": "This request could not be executed."}
            line = {"id": "b", "custom_id": request["custom_id"], "response": None, "error": error}
            results["error"].append(json.dumps(line).encode())
        for kind, lines in results.items():
            if lines:
                batch.files[kind] = name = self._store(b"\n".join(lines) + b"\n")
                self._spoilers[name] = fate
        return batch

    def _content(self, name: str) -> bytes:
        self.downloads[name] += 1
        content, fate = self.files[name], self._spoilers.get(name, Fate())
        if self.downloads[name] > fate.n_spoiled:
            return content
        return b"\n".join(fate.spoil(content.splitlines()))

    def _list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        newest_first = list(self.batches.values())[::-1]
        if after := query.get("after"):
            ids = [batch.id for batch in newest_first]
            newest_first = newest_first[ids.index(after[0]) + 1 :]
        size = min(int(query.get("limit", ["20"])[0]), 20)  # pages are small, so that they are turned
        page = [batch.as_json(self.polls) for batch in newest_first[:size]]
        return {"object": "list", "data": page, "has_more": len(newest_first) > size}


def read_form(content: bytes, content_type: str) -> dict[str, Any]:
    """Read multipart/form-data: name → text; of a file, bytes."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form: dict[str, Any] = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + content).iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        form[name] = value if part.get_filename() else value.decode()
    return form
