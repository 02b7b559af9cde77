"""The batches of a run in its llm.sqlite: what was sent in which batch, what came back, and what is set aside for it."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from goalspace.llm.batch_files import ID, MAX_CALLS
from goalspace.llm.completion import Completion
from goalspace.llm.database import unusable
from goalspace.llm.spending import Ledger, Reservation

State = Literal["open", "answered", "failed", "too long"]
_BATCHES = """
CREATE TABLE IF NOT EXISTS batches (
    created TEXT NOT NULL,
    status TEXT NOT NULL,
    id TEXT,
    input_file TEXT,
    n_calls INTEGER NOT NULL,
    llm TEXT NOT NULL,
    address TEXT NOT NULL,
    asked REAL NOT NULL,
    parameters TEXT NOT NULL,
    refused TEXT NOT NULL,
    mark TEXT NOT NULL PRIMARY KEY
)"""
_CALLS = """
CREATE TABLE IF NOT EXISTS batch_calls (
    state TEXT NOT NULL,
    reply TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    is_cut INTEGER NOT NULL,
    seconds REAL NOT NULL,
    max_tokens INTEGER NOT NULL,
    most_prompt_tokens INTEGER NOT NULL,
    most_completion_tokens INTEGER NOT NULL,
    nano_usd INTEGER,
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    batch TEXT NOT NULL,
    PRIMARY KEY (batch, position)
)"""
_BATCH_COLUMNS = "mark, id, input_file, status, n_calls, asked, parameters"
_CALL_COLUMNS = (
    "batch, position, state, reply, prompt_tokens, completion_tokens, is_cut, seconds, max_tokens, "
    "most_prompt_tokens, most_completion_tokens, nano_usd"
)


@dataclass(frozen=True)
class Batch:
    """A batch whose results were not taken yet.

    Attributes
    ----------
    mark
        Identifies it from before its creation.
    id, input_file
        Its name at the endpoint, and that of its file of requests; empty until known.
    status
        As the endpoint said last.
    n_calls
        Number of requests.
    asked
        When its creation was asked for, in seconds since 1970; 0 if it was not.
    parameters
        A request of it without the prompt.
    """

    mark: str
    id: str
    input_file: str
    status: str
    n_calls: int
    asked: float
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One request of a batch.

    Attributes
    ----------
    batch, position
        The mark of the batch, and the place in it.
    state
        "open" until the results are taken.
    answer
        What came back; the text is the problem if the call failed.
    seconds
        From the creation of the batch to the result.
    largest
        What it may cost at most.
    is_reserved
        Whether that is set aside in the ledger.
    """

    batch: str
    position: int
    state: State
    answer: Completion
    seconds: float
    largest: Reservation
    is_reserved: bool


@dataclass(frozen=True)
class Outcome:
    """What becomes of a call whose batch has ended.

    Attributes
    ----------
    state
        Its new state; None to forget the call, so that it is made again.
    answer
        What came back; of a call that failed, the problem as its text.
    is_billed
        Whether the endpoint may bill it; if so, without a count of tokens the largest cost stays set aside.
    """

    state: State | None
    answer: Completion
    is_billed: bool


_FORGOTTEN = Outcome(None, Completion("", None, None), is_billed=True)


class BatchLog:
    """Batches and their calls, in the file of the ledger, so that each change and its cost are stored together.

    Parameters
    ----------
    ledger
        Keeps the cost; its file is used.
    llm, address
        The LLM whose batches these are, and its endpoint.
    """

    def __init__(self, ledger: Ledger, llm: str, address: str) -> None:
        self.ledger, self.llm, self.address = ledger, llm, address

    def open(self) -> None:
        """Create the tables unless they exist."""
        with self.ledger.transaction() as log:
            log.execute(_BATCHES)
            log.execute(_CALLS)
            if log.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone():
                # a process was killed between storing these replies and forgetting them here
                log.execute(
                    "DELETE FROM batch_calls WHERE state != 'open' AND key IN (SELECT key FROM calls)"
                )

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """Let one process at a time create batches, so that none takes an unfinished batch for that of a killed one."""
        path = self.ledger.path.with_name(f"{self.ledger.path.name}.lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            raise unusable(path, error) from error
        try:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def batches(self) -> list[Batch]:
        """Return the batches whose results were not taken yet, oldest first."""
        with self.ledger.transaction() as log:
            rows = log.execute(
                f"SELECT {_BATCH_COLUMNS} FROM batches WHERE llm = ? AND mark IN "
                "(SELECT batch FROM batch_calls WHERE state = 'open') ORDER BY rowid",
                (self.llm,),
            ).fetchall()
        return [self._read_batch(row) for row in rows]

    def calls(self) -> dict[str, list[Call]]:
        """Return key → the calls that were made for it in batches, oldest first, as far as they are not done with."""
        with self.ledger.transaction() as log:
            return self._calls(log)

    def _calls(self, log: sqlite3.Connection) -> dict[str, list[Call]]:
        rows = log.execute(
            f"SELECT key, {_CALL_COLUMNS} FROM batch_calls WHERE batch IN (SELECT mark FROM batches WHERE llm = ?) "
            "ORDER BY rowid",
            (self.llm,),
        )
        found: dict[str, list[Call]] = {}
        for key, *row in rows:
            found.setdefault(key, []).append(self._read_call(row))
        return found

    def refused(self) -> set[str]:
        """Return what the endpoint is known to reject (see `Dialect`)."""
        with self.ledger.transaction() as log:
            rows = log.execute("SELECT DISTINCT refused FROM batches WHERE llm = ?", (self.llm,)).fetchall()
        try:
            return {name for (text,) in rows for name in json.loads(text) if isinstance(name, str)}
        except (TypeError, ValueError, RecursionError) as error:
            raise unusable(self.ledger.path, error) from error

    def prepare(
        self,
        mark: str,
        calls: Sequence[tuple[str, Reservation]],
        *,
        parameters: Mapping[str, Any],
        refused: set[str],
    ) -> int:
        """Store a batch before it is created, with as many of the calls as fit below the cap; return how many.

        Parameters
        ----------
        mark
            Identifies the batch.
        calls
            The key of each call, and what it may cost at most.
        parameters
            A request without the prompt.
        refused
            What is left out of it.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        n_calls = 0
        with self.ledger.transaction() as log:
            for key, largest in calls:
                asked, most = largest.asked_tokens, (largest.prompt_tokens, largest.completion_tokens)
                if self.ledger.take(largest) is None:
                    break
                log.execute(
                    f"INSERT INTO batch_calls (key, {_CALL_COLUMNS}) VALUES (?, ?, ?, 'open', '', NULL, NULL, 0, 0, ?, ?, ?, ?)",
                    (key, mark, n_calls, asked, *most, largest.nano_usd),
                )
                n_calls += 1
            if n_calls:
                log.execute(
                    "INSERT INTO batches VALUES (?, 'prepared', NULL, NULL, ?, ?, ?, 0, ?, ?, ?)",
                    (now, n_calls, self.llm, self.address, json.dumps(parameters), _as_json(refused), mark),
                )
        return n_calls

    def note(self, mark: str, **columns: Any) -> None:
        """Set columns of a batch: id, input_file, status, asked."""
        names = ", ".join(f"{name} = ?" for name in columns)
        with self.ledger.transaction() as log:
            log.execute(f"UPDATE batches SET {names} WHERE mark = ?", (*columns.values(), mark))

    def discard(self, mark: str) -> None:
        """Forget a batch that does not exist at the endpoint, and take back what was set aside for it."""
        with self.ledger.transaction() as log:
            for call in self._open_calls(log, mark):
                self._settle(call, None, is_billed=False)
            log.execute("DELETE FROM batch_calls WHERE batch = ?", (mark,))
            log.execute("DELETE FROM batches WHERE mark = ?", (mark,))

    def finish(
        self, batch: Batch, outcomes: Mapping[int, Outcome], *, status: str, refused: set[str]
    ) -> list[tuple[Call, Completion]]:
        """Store what became of the calls of a batch, and settle their cost, once, whichever process comes first.

        Returns
        -------
        list of (Call, Completion)
            The calls that are billed, of which no process knew before.
        """
        billed = []
        with self.ledger.transaction() as log:
            (created,) = log.execute("SELECT created FROM batches WHERE mark = ?", (batch.mark,)).fetchone()
            seconds = max(time.time() - _to_seconds(created), 0.0)
            for call in self._open_calls(log, batch.mark):
                outcome = outcomes.get(call.position, _FORGOTTEN)  # of a row that was tampered with
                self._settle(call, outcome.answer, is_billed=outcome.is_billed)
                if outcome.is_billed and outcome.answer is not None:
                    billed.append((call, outcome.answer))
                answer, place = outcome.answer, (batch.mark, call.position)
                if outcome.state is None:
                    log.execute("DELETE FROM batch_calls WHERE batch = ? AND position = ?", place)
                    continue
                usage = (answer.prompt_tokens, answer.completion_tokens, answer.is_cut)
                log.execute(
                    "UPDATE batch_calls SET state = ?, reply = ?, prompt_tokens = ?, completion_tokens = ?, is_cut = ?, "
                    "seconds = ? WHERE batch = ? AND position = ?",
                    (outcome.state, answer.text, *usage, seconds, *place),
                )
            log.execute(
                "UPDATE batches SET status = ?, refused = ? WHERE mark = ?",
                (status, _as_json(refused), batch.mark),
            )
        return billed

    def drop(self, calls: Sequence[Call]) -> None:
        """Forget calls whose reply is stored elsewhere, or that are made anew."""
        with self.ledger.transaction() as log:
            places = [(call.batch, call.position) for call in calls]
            log.executemany("DELETE FROM batch_calls WHERE batch = ? AND position = ?", places)

    def close(self) -> None:
        """Close the file."""
        self.ledger.close()

    def _settle(self, call: Call, answer: Completion | None, *, is_billed: bool) -> None:
        if not call.is_reserved:
            return
        if not is_billed:
            self.ledger.release(call.largest)
        elif answer is not None:
            self.ledger.settle(call.largest, answer)

    def _open_calls(self, log: sqlite3.Connection, mark: str) -> list[Call]:
        rows = log.execute(
            f"SELECT {_CALL_COLUMNS} FROM batch_calls WHERE batch = ? AND state = 'open'", (mark,)
        ).fetchall()
        return [self._read_call(row) for row in rows]

    def _read_batch(self, row: Sequence[Any]) -> Batch:
        mark, id, input_file, status, n_calls, asked, parameters = row
        try:
            value = json.loads(parameters)
            if not isinstance(value, dict) or not 0 < int(n_calls) <= MAX_CALLS:
                raise ValueError("a batch has no requests")
            if any(name and not ID.fullmatch(str(name)) for name in (id, input_file)):
                raise ValueError(f"invalid id {id!r:.40} of a batch")
            return Batch(
                str(mark),
                str(id or ""),
                str(input_file or ""),
                str(status),
                int(n_calls),
                float(asked),
                value,
            )
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            raise unusable(self.ledger.path, error) from error

    def _read_call(self, row: Sequence[Any]) -> Call:
        batch, position, state, text, prompt, completion, is_cut, seconds, asked, *most, nano_usd = row
        try:
            if state not in get_args(State):
                raise ValueError(f"unknown state {state!r:.40} of a call")
            prompt, completion = (None if n is None else int(n) for n in (prompt, completion))
            return Call(
                str(batch),
                int(position),
                state,
                Completion(str(text), prompt, completion, is_cut=bool(is_cut)),
                float(seconds),
                Reservation(int(most[0]), int(most[1]), int(asked), int(nano_usd or 0)),
                nano_usd is not None,
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise unusable(self.ledger.path, error) from error


def has_calls(path: Path) -> bool:
    """Return whether the file holds calls in batches whose replies were not taken yet; nothing is created."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as log:
            return log.execute("SELECT 1 FROM batch_calls LIMIT 1").fetchone() is not None
    except sqlite3.Error:  # no such table, or no database, which will be said when it is used
        return False


def _as_json(names: set[str]) -> str:
    return json.dumps(sorted(names))


def _to_seconds(created: str) -> float:
    try:
        return datetime.fromisoformat(created).timestamp()
    except (TypeError, ValueError):
        return time.time()
