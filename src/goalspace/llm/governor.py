"""The governor of an endpoint: every paid request waits for its turn, and for room below the cap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from goalspace.llm.limits import Limits
from goalspace.llm.pace import Pace
from goalspace.llm.spending import Ledger, Reservation, Usage

_POLL = 0.02  # seconds between looks whether a call fits below the cap
# answers of gateways that gave up waiting: what they wait for may still be made, and billed
_MAY_BE_BILLED = {408, 502, 504, 520, 522, 524}

Answer = TypeVar("Answer", bound=Usage)


class Governor:
    """Sends the requests to one model at an endpoint.

    Parameters
    ----------
    limits
        How fast and how long it may be called.
    ledger
        Keeps count of what the calls cost, and a cap; None for a model that costs nothing.
    """

    def __init__(self, limits: Limits, ledger: Ledger | None) -> None:
        self.limits, self.ledger = limits, ledger
        self.pace = Pace(limits)
        self._n_open = 0  # requests in flight

    async def send(
        self,
        post: Callable[[], Awaitable[Answer]],
        *,
        prompt_tokens: int,
        completion_tokens: int,
        expected_tokens: int,
    ) -> Answer:
        """Make one request when its turn comes, and count what was billed for it.

        Parameters
        ----------
        post
            Makes the request and reads the answer.
        prompt_tokens, completion_tokens
            The most that the endpoint can bill.
        expected_tokens
            Estimate of both together, for the limit per minute.

        Raises
        ------
        CapReached
            If the request could cost more than is left.
        TimeoutError
            If it takes longer than the deadline.
        Exception
            Whatever `post` raises. Only a request that the endpoint refused is not counted as spent: without an answer, or
            with one that cannot be read, it may be billed all the same.
        """
        import openai

        await self.pace.take_turn(expected_tokens)
        # from here on, a call that is cancelled may be billed
        reserved = await self._reserve(prompt_tokens, completion_tokens)
        self._n_open += 1
        try:
            async with asyncio.timeout(self.limits.deadline):
                answer = await post()
            if self.ledger and reserved:
                await asyncio.to_thread(self.ledger.settle, reserved, answer)
        except openai.APIStatusError as error:
            if self.ledger and reserved and error.status_code not in _MAY_BE_BILLED:
                await asyncio.to_thread(self.ledger.release, reserved)
            raise
        finally:
            self._n_open -= 1
        return answer

    async def _reserve(self, prompt_tokens: int, completion_tokens: int) -> Reservation | None:
        """Set aside what a call may cost; if that does not fit, wait until calls in flight have turned out cheaper."""
        if self.ledger is None:
            return None
        # in a thread: while a reply is being stored, SQLite lets nobody else write, and other calls must go on
        while (
            reserved := await asyncio.to_thread(self.ledger.reserve, prompt_tokens, completion_tokens)
        ) is None:
            if not self._n_open:
                raise self.ledger.cap_reached([self.ledger.largest(prompt_tokens, completion_tokens)])
            await asyncio.sleep(_POLL)
        return reserved
