"""Cache of LLM calls in SQLite: stored before the reply is used, and replayed instead of repeated."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from goalspace.files import digest
from goalspace.llm.database import connect, unusable
from goalspace.llm.protocol import LLM, Reply, StreamingLLM, finish, is_batched, stream

_SYNC_SECONDS = 0.25  # within which a power failure may lose replies

# Meant to be read in any SQLite browser, so the informative columns come first and the key last.
_TABLE = """
CREATE TABLE IF NOT EXISTS calls (
    created TEXT NOT NULL,
    seconds REAL NOT NULL,
    llm TEXT NOT NULL,
    prompt TEXT NOT NULL,
    reply TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL,
    schema TEXT,
    key TEXT NOT NULL PRIMARY KEY
)"""


class CachedLLM(StreamingLLM):
    """An LLM whose calls are cached: each reply is committed as it arrives and replayed from then on.

    A reply is identified by the SHA-256 of (name of the LLM, prompt, schema, max_tokens); identical prompts are sent
    once. Failed calls are not stored. An interruption loses at most the calls in flight, a power failure also those of the
    last quarter of a second, and several processes may share one file.

    Parameters
    ----------
    llm
        The LLM for calls that are not stored yet.
    path
        The SQLite file; created with its folder if missing. It is in WAL mode, but not on a network disk, where
        processes on several computers cannot share the memory that this mode needs.
    renews
        Make every call again, and replay its new reply from then on. The earlier one stays in the file, under another key.
    """

    def __init__(self, llm: LLM, path: Path, *, renews: bool = False) -> None:
        self.llm = llm
        self.path = Path(path)
        self.name = llm.name
        self.is_batched = is_batched(llm)
        self.renews = renews

    def renewed(self) -> CachedLLM:
        """Return the same LLM, which makes every call again."""
        return CachedLLM(self.llm, self.path, renews=True)

    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply): first stored replies, then new ones once they are stored.

        If the stream is closed early, the calls in flight get 10 seconds, and their replies are stored.

        Raises
        ------
        InputError
            If the file cannot be written or is not such a database.
        LLMError
            If a call fails permanently; all replies received until then are stored.
        """
        calls = [_Call(self.name, prompt, schema, max_tokens) for prompt in prompts]
        positions: dict[str, list[int]] = {}
        for position, call in enumerate(calls):
            positions.setdefault(call.key, []).append(position)
        with _open(self.path) as log:
            sync = _Sync(log)
            missing = []
            for key, where in positions.items():
                stored = None if self.renews else _find(log, key)
                if stored is None:
                    missing.append(where)
                else:
                    yield from ((position, stored) for position in where)
            questions = [prompts[first] for first, *_ in missing]
            # closed by name, because a traceback would keep the stream, and its calls, alive
            with closing(stream(self.llm, questions, schema=schema, max_tokens=max_tokens)) as replies:
                try:
                    for number, fresh in replies:
                        first, *others = missing[number]
                        reply = self._keep(log, calls[first], fresh, sync)
                        yield first, reply
                        yield from ((position, replace(reply, cached=True)) for position in others)
                except GeneratorExit:
                    for number, fresh in finish(replies):
                        self._keep(log, calls[missing[number][0]], fresh, sync)
                    raise

    def _keep(self, log: sqlite3.Connection, call: _Call, reply: Reply, sync: _Sync) -> Reply:
        """Store a reply; return the one that counts."""
        if reply.problem:  # the call is made again by the next run
            return reply
        sync()
        if not self.renews:
            return _store(log, call, reply)
        log.execute("BEGIN IMMEDIATE")
        try:
            _set_aside(log, call.key)
            _store(log, call, reply)
        except BaseException:
            log.execute("ROLLBACK")
            raise
        log.execute("COMMIT")
        return reply


@dataclass(frozen=True)
class _Call:
    llm: str
    prompt: str
    schema: dict[str, Any] | None
    max_tokens: int

    @cached_property
    def key(self) -> str:
        return digest(self.llm, self.prompt, self.schema, self.max_tokens)


class _Sync:
    """Chooses which replies reach the disk before they are used: enough that a power failure loses few.

    Every reply is committed, which the end of the process cannot undo. Waiting for the disk each time would keep calls from
    being made: it takes milliseconds, in which nobody else can write to the file.
    """

    def __init__(self, log: sqlite3.Connection) -> None:
        self._log = log
        self._last = float("-inf")

    def __call__(self) -> None:
        """Let the next commit reach the disk, with those before it, unless one did so a moment ago."""
        is_due = time.monotonic() - self._last > _SYNC_SECONDS
        self._log.execute(f"PRAGMA synchronous = {'FULL' if is_due else 'NORMAL'}")
        if is_due:
            self._last = time.monotonic()


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    # the generator that holds the connection may be advanced from another thread, though never from two at once
    try:
        with closing(connect(path, _TABLE, synchronous="FULL")) as connection:
            yield connection
    except sqlite3.Error as error:
        raise unusable(path, error) from error


def _find(log: sqlite3.Connection, key: str) -> Reply | None:
    query = "SELECT reply, prompt_tokens, completion_tokens, seconds FROM calls WHERE key = ?"
    try:
        row = log.execute(query, (key,)).fetchone()
    except UnicodeDecodeError as error:
        raise sqlite3.DataError(str(error)) from error
    if row is None:
        return None
    is_whole = isinstance(row[0], str) and all(type(n) is int and n >= 0 for n in row[1:3])
    if not is_whole or not isinstance(row[3], (int, float)):
        raise sqlite3.DataError("a stored call has no text or no counts")
    return Reply(row[0], row[1], row[2], cached=True, seconds=row[3])


def _set_aside(log: sqlite3.Connection, key: str) -> None:
    """Keep an earlier reply under a key that is not looked up: it was paid, and counts for the cap."""
    earlier = "SELECT COUNT(*) FROM calls WHERE key > :key || '#' AND key < :key || '$'"
    log.execute(f"UPDATE calls SET key = key || '#' || (({earlier}) + 1) WHERE key = :key", {"key": key})


def _store(log: sqlite3.Connection, call: _Call, reply: Reply) -> Reply:
    row = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(reply.seconds, 3),
        "llm": call.llm,
        "prompt": call.prompt,
        "reply": reply.text,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "max_tokens": call.max_tokens,
        "schema": None if call.schema is None else json.dumps(call.schema, ensure_ascii=False),
        "key": call.key,
    }
    slots = ", ".join(f":{column}" for column in row)
    inserted = log.execute(f"INSERT OR IGNORE INTO calls ({', '.join(row)}) VALUES ({slots})", row).rowcount
    # Another process may have made the same call: the first reply is kept and seen by every later run.
    return reply if inserted else _find(log, call.key) or reply
