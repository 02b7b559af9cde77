"""Structured replies of a model: the JSON in what it wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# what a model thinks aloud; the prompts of some begin the thought themselves, so that the reply has its end alone
THOUGHT = re.compile(r"\A(?:(?!<think>).)*?</think>|<think>.*?(?:</think>|\Z)", re.DOTALL)


def find_json(reply: str) -> Any:
    """The first JSON object or list in a reply, or None; prose, thoughts and code fences around it do not matter."""
    return next(json_values(reply), None)


def json_values(reply: str) -> Iterator[Any]:
    """The JSON objects and lists in a reply that are not empty, one after another, those in thoughts left out.

    What stands in another value is not apart.
    """
    reply = THOUGHT.sub("", reply)
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
