"""Attempts of one call: which failures may pass, and how long to wait before the next attempt."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from goalspace.errors import LLMError
from goalspace.llm.completion import Unreadable
from goalspace.llm.endpoint import MAX_DETAIL, NO_MONEY, describe
from goalspace.llm.meter import Meter
from goalspace.llm.pace import Pace
from goalspace.text import to_line

if TYPE_CHECKING:
    from openai import APIStatusError
    from tenacity import RetryCallState

Result = TypeVar("Result")

_MAX_TRIES = 12  # of a call while others are answered: then the trouble lies in its text
_MAX_SLOW_TRIES = 3  # likewise, of a call that runs into the deadline
_MAX_FIRST_TRIES = (
    5  # with answers that are no completions, before the first one that is: then the address is wrong
)
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # seconds, unless the endpoint names them
_PASSING = {408, 409, 425, 429}
_OVERLOAD = {429, 503, 529}


class Failure(Exception):
    """A call that failed and may succeed later; the message says what the endpoint did.

    Attributes
    ----------
    kind
        What the endpoint did, in a word or two: failures of a kind are counted together.
    retry_after
        Seconds that the endpoint asks to wait, or None.
    is_overload, is_slow, is_unreadable
        Whether it has too much to do, ran into the deadline, or sent something that is no completion.
    """

    def __init__(
        self,
        words: str,
        kind: str,
        *,
        retry_after: float | None = None,
        is_overload: bool = False,
        is_slow: bool = False,
        is_unreadable: bool = False,
    ) -> None:
        super().__init__(words)
        self.kind = kind
        self.retry_after = retry_after
        self.is_overload, self.is_slow, self.is_unreadable = is_overload, is_slow, is_unreadable


def find_failure(error: Exception, deadline: float) -> Failure | None:
    """Return the failure that an error of the openai package stands for, or None if it does not pass."""
    import openai

    if isinstance(error, Unreadable):
        return Failure(f"sent {error}", "no completion", is_unreadable=True)
    if isinstance(error, (TimeoutError, openai.APITimeoutError)):
        return Failure(f"did not answer in time ({deadline:.0f} s)", "timeout", is_slow=True)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        words = to_line(str(cause), MAX_DETAIL) or type(cause).__name__
        return Failure(f"breaks the connection ({words})", "connection")
    if not isinstance(error, openai.APIStatusError):
        return None
    words = describe(error)
    is_passing = error.status_code in _PASSING or error.status_code >= 500
    if not is_passing or NO_MONEY.search(f"{error.code} {words}".lower()):
        return None
    return Failure(
        f"answers with status {error.status_code}: {words}",
        f"status {error.status_code}",
        retry_after=_read_retry_after(error),
        is_overload=error.status_code in _OVERLOAD,
    )


def _read_retry_after(error: APIStatusError) -> float | None:
    """Return the seconds of Retry-After, which may be a number or a date."""
    value = error.response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(seconds, 0.0) if seconds < float("inf") else None


async def attempt(call: Callable[[], Awaitable[Result]], pace: Pace, where: str, meter: Meter) -> Result:
    """Make a call again while it fails with a `Failure`, and others are answered or the patience lasts.

    Parameters
    ----------
    call
        Makes the call.
    pace
        Is told of refusals, and waits.
    where
        The endpoint, for messages.
    meter
        Counts the failures.

    Raises
    ------
    Failure
        If the call fails again and again although others are answered.
    LLMError
        If there is no hope.
    """
    from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

    before = pace.n_answers
    failures: list[Failure] = []
    grow = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)

    def wait(state: RetryCallState) -> float:
        assert state.outcome is not None
        failure = state.outcome.exception()
        assert isinstance(failure, Failure)
        failures.append(failure)
        if failure.is_overload:
            pace.note_overload()
        return max(grow(state), failure.retry_after or 0.0)

    def stop(state: RetryCallState) -> bool:
        failure, others = failures[-1], pace.n_answers > before
        if failure.is_unreadable and not pace.n_answers and state.attempt_number >= _MAX_FIRST_TRIES:
            raise LLMError(
                f"{where} does not behave like an OpenAI-compatible endpoint: it {failure}. Does its address end in /v1?"
            )
        n_slow = sum(failure.is_slow for failure in failures)
        n_own = sum(not failure.is_overload for failure in failures)
        return others and (n_slow >= _MAX_SLOW_TRIES or n_own >= _MAX_TRIES)

    async def rest(seconds: float) -> None:
        failure = failures[-1]
        meter.note_retry(failure.kind)
        await pace.rest(seconds, f"{where} {failure}", told=failure.retry_after is not None)

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Failure), wait=wait, stop=stop, sleep=rest, reraise=True
    )
    return await retrying(call)
