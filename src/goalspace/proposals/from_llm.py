"""Properties from a language model: prompts, and parsing of replies."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM
from goalspace.llm.structured import Calls, ask_again, ask_once, drop_thoughts, find_json, json_values
from goalspace.text import to_line

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

_MAX_PROPERTIES = 12
_ANALYSIS_TOKENS = 160
_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(.{3,})$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """The answer for one text: an analysis, and pairs of a property and a supporting quote."""

    analysis: str = ""
    properties: tuple[tuple[str, str], ...] = ()


def ask_properties(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    *,
    calls: Calls,
    prompting: str = "single",
    texts_per_call: int = 1,
    max_tokens: int = 700,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer | None]:
    """Ask for the properties of every text (Instruct-LF §3.1, arXiv 2502.15147).

    Texts without an answer are tried a second time, one per call and with a reminder.

    Parameters
    ----------
    llm
        The language model.
    texts
        The texts, already truncated to the token budget.
    goal
        What the analyst wants to know.
    calls
        Counts the calls.
    prompting
        "single" asks for the analysis and the properties in one reply; "chained" makes two calls, as in the paper.
    texts_per_call
        With "single", the number of texts per call.
    max_tokens
        Maximum length of the reply for one text, in tokens.
    progress
        Called with (number of texts answered, total).

    Returns
    -------
    list
        One answer per text; None if neither reply could be parsed.
    """
    template = Template.load("propose")
    prompts = [template.fill(goal=goal, text=text) for text in texts]
    if prompting == "chained":
        answers = _ask_chained(llm, texts, goal, max_tokens, calls, progress)
    elif texts_per_call > 1:
        answers = _ask_groups(llm, texts, goal, texts_per_call, max_tokens, calls, progress)
    else:
        answers = ask_once(
            llm,
            prompts,
            schema=ONE,
            parse=parse_answer,
            max_tokens=max_tokens,
            calls=calls,
            progress=progress,
        )
    return ask_again(
        llm, prompts, answers, schema=ONE, parse=parse_answer, max_tokens=max_tokens, calls=calls
    )


def _ask_chained(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None,
) -> list[Answer | None]:
    """Ask for an analysis of every text, then for the properties in it."""
    analyse, propose = Template.load("analyse"), Template.load("propose_from_analysis")
    prompts = [analyse.fill(goal=goal, text=text) for text in texts]
    analyses = [
        analysis or ""
        for analysis in ask_once(
            llm, prompts, schema=None, parse=_parse_analysis, max_tokens=_ANALYSIS_TOKENS, calls=calls
        )
    ]
    prompts = [
        propose.fill(goal=goal, text=text, analysis=analysis)
        for text, analysis in zip(texts, analyses, strict=True)
    ]
    answers = ask_once(
        llm, prompts, schema=_LIST, parse=parse_answer, max_tokens=max_tokens, calls=calls, progress=progress
    )
    return [
        None if answer is None else Answer(analysis, answer.properties)
        for analysis, answer in zip(analyses, answers, strict=True)
    ]


def _ask_groups(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    size: int,
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None,
) -> list[Answer | None]:
    """Ask about `size` texts per call."""
    groups = [texts[start : start + size] for start in range(0, len(texts), size)]
    template = Template.load("propose_many")
    prompts = [
        template.fill(
            goal=goal, texts="\n\n".join(f"---------- {n}\n{text}" for n, text in enumerate(group, 1))
        )
        for group in groups
    ]

    def count_texts(done: int, _: int) -> None:
        if progress:
            progress(min(done * size, len(texts)), len(texts))

    answers = ask_once(
        llm,
        prompts,
        schema=_MANY,
        parse=_parse_group,
        max_tokens=max_tokens * size,
        calls=calls,
        progress=count_texts,
    )
    return [
        (numbered or {}).get(number)
        for group, numbered in zip(groups, answers, strict=True)
        for number in range(1, len(group) + 1)
    ]


def _parse_analysis(reply: str) -> str:
    return " ".join(drop_thoughts(reply).split())


def _parse_group(reply: str) -> dict[int, Answer | None]:
    """Parse a reply on several texts: number of the text in the prompt → answer."""
    value = find_json(reply)
    items = value.get("texts") if isinstance(value, dict) else None
    answers: dict[int, Answer | None] = {}
    for item in items if isinstance(items, list) else []:
        number = item.get("number") if isinstance(item, dict) else None
        if isinstance(number, int):
            answers[number] = _answer_from(item)
    return answers


def parse_answer(reply: str) -> Answer | None:
    """Parse a reply on one text: JSON anywhere in the reply, else the items of a list.

    If the JSON was cut off by the token limit, the complete properties are used.
    """
    values = list(json_values(reply))
    whole = next((value for value in values if isinstance(value, dict) and "properties" in value), None)
    if whole is not None:
        return _answer_from(whole)
    if values and isinstance(values[0], list) and (answer := _answer_from({"properties": values[0]})):
        return answer
    if answer := _answer_from({"properties": [v for v in values if isinstance(v, dict) and "property" in v]}):
        return answer
    items = tuple((item.strip().strip("*"), "") for item in _ITEM.findall(drop_thoughts(reply)))
    return Answer(properties=items[:_MAX_PROPERTIES]) if items else None


def _answer_from(value: dict[str, Any]) -> Answer | None:
    analysis, items = value.get("analysis"), value.get("properties")
    pairs: list[tuple[str, str]] = []
    for item in items if isinstance(items, list) else []:
        name = item.get("property") if isinstance(item, dict) else item
        quote = item.get("quote") if isinstance(item, dict) else ""
        if isinstance(name, str) and to_line(name):
            pairs.append((to_line(name), quote if isinstance(quote, str) else ""))
    if not pairs:
        return None
    return Answer(to_line(analysis) if isinstance(analysis, str) else "", tuple(pairs[:_MAX_PROPERTIES]))
