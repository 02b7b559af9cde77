"""CSV and TSV files."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goalspace.errors import InputError
from goalspace.tables.encoding import PIECE, Utf8, utf8
from goalspace.tables.format import Format
from goalspace.tables.rows import TextRowFile
from goalspace.tables.table import TEXTS, Table
from goalspace.text import unique_names

_DELIMITERS = ",;\t|"
_CSV_PIECE = 1 << 18
_MAX_ROW_BYTES = 64 << 20


def csv_table(path: Path) -> Table:
    """Open a CSV or TSV file."""
    header, delimiter = csv_header(path)
    names = unique_names(name.strip() for name in header)
    kinds = dict.fromkeys(names, TEXTS)
    # numbered as in a spreadsheet: the header is row 1
    return Table(path.name, kinds, lambda: csv_batches(path, names, delimiter), counted=("row", 2))


def csv_header(path: Path) -> tuple[list[str], str]:
    """Return the names in the first row, unchanged, and the delimiter that gives the most columns."""
    with utf8(path) as file:
        start = file.read(1 << 16).lstrip(b"\r\n")
    head = start.decode("utf-8", errors="ignore")  # the last character may be incomplete
    headers = {mark: next(csv.reader(io.StringIO(head, newline=""), delimiter=mark)) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: len(headers[mark]))
    if re.search(r"\.(tsv|tab)(\.gz)?$", path.name.lower()):
        delimiter = "\t"
    return headers[delimiter], delimiter


class _WholeRows(io.RawIOBase):
    """A stream of delimited text, read in pieces of whole rows.

    pyarrow reads 32 pieces ahead and rejects a row that spans three, so pieces are small unless a row is large.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__()
        self._stream = stream
        self._reading = threading.Lock()
        self._stopped = False
        while stream.peek(1)[:1] in (b"\r", b"\n"):  # blank lines before the header, which pyarrow counts
            stream.read(1)

    def readable(self) -> bool:
        return True

    def stop(self) -> None:
        """Wait for pyarrow's thread and give it nothing more: a thread that reads when Python exits aborts the process."""
        with self._reading:
            self._stopped = True

    def read(self, size: int = -1) -> bytes:
        with self._reading:
            return b"" if self._stopped else self._read(size)

    def _read(self, size: int) -> bytes:
        piece = bytearray(self._stream.read(_CSV_PIECE))
        piece += self._stream.readline(_MAX_ROW_BYTES)
        open_quote = piece.count(b'"') % 2
        while open_quote and len(piece) < size and (line := self._stream.readline(_MAX_ROW_BYTES)):
            piece += line
            open_quote ^= line.count(b'"') % 2
        return bytes(piece)


def csv_batches(path: Path, names: list[str], delimiter: str) -> Iterator[Any]:
    """Yield the rows below the header, with all columns as strings and empty fields as null."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[Any] = []

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "error"

    # one thread, so that errors carry row numbers; all columns stay strings, so that 007 stays 007
    read = arrow_csv.ReadOptions(
        column_names=names, skip_rows_after_names=1, use_threads=False, block_size=_MAX_ROW_BYTES
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
        finally:
            rows.stop()
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
        size = _MAX_ROW_BYTES >> 20
        return InputError(f"{name} has a row longer than {size} MB; is a quote opened and never closed?")
    return InputError(f"{name} cannot be read: {message.splitlines()[0]}")


@dataclass(frozen=True, eq=False)
class DelimitedRows(TextRowFile):
    """The rows of a CSV or TSV file, with its original header."""

    header: tuple[str, ...]
    delimiter: str

    def pieces(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """Yield the header and the rows."""
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=self.delimiter, lineterminator="\n")
        new = [name for name in added if name not in self.header]
        keys = [*unique_names(name.strip() for name in self.header), *new]
        writer.writerow([*self.header, *new])
        for row in self.values(indices, added):
            writer.writerow([row.get(key) for key in keys])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
        yield buffer.getvalue()  # a header without rows


def csv_rows(path: Path) -> DelimitedRows:
    """Read the rows of a CSV or TSV file."""
    header, delimiter = csv_header(path)
    names = unique_names(name.strip() for name in header)
    rows = tuple(row for batch in csv_batches(path, names, delimiter) for row in batch.to_pylist())
    numbers = range(2, len(rows) + 2)  # as in a spreadsheet: the header is row 1
    return DelimitedRows(path, rows, numbers, "row", tuple(header), delimiter)


DELIMITED = Format((".csv", ".tsv", ".tab"), csv_table, csv_rows)
