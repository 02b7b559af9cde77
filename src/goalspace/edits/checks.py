"""Validation of edits: every field of an untrusted object is read, or rejected with a one-line message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from goalspace.edits.contract import EditLimits
from goalspace.errors import InputError
from goalspace.factors import Factors
from goalspace.proposals.vocabulary import normalise
from goalspace.text import to_line

_MAX_NAME_LENGTH = 120  # characters
_MAX_DESCRIPTION_LENGTH = 400
_MAX_PARTS = 12
LIMITS: EditLimits = {"name": _MAX_NAME_LENGTH, "description": _MAX_DESCRIPTION_LENGTH, "parts": _MAX_PARTS}


def check(factors: Factors, edit: Any) -> dict[str, Any]:
    """Validate an edit and drop unknown fields.

    Raises
    ------
    InputError
        If it is not an edit, or names a factor or property that does not exist.
    """
    do = edit.get("do") if isinstance(edit, Mapping) else None
    if not isinstance(do, str) or do not in _FIELDS:
        raise InputError(f"An edit must be an object whose 'do' is one of {', '.join(_FIELDS)}.")
    checked = {"do": do}
    for name, (needed, read) in _FIELDS[do].items():
        if name in edit and (needed or edit[name] is not None):
            checked[name] = read(factors, edit[name], name)
        elif needed:
            raise InputError(f"The edit '{do}' needs '{name}'.")
    return checked


def _factor_of(factors: Factors, value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < factors.dim:
        raise InputError(f"'{name}' must be the number of a factor, from 0 to {factors.dim - 1}.")
    return value


def _factor_or_none(factors: Factors, value: Any, name: str) -> int | None:
    return None if value is None else _factor_of(factors, value, name)


def _several(factors: Factors, value: Any, name: str) -> list[int]:
    numbers = [_factor_of(factors, item, name) for item in value] if isinstance(value, list) else []
    if len(numbers) < 2 or len(numbers) != len(set(numbers)):
        raise InputError(f"'{name}' must list at least two different factors.")
    return sorted(numbers)


def _line(_: Factors, value: Any, name: str) -> str:
    text = to_line(value) if isinstance(value, str) else ""
    if not any(map(str.isprintable, text)) or len(text) > _MAX_NAME_LENGTH:
        raise InputError(f"'{name}' must be a text of 1 to {_MAX_NAME_LENGTH} characters.")
    return text


def _paragraph(_: Factors, value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_DESCRIPTION_LENGTH:
        raise InputError(f"'{name}' must be a text of at most {_MAX_DESCRIPTION_LENGTH} characters.")
    return to_line(value)


def _property(factors: Factors, value: Any, name: str) -> str:
    if not isinstance(value, str) or value not in factors.vocabulary:
        shown = repr(value[:80]) if isinstance(value, str) else f"that is a {type(value).__name__}"
        raise InputError(f"There is no property {shown}.")
    return value


def _new_property(factors: Factors, value: Any, name: str) -> str:
    has_capitals = any(word != word.lower() for word in factors.vocabulary)  # that of German texts
    text = normalise(_line(factors, value, name), keep_case=has_capitals)
    if not text:
        raise InputError(f"'{name}' must hold at least one word.")
    if text in factors.vocabulary:
        raise InputError(f"There already is a property “{text}”: move it instead.")
    return text


def _flag(_: Factors, value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"'{name}' must be true or false.")
    return value


def _count(_: Factors, value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= _MAX_PARTS:
        raise InputError(f"'{name}' must be a number from 2 to {_MAX_PARTS}.")
    return value


# fields of each edit: name → (required, reader)
_FIELDS: dict[str, dict[str, tuple[bool, Callable[[Factors, Any, str], Any]]]] = {
    "rename": {"factor": (True, _factor_of), "name": (True, _line), "description": (False, _paragraph)},
    "merge": {"factors": (True, _several), "name": (False, _line)},
    "split": {"factor": (True, _factor_of), "into": (True, _count)},
    "hide": {"factor": (True, _factor_of), "hidden": (True, _flag)},
    "move": {"property": (True, _property), "to": (True, _factor_or_none)},
    "add": {"property": (True, _new_property), "to": (True, _factor_of)},
    "remove": {"property": (True, _property)},
}
