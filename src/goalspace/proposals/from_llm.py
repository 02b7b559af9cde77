"""Asking a language model for properties: the prompts, what is read out of the replies, and second tries."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM, stream
from goalspace.llm.structured import THOUGHT, find_json, json_values
from goalspace.text import one_line

_PROPERTY = {
    "type": "object",
    "properties": {"property": {"type": "string"}, "quote": {"type": "string"}},
    "required": ["property", "quote"],
    "additionalProperties": False,
}
_PROPERTIES: dict[str, Any] = {"type": "array", "items": _PROPERTY, "minItems": 1, "maxItems": 8}
ONE: dict[str, Any] = {
    "type": "object",
    "properties": {"analysis": {"type": "string"}, "properties": _PROPERTIES},
    "required": ["analysis", "properties"],
    "additionalProperties": False,
}
_LIST: dict[str, Any] = {
    "type": "object",
    "properties": {"properties": _PROPERTIES},
    "required": ["properties"],
    "additionalProperties": False,
}
_MANY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "texts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "number": {"type": "integer"},
                    "analysis": {"type": "string"},
                    "properties": _PROPERTIES,
                },
                "required": ["number", "analysis", "properties"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["texts"],
    "additionalProperties": False,
}

_MOST_PROPERTIES = 12
_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(.{3,})$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What was read out of the reply on one text."""

    analysis: str = ""
    properties: tuple[tuple[str, str], ...] = ()  # (property as said, quote as said)


@dataclass
class Asked:
    """Answers for every text, None where no reply could be read, with the replies that could not."""

    answers: list[Answer | None]
    unread: list[str] = field(default_factory=list)
    n_calls: int = 0
    n_replayed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def ask(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    *,
    prompting: str = "single",
    texts_per_call: int = 1,
    max_tokens: int = 700,
    progress: Callable[[int, int], None] | None = None,
) -> Asked:
    """Ask for the properties of every text (Instruct-LF §3.1, arXiv 2502.15147).

    A reply that cannot be read is asked for once more, alone and with a reminder.

    Parameters
    ----------
    llm
        The language model.
    texts
        The texts, already cut to the token budget.
    goal
        What the analyst wants to know.
    prompting
        "single" asks for the analysis and the properties in one reply; "chained" makes two calls, as in the paper.
    texts_per_call
        With "single", how many texts share it.
    max_tokens
        Longest reply for one text.
    progress
        Called with (texts answered, texts in all).
    """
    asked = Asked([None] * len(texts))
    if prompting == "chained":
        _ask_twice(llm, texts, goal, asked, max_tokens, progress)
    elif texts_per_call > 1:
        _ask_many(llm, texts, goal, asked, texts_per_call, max_tokens, progress)
    else:
        prompts = [Template.load("propose").fill(goal=goal, text=text) for text in texts]
        _ask_each(llm, prompts, range(len(texts)), ONE, asked, max_tokens, progress)
    missing = [i for i, answer in enumerate(asked.answers) if answer is None]
    if missing:
        again = [
            Template.load("again").fill(prompt=Template.load("propose").fill(goal=goal, text=texts[i]))
            for i in missing
        ]
        asked.unread.clear()
        _ask_each(llm, again, missing, ONE, asked, max_tokens, None)
    return asked


def _ask_each(
    llm: LLM,
    prompts: Sequence[str],
    rows: Sequence[int],
    schema: dict[str, Any],
    asked: Asked,
    max_tokens: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    for done, (position, text) in enumerate(_replies(llm, prompts, schema, max_tokens, asked), 1):
        answer = read_answer(text)
        asked.answers[rows[position]] = answer
        if answer is None:
            asked.unread.append(text)
        if progress:
            progress(done, len(prompts))


def _ask_twice(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    asked: Asked,
    max_tokens: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    prompts = [Template.load("analyse").fill(goal=goal, text=text) for text in texts]
    analyses = [""] * len(texts)
    for position, text in _replies(llm, prompts, None, 160, asked):
        analyses[position] = " ".join(THOUGHT.sub("", text).split())
    second = Template.load("propose_from_analysis")
    prompts = [
        second.fill(goal=goal, text=text, analysis=analysis)
        for text, analysis in zip(texts, analyses, strict=True)
    ]
    _ask_each(llm, prompts, range(len(texts)), _LIST, asked, max_tokens, progress)
    for i, answer in enumerate(asked.answers):
        if answer is not None:
            asked.answers[i] = Answer(analyses[i], answer.properties)


def _ask_many(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    asked: Asked,
    size: int,
    max_tokens: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    groups = [range(start, min(start + size, len(texts))) for start in range(0, len(texts), size)]
    template = Template.load("propose_many")
    prompts = [
        template.fill(
            goal=goal, texts="\n\n".join(f"---------- {n}\n{texts[i]}" for n, i in enumerate(group, 1))
        )
        for group in groups
    ]
    done = 0
    for position, text in _replies(llm, prompts, _MANY, max_tokens * size, asked):
        group = groups[position]
        value = find_json(text)
        items = value.get("texts") if isinstance(value, dict) else None
        for item in items if isinstance(items, list) else []:
            number = item.get("number") if isinstance(item, dict) else None
            if isinstance(number, int) and 1 <= number <= len(group):
                asked.answers[group[number - 1]] = _answer_from(item)
        if any(asked.answers[i] is None for i in group):
            asked.unread.append(text)
        done += len(group)
        if progress:
            progress(done, len(texts))


def _replies(
    llm: LLM, prompts: Sequence[str], schema: dict[str, Any] | None, max_tokens: int, asked: Asked
) -> Any:
    for position, reply in stream(llm, prompts, schema=schema, max_tokens=max_tokens):
        asked.n_calls += 1
        asked.n_replayed += reply.cached
        asked.prompt_tokens += reply.prompt_tokens
        asked.completion_tokens += reply.completion_tokens
        yield position, reply.text


def read_answer(reply: str) -> Answer | None:
    """Read one text's properties out of a reply: JSON wherever it stands, else the items of a list.

    Of JSON that was cut off where the tokens ended, the properties that are whole count.
    """
    values = list(json_values(reply))
    whole = next((value for value in values if isinstance(value, dict) and "properties" in value), None)
    if whole is not None:
        return _answer_from(whole)
    if values and isinstance(values[0], list) and (answer := _answer_from({"properties": values[0]})):
        return answer
    if answer := _answer_from({"properties": [v for v in values if isinstance(v, dict) and "property" in v]}):
        return answer
    items = tuple((item.strip().strip("*"), "") for item in _ITEM.findall(THOUGHT.sub("", reply)))
    return Answer(properties=items[:_MOST_PROPERTIES]) if items else None


def _answer_from(value: dict[str, Any]) -> Answer | None:
    analysis, items = value.get("analysis"), value.get("properties")
    pairs: list[tuple[str, str]] = []
    for item in items if isinstance(items, list) else []:
        name = item.get("property") if isinstance(item, dict) else item
        quote = item.get("quote") if isinstance(item, dict) else ""
        if isinstance(name, str) and one_line(name):
            pairs.append((one_line(name), quote if isinstance(quote, str) else ""))
    if not pairs:
        return None
    return Answer(one_line(analysis) if isinstance(analysis, str) else "", tuple(pairs[:_MOST_PROPERTIES]))
