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

from goalspace.errors import InputError
from goalspace.files import digest
from goalspace.llm.protocol import LLM, Reply, collect, stream

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

_BUSY_SECONDS = 60.0  # how long one process waits while another writes


class CachedLLM:
    """An LLM whose calls are cached: each reply is committed as it arrives and replayed from then on.

    A reply is identified by the SHA-256 of (name of the LLM, prompt, schema, max_tokens). Failed calls are not
    stored. An interruption loses at most the calls in flight, and several processes may share one file.

    Parameters
    ----------
    llm
        The LLM for calls that are not stored yet.
    path
        The SQLite file (WAL mode); created with its folder if missing.
    """

    def __init__(self, llm: LLM, path: Path) -> None:
        self.llm = llm
        self.path = Path(path)
        self.name = llm.name

    def complete(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> list[Reply]:
        """Return the replies in the order of `prompts`; identical prompts are sent once."""
        return collect(self.stream(prompts, schema=schema, max_tokens=max_tokens))

    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply): first stored replies, then new ones once they are stored.

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
            missing = []
            for key, where in positions.items():
                stored = _find(log, key)
                if stored is None:
                    missing.append(where)
                else:
                    yield from ((position, stored) for position in where)
            questions = [prompts[first] for first, *_ in missing]
            for number, fresh in stream(self.llm, questions, schema=schema, max_tokens=max_tokens):
                first, *others = missing[number]
                reply = _store(log, calls[first], fresh)
                yield first, reply
                yield from ((position, replace(reply, cached=True)) for position in others)


@dataclass(frozen=True)
class _Call:
    llm: str
    prompt: str
    schema: dict[str, Any] | None
    max_tokens: int

    @cached_property
    def key(self) -> str:
        return digest(self.llm, self.prompt, self.schema, self.max_tokens)


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        with closing(_connect(path)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file; unlike SQLite, also wait while another process opens or closes it."""
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        # Autocommit: each INSERT is a transaction. The generator that holds the connection may be advanced
        # from another thread, though never from two at once.
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # replies cost money, so they must survive a power failure
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_TABLE)
            return connection
        except sqlite3.Error as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _unusable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: the log of LLM calls cannot be used ({error}). Move it away or choose another folder."
    )


def _find(log: sqlite3.Connection, key: str) -> Reply | None:
    row = log.execute(
        "SELECT reply, prompt_tokens, completion_tokens, seconds FROM calls WHERE key = ?", (key,)
    ).fetchone()
    return None if row is None else Reply(row[0], row[1], row[2], cached=True, seconds=row[3])


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
