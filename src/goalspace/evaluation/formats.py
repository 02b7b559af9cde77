"""Rows of JSON Lines as the texts, labels, lists and ids that tasks are made of."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goalspace.errors import InputError


@dataclass(frozen=True)
class Rows:
    """The objects of a JSON Lines file with their line numbers.

    Attributes
    ----------
    path
        The file.
    values
        The objects.
    lines
        The line of each, from 1; blank lines count, as an editor counts them.
    needs
        The columns that the task reads, in words; "" where columns can be named.
    """

    path: Path
    values: tuple[dict[str, Any], ...]
    lines: tuple[int, ...]
    needs: str = ""

    def where(self, row: int) -> str:
        """Name a row by file and line, for messages."""
        return f"{self.path}, line {self.lines[row]}"

    def by(self, name: str) -> dict[str, Rows]:
        """The rows by the value of a column of strings, in the order in which the values come."""
        rows_by_value: dict[str, list[int]] = {}
        for i, value in enumerate(self.texts(name)):
            rows_by_value.setdefault(value, []).append(i)
        return {value: self._take(rows) for value, rows in rows_by_value.items()}

    def _take(self, rows: Sequence[int]) -> Rows:
        values, lines = tuple(self.values[i] for i in rows), tuple(self.lines[i] for i in rows)
        return replace(self, values=values, lines=lines)

    def column(self, name: str) -> list[Any]:
        """A column that every row must have."""
        for i, value in enumerate(self.values):
            if name not in value:
                columns = ", ".join(map(str, value))[:200]
                advice = (
                    f"the task reads {self.needs}; the row has {columns}"
                    if self.needs
                    else f"name another column, of {columns}"
                )
                raise InputError(f"{self.where(i)} has no '{name}': {advice}.")
        return [value[name] for value in self.values]

    def texts(self, name: str) -> list[str]:
        """A column of strings."""
        values = self.column(name)
        for i, value in enumerate(values):
            if not isinstance(value, str):
                raise InputError(f"{self.where(i)}: '{name}' must be a string, not {_kind(value)}.")
        return values

    def labels(self, name: str) -> tuple[str, ...]:
        """A column of strings, whole numbers or truth values, as strings."""
        values = self.column(name)
        for i, value in enumerate(values):
            if not isinstance(value, (str, int)):
                raise InputError(
                    f"{self.where(i)}: '{name}' must be a string or a whole number, not {_kind(value)}."
                )
        return tuple(str(int(value)) if isinstance(value, bool) else str(value) for value in values)

    def lists(self, name: str) -> list[list[str]]:
        """A column of lists of strings; a list may stand in a string as Python or JSON writes it."""
        return [self._list(value, i) for i, value in enumerate(self.column(name))]

    def _list(self, value: Any, row: int) -> list[str]:
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                value = None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{self.where(row)}: the items must be a list of strings.")
        return value

    def ids(self, name: str) -> list[str]:
        """The ids of the rows, by which recorded proposals name them; their numbers from 0 if no row has one."""
        values = [value.get(name) for value in self.values]
        if all(value is None for value in values):
            return [str(i) for i in range(len(values))]
        if None in values:
            raise InputError(
                f"{self.where(values.index(None))} has no '{name}' and others do: give every row one, or none."
            )
        ids = list(self.labels(name))
        first: dict[str, int] = {}
        for i, id in enumerate(ids):
            if first.setdefault(id, i) != i:
                raise InputError(
                    f"{self.where(i)} has the '{name}' of line {self.lines[first[id]]}, {id[:80]!r}: give every row "
                    "its own, or leave the column out."
                )
        return ids


def read_lines(path: Path, *, needs: str = "") -> Rows:
    """Read the objects of a JSON Lines file.

    Parameters
    ----------
    path
        The file, UTF-8 with or without a byte-order mark.
    needs
        The columns that the task reads, in words, where they have fixed names.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, or holds a line that is no object.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split(
            "\n"
        )  # not splitlines: JSON allows U+2028 in strings
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: convert it, or name a JSON Lines file.") from error
    values, numbers = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}, line {number}: this is not JSON; evaluate reads JSON Lines only, one object per line."
            ) from error
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}, line {number}: a number is too long, or lists are nested too deeply."
            ) from error
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}: write one JSON object per line.")
        values.append(value)
        numbers.append(number)
    if not values:
        raise InputError(f"{path} is empty: write one JSON object per line.")
    return Rows(path, tuple(values), tuple(numbers), needs)


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
