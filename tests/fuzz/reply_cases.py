"""Cases of the fuzzer that need no run folder: what models and endpoints send, files of prices, recorded properties, logs of calls."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.cases import outcome
from fuzz.mutations import mutate_bytes, mutate_json
from goalspace.evaluation import judging
from goalspace.factors import naming
from goalspace.llm.attempts import find_failure
from goalspace.llm.cache import CachedLLM
from goalspace.llm.completion import Completion, Unreadable, read_completion
from goalspace.llm.embeddings import WrongVectors, is_too_much, read_embeddings
from goalspace.llm.endpoint import describe, is_too_long
from goalspace.llm.limits import Limits
from goalspace.llm.pricing import Prices, estimate_tokens, most_tokens
from goalspace.llm.protocol import FunctionLLM
from goalspace.llm.reading import MAX_REPLY, find_json, read_reply
from goalspace.llm.spending import Ledger
from goalspace.proposals import answers
from goalspace.proposals.from_records import read_recorded
from llm_server import completion
from replies import FRAGMENTS

KINDS = ("reply",) * 12 + ("completion",) * 4 + ("refusal",) * 2 + ("vectors", "prices", "recorded", "log")
_IDS = ("1", "2", "t3")
_PAIR = {"property": "late fees", "quote": "too late"}
_REPLIES = tuple(
    text.encode()
    for text in (
        json.dumps({"analysis": "angry", "properties": [_PAIR, _PAIR]}),
        json.dumps({"texts": [{"number": n, "analysis": "a", "properties": [_PAIR]} for n in (1, 2)]}),
        json.dumps({"name": "Late fees", "description": "Texts about fees that came late."}),
        json.dumps({"relevance": 3, "informativeness": 5, "reason": "fits", "same": True, "choice": 1}),
        "<think>maybe {1}</think>\n```json\n" + json.dumps({"properties": [_PAIR]}, indent=1) + "\n```",
        "Here they are:\n1. **late fees**: too late\n2. rude staff\n- long queues",
        json.dumps(json.dumps({"properties": [_PAIR]})),
    )
)
_BODIES = tuple(
    json.dumps(body).encode()
    for body in (
        completion('{"properties": []}', prompt="a b c"),
        completion(None, refusal="I cannot help with that."),
        completion(None, tool_calls=[{"id": "t", "function": {"name": "f", "arguments": '{"a": 1}'}}]),
        {
            "choices": [
                {"message": {"content": [{"type": "text", "text": "x"}], "reasoning_content": "first"}}
            ]
        },
        {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}},
        {
            "choices": [{"text": "old", "finish_reason": "length"}],
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 7,
                "total_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 18},
            },
        },
    )
)
_REFUSALS = tuple(
    json.dumps(body).encode()
    for body in (
        {
            "error": {
                "message": "maximum context length is 8 tokens",
                "param": "messages",
                "code": "context_length",
            }
        },
        {"error": "model not found"},
        {"detail": [{"loc": ["body", "temperature"], "msg": "extra"}]},
        {"message": "insufficient_quota", "code": 429},
    )
)
_VECTORS = (
    json.dumps(
        {
            "data": [{"index": n, "embedding": [0.5, -1.0, 3e-5]} for n in range(2)],
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        }
    ).encode(),
    json.dumps({"error": {"message": "no", "code": 500}}).encode(),
)
_STATUS = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529)
_PRICES = json.dumps({"model": {"input": 0.4, "output": 1.6, "cached": 0.1}, "other": {"input": 1}}).encode()
_RECORDED = "".join(
    json.dumps({"id": i, "analysis": "a", "properties": ["late fees", _PAIR]}) + "\n" for i in _IDS
).encode()


class ReplyFuzzer:
    """Runs cases; what they need of a folder lies in `work`, which is empty at first."""

    def __init__(self, work: Path) -> None:
        self.work = work
        path = work / "base.sqlite"
        limits = Limits(max_tokens_total=10**6)
        CachedLLM(FunctionLLM(lambda prompt: prompt), path).complete(["a", "b", "c"])
        with closing(Ledger(path, limits, Prices("m", ""))) as ledger:
            ledger.reserve(10, 20)
        with closing(sqlite3.connect(path)) as log:
            log.execute("PRAGMA journal_mode = DELETE")
        self.log = path.read_bytes()

    def run(self, seed: int) -> str | None:
        """Run the case with this number; return None, or the kind of failure."""
        rng = np.random.default_rng(seed)
        kind = KINDS[rng.integers(len(KINDS))]
        case: Callable[[np.random.Generator], None] = getattr(self, f"_{kind}")
        return outcome(kind, lambda: case(rng))

    def _reply(self, rng: np.random.Generator) -> None:
        check_reply(_any_reply(rng))

    def _completion(self, rng: np.random.Generator) -> None:
        content = _mutated(_BODIES, rng)
        try:
            found = read_completion(content)
        except Unreadable as error:
            is_one_line = "\n" not in str(error)
            assert is_one_line
            return
        found.text.encode()
        check_reply(found.text)
        for count in (found.prompt_tokens, found.completion_tokens):
            assert count is None or count >= 0
        assert 0 <= found.cached_tokens <= (found.prompt_tokens or 0)

    def _vectors(self, rng: np.random.Generator) -> None:
        content = _mutated(_VECTORS, rng)
        try:
            found = read_embeddings(content, 2)
        except (Unreadable, WrongVectors) as error:
            is_one_line = "\n" not in str(error)
            assert is_one_line
            return
        assert len(found.vectors) == 2
        assert np.isfinite(found.vectors).all()
        assert found.prompt_tokens is None or found.prompt_tokens >= 0

    def _refusal(self, rng: np.random.Generator) -> None:
        error = status_error(_STATUS[rng.integers(len(_STATUS))], _mutated(_REFUSALS, rng))
        assert "\n" not in describe(error)
        is_too_long(error)
        is_too_much(error, 1)
        find_failure(error, 1.0)

    def _prices(self, rng: np.random.Generator) -> None:
        path = self.work / "prices.json"
        path.write_bytes(_mutated((_PRICES,), rng))
        cost = Prices("model", "https://api.openai.com/v1", path).cost(1000, 10, 100)
        assert cost is None or 0 <= cost < float("inf")

    def _recorded(self, rng: np.random.Generator) -> None:
        path = self.work / "recorded.jsonl"
        path.write_bytes(_mutated((_RECORDED,), rng))
        for answer in read_recorded(str(path), _IDS):
            if answer is not None:
                json.dumps([answer.analysis, answer.properties], ensure_ascii=False).encode()

    def _log(self, rng: np.random.Generator) -> None:
        """Replay calls from a log, and count them, after its bytes or its values were changed."""
        path = self.work / "llm.sqlite"
        path.unlink(missing_ok=True)
        if rng.integers(2):
            path.write_bytes(mutate_bytes(self.log, rng))
        else:
            path.write_bytes(self.log)
            _change_log(path, rng)
        try:
            replies = CachedLLM(FunctionLLM(lambda prompt: prompt), path).complete(["a", "b", "new"])
            for reply in replies:
                check_reply(reply.text)
                assert reply.prompt_tokens >= 0
                assert reply.completion_tokens >= 0
            limits = Limits(max_tokens_total=10**6)
            with closing(Ledger(path, limits, Prices("m", ""))) as ledger:
                reserved = ledger.reserve(1, 2)
                if reserved is None:
                    raise ledger.cap_reached([ledger.largest(1, 2)])
                ledger.settle(reserved, Completion("", 1, 1))
        finally:
            for part in ("-wal", "-shm", "-journal"):
                path.with_name(path.name + part).unlink(missing_ok=True)


def check_reply(reply: str) -> None:
    """Read a reply in all ways in which replies are read."""
    reading = read_reply(reply)
    assert len(reading.text) <= MAX_REPLY
    assert len(reading.values) == len(reading.whole)
    answer = answers.parse_answer(reply)
    for found in (answer, *answers.parse_group(reply).values()):
        if found is not None:
            assert 0 < len(found.properties) <= 12
            assert all(name and len(name) <= 200 and len(quote) <= 2000 for name, quote in found.properties)
    answers.parse_analysis(reply)
    named = naming._parse_name(reply)
    assert named is None or len(named[0]) <= 60
    rated = find_json(reply, "relevance", "informativeness")
    if rated is not None:
        judging._read_rating(rated)
    assert estimate_tokens(reply) <= most_tokens(reply)


def status_error(status: int, content: bytes) -> Any:
    """Return the error of the openai package for an answer with this status and body."""
    import openai
    from openai._base_client import httpx2 as httpx

    client = _client(openai)
    request = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
    headers = {"content-type": "application/json", "retry-after": "1"}
    response = httpx.Response(status, headers=headers, content=content, request=request)
    return client._make_status_error_from_response(response)


def _client(openai: Any) -> Any:
    global _opened
    if _opened is None:
        _opened = openai.OpenAI(api_key="none", base_url="http://127.0.0.1/v1")
    return _opened


_opened: Any = None


def _any_reply(rng: np.random.Generator) -> str:
    """Return a mutated good reply, pieces of replies in any order, or one piece very often."""
    kind = rng.integers(32)
    if kind < 16:
        return _mutated(_REPLIES, rng).decode("utf-8", "replace")
    if kind < 31:
        n = int(rng.integers(1, 41))
        return "".join(FRAGMENTS[i] for i in rng.integers(len(FRAGMENTS), size=n))
    few = "".join(FRAGMENTS[i] for i in rng.integers(len(FRAGMENTS), size=int(rng.integers(1, 5))))
    return few * int(rng.integers(1, 300))


def _mutated(bases: Sequence[bytes], rng: np.random.Generator) -> bytes:
    content = bases[rng.integers(len(bases))]
    for _ in range(int(rng.integers(1, 4))):
        content = mutate_json(content, rng) if rng.integers(2) else mutate_bytes(content, rng)
    return content


def _change_log(path: Path, rng: np.random.Generator) -> None:
    """Change values, columns or tables of the log, as whoever sends a run folder may."""
    values = ("NULL", "-5", "'x'", "x'ff00'", "1e999", "9223372036854775807", "'\ud7ff'", "zeroblob(10)")
    value = values[rng.integers(len(values))]
    columns = ("reply", "prompt_tokens", "completion_tokens", "seconds", "key", "prompt", "llm")
    tables = [
        row[0]
        for row in _rows(
            path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
    ]
    table = tables[rng.integers(len(tables))]
    own = [row[1] for row in _rows(path, f"PRAGMA table_info({table})")]
    statements = (
        f"UPDATE calls SET {columns[rng.integers(len(columns))]} = {value}",
        f"UPDATE {table} SET {own[rng.integers(len(own))]} = {value}",
        f"DELETE FROM {table}",
        f"ALTER TABLE {table} RENAME COLUMN {own[rng.integers(len(own))]} TO other",
        f"ALTER TABLE {table} RENAME TO other",
        f"DROP TABLE {table}",
        f"CREATE TRIGGER t BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END",
        f"CREATE TRIGGER t BEFORE UPDATE ON {table} BEGIN DELETE FROM {table}; END",
    )
    with closing(sqlite3.connect(path)) as log:
        try:
            log.execute(statements[rng.integers(len(statements))])
            log.commit()
        except sqlite3.Error:
            pass  # the constraints of the table refuse this change


def _rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as log:
        return log.execute(query).fetchall()
