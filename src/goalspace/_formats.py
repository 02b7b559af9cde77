"""Files and folders of every supported format → Table."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from goalspace._bytes import EXTENSIONS, PIECE, Utf8, check_head, utf8
from goalspace._tables import (
    BATCH_BYTES,
    BATCH_ROWS,
    TEXTS,
    Table,
    arrow_table,
    as_record,
    columns_table,
    frame_table,
    reading,
    records_table,
    unique_names,
)
from goalspace.errors import InputError

Convert = Callable[[Any, str, int, str], dict[str, Any]]  # item, "line" or "item", its number, the file

_DELIMITERS = ",;\t|"
_KINDS = {
    "csv": (".csv", ".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "parquet": (".parquet", ".pq"),
    "txt": (".txt",),
}
_CSV_PIECE = 1 << 18
_LONGEST_ROW = 64 << 20


def open_table(source: Any) -> Table:
    """Find the reader for `source`: a path, a data frame, or a sequence of strings or of mappings.

    Raises
    ------
    InputError
        If there is no such file, its format is unknown, or its content is not what its name says.
    """
    if isinstance(source, (str, os.PathLike)):
        return _open_path(source)
    if type(source).__module__.partition(".")[0] in ("pandas", "polars", "pyarrow"):
        return frame_table(source)
    if isinstance(source, (bytes, bytearray, Mapping, Set)) or not isinstance(source, Iterable):
        raise InputError(
            "The 'source' parameter of Corpus.read must be a path, a data frame or a sequence of strings. "
            f"Got {type(source).__name__} instead."
        )
    items = list(source)
    if not items:
        raise InputError("The list is empty; give at least one text.")
    return records_table(
        "the list",
        lambda: (as_record(item, "item", number, "the list") for number, item in enumerate(items)),
        counted=("item", 0),
    )


def _open_path(source: str | os.PathLike[str]) -> Table:
    path = existing_path(source)
    readers = {
        "folder": _folder,
        "parquet": _parquet,
        "csv": _csv,
        "jsonl": _json_lines_table,
        "json": _json,
        "txt": _lines,
    }
    with reading(path.name):
        return readers[kind_of(path)](path)


def existing_path(source: str | os.PathLike[str]) -> Path:
    """Return the path of what is there, else raise an `InputError`."""
    if not os.path.exists(source):  # unlike Path.exists, False for a name that is too long
        shown = os.fspath(source) if len(os.fspath(source)) <= 200 else f"{os.fspath(source)[:80]}…"
        raise InputError(f"There is no file {shown!r}; check the path.")
    return Path(source)


def kind_of(path: Path) -> str:
    """Say what is at a path, by its name: "folder" or a key of `_KINDS`; text files are looked into."""
    if path.is_dir():
        return "folder"
    suffix = path.suffix.lower()
    if suffix in _KINDS["parquet"]:
        return "parquet"
    extension = Path(path.stem).suffix.lower() if suffix == ".gz" else suffix
    for kind, extensions in _KINDS.items():
        if extension in extensions and kind != "parquet":
            check_head(path)
            return kind
    what = f"the extension {extension!r}, which is not supported" if extension else "no extension"
    raise InputError(f"{path.name} has {what}; give a {EXTENSIONS} file or a folder of .txt and .md files.")


# ---------------------------------------------------------------- delimited text


def _csv(path: Path) -> Table:
    header, delimiter = csv_header(path)
    names = unique_names(name.strip() for name in header)
    kinds = dict.fromkeys(names, TEXTS)
    # counted as a spreadsheet does: the header is row 1
    return Table(path.name, kinds, lambda: csv_batches(path, names, delimiter), counted=("row", 2))


def csv_header(path: Path) -> tuple[list[str], str]:
    """Return the names in the first row as they are spelled, and the delimiter that cuts it into most columns."""
    with utf8(path) as file:
        start = file.read(1 << 16).lstrip(b"\r\n")
    head = start.decode("utf-8", errors="ignore")  # the cut may split a character
    headers = {mark: next(csv.reader(io.StringIO(head, newline=""), delimiter=mark)) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: len(headers[mark]))
    if re.search(r"\.(tsv|tab)(\.gz)?$", path.name.lower()):
        delimiter = "\t"
    return headers[delimiter], delimiter


class _WholeRows(io.RawIOBase):
    """A stream of delimited text that is read in pieces of whole rows.

    pyarrow reads 32 pieces ahead and refuses a row that spans three: pieces are small unless a row is large.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__()
        self._stream = stream
        while stream.peek(1)[:1] in (b"\r", b"\n"):  # blank lines before the header, which pyarrow counts
            stream.read(1)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = bytearray(self._stream.read(_CSV_PIECE))
        piece += self._stream.readline()
        open_quote = piece.count(b'"') % 2
        while open_quote and len(piece) < size and (line := self._stream.readline()):
            piece += line
            open_quote ^= line.count(b'"') % 2
        return bytes(piece)


def csv_batches(path: Path, names: list[str], delimiter: str) -> Iterator[Any]:
    """Yield the rows below the header, all columns as strings, empty fields as null."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[Any] = []

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "error"

    # one thread, so that rows are numbered; all columns stay strings, so that 007 stays 007
    read = arrow_csv.ReadOptions(
        column_names=names, skip_rows_after_names=1, use_threads=False, block_size=_LONGEST_ROW
    )
    parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse)
    types = dict.fromkeys(names, pa.large_string())
    convert = arrow_csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, check_utf8=False
    )
    last = None
    with Utf8(path, path.name) as raw:
        rows = _WholeRows(io.BufferedReader(raw, buffer_size=PIECE))
        try:
            reader = arrow_csv.open_csv(rows, read_options=read, parse_options=parse, convert_options=convert)
            for batch in reader:
                last = batch if batch.num_rows else last
                yield batch
        except pa.ArrowInvalid as error:
            raise _csv_error(path.name, delimiter, str(error), ragged) from error
        # an open quote in the last column swallows the rest of the file
        if raw.quotes % 2 and last is not None and (last.column(-1)[-1].as_py() or "").endswith("\n"):
            raise InputError(f"The last row of {path.name} opens a quote that is never closed; close it.")


def _csv_error(name: str, delimiter: str, message: str, ragged: list[Any]) -> InputError:
    if ragged:
        row = ragged[0]
        return InputError(
            f"In row {row.number} of {name} the number of fields is {row.actual_columns}, in the header "
            f"{row.expected_columns}; quote fields that contain {delimiter!r}, quotes or line breaks."
        )
    if "straddling" in message:
        size = _LONGEST_ROW >> 20
        return InputError(f"{name} has a row longer than {size} MB; is a quote opened and never closed?")
    return InputError(f"{name} cannot be read: {message.splitlines()[0]}")


# ---------------------------------------------------------------- lines, folders, JSON, Parquet


def _lines(path: Path) -> Table:
    return records_table(
        path.name,
        lambda: ({"text": line} for line in text_lines(path)),
        counted=("line", 1),
        types={"text": {str}},
    )


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file without their ends, empty ones too."""
    with utf8(path) as file:
        for line in file:
            yield line.decode().rstrip("\r\n")


def _folder(path: Path) -> Table:
    named = {
        file.relative_to(path).as_posix(): file
        for file in path.rglob("*")
        if file.suffix.lower() in (".txt", ".md") and file.is_file()
    }
    files = sorted((name, file) for name, file in named.items() if not re.search(r"(^|/)\.", name))
    if not files:
        raise InputError(f"The folder {str(path)!r} has no .txt or .md file in it.")

    def records() -> Iterator[dict[str, Any]]:
        for name, file in files:
            with reading(name), utf8(file, name) as stream:
                yield {"id": name, "text": stream.read().decode()}

    return records_table(f"the folder {str(path)!r}", records, types={"id": {str}, "text": {str}})


def _json_lines_table(path: Path) -> Table:
    return records_table(path.name, lambda: json_lines(path), counted=("record", 1))


def json_lines(path: Path, convert: Convert = as_record) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON Lines; `convert` takes each with "line", its number and the file's name."""
    decode = json.JSONDecoder().decode
    with utf8(path) as file:
        for number, line in enumerate(file, 1):
            if not line.isspace():
                try:
                    item = decode(line.decode())
                except (ValueError, RecursionError) as error:
                    raise _broken_json(path, error, number) from error
                yield convert(item, "line", number, path.name)


def _broken_json(path: Path, error: Exception, line: int) -> InputError:
    what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return InputError(f"{path.name} has broken JSON on line {line}: {what}.")


def _json(path: Path) -> Table:
    """Read an array piece by piece and an object of columns whole; JSON Lines come under this name too."""
    shape = json_shape(path)
    if shape == "array":
        return records_table(path.name, lambda: json_items(path), counted=("item", 0))
    if shape == "lines":
        return _json_lines_table(path)
    value = json_value(path)
    if is_columns(value):
        return columns_table(path.name, value)
    record = as_record(value, "item", 0, path.name)
    return records_table(path.name, lambda: iter([record]), counted=("item", 0))


def json_shape(path: Path) -> str:
    """Say whether a .json file holds an "array", "lines" of JSON, or one "object"."""
    with utf8(path) as file:
        first = b""
        while not first.strip():
            first = file.readline(PIECE)
        if first.lstrip().startswith(b"["):
            return "array"
        try:
            json.loads(first + file.readline() if not first.endswith(b"\n") else first)
            return "lines" if file.read().strip() else "object"
        except (ValueError, RecursionError):
            return "object"  # over several lines, or broken


def json_value(path: Path) -> Any:
    """Parse a JSON file whole."""
    with utf8(path) as file:
        try:
            return json.loads(file.read())
        except (ValueError, RecursionError) as error:
            raise _broken_json(path, error, getattr(error, "lineno", 1)) from error


def is_columns(value: Any) -> bool:
    """Say whether a JSON value is an object of columns."""
    return isinstance(value, dict) and bool(value) and all(isinstance(v, list) for v in value.values())


def json_items(path: Path, convert: Convert = as_record) -> Iterator[dict[str, Any]]:
    """Yield the items of an array, with only one piece of the file in memory; `convert` as in `json_lines`."""
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
            ) as error:  # broken, or cut: the next piece will tell
                more = file.read(max(PIECE, len(text) - at))
                if not more:
                    if isinstance(error, IndexError):
                        error = json.JSONDecodeError(
                            "the array is not closed", text.rstrip(), len(text.rstrip())
                        )
                    place = getattr(error, "pos", at)
                    raise _broken_json(path, error, line + text.count("\n", 0, place)) from error
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


def _parquet(path: Path) -> Table:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        row_bytes = sum(group.total_byte_size for group in groups) / max(n_rows, 1)
        batch_rows = max(16, min(BATCH_ROWS, int(BATCH_BYTES / max(row_bytes, 1))))

    def batches() -> Iterator[Any]:
        with parquet.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:  # in pages, not whole
            yield from file.iter_batches(batch_size=batch_rows, use_threads=False)

    return arrow_table(path.name, schema.names, schema.types, batches)
