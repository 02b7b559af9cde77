"""Structured replies: prompts are sent, replies parsed, and failures tried a second time."""

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

# reasoning of a model; some chat templates open it themselves, so that the reply contains only its end
_THOUGHT = re.compile(r"\A(?:(?!<think>).)*?</think>|<think>.*?(?:</think>|\Z)", re.DOTALL)
_KEPT = 300  # characters kept of an unparsed reply


@dataclass
class Calls:
    """Counts of the calls of a model and of their tokens.

    Attributes
    ----------
    n, n_replayed
        Number of replies, and how many of them came from the cache.
    prompt_tokens, completion_tokens
        As counted by the endpoint.
    unparsed
        Replies, truncated, that could not be parsed in the second attempt either.
    """

    n: int = 0
    n_replayed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unparsed: list[str] = field(default_factory=list)

    def as_stats(self) -> dict[str, int]:
        """Return the counts recorded by a stage."""
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
    """Send every prompt, and once more with a reminder if the reply cannot be parsed.

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
        Maximum length of a reply, in tokens of the model.
    calls
        Counts the calls.
    progress
        Called with (replies to the first attempt, prompts).

    Returns
    -------
    list
        The answers in the order of `prompts`; None if neither reply could be parsed.
    """
    answers = ask_once(
        llm, prompts, schema=schema, parse=parse, max_tokens=max_tokens, calls=calls, progress=progress
    )
    return ask_again(llm, prompts, answers, schema=schema, parse=parse, max_tokens=max_tokens, calls=calls)


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
    """Make only the first attempt of `ask`, for callers that use another prompt in the second one."""
    answers: list[Answer | None] = [None] * len(prompts)
    for done, (i, reply) in enumerate(_replies(llm, prompts, schema, max_tokens, calls), 1):
        answers[i] = parse(reply)
        if progress:
            progress(done, len(prompts))
    return answers


def ask_again(
    llm: LLM,
    prompts: Sequence[str],
    answers: Sequence[Answer | None],
    *,
    schema: dict[str, Any] | None,
    parse: Callable[[str], Answer | None],
    max_tokens: int,
    calls: Calls,
) -> list[Answer | None]:
    """Make only the second attempt of `ask`, with a reminder: fill in missing `answers`, and record unparsed replies."""
    reminder = Template.load("again")
    answers = list(answers)
    missing = [i for i, answer in enumerate(answers) if answer is None]
    unparsed: dict[int, str] = {}
    reminded = [reminder.fill(prompt=prompts[i]) for i in missing]
    for position, reply in _replies(llm, reminded, schema, max_tokens, calls):
        answers[missing[position]] = answer = parse(reply)
        if answer is None:
            unparsed[position] = to_line(reply, _KEPT)
    calls.unparsed += [unparsed[position] for position in sorted(unparsed)]  # replies arrive in any order
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
    """Return a reply without the reasoning of the model."""
    return _THOUGHT.sub("", reply)


def find_json(reply: str) -> Any:
    """Return the first JSON object or list in a reply, or None, ignoring prose, reasoning and code fences."""
    return next(json_values(reply), None)


def json_values(reply: str) -> Iterator[Any]:
    """Yield the non-empty top-level JSON objects and lists in a reply, without those in its reasoning."""
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
