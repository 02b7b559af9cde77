"""The LLM protocol and replies; streams of replies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

from goalspace.errors import InputError

# An LLM that cannot stream is asked for this many replies at a time: an interruption loses few of them.
_BATCH = 8


@dataclass(frozen=True)
class Reply:
    """What a model answered to one prompt.

    Attributes
    ----------
    text
        The answer as it came; the words of a refusal when the model refused.
    prompt_tokens, completion_tokens
        As counted by the endpoint; 0 when it does not count.
    cached
        True when no call was made for this reply.
    seconds
        How long the call took, retries included.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    cached: bool = False
    seconds: float = 0.0


class LLM(Protocol):
    """Anything that answers prompts, a batch at a time.

    `name` says which model answers: together with the prompt it identifies a stored reply.
    """

    @property
    def name(self) -> str: ...

    def complete(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> list[Reply]:
        """Answer every prompt, in the order of `prompts`."""
        ...


class FunctionLLM:
    """A function from prompt to reply as an LLM; it is called for one prompt at a time, in order.

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
        """Yield (position in `prompts`, reply); `schema` and `max_tokens` are the function's own affair."""
        for position, prompt in enumerate(prompts):
            started = time.monotonic()
            text = self.function(prompt)
            if not isinstance(text, str):
                raise InputError(
                    f"The function of FunctionLLM must return a string. Got {text!r:.60} instead."
                )
            yield position, Reply(text, 0, 0, seconds=time.monotonic() - started)

    def complete(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> list[Reply]:
        """Answer every prompt, in the order of `prompts`."""
        return collect(self.stream(prompts, schema=schema, max_tokens=max_tokens))


def stream(
    llm: LLM, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
) -> Iterator[tuple[int, Reply]]:
    """Yield the replies of any LLM as they come, for progress and for storing each before it is used.

    Parameters
    ----------
    llm
        Asked through its own `stream` method when it has one, else through `complete` in small batches.
    prompts
        One prompt per reply.
    schema
        JSON schema that the reply must follow, or None for free text.
    max_tokens
        Longest reply, in tokens of the model.

    Yields
    ------
    (position in `prompts`, reply), every position once, in any order.
    """
    own: Callable[..., Iterator[tuple[int, Reply]]] | None = getattr(llm, "stream", None)
    if own is not None:
        yield from own(prompts, schema=schema, max_tokens=max_tokens)
        return
    for start in range(0, len(prompts), _BATCH):
        replies = llm.complete(prompts[start : start + _BATCH], schema=schema, max_tokens=max_tokens)
        yield from enumerate(replies, start)


def collect(replies: Iterable[tuple[int, Reply]]) -> list[Reply]:
    """Wait for all of a stream and put its replies in the order of the prompts."""
    return [reply for _, reply in sorted(replies, key=itemgetter(0))]
