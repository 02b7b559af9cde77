"""How many calls are made at a time: fewer while an endpoint is overloaded, and none while it asks to wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from goalspace.errors import LLMError
from goalspace.llm.limits import Limits

_log = logging.getLogger(__name__)

CONCURRENCY = 8
_SHORT = 10.0  # seconds of a wait that is not worth a message
_SETTLE = 1.0  # seconds within which several refusals count as one
_POLL = 0.25


class Pace:
    """Adapts the number of concurrent calls: one more after as many replies, half of them after a refusal (AIMD).

    Used within one event loop.

    Parameters
    ----------
    limits
        `concurrency`, `rpm`, `tpm` and `patience` are used.
    clock
        Returns seconds that only increase.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = limits.concurrency or CONCURRENCY
        self.limits, self.clock = limits, clock
        self._width = float(self.most)
        self._halved = self._next_call = float("-inf")
        self._failing = float("inf")  # when the first failure after the last reply came
        self.n_answers = 0

    @property
    def width(self) -> int:
        """How many calls may be in flight."""
        return int(self._width)

    def note_reply(self) -> None:
        """Make room for more calls."""
        self._failing = float("inf")
        self.n_answers += 1
        self._width = min(float(self.most), self._width + 1 / self._width)

    def note_overload(self) -> None:
        """Halve the number of calls; refusals that come together count once."""
        now = self.clock()
        if now - self._halved > _SETTLE:
            self._halved, self._width = now, max(1.0, self._width / 2)

    async def take_turn(self, tokens: int) -> None:
        """Wait until another call of so many tokens may start."""
        spacing = max(
            60.0 / self.limits.rpm if self.limits.rpm else 0.0,
            60.0 * tokens / self.limits.tpm if self.limits.tpm else 0.0,
        )
        start = max(self.clock(), self._next_call)
        self._next_call = start + spacing
        while (left := start - self.clock()) > 0:
            await asyncio.sleep(left)

    async def rest(self, seconds: float, why: str, *, told: bool) -> None:
        """Wait before another attempt, less if other calls are answered in the meantime: then the reason is gone.

        Parameters
        ----------
        seconds
            How long.
        why
            What the endpoint answered, for messages.
        told
            Whether the endpoint named the time.

        Raises
        ------
        LLMError
            If that would be longer than the patience without any reply.
        """
        now = self.clock()
        self._failing = min(self._failing, now)
        left = self._failing + self.limits.patience - now
        if told and seconds > _SHORT:
            _log.warning("%s: it asks to wait %.0f s", why, seconds)
        is_hopeless = seconds > left
        until = now + (min(seconds, _SHORT, max(left, 0)) if is_hopeless else seconds)
        before = self.n_answers
        while (rest := until - self.clock()) > 0:
            await asyncio.sleep(min(rest, _POLL))
            if told and seconds > _SHORT and self.n_answers > before:
                return
        if is_hopeless and self.n_answers == before:
            patience = f"{self.limits.patience:g} s"
            asks = (
                f"asks to wait {seconds:.0f} s, longer than the patience of {patience}"
                if told and seconds > self.limits.patience
                else f"no call has been answered for as long as the patience of {patience}"
            )
            raise LLMError(f"{why}; {asks}. Run the same command later: stored replies are not paid again.")
