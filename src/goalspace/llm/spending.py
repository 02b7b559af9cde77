"""The ledger of a run's paid calls: what a call may cost at most is set aside before it is sent."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from goalspace.errors import CapReached, InputError
from goalspace.llm.address import OPENAI, locate
from goalspace.llm.database import DAMAGED, connect, unusable
from goalspace.llm.endpoint import Endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.pricing import Prices

_NANO = 1_000_000_000  # the ledger counts billionths of a dollar, so that sums are exact
_NO_LIMIT = 2**62
_BATCH = "batch "  # begins the name of a model whose calls go through the batch API, at a price of their own
_MOST_NANO = 2**50  # of one call, a million dollars: sums stay within SQLite's integers
# one row per model; tokens whose price was not known are kept apart, to be priced once it is
_TABLE = """
CREATE TABLE IF NOT EXISTS spending (
    model TEXT NOT NULL PRIMARY KEY,
    nano_usd INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    unpriced_prompt INTEGER NOT NULL,
    unpriced_reply INTEGER NOT NULL
)"""
_COLUMNS = ("nano_usd", "tokens", "unpriced_prompt", "unpriced_reply")
_ADD = ", ".join(f"{name} = {name} + :{name}" for name in _COLUMNS)
_SUM = "(SELECT SUM(MAX({0}, 0)) FROM spending)"
_FITS = f"{_SUM.format('nano_usd')} + :nano_usd <= :most_nano AND {_SUM.format('tokens')} + :tokens <= :most_tokens"


class Usage(Protocol):
    """The tokens that an endpoint counted; None where it does not count."""

    @property
    def prompt_tokens(self) -> int | None: ...

    @property
    def completion_tokens(self) -> int | None: ...

    @property
    def cached_tokens(self) -> int: ...


@dataclass(frozen=True)
class Reservation:
    """What a call may cost at most.

    Attributes
    ----------
    prompt_tokens, completion_tokens
        Tokens set aside.
    asked_tokens
        Tokens that the request allows for the reply.
    nano_usd
        Billionths of a dollar set aside.
    """

    prompt_tokens: int
    completion_tokens: int
    asked_tokens: int
    nano_usd: int


class Ledger:
    """Keeps what all calls of a run folder spend, together, below a cap.

    Before a call is sent, its largest possible cost is added to a sum in the file; afterwards it is replaced by what the
    endpoint billed. A call without an answer, or whose process was killed, stays at its largest cost, since it may be billed
    later. Calls are counted without a cap, too, for the starts that have one. So the sum is never below what was spent, and the cap holds for endpoints that bill no more tokens than a request
    allows; for others, the largest cost is scaled by the most that was seen.

    Parameters
    ----------
    path
        The SQLite file, which processes may share.
    limits
        The caps.
    prices
        The prices of the model.
    synchronous
        What an entry survives (see `database.connect`): by default not a power failure, which may lose the last ones.

    Raises
    ------
    InputError
        If there is a budget, and the price of the model is not known.
    """

    def __init__(self, path: Path, limits: Limits, prices: Prices, *, synchronous: str = "NORMAL") -> None:
        self.path, self.limits, self.prices, self._synchronous = path, limits, prices, synchronous
        if limits.budget is not None and prices.cost(1, 1) is None:
            raise InputError(
                f"The price of the model '{prices.model}' at {prices.address} is not known, so a budget cannot be kept. "
                "Name its price with --prices FILE, or limit the tokens with --max-tokens-total."
            )
        self._name = f"{_BATCH * prices.is_batch}{prices.address}#{prices.model}"
        self._stretch = 1.0  # how many times the tokens that a request allows an endpoint has billed
        self._lock = threading.RLock()

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        connection = connect(self.path, _TABLE, synchronous=self._synchronous)
        try:
            with self._writing(connection):
                self._begin(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Make changes of the file, those by methods of the ledger included, together or not at all."""
        with self._lock, self._writing(self._connection) as connection:
            yield connection

    @contextmanager
    def _writing(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except (*DAMAGED, OverflowError) as error:
            raise unusable(self.path, error) from error

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Add the row of the model, and price what is there without a price."""
        if not connection.execute("SELECT 1 FROM spending").fetchone():
            self._add_earlier(connection)
        connection.execute("INSERT OR IGNORE INTO spending VALUES (?, 0, 0, 0, 0)", (self._name,))
        for name, *counts in connection.execute(
            f"SELECT model, {', '.join(_COLUMNS)} FROM spending"
        ).fetchall():
            if not isinstance(name, str) or not all(type(n) is int and abs(n) <= _NO_LIMIT for n in counts):
                raise sqlite3.DataError("what was spent is no number")
            prompt, reply = (max(n, 0) for n in counts[2:])
            cost = self._prices_of(name).cost(prompt, reply) if prompt or reply else None
            if cost is not None:
                connection.execute(
                    "UPDATE spending SET nano_usd = nano_usd + ?, unpriced_prompt = 0, unpriced_reply = 0 WHERE model = ?",
                    (_to_nano(cost), name),
                )

    def _prices_of(self, name: str) -> Prices:
        """Return the prices of the model of a row."""
        if name == self._name:
            return self.prices
        address, _, model = name.removeprefix(_BATCH).partition("#")
        return Prices(model, address, self.limits.prices, is_batch=name.startswith(_BATCH))

    def _add_earlier(self, connection: sqlite3.Connection) -> None:
        """Add the calls of the file that were made before there was a ledger."""
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone():
            return
        calls = connection.execute("SELECT llm, prompt_tokens, completion_tokens FROM calls").fetchall()
        prices = {
            place: self._prices_of(place) for name in {row[0] for row in calls} if (place := _locate(name))
        }
        for name, prompt, reply in calls:
            place = _locate(name)
            if place is None or not (type(prompt) is type(reply) is int and min(prompt, reply) >= 0):
                continue
            # each by itself, as long prompts have prices of their own
            cost = prices[place].cost(prompt, reply)
            row = (
                place,
                _to_nano(cost or 0.0),
                prompt + reply,
                *((prompt, reply) if cost is None else (0, 0)),
            )
            connection.execute(
                "INSERT INTO spending VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                + ", ".join(f"{column} = {column} + excluded.{column}" for column in _COLUMNS),
                row,
            )

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            connection = self.__dict__.pop("_connection", None)
            if connection is not None:
                connection.close()

    def spent(self) -> tuple[float, int]:
        """Return the US dollars and the tokens spent or set aside."""
        nano_usd, tokens = self._spent()
        return nano_usd / _NANO, tokens

    def _spent(self) -> tuple[int, int]:
        with self._using() as connection:
            query = f"SELECT {_SUM.format('nano_usd')}, {_SUM.format('tokens')}"
            nano_usd, tokens = connection.execute(query).fetchone()
        return nano_usd, tokens

    def reserve(self, prompt_tokens: int, completion_tokens: int) -> Reservation | None:
        """Set aside the largest cost of a call; return None if it does not fit below the caps."""
        return self.take(self.largest(prompt_tokens, completion_tokens))

    def take(self, found: Reservation) -> Reservation | None:
        """Set aside what `largest` returned; return None if it does not fit below the caps."""
        counts = self._counts(found.nano_usd, found.prompt_tokens, found.completion_tokens)
        most = {"most_nano": self._most_nano, "most_tokens": self._most_tokens}
        return found if self._add({**counts, **most}, f" AND {_FITS}") else None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except DAMAGED as error:
                raise unusable(self.path, error) from error

    def _add(self, counts: dict[str, int | str], condition: str = "") -> int:
        with self._using() as connection:
            return connection.execute(
                f"UPDATE spending SET {_ADD} WHERE model = :model{condition}", counts
            ).rowcount

    def _counts(self, nano_usd: int, prompt_tokens: int, completion_tokens: int) -> dict[str, int | str]:
        """Return what is added to the columns of the row of the model."""
        is_unpriced = not self._is_priced
        return {
            "model": self._name,
            "nano_usd": nano_usd,
            "tokens": prompt_tokens + completion_tokens,
            "unpriced_prompt": prompt_tokens * is_unpriced,
            "unpriced_reply": completion_tokens * is_unpriced,
        }

    @cached_property
    def _is_priced(self) -> bool:
        return self.prices.cost(1, 1) is not None

    def largest(self, prompt_tokens: int, asked_tokens: int) -> Reservation:
        """Return the largest cost of a call, without setting it aside."""
        completion_tokens = math.ceil(asked_tokens * self._stretch)
        nano_usd = self._most_of(prompt_tokens, completion_tokens)
        return Reservation(prompt_tokens, completion_tokens, asked_tokens, nano_usd)

    def _most_of(self, prompt_tokens: int, completion_tokens: int) -> int:
        return _to_nano(self.prices.most(prompt_tokens, completion_tokens) or 0.0)

    @property
    def _most_nano(self) -> int:
        budget = self.limits.budget
        return _NO_LIMIT if budget is None else int(min(budget * _NANO, float(_NO_LIMIT)))

    @property
    def _most_tokens(self) -> int:
        return min(self.limits.max_tokens_total or _NO_LIMIT, _NO_LIMIT)

    def has_room(self, needed: Iterable[Reservation]) -> bool:
        """Return whether calls that may cost so much fit below the caps together."""
        nano_usd, tokens = self._spent()
        for call in needed:
            nano_usd += call.nano_usd
            tokens += call.prompt_tokens + call.completion_tokens
        return nano_usd <= self._most_nano and tokens <= self._most_tokens

    def cap_reached(self, needed: Sequence[Reservation]) -> CapReached:
        """Return the error that ends a run whose next calls do not fit."""
        usd, tokens = self.spent()
        more = sum(call.prompt_tokens + call.completion_tokens for call in needed)
        calls = "the next call" if len(needed) == 1 else f"the next {len(needed):,} calls"
        if tokens + more > self._most_tokens:
            return CapReached(
                f"{tokens:,} of {self._most_tokens:,} tokens are spent or set aside, and {calls} may take {more:,}."
            )
        return CapReached(
            f"${usd:.4f} of ${self.limits.budget:.4f} is spent or set aside, and {calls} may cost "
            f"${sum(call.nano_usd for call in needed) / _NANO:.4f}."
        )

    def settle(self, reserved: Reservation, reply: Usage) -> None:
        """Replace what was set aside by what the endpoint counted, as far as it did."""
        prompt, completion = reply.prompt_tokens, reply.completion_tokens
        if prompt is None or completion is None:
            return
        # some endpoints do not count reasoning among the tokens that a request limits
        self._stretch = max(self._stretch, completion / max(reserved.asked_tokens, 1))
        cost = self.prices.cost(prompt, completion, reply.cached_tokens)
        self._add(
            self._counts(
                0 if cost is None else _to_nano(cost) - self._set_aside(reserved),
                prompt - reserved.prompt_tokens,
                completion - reserved.completion_tokens,
            )
        )

    def release(self, reserved: Reservation) -> None:
        """Take back what was set aside for a call that the endpoint refused."""
        self._add(
            self._counts(-self._set_aside(reserved), -reserved.prompt_tokens, -reserved.completion_tokens)
        )

    def _set_aside(self, reserved: Reservation) -> int:
        """Return what is in the file for a call; an earlier start may not have known the price."""
        return reserved.nano_usd or self._most_of(reserved.prompt_tokens, reserved.completion_tokens)


def open_ledger(path: Path | None, limits: Limits, endpoint: Endpoint) -> Ledger | None:
    """Return the ledger of an endpoint's model in a file, which is opened on first use; None without a file."""
    if path is None:
        return None
    return Ledger(path, limits, Prices(endpoint.model, endpoint.address, limits.prices))


def _to_nano(usd: float) -> int:
    return min(math.ceil(usd * _NANO), _MOST_NANO)


def _locate(name: object) -> str | None:
    """Return address and model of an LLM's name in the log of calls; None for one inside this process."""
    try:
        kind, address, model = locate(name) if isinstance(name, str) else ("", "", "")
    except InputError:
        return None
    return f"{OPENAI if kind == 'openai' else address}#{model}" if kind else None
