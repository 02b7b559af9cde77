"""Rows of JSON Lines as the texts, labels and lists that tasks are made of."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goalspace.errors import InputError


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, or holds a line that is no object.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: JSON allows U+2028 in strings
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: convert it, or name a JSON Lines file.") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(
                f"{path}, line {number}: this is not JSON; write one object per line."
            ) from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: write one JSON object per line.")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} is empty: write one JSON object per line.")
    return rows


def read_column(path: Path, rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
    """A column that every row must have."""
    for number, row in enumerate(rows, 1):
        if name not in row:
            columns = ", ".join(map(str, row))[:200]
            raise InputError(f"{path}, row {number} has no '{name}': name another column, of {columns}.")
    return [row[name] for row in rows]


def read_texts(path: Path, rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    """A column of strings."""
    values = read_column(path, rows, name)
    for number, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise InputError(f"{path}, row {number}: '{name}' must be a string, not {type(value).__name__}.")
    return values


def read_labels(path: Path, rows: Sequence[dict[str, Any]], name: str) -> tuple[str, ...]:
    """A column of strings, whole numbers or truth values, as strings."""
    values = read_column(path, rows, name)
    for number, value in enumerate(values, 1):
        if not isinstance(value, (str, int)):
            raise InputError(
                f"{path}, row {number}: '{name}' must be a string or a whole number, not {type(value).__name__}."
            )
    return tuple(str(int(value)) if isinstance(value, bool) else str(value) for value in values)


def read_lists(path: Path, rows: Sequence[dict[str, Any]], name: str) -> list[list[str]]:
    """A column of lists of strings; a list may stand in a string as Python or JSON writes it."""
    return [_read_list(value, path, i) for i, value in enumerate(read_column(path, rows, name), 1)]


def _read_list(value: Any, path: Path, number: int) -> list[str]:
    """A list of strings, or one that stands in a string as Python or JSON writes it."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{path}, row {number}: the items must be a list of strings.")
    return value
