"""Answers of a language model: the properties of a text, read from whatever a reply looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from goalspace.llm.reading import (
    decoded_twice,
    drop_thoughts,
    lower_keys,
    objects_in,
    read_reply,
    to_whole,
)
from goalspace.text import to_line

_MAX_PROPERTIES = 12
_ITEM = re.compile(r"^[^\S\n]*+(?:[-*•–]|\d{1,2}[.)])[^\S\n]++(.{3,})", re.MULTILINE)
_MAX_NAME, _MAX_QUOTE = 200, 2_000  # characters
_NAME_KEYS = ("property", "name", "text", "label", "phrase")
_QUOTE_KEYS = ("quote", "evidence", "quotes", "excerpt", "support")
_NUMBER_KEYS = ("number", "id", "index", "text")


@dataclass(frozen=True)
class Answer:
    """The answer for one text: an analysis, and pairs of a property and a supporting quote."""

    analysis: str = ""
    properties: tuple[tuple[str, str], ...] = ()


def parse_analysis(reply: str) -> str:
    """Return the analysis in a reply, without thoughts and line breaks."""
    return " ".join(drop_thoughts(reply).split())


def parse_group(reply: str) -> dict[int, Answer | None]:
    """Parse a reply on several texts: number of the text in the prompt → answer.

    The last JSON object with "texts" counts; if it was cut off by the token limit, its complete texts are used.
    """
    reading = read_reply(reply)
    objects = [found for value in reading.whole_values() for found in objects_in(value)]
    cut = [lower_keys(value) for value in reading.values if isinstance(value, dict)]
    for value in (*reversed(objects), *reversed(cut)):
        if answers := _numbered(value.get("texts")):
            return answers
    return _numbered(objects)  # one object per text


def _numbered(texts: Any) -> dict[int, Answer | None]:
    """The answers in a list of objects with numbers, or in an object with numbers as keys."""
    (texts,) = decoded_twice(texts)[-1:] or [None]
    if isinstance(texts, dict):
        texts = [{"number": key, **value} for key, value in texts.items() if isinstance(value, dict)]
    answers: dict[int, Answer | None] = {}
    for item in texts if isinstance(texts, list) else []:
        value = lower_keys(item) if isinstance(item, dict) else {}
        number = to_whole(_first(value, _NUMBER_KEYS))
        if number is not None:
            answers[number] = _answer_from(value) or answers.get(number)
    return answers


def parse_answer(reply: str) -> Answer | None:
    """Parse a reply on one text: JSON anywhere in the reply, else the items of a list.

    The last JSON object with usable "properties" counts, because models draft and correct themselves. If the JSON was
    cut off by the token limit, the complete properties are used.
    """
    reading = read_reply(reply)
    values = reading.whole_values()
    objects = [found for value in values for found in objects_in(value)]
    lists = [{"properties": value} for value in values if isinstance(value, list)]
    mappings = [{"properties": value} for value in objects if _maps_properties(value)]
    for candidate in (*reversed(objects), *reversed(lists), _joined(reading.values), *reversed(mappings)):
        if answer := _answer_from(candidate):
            return answer
    items = islice(_ITEM.finditer(reading.text), _MAX_PROPERTIES)
    return _answer_from({"properties": [item[1].strip().lstrip("*").partition("**")[0] for item in items]})


def _joined(values: Sequence[Any]) -> dict[str, Any]:
    """What is left of an answer in broken JSON: the complete properties in all of its pieces."""
    analysis: Any = None
    items: list[Any] = []
    for value in values:
        if isinstance(value, list):
            items += value
            continue
        inner = next(iter(value.values()))
        piece = lower_keys(inner if len(value) == 1 and isinstance(inner, dict) else value)
        analysis = analysis or piece.get("analysis")
        if isinstance(piece.get("properties"), list):
            items += piece["properties"]
        elif "property" in piece:
            items.append(piece)
    return {"analysis": analysis, "properties": items}


def _maps_properties(value: dict[str, Any]) -> bool:
    """Whether an object without the key "properties" maps properties to quotes: some key is a phrase, none a field."""
    fields = {"analysis", "properties", "error", *_NAME_KEYS, *_QUOTE_KEYS, *_NUMBER_KEYS}
    return not fields & value.keys() and any(" " in key for key in value)


def _answer_from(value: dict[str, Any]) -> Answer | None:
    """The answer in an object with keys in lower case; None if it has no property."""
    pairs = [pair for item in _items(value.get("properties")) if (pair := _pair(item)) is not None]
    if not pairs:
        return None
    analysis = value.get("analysis")
    return Answer(
        to_line(analysis, _MAX_QUOTE) if isinstance(analysis, str) else "", tuple(pairs[:_MAX_PROPERTIES])
    )


def _items(properties: Any) -> Sequence[Any]:
    (properties,) = decoded_twice(properties)[-1:] or [None]
    if isinstance(properties, dict):
        named = lower_keys(properties)
        return [properties] if "property" in named else list(properties.items())
    return properties if isinstance(properties, list) else []


def _pair(item: Any) -> tuple[str, str] | None:
    """The property and the quote in an item of any form; None if it has no property."""
    name, quote = item, None
    if isinstance(item, dict):
        value = lower_keys(item)
        name, quote = _first(value, _NAME_KEYS), _first(value, _QUOTE_KEYS)
        if name is None and len(value) == 1:
            ((name, quote),) = item.items()
    elif isinstance(item, (list, tuple)):
        name, quote = (*item, None, None)[:2]
    if isinstance(quote, dict):
        quote = _first(lower_keys(quote), _QUOTE_KEYS)
    if isinstance(quote, list):
        quote = quote[0] if quote else None
    if not isinstance(name, str) or not any(map(str.isalnum, name[:_MAX_NAME])):
        return None  # also the "..." of the form in the prompt
    name = to_line(name, _MAX_NAME)[:_MAX_NAME]
    return (name, quote[:_MAX_QUOTE] if isinstance(quote, str) else "") if name else None


def _first(value: dict[str, Any], keys: Sequence[str]) -> Any:
    return next((value[key] for key in keys if value.get(key) is not None), None)
