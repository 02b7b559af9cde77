"""Rows as they stand in a file, and writing some of them back in the file's own format."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goalspace.errors import InputError
from goalspace.files import as_json, atomic_path
from goalspace.tables.columns import snake
from goalspace.tables.delimited import csv_batches, csv_header
from goalspace.tables.formats import existing_path, kind_of
from goalspace.tables.json_files import is_columns, json_items, json_lines, json_shape, json_value
from goalspace.tables.plain import text_lines
from goalspace.tables.table import as_record, as_string, reading
from goalspace.text import unique_names

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class RowFile:
    """All rows of one file, in memory.

    Attributes
    ----------
    path
        The file.
    form
        What it is: "jsonl", "json" (an array), "columns" (a JSON object of columns), "csv", "txt" or "parquet".
    rows
        Name → value for every row, values as the format gives them; a bare string has the name "text".
    numbers, word
        How a person counts the rows: "line" 7, "item" 0, "row" 2.
    bare
        Indices of rows that are strings, not objects.
    header, delimiter
        The first row of a CSV as it is spelled.
    """

    path: Path
    form: str
    rows: tuple[Row, ...]
    numbers: Sequence[int]
    word: str
    bare: frozenset[int] = frozenset()
    header: tuple[str, ...] = ()
    delimiter: str = ","

    def where(self, index: int) -> str:
        """Say in words which row this is."""
        return f"{self.word} {self.numbers[index]}"

    def write(self, indices: Sequence[int], path: Path, added: Mapping[str, Sequence[Any]]) -> None:
        """Write rows in the file's own format, packed if `path` ends in .gz; `added` has a value for each."""
        with atomic_path(path) as temporary:
            if self.form == "parquet":
                self._write_parquet(indices, temporary, added)
                return
            with temporary.open("wb") as raw:
                # no name and no time in the header: the same rows give the same bytes
                packed = path.suffix.lower() == ".gz"
                file: Any = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if packed else raw
                for piece in self._pieces(indices, added):
                    file.write(piece.encode())
                if packed:
                    file.close()

    def _pieces(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        if self.form == "csv":
            yield from self._csv(indices, added)
        elif self.form == "txt":
            yield from (f"{self.rows[i]['text']}\n" for i in indices)
        elif self.form == "columns":
            names = dict.fromkeys([*self.rows[0], *added]) if self.rows else {}
            rows = list(self._values(indices, added))
            yield as_json({name: [row[name] for row in rows] for name in names}) + "\n"
        elif self.form == "jsonl":
            yield from (as_json(row) + "\n" for row in self._values(indices, added))
        else:
            marks = iter(["[\n"])
            for row in self._values(indices, added):
                yield next(marks, ",\n") + as_json(row)
            yield "\n]\n" if next(marks, None) is None else "[]\n"

    def _values(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
        for place, index in enumerate(indices):
            row = self.rows[index]
            more = {name: values[place] for name, values in added.items()}
            yield row["text"] if index in self.bare and not more else {**row, **more}

    def _csv(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=self.delimiter, lineterminator="\n")
        new = [name for name in added if name not in self.header]
        keys = [*unique_names(name.strip() for name in self.header), *new]
        writer.writerow([*self.header, *new])
        for row in self._values(indices, added):
            writer.writerow([row.get(key) for key in keys])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
        yield buffer.getvalue()  # a header alone

    def _write_parquet(self, indices: Sequence[int], path: Path, added: Mapping[str, Sequence[Any]]) -> None:
        """Take the rows from the file again: Python values would lose types."""
        import pyarrow as pa
        from pyarrow import parquet

        with reading(self.path.name):
            table = parquet.read_table(self.path)
        if table.num_rows != len(self.rows):
            raise InputError(f"{self.path.name} has changed since it was read; start again.")
        table = table.take(pa.array(indices, pa.int64()))
        for name, values in added.items():
            column = pa.array(list(values))
            if name in table.column_names:
                table = table.set_column(table.column_names.index(name), name, column)
            else:
                table = table.append_column(name, column)
        parquet.write_table(table, path)


def read_rows(source: str | os.PathLike[str]) -> RowFile:
    """Read all rows of a CSV, TSV, JSON Lines, JSON, Parquet or text file.

    Raises
    ------
    InputError
        If there is no such file, its format is unknown, or its content is not what its name says.
    """
    path = existing_path(source)
    readers: dict[str, Callable[[Path], RowFile]] = {
        "parquet": _read_parquet,
        "csv": _read_csv,
        "jsonl": _read_json_lines,
        "json": _read_json,
        "txt": _read_lines,
    }
    with reading(path.name):
        kind = kind_of(path)
        if kind == "folder":
            raise InputError(f"{str(path)!r} is a folder; give one file.")
        return readers[kind](path)


def fields(rows: Iterable[Row]) -> list[str]:
    """The names of all rows, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def find_field(rows: Iterable[Row], names: Sequence[str]) -> list[str]:
    """The fields that are spelled like one of `names`, in the order of `names`."""
    spelled = {name: snake(str(name)) for name in fields(rows)}
    return [field for name in names for field, spelling in spelled.items() if spelling == name]


class _Taken:
    """Takes the items of a JSON file as rows, and remembers where they stood and which were bare strings."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.bare: set[int] = set()

    def __call__(self, item: Any, what: str, number: int, name: str) -> Row:
        if not isinstance(item, dict):
            self.bare.add(len(self.numbers))
        self.numbers.append(number)
        return as_record(item, what, number, name)


def _read_json_lines(path: Path) -> RowFile:
    taken = _Taken()
    rows = tuple(json_lines(path, taken))
    return RowFile(path, "jsonl", rows, taken.numbers, "line", frozenset(taken.bare))


def _read_json(path: Path) -> RowFile:
    shape = json_shape(path)
    if shape == "lines":
        return _read_json_lines(path)
    taken = _Taken()
    if shape == "array":
        rows = tuple(json_items(path, taken))
        return RowFile(path, "json", rows, taken.numbers, "item", frozenset(taken.bare))
    value = json_value(path)
    if not is_columns(value):
        return RowFile(
            path, "jsonl", (taken(value, "item", 0, path.name),), [0], "item", frozenset(taken.bare)
        )
    lengths = {len(column) for column in value.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name!r} has {len(column)}" for name, column in value.items())
        raise InputError(f"The columns of {path.name} differ in length: {shown}.")
    rows = tuple(dict(zip(value, values, strict=True)) for values in zip(*value.values(), strict=True))
    return RowFile(path, "columns", rows, range(len(rows)), "item")


def _read_csv(path: Path) -> RowFile:
    header, delimiter = csv_header(path)
    names = unique_names(name.strip() for name in header)
    rows = tuple(row for batch in csv_batches(path, names, delimiter) for row in batch.to_pylist())
    numbers = range(2, len(rows) + 2)  # as a spreadsheet counts: the header is row 1
    return RowFile(path, "csv", rows, numbers, "row", header=tuple(header), delimiter=delimiter)


def _read_lines(path: Path) -> RowFile:
    rows = tuple({"text": line} for line in text_lines(path))
    return RowFile(path, "txt", rows, range(1, len(rows) + 1), "line")


def _read_parquet(path: Path) -> RowFile:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = unique_names(file.schema_arrow.names)
        rows: list[Row] = []
        for batch in file.iter_batches():
            columns = [_python_values(column) for column in batch.columns]
            rows += [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return RowFile(path, "parquet", tuple(rows), range(1, len(rows) + 1), "row")


def _python_values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except ValueError:  # dates finer than Python's
        return [as_string(str(value)) if value.is_valid else None for value in column]
