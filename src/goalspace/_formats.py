"""Files and folders of every supported format → Table."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

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

_DELIMITERS = ",;\t|"
_EXTENSIONS = ".csv, .tsv, .jsonl, .json, .parquet or .txt"
_MAGIC = {b"PK\x03\x04": "a zip or Excel", b"%PDF": "a PDF", b"\x1f\x8b": "a gzip", b"PAR1": "a Parquet"}
_PIECE = 1 << 20
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
    if not os.path.exists(source):  # unlike Path.exists, False for a name that is too long
        shown = os.fspath(source) if len(os.fspath(source)) <= 200 else f"{os.fspath(source)[:80]}…"
        raise InputError(f"There is no file {shown!r}; check the path.")
    path = Path(source)
    readers = {
        **dict.fromkeys((".csv", ".tsv", ".tab"), _csv),
        **dict.fromkeys((".jsonl", ".ndjson"), _json_lines_table),
        ".json": _json,
        ".txt": _lines,
    }
    suffix = path.suffix.lower()
    with reading(path.name):
        if path.is_dir():
            return _folder(path)
        if suffix in (".parquet", ".pq"):
            return _parquet(path)
        kind = Path(path.stem).suffix.lower() if suffix == ".gz" else suffix
        if kind not in readers:
            extension = f"the extension {kind!r}, which is not supported" if kind else "no extension"
            raise InputError(
                f"{path.name} has {extension}; give a {_EXTENSIONS} file or a folder of .txt and .md files."
            )
        _check_head(path)
        return readers[kind](path)


# ---------------------------------------------------------------- bytes


def _raw(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _check_head(path: Path) -> None:
    """Refuse an empty file, and one that is plainly not UTF-8 text."""
    with _raw(path) as file:
        head = file.read(1 << 16)
    if not head.removeprefix(codecs.BOM_UTF8).strip():
        raise InputError(f"{path.name} is empty.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path.name} is UTF-16 text; save it as UTF-8.")
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"{path.name} holds {what} file, not text; give a {_EXTENSIONS} file.")
    if head.count(0) > len(head) / 10:
        raise InputError(f"{path.name} is a binary file or UTF-16 text; give it as UTF-8 text.")


class _Utf8(io.RawIOBase):
    """The bytes of a file without its byte-order mark, checked to be UTF-8, and ending in a line break."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__()
        self.quotes = 0  # double quotes so far
        self._name, self._file = name, _raw(path)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._offset = self._newlines = self._nuls = 0
        self._end = b"\n"  # what the file still lacks: pyarrow cannot read a lone header without it
        if self._file.read(3) == codecs.BOM_UTF8:
            self._offset = 3
        else:
            self._file.seek(0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        try:
            self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            self._refuse(error, len(data))
        self._offset += len(data)
        self._newlines += data.count(b"\n")
        self._nuls += data.count(b"\0")
        self.quotes += data.count(b'"')
        if data:
            self._end = b"" if data.endswith(b"\n") else b"\n"
        else:
            data, self._end = self._end, b""
        buffer[: len(data)] = data
        return len(data)

    def _refuse(self, error: UnicodeDecodeError, n_new: int) -> None:
        seen = error.object[: error.start]
        if self._nuls or b"\0" in error.object:
            raise InputError(f"{self._name} is a binary file, not text.") from error
        offset = (
            self._offset - (len(error.object) - n_new) + error.start
        )  # the decoder may hold a few bytes back
        line = self._newlines + seen.count(b"\n") + 1
        raise InputError(
            f"{self._name} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {offset} "
            f"(line {line}); save the file as UTF-8."
        ) from error

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _utf8(path: Path, name: str = "") -> io.BufferedReader:
    return io.BufferedReader(_Utf8(path, name or path.name), buffer_size=_PIECE)


# ---------------------------------------------------------------- delimited text


def _csv(path: Path) -> Table:
    with _utf8(path) as file:
        start = file.read(1 << 16).lstrip(b"\r\n")
    head = start.decode("utf-8", errors="ignore")  # the cut may split a character
    # the delimiter is the one that cuts the header into most columns
    headers = {mark: next(csv.reader(io.StringIO(head, newline=""), delimiter=mark)) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: len(headers[mark]))
    if re.search(r"\.(tsv|tab)(\.gz)?$", path.name.lower()):
        delimiter = "\t"
    names = unique_names(name.strip() for name in headers[delimiter])
    kinds = dict.fromkeys(names, TEXTS)
    # counted as a spreadsheet does: the header is row 1
    return Table(path.name, kinds, lambda: _csv_batches(path, names, delimiter), counted=("row", 2))


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


def _csv_batches(path: Path, names: list[str], delimiter: str) -> Iterator[Any]:
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
    with _Utf8(path, path.name) as raw:
        rows = _WholeRows(io.BufferedReader(raw, buffer_size=_PIECE))
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
    def records() -> Iterator[dict[str, Any]]:
        with _utf8(path) as file:
            for line in file:
                yield {"text": line.decode().rstrip("\r\n")}

    return records_table(path.name, records, counted=("line", 1), types={"text": {str}})


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
            with reading(name), _utf8(file, name) as stream:
                yield {"id": name, "text": stream.read().decode()}

    return records_table(f"the folder {str(path)!r}", records, types={"id": {str}, "text": {str}})


def _json_lines_table(path: Path) -> Table:
    return records_table(path.name, lambda: _json_lines(path), counted=("record", 1))


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    decode = json.JSONDecoder().decode
    with _utf8(path) as file:
        for number, line in enumerate(file, 1):
            if not line.isspace():
                try:
                    item = decode(line.decode())
                except (ValueError, RecursionError) as error:
                    raise _broken_json(path, error, number) from error
                yield as_record(item, "line", number, path.name)


def _broken_json(path: Path, error: Exception, line: int) -> InputError:
    what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return InputError(f"{path.name} has broken JSON on line {line}: {what}.")


def _json(path: Path) -> Table:
    """Read an array piece by piece and an object of columns whole; JSON Lines come under this name too."""
    with _utf8(path) as file:
        first = b""
        while not first.strip():
            first = file.readline(_PIECE)
        if first.lstrip().startswith(b"["):
            return records_table(path.name, lambda: _json_items(path), counted=("item", 0))
        try:
            json.loads(first + file.readline() if not first.endswith(b"\n") else first)
            if file.read().strip():
                return _json_lines_table(path)
        except (ValueError, RecursionError):
            pass  # an object over several lines
    with _utf8(path) as file:
        try:
            value = json.loads(file.read())
        except (ValueError, RecursionError) as error:
            raise _broken_json(path, error, getattr(error, "lineno", 1)) from error
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return columns_table(path.name, value)
    record = as_record(value, "item", 0, path.name)
    return records_table(path.name, lambda: iter([record]), counted=("item", 0))


def _json_items(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the items of an array, with only one piece of the file in memory."""
    decode = json.JSONDecoder().raw_decode
    with io.TextIOWrapper(_utf8(path), encoding="utf-8", newline="") as file:
        text = file.read(_PIECE)
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
                more = file.read(max(_PIECE, len(text) - at))
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
            yield as_record(item, "item", number, path.name)
            number += 1
            at = end + (text[end] == ",")
        if (text[at + 1 :] + file.read(_PIECE)).strip():
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
