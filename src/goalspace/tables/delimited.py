"""CSV and TSV files."""

from __future__ import annotations

import csv
import io
import re
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


def csv_batches(path: Path, names: list[str], delimiter: str) -> Iterator[Any]:
    """Yield the rows below the header, with all columns as strings and empty fields as null."""
    with Utf8(path, path.name) as raw:
        stream = io.BufferedReader(raw, buffer_size=PIECE)
        while stream.peek(1)[:1] in (b"\r", b"\n"):  # blank lines before the header, which pyarrow counts
            stream.read(1)
        for rows in _Pieces(stream, path.name, names, delimiter):
            yield from rows.to_batches()


@dataclass(eq=False)
class _Pieces:
    """Parses delimited text in pieces of whole rows.

    pyarrow's stream reader would need no pieces, but it reads ahead in a thread, and a thread that calls Python while
    Python exits aborts the process.
    """

    stream: io.BufferedReader[Any]
    name: str
    names: list[str]
    delimiter: str
    n_rows: int = 0  # above the piece, with the header

    def __iter__(self) -> Iterator[Any]:
        while piece := self._read_lines(_CSV_PIECE):
            rows = self._parse_whole(piece)
            self.n_rows += len(rows) + (self.n_rows == 0)
            if len(rows):
                yield rows

    def _parse_whole(self, piece: bytearray) -> Any:
        """Return the rows of a piece, to which more is added while it ends within a field.

        A quote within an unquoted field misleads the count of quotes.
        """
        while True:
            try:
                rows = self._parse(piece)
                if not self._is_open(piece, rows):
                    return rows
                error = InputError(
                    f"The last row of {self.name} opens a quote that is never closed; close it."
                )
                longest = self._long_row()
            except InputError as caught:
                error = longest = caught
            if len(piece) >= _MAX_ROW_BYTES:
                raise longest
            if not (more := self._read_lines(len(piece))):
                raise error
            piece += more

    def _read_lines(self, size: int) -> bytearray:
        """Read `size` bytes and the rest of their last row, as far as counting quotes finds its end; nothing at the end."""
        piece = bytearray(self.stream.read(size))
        open_quote = piece.count(b'"') % 2
        while line := self.stream.readline(_MAX_ROW_BYTES):
            if not line.endswith(b"\n"):
                raise self._long_row()
            piece += line
            open_quote ^= line.count(b'"') % 2
            if not open_quote or len(piece) >= _MAX_ROW_BYTES:
                break
        return piece

    def _parse(self, piece: bytearray) -> Any:
        """Return the rows of a piece as a table; the last value may be incomplete."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        ragged: list[Any] = []

        def refuse(row: Any) -> str:
            ragged.append(row)
            return "error"

        # one thread, so that errors carry row numbers; all columns stay strings, so that 007 stays 007
        read = arrow_csv.ReadOptions(
            column_names=self.names,
            skip_rows_after_names=int(self.n_rows == 0),
            use_threads=False,
            block_size=len(piece) + 1,
        )
        parse = arrow_csv.ParseOptions(
            delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=refuse
        )
        convert = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(self.names, pa.large_string()),
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,
        )
        try:
            return arrow_csv.read_csv(pa.py_buffer(piece), read, parse, convert)
        except pa.ArrowInvalid as error:
            if not ragged:
                raise InputError(f"{self.name} cannot be read: {str(error).splitlines()[0]}") from error
            row = ragged[0]
            if len(row.text) > _MAX_ROW_BYTES // 2:
                raise self._long_row() from error
            raise InputError(
                f"In row {self.n_rows + row.number} of {self.name} the number of fields is {row.actual_columns}, in the "
                f"header {row.expected_columns}; quote fields that contain {self.delimiter!r}, quotes or line breaks."
            ) from error

    def _is_open(self, piece: bytearray, rows: Any) -> bool:
        """Tell whether the last value opens a quote that the piece does not close: then another quote adds no row."""
        if not len(rows) or not (rows.column(-1)[-1].as_py() or "").endswith("\n"):
            return False
        try:
            return len(self._parse(piece + b'"\n')) == len(rows)
        except InputError:
            return False

    def _long_row(self) -> InputError:
        size = _MAX_ROW_BYTES >> 20
        return InputError(f"{self.name} has a row longer than {size} MB; is a quote opened and never closed?")


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
