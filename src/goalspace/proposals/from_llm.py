"""Properties from a language model: what it is asked, and again what it did not answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM, is_batched
from goalspace.llm.structured import Calls, ask, ask_again, ask_once
from goalspace.progress import Progress
from goalspace.proposals.answers import Answer, parse_analysis, parse_answer, parse_group

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

REPLY_TOKENS = 700  # most tokens of the reply for one text
ANALYSIS_TOKENS = 160  # likewise of the analysis, if it is a call of its own
_MAX_HALVINGS = 6  # of a text that is too long for the model
_CHAINED = 64  # texts whose analyses are asked for before their properties


def ask_properties(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    *,
    calls: Calls,
    prompting: str = "single",
    texts_per_call: int = 1,
    max_tokens: int = REPLY_TOKENS,
    truncate_from: str = "end",
    progress: Progress | None = None,
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
    truncate_from
        Which end of a text is cut off if it is too long for the model.
    progress
        Called with (what is done, number of texts answered, total).

    Returns
    -------
    list
        One answer per text; None if neither reply could be parsed.
    """
    template = Template.load("propose")
    prompts = [template.fill(goal=goal, text=text) for text in texts]
    first, again = (
        partial(progress, what) if progress else None for what in ("asking the LLM", "asking the LLM again")
    )
    asked: dict[str, Any] = {"schema": ONE, "parse": parse_answer, "max_tokens": max_tokens, "calls": calls}
    if prompting == "chained":
        answers = _ask_chained(llm, texts, prompts, goal, max_tokens, calls, first)
    elif texts_per_call > 1:
        answers = _ask_groups(llm, texts, goal, texts_per_call, max_tokens, calls, first)
    else:
        answers = ask_once(llm, prompts, progress=first, **asked)
    answers = ask_again(llm, prompts, answers, progress=again, **asked)
    return _ask_shorter(llm, texts, goal, answers, truncate_from, max_tokens, calls)


def _ask_shorter(
    llm: LLM,
    texts: Sequence[str],
    goal: str,
    answers: list[Answer | None],
    truncate_from: str,
    max_tokens: int,
    calls: Calls,
) -> list[Answer | None]:
    """Ask about one half of texts that are too long for the model, one quarter, and so on."""
    template, shorter = Template.load("propose"), list(texts)
    for _ in range(_MAX_HALVINGS):
        rows = [
            i
            for i, answer in enumerate(answers)
            if answer is None and template.fill(goal=goal, text=shorter[i]) in calls.too_long
        ]
        if not rows or calls.cap:
            break
        for i in rows:
            half = len(shorter[i]) // 2
            shorter[i] = shorter[i][:half] if truncate_from == "end" else shorter[i][-half:]
        prompts = [template.fill(goal=goal, text=shorter[i]) for i in rows]
        found = ask(llm, prompts, schema=ONE, parse=parse_answer, max_tokens=max_tokens, calls=calls)
        for i, answer in zip(rows, found, strict=True):
            answers[i] = answer
    return answers


def _ask_chained(
    llm: LLM,
    texts: Sequence[str],
    singles: Sequence[str],
    goal: str,
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None,
) -> list[Answer | None]:
    """Ask for an analysis of every text, then for the properties in it; the second attempts are made with `singles`."""
    analyse, propose = Template.load("analyse"), Template.load("propose_from_analysis")
    found: list[Answer | None] = []

    def count_texts(start: int, done: int, _: int) -> None:
        if progress:
            progress(start + done, len(texts))

    # in parts, so that a limit of cost is not spent on analyses alone; in batches, each part could take two days
    size = len(texts) if is_batched(llm) else _CHAINED
    for start in range(0, len(texts), max(size, 1)):
        part = texts[start : start + size] if not calls.cap else ()
        analyses = ask_once(
            llm,
            [analyse.fill(goal=goal, text=text) for text in part],
            schema=None,
            parse=parse_analysis,
            max_tokens=ANALYSIS_TOKENS,
            calls=calls,
        )
        # after a batch, what is left below the cap may do for the texts that were analysed
        asked = [i for i, text in enumerate(analyses) if not calls.cap or (text and is_batched(llm))]
        prompts = [propose.fill(goal=goal, text=part[i], analysis=analyses[i] or "") for i in asked]
        answers = ask_once(
            llm,
            prompts,
            schema=_LIST,
            parse=parse_answer,
            max_tokens=max_tokens,
            calls=calls,
            progress=partial(count_texts, start),
        )
        calls.failed.update(
            singles[start + i] for i, prompt in zip(asked, prompts, strict=True) if prompt in calls.failed
        )
        by_row = dict(zip(asked, answers, strict=True))
        found += [
            None if (answer := by_row.get(i)) is None else Answer(analysis or "", answer.properties)
            for i, analysis in enumerate(analyses)
        ]
    return [*found, *[None] * (len(texts) - len(found))]


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
    prompts = []
    for group in groups:
        fence = _fence(group, goal)
        numbered = "\n".join(f"{fence} {n}\n{text}" for n, text in enumerate(group, 1))
        prompts.append(template.fill(goal=goal, fence=fence, texts=f"{numbered}\n{fence} end"))

    def count_texts(done: int, _: int) -> None:
        if progress:
            progress(min(done * size, len(texts)), len(texts))

    answers = ask_once(
        llm,
        prompts,
        schema=_MANY,
        parse=parse_group,
        max_tokens=max_tokens * size,
        calls=calls,
        progress=count_texts,
    )
    return [
        (numbered or {}).get(number)
        for group, numbered in zip(groups, answers, strict=True)
        for number in range(1, len(group) + 1)
    ]


def _fence(texts: Sequence[str], goal: str) -> str:
    """Return the mark between texts that share a prompt.

    It depends on all of them, so that no text can contain it, and on nothing else, so that a rerun makes the same calls.
    """
    digest = hashlib.sha256(json.dumps([goal, *texts]).encode()).hexdigest()
    return f"---------- {digest[:16]}"
