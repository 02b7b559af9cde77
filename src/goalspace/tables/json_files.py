"""JSON and JSON Lines files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from goalspace.errors import InputError
from goalspace.files import as_json
from goalspace.tables.encoding import MAX_ITEM, PIECE, check_size, lines, utf8
from goalspace.tables.format import Format
from goalspace.tables.rows import Row, RowFile, TextRowFile
from goalspace.tables.table import Table, as_record, check_lengths, columns_table, records_table

Convert = Callable[[Any, str, int, str], dict[str, Any]]  # item, "line" or "item", its number, the file name


def json_lines_table(path: Path) -> Table:
    """Open a JSON Lines file."""
    return records_table(path.name, lambda: json_lines(path), counted=("record", 1))


def json_lines(path: Path, convert: Convert = as_record) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON Lines, each passed through `convert` with "line", its number and the file name."""
    decode = json.JSONDecoder().decode
    for number, line in enumerate(lines(path), 1):
        if not line.isspace():
            try:
                item = decode(line.decode())
            except (ValueError, RecursionError) as error:
                raise _broken_json(path, error, number) from error
            yield convert(item, "line", number, path.name)


def _broken_json(path: Path, error: Exception, line: int) -> InputError:
    what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return InputError(f"{path.name} has broken JSON on line {line}: {what}.")


def json_table(path: Path) -> Table:
    """Open a JSON file: arrays are read piece by piece, objects of columns whole; JSON Lines are recognised too."""
    shape = json_shape(path)
    if shape == "array":
        return records_table(path.name, lambda: json_items(path), counted=("item", 0))
    if shape == "lines":
        return json_lines_table(path)
    value = json_value(path)
    if is_columns(value):
        return columns_table(path.name, value)
    record = as_record(value, "item", 0, path.name)
    return records_table(path.name, lambda: iter([record]), counted=("item", 0))


def json_shape(path: Path) -> str:
    """Return whether a .json file holds an "array", "lines" of JSON, or one "object"."""
    with utf8(path) as file:
        first = b""
        while not first.strip():
            first = file.readline(PIECE)
        if first.lstrip().startswith(b"["):
            return "array"
        try:
            json.loads(first + file.readline(MAX_ITEM) if not first.endswith(b"\n") else first)
            return (
                "lines"
                if any(not piece.isspace() for piece in iter(partial(file.read, PIECE), b""))
                else "object"
            )
        except (ValueError, RecursionError):
            return "object"  # over several lines, or broken


def json_value(path: Path) -> Any:
    """Parse a whole JSON file."""
    with utf8(path) as file:
        packed = path.suffix.lower() == ".gz"  # whose size says little
        content = file.read(MAX_ITEM + 1 if packed else -1)
        if packed:
            check_size(len(content), path.name)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _broken_json(path, error, getattr(error, "lineno", 1)) from error


def is_columns(value: Any) -> bool:
    """Return whether a JSON value is an object of columns."""
    return isinstance(value, dict) and bool(value) and all(isinstance(v, list) for v in value.values())


def json_items(path: Path, convert: Convert = as_record) -> Iterator[dict[str, Any]]:
    """Yield the items of an array, holding one piece of the file in memory; `convert` as in `json_lines`."""
    decode = json.JSONDecoder().raw_decode
    with io.TextIOWrapper(utf8(path), encoding="utf-8", newline="") as file:
        text = file.read(PIECE)
        at, line, number = text.index("[") + 1, 1, 0
        while True:
            try:
                at = _skip_space(text, at)
                if text[at] == "]":
                    break
                item, end = decode(text, at)
                end = _skip_space(text, end)
                if text[end] not in ",]":
                    raise json.JSONDecodeError("Expecting ',' delimiter", text, end)
            except (
                ValueError,
                IndexError,
                RecursionError,
            ) as error:  # broken or incomplete: decided by the next piece
                kept = len(text) - at
                check_size(kept, f"item {number} of {path.name}")
                more = file.read(max(PIECE, min(kept, MAX_ITEM + 1 - kept)))
                if not more:
                    if isinstance(error, IndexError):
                        error = json.JSONDecodeError(
                            "the array is not closed", text.rstrip(), len(text.rstrip())
                        )
                    position = getattr(error, "pos", at)
                    raise _broken_json(path, error, line + text.count("\n", 0, position)) from error
                line += text.count("\n", 0, at)
                text, at = text[at:] + more, 0
                continue
            yield convert(item, "item", number, path.name)
            number += 1
            at = end + (text[end] == ",")
        if (text[at + 1 :] + file.read(PIECE)).strip():
            line += text.count("\n", 0, at)
            raise InputError(f"{path.name} has broken JSON on line {line}: there is more after the array.")


def _skip_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


@dataclass(frozen=True, eq=False)
class JsonLinesRows(TextRowFile):
    """The items of JSON Lines; `bare` holds the indices of items that are strings instead of objects."""

    bare: frozenset[int] = frozenset()
    is_tabular: ClassVar[bool] = False

    def pieces(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """Yield a line per row."""
        yield from (as_json(row) + "\n" for row in self.values(indices, added))

    def values(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
        """Yield rows with their added values; a bare string without any stays a bare string."""
        for index, row in zip(indices, super().values(indices, added), strict=True):
            yield row["text"] if index in self.bare and not added else row


class JsonRows(JsonLinesRows):
    """The items of a JSON array."""

    def pieces(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """Yield an array with a line per item."""
        marks = iter(["[\n"])
        for row in self.values(indices, added):
            yield next(marks, ",\n") + as_json(row)
        yield "\n]\n" if next(marks, None) is None else "[]\n"


class JsonColumns(TextRowFile):
    """The rows of a JSON object of columns."""

    def pieces(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """Yield the object."""
        names = dict.fromkeys([*self.rows[0], *added]) if self.rows else {}
        rows = list(self.values(indices, added))
        yield as_json({name: [row[name] for row in rows] for name in names}) + "\n"


class _Collector:
    """Collects the items of a JSON file as rows, with their positions and which of them were bare strings."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.bare: set[int] = set()

    def __call__(self, item: Any, what: str, number: int, name: str) -> Row:
        if not isinstance(item, dict):
            self.bare.add(len(self.numbers))
        self.numbers.append(number)
        return as_record(item, what, number, name)


def json_lines_rows(path: Path) -> JsonLinesRows:
    """Read the items of JSON Lines."""
    collect = _Collector()
    rows = tuple(json_lines(path, collect))
    return JsonLinesRows(path, rows, collect.numbers, "line", frozenset(collect.bare))


def json_rows(path: Path) -> RowFile:
    """Read the rows of a JSON file: an array, an object of columns, one object, or JSON Lines."""
    shape = json_shape(path)
    if shape == "lines":
        return json_lines_rows(path)
    collect = _Collector()
    if shape == "array":
        rows = tuple(json_items(path, collect))
        return JsonRows(path, rows, collect.numbers, "item", frozenset(collect.bare))
    value = json_value(path)
    if not is_columns(value):
        rows = (collect(value, "item", 0, path.name),)
        return JsonLinesRows(path, rows, [0], "item", frozenset(collect.bare))
    check_lengths(path.name, value)
    rows = tuple(dict(zip(value, values, strict=True)) for values in zip(*value.values(), strict=True))
    return JsonColumns(path, rows, range(len(rows)), "item")


JSON_LINES = Format((".jsonl", ".ndjson"), json_lines_table, json_lines_rows)
JSON = Format((".json",), json_table, json_rows)
