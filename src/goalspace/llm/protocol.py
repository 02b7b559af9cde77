"""The LLM protocol, replies, and streams of replies."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

from goalspace.errors import InputError, LLMError
from goalspace.llm.interrupts import Interrupts

# Number of prompts per batch for an LLM that cannot stream, so that an interruption loses few replies.
_BATCH = 8
PROMPT_TOO_LONG = "the prompt is too long for the model"  # the problem of a reply


@dataclass(frozen=True)
class Reply:
    """The reply of a model to one prompt.

    Attributes
    ----------
    text
        The unchanged text; if the model refused to answer, the text of the refusal.
    prompt_tokens, completion_tokens
        As counted by the endpoint; 0 if it does not count.
    cached
        Whether the reply came from the cache, without a call.
    seconds
        Duration of the call, including retries.
    problem
        Why there is no reply, if the call failed again and again while others succeeded; else empty.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    cached: bool = False
    seconds: float = 0.0
    problem: str = ""


class LLM(Protocol):
    """Anything that answers prompts, a batch at a time.

    `name` identifies the model; together with the prompt it identifies a stored reply.
    """

    @property
    def name(self) -> str: ...

    def complete(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> list[Reply]:
        """Return the replies in the order of `prompts`."""
        ...


class StreamingLLM(ABC):
    """An LLM whose replies come one by one."""

    @abstractmethod
    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply), every position once, in any order."""

    def complete(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> list[Reply]:
        """Return the replies in the order of `prompts`."""
        replies = self.stream(prompts, schema=schema, max_tokens=max_tokens)
        return [reply for _, reply in sorted(replies, key=itemgetter(0))]


class FunctionLLM(StreamingLLM):
    """An LLM that calls a function from prompt to reply, for one prompt at a time and in order.

    Parameters
    ----------
    function
        Takes a prompt and returns the text of the reply.
    name
        Identifies the function in the log of calls.
    """

    def __init__(self, function: Callable[[str], str], name: str = "function") -> None:
        self.function = function
        self.name = name

    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply); `schema` and `max_tokens` are ignored.

        After Ctrl-C, the call in progress gets 10 seconds to end, and its reply is yielded first.
        """
        with Interrupts() as interrupts:
            for position, prompt in enumerate(prompts):
                started = time.monotonic()
                text = self.function(prompt)
                if not isinstance(text, str):
                    raise InputError(
                        f"The function of FunctionLLM must return a string. Got {text!r:.60} instead."
                    )
                yield position, Reply(text, 0, 0, seconds=time.monotonic() - started)
                if interrupts.n:
                    break
        interrupts.reraise()


def stream(
    llm: LLM, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
) -> Generator[tuple[int, Reply]]:
    """Yield the replies of any LLM as they arrive, for progress reports and for storing them immediately.

    Parameters
    ----------
    llm
        The LLM; its `stream` method is used if it has one, else `complete` in small batches.
    prompts
        One prompt per reply.
    schema
        JSON schema that the reply must follow, or None for free text.
    max_tokens
        Maximum length of a reply, in tokens of the model.

    Yields
    ------
    (position in `prompts`, reply), every position once, in any order.
    """
    own: Callable[..., Iterator[tuple[int, Reply]]] | None = getattr(llm, "stream", None)
    if own is not None:
        yield from own(prompts, schema=schema, max_tokens=max_tokens)
        return
    with Interrupts() as interrupts:
        for start in range(0, len(prompts), _BATCH):
            replies = llm.complete(prompts[start : start + _BATCH], schema=schema, max_tokens=max_tokens)
            yield from enumerate(replies, start)
            if interrupts.n:
                break
    interrupts.reraise()


class StopCalls(Exception):
    """Thrown into a stream by `finish`: no more calls are wanted, but the replies of those in flight are."""


def finish(replies: Iterator[tuple[int, Reply]]) -> Iterator[tuple[int, Reply]]:
    """Yield the replies of a stream's calls in flight, which get 10 seconds, and let it make no more."""
    if not isinstance(replies, Generator):
        return
    with suppress(StopCalls, StopIteration, LLMError):  # whoever stops a stream has a reason of more weight
        yield replies.throw(StopCalls())
        yield from replies


def is_batched(llm: LLM) -> bool:
    """Return whether the calls of an LLM go through a batch API, where each series of calls may take a day."""
    return bool(getattr(llm, "is_batched", False))
