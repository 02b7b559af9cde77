"""Validation of request parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from goalspace.errors import InputError

_MAX_SEARCH_LENGTH = 1_000  # characters


def text_of(query: Mapping[str, Any], name: str) -> str:
    """Return a string of the query, "" if it is missing."""
    value = query.get(name, "")
    if not isinstance(value, str) or len(value) > _MAX_SEARCH_LENGTH:
        raise InputError(f"'{name}' must be a string of at most {_MAX_SEARCH_LENGTH} characters.")
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def read_integer(value: Any, name: str, low: int, high: int) -> int:
    """Return an integer from `low` up to, but not including, `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < high:
        raise InputError(f"'{name}' must be an integer from {low} to {high - 1}.")
    return value


def read_integers(value: Any, name: str, low: int, high: int) -> list[int]:
    """Return a list of integers from `low` up to, but not including, `high`."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"'{name}' must be a list of integers.")
    return [read_integer(item, name, low, high) for item in value]


def read_number(value: Any, name: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"'{name}' must be a number.")
    return float(value)


def read_objects(query: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    """Return a list of objects, empty if it is missing."""
    items = query.get(name)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items) or len(items) > 64:
        raise InputError(f"'{name}' must be a list of at most 64 objects.")
    return items
