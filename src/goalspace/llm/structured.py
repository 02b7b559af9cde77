"""Structured replies: prompts asked, replies parsed, and a second attempt for those that cannot be parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM, stream
from goalspace.text import to_line

Answer = TypeVar("Answer")

# what a model thinks aloud; some prompt templates open the thought themselves, so that the reply holds only its end
_THOUGHT = re.compile(r"\A(?:(?!<think>).)*?</think>|<think>.*?(?:</think>|\Z)", re.DOTALL)
_KEPT = 300  # characters kept of a reply that could not be parsed


@dataclass
class Calls:
    """How often a model was asked, and what it cost.

    Attributes
    ----------
    n, n_replayed
        Replies used, and how many of them came from the cache.
    prompt_tokens, completion_tokens
        As counted by the endpoint.
    unparsed
        Replies, shortened, that could not be parsed at the second attempt either.
    """

    n: int = 0
    n_replayed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unparsed: list[str] = field(default_factory=list)

    def as_stats(self) -> dict[str, int]:
        """Return the counts that a stage records."""
        return {
            "n_calls": self.n,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }


def ask(
    llm: LLM,
    prompts: Sequence[str],
    *,
    schema: dict[str, Any] | None,
    parse: Callable[[str], Answer | None],
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer | None]:
    """Ask every prompt, and once more with a reminder where the reply cannot be parsed.

    Parameters
    ----------
    llm
        The language model.
    prompts
        One prompt per answer.
    schema
        JSON schema that the replies must follow, or None for free text.
    parse
        Returns the answer in a reply, or None if there is none.
    max_tokens
        Longest reply, in tokens of the model.
    calls
        Counts what is asked.
    progress
        Called with (replies to the first attempt, prompts).

    Returns
    -------
    list
        The answers in the order of `prompts`, None where neither reply could be parsed.
    """
    answers = ask_once(
        llm, prompts, schema=schema, parse=parse, max_tokens=max_tokens, calls=calls, progress=progress
    )
    missing = [i for i, answer in enumerate(answers) if answer is None]
    again = ask_again(
        llm, [prompts[i] for i in missing], schema=schema, parse=parse, max_tokens=max_tokens, calls=calls
    )
    for i, answer in zip(missing, again, strict=True):
        answers[i] = answer
    return answers


def ask_once(
    llm: LLM,
    prompts: Sequence[str],
    *,
    schema: dict[str, Any] | None,
    parse: Callable[[str], Answer | None],
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer | None]:
    """Make the first attempt of `ask` alone, for callers whose second attempt is another prompt."""
    answers: list[Answer | None] = [None] * len(prompts)
    for done, (i, reply) in enumerate(_replies(llm, prompts, schema, max_tokens, calls), 1):
        answers[i] = parse(reply)
        if progress:
            progress(done, len(prompts))
    return answers


def ask_again(
    llm: LLM,
    prompts: Sequence[str],
    *,
    schema: dict[str, Any] | None,
    parse: Callable[[str], Answer | None],
    max_tokens: int,
    calls: Calls,
) -> list[Answer | None]:
    """Make the second attempt of `ask` alone: ask with a reminder, and note the replies that cannot be parsed."""
    reminder = Template.load("again")
    answers: list[Answer | None] = [None] * len(prompts)
    unparsed: dict[int, str] = {}
    prompts = [reminder.fill(prompt=prompt) for prompt in prompts]
    for i, reply in _replies(llm, prompts, schema, max_tokens, calls):
        answers[i] = parse(reply)
        if answers[i] is None:
            unparsed[i] = to_line(reply, _KEPT)
    calls.unparsed += [unparsed[i] for i in sorted(unparsed)]  # replies arrive in any order
    return answers


def _replies(
    llm: LLM, prompts: Sequence[str], schema: dict[str, Any] | None, max_tokens: int, calls: Calls
) -> Iterator[tuple[int, str]]:
    for i, reply in stream(llm, prompts, schema=schema, max_tokens=max_tokens):
        calls.n += 1
        calls.n_replayed += reply.cached
        calls.prompt_tokens += reply.prompt_tokens
        calls.completion_tokens += reply.completion_tokens
        yield i, reply.text


def drop_thoughts(reply: str) -> str:
    """Return a reply without what the model thought aloud."""
    return _THOUGHT.sub("", reply)


def find_json(reply: str) -> Any:
    """The first JSON object or list in a reply, or None; prose, thoughts and code fences around it do not matter."""
    return next(json_values(reply), None)


def json_values(reply: str) -> Iterator[Any]:
    """Yield the JSON objects and lists in a reply that are not empty, without those in thoughts or in other values."""
    reply = drop_thoughts(reply)
    decoder = json.JSONDecoder()
    end = 0
    for start in re.finditer(r"[{\[]", reply):
        if start.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(reply, start.start())
        except (ValueError, RecursionError):  # ValueError: broken, or a number of thousands of digits
            continue
        if isinstance(value, (dict, list)) and value:
            yield value
