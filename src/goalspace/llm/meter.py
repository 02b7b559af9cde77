"""What the calls of a command do and cost, counted while they are made, for whoever shows it."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goalspace.llm.spending import Ledger

_WINDOW = 60.0  # seconds over which the rate is taken


class Meter:
    """Counts of calls, of their cost and of what went wrong. Calls that are replayed count as nothing but that.

    Parameters
    ----------
    clock
        Returns seconds that only increase.

    Attributes
    ----------
    n_calls, n_replayed
        Replies to calls that were made, and those that were stored already.
    n_repaired
        Replies that were no plain JSON, or came at the second attempt, and could be read all the same.
    unread, pending
        Why replies could not be read, with their numbers: of texts that were given up, and at the first attempt of others.
    retries
        Why calls were made again, with the numbers of attempts.
    usd, tokens
        What was spent; `usd` without calls of an unknown price.
    is_priced
        Whether the price of all calls is known, and there was one.
    is_estimate
        Whether an endpoint did not count tokens.
    seconds
        How long calls were made and waited for.
    ledger
        Keeps count of the run folder, if there is a cap.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.n_calls = self.n_replayed = self.n_repaired = self.tokens = 0
        self.unread: Counter[str] = Counter()
        self.pending: Counter[str] = Counter()
        self.usd = self.seconds = 0.0
        self.is_priced = self.is_estimate = False
        self.ledger: Ledger | None = None
        self._retries: Counter[str] = Counter()
        self._times: deque[float] = deque()
        self._began = float("-inf")
        self._lock = threading.Lock()  # calls are made in one thread, used in another, and shown in a third

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time within the block if calls are made in it."""
        began, n_before = self.clock(), self.n_calls
        with self._lock:
            if not self._times or began - self._times[-1] > _WINDOW:
                self._began = began
        try:
            yield
        finally:
            if self.n_calls > n_before:
                self.seconds += self.clock() - began

    def note_reply(self, *, is_replayed: bool) -> None:
        """Count a reply."""
        if is_replayed:
            self.n_replayed += 1
            return
        with self._lock:
            self.n_calls += 1
            self._times.append(self.clock())

    def note_cost(self, usd: float | None, tokens: int, *, is_estimate: bool) -> None:
        """Count what a call costs; None if its price is not known."""
        with self._lock:
            self.is_priced = usd is not None and (self.is_priced or not self.tokens)
            self.usd += usd or 0.0
            self.tokens += tokens
            self.is_estimate |= is_estimate

    def note_retry(self, reason: str) -> None:
        """Count a failure after which a call is made again."""
        with self._lock:
            self._retries[reason] += 1

    @property
    def retries(self) -> Counter[str]:
        with self._lock:
            return self._retries.copy()

    def rate(self) -> float:
        """Return the replies per minute over the last minute, or since the first call."""
        with self._lock:
            now = self.clock()
            while self._times and now - self._times[0] > _WINDOW:
                self._times.popleft()
            seconds = min(now - self._began, _WINDOW)
            return 60 * len(self._times) / seconds if seconds > 0 else 0.0


_current: ContextVar[Meter] = ContextVar("meter")


@contextmanager
def metered() -> Iterator[Meter]:
    """Let the calls that are made within the block be counted by one meter."""
    meter = Meter()
    token = _current.set(meter)
    try:
        yield meter
    finally:
        _current.reset(token)


def current_meter() -> Meter:
    """Return the meter that counts the calls made here; one that nobody looks at, if there is none."""
    return _current.get(None) or Meter()
