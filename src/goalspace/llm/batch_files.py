"""Files of the batch API: lines of requests, and what is in the lines that come back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from goalspace.text import to_line

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}")  # of a batch or file: becomes part of an address
MAX_CALLS = 50_000  # of a batch, at OpenAI
_MAX_DETAIL = 200  # characters of an error, for messages


@dataclass(frozen=True)
class Result:
    """What came back for one request.

    Attributes
    ----------
    status
        HTTP status of its answer; 0 if the request was not made.
    body
        JSON value of the answer.
    problem
        Why the request was not made; else empty.
    """

    status: int
    body: Any
    problem: str = ""


def request_line(mark: str, position: int, body: dict[str, Any]) -> bytes:
    """Return the line of a request; the mark of its batch is part of its id, so that no other file is mistaken for it."""
    line = {"custom_id": f"{mark}-{position}", "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(line).encode() + b"\n"


def read_results(contents: Iterable[bytes], mark: str, n_calls: int) -> dict[int, Result]:
    """Read an output file and an error file: position of the request → result.

    Lines may come in any order. Those that are no JSON, or of no request of the batch, are skipped; of several for one
    request the first that holds an answer counts.

    Parameters
    ----------
    contents
        The files.
    mark, n_calls
        The mark of the batch, and how many requests it has.
    """
    results: dict[int, Result] = {}
    for content in contents:
        for line in content.split(b"\n"):
            found = _read_line(line, mark, n_calls)
            if found is None:
                continue
            position, result = found
            known = results.get(position)
            if known is None or (known.status != 200 and result.status == 200):
                results[position] = result
    return results


def _read_line(line: bytes, mark: str, n_calls: int) -> tuple[int, Result] | None:
    try:
        value = json.loads(line.decode("utf-8", "replace"))
        json.dumps(value)  # what is nested too deeply to be written is of no use
    except (ValueError, RecursionError):
        return None
    custom_id = value.get("custom_id") if isinstance(value, dict) else None
    named, _, digits = custom_id.rpartition("-") if isinstance(custom_id, str) else ("", "", "")
    if named != mark or not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        return None
    position = int(digits)
    if position >= n_calls:
        return None
    response, error = value.get("response"), value.get("error")
    status = response.get("status_code") if isinstance(response, dict) else None
    if isinstance(status, int) and 100 <= status < 600:
        body = response.get("body")
        return position, Result(status, _decoded(body) if isinstance(body, str) else body)
    return position, Result(0, None, _describe(error if error else response))


def _decoded(body: str) -> Any:
    """Return the JSON value in a string, which some servers send in place of the value."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _describe(error: Any) -> str:
    """Return the words of an error as one line."""
    if isinstance(error, dict):
        error = error.get("message") or error.get("code") or error
    words = to_line(str(error)[:4096], _MAX_DETAIL).rstrip(".")
    return words.encode("utf-8", "replace").decode() or "no answer"
