"""Table: named columns of plain types, which can be read in record batches any number of times."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from goalspace.errors import InputError
from goalspace.text import unique_names

TEXTS = "texts"  # the kind of a string column; all other kinds describe the content in words
NUMBERS, FLAGS, NESTED, DATES, OTHER = (
    "numbers",
    "true/false values",
    "nested values",
    "dates",
    "other values",
)

# size of a batch; memory use is a few times this, regardless of the size of the table
BATCH_ROWS = 2048
BATCH_BYTES = 2 << 20


@dataclass(frozen=True)
class Table:
    """A table that can be read repeatedly, a batch of rows at a time.

    Attributes
    ----------
    name
        The name used in messages.
    kinds
        For every column, `TEXTS` or a phrase that describes its content ("numbers", "nested values").
    open
        Starts a new pass over the rows: pyarrow record batches with the columns of `kinds`.
    counted
        How messages number the rows: the word for a row and the number of the first one.
    """

    name: str
    kinds: Mapping[str, str]
    open: Callable[[], Iterator[Any]]
    counted: tuple[str, int] = ("row", 1)

    def batches(self) -> Iterator[Any]:
        """Start a new pass over the rows."""
        with reading(self.name):
            yield from self.open()

    def where(self, row: int) -> str:
        """Return the position of the row with index `row` in words, such as "line 7"."""
        word, first = self.counted
        return f"{word} {row + first}"


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn errors of the file system, encoding, gzip and pyarrow into an `InputError` with a one-line message."""
    import pyarrow as pa

    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{name} is not a complete gzip file ({error}); compress it again, or give it uncompressed."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} has a text that is not UTF-8 ({error.reason}); write it as UTF-8."
        ) from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or str(error).splitlines()[0]}.") from error
    except pa.ArrowException as error:
        raise InputError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error


# ---------------------------------------------------------------- records: names and Python values


def records_table(
    name: str,
    records: Callable[[], Iterator[Mapping[str, Any]]],
    *,
    counted: tuple[str, int] = ("row", 1),
    types: dict[str, set[type]] | None = None,
) -> Table:
    """Make a table of records, which may lack keys; without `types`, a first pass finds the columns."""
    import pyarrow as pa

    if types is None:
        types = {}
        with reading(name):
            for record in records():
                for key, value in record.items():
                    # an integer too large for an integer column is stored as a string
                    fits = type(value) is not int or -(2**63) <= value < 2**63
                    types.setdefault(key, set()).add(type(value) if fits else object)
    keys = list(types)
    names = unique_names(str(key) for key in keys)
    kinds = [_kind(types[key] - {type(None)}) for key in keys]
    numbers = {key: pa.float64() if float in types[key] else pa.int64() for key in keys}
    targets = [
        numbers[key] if kind == NUMBERS else pa.bool_() if kind == FLAGS else pa.large_string()
        for key, kind in zip(keys, kinds, strict=True)
    ]

    def batches() -> Iterator[Any]:
        for rows in _chunks(records()):
            columns = [
                _array([row.get(key) for row in rows], target)
                for key, target in zip(keys, targets, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, names=names)

    return Table(name, dict(zip(names, kinds, strict=True)), batches, counted)


def columns_table(name: str, columns: Mapping[str, Sequence[Any]]) -> Table:
    """Make a table of columns of the same length."""
    check_lengths(name, columns)
    names = [str(column) for column in columns]

    def records() -> Iterator[dict[str, Any]]:
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(names, values, strict=True))

    return records_table(name, records, counted=("item", 0))


def check_lengths(name: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """Raise an `InputError` if columns differ in length."""
    lengths = {str(column): len(values) for column, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{column!r} has {length}" for column, length in lengths.items())
        raise InputError(f"The columns of {name} differ in length: {shown}.")


def as_record(item: Any, what: str, number: int, name: str) -> dict[str, Any]:
    """Return an object unchanged, a string as its 'text'; `what`, `number` and `name` locate the item in messages."""
    if isinstance(item, dict):
        return item
    if isinstance(item, str):
        return {"text": str(item)}  # converts numpy strings to str
    if _is_missing(item):
        return {"text": None}
    raise InputError(
        f"{what.capitalize()} {number} of {name} is of type {type(item).__name__}; "
        "every one must be a text, or an object with named fields."
    )


def _chunks(records: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    rows: list[Mapping[str, Any]] = []
    size = 0
    for record in records:
        rows.append(record)
        for value in record.values():
            if isinstance(value, (str, list)):
                size += len(value)
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _kind(types: set[type]) -> str:
    if types <= {str} or (str in types and types.isdisjoint({list, dict})):
        return TEXTS  # stray numbers among strings are texts that an exporter failed to quote
    if types <= {int, float}:
        return NUMBERS
    if types == {bool}:
        return FLAGS
    return NESTED if types & {list, dict} else OTHER


def as_string(value: Any) -> str | None:
    """Convert any value to a string that can be encoded as UTF-8; None for a missing value."""
    if _is_missing(value):
        return None
    if isinstance(value, str):
        # a lone surrogate, which JSON can express, cannot be encoded as UTF-8
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return f"<{len(value)} bytes>"
    if isinstance(value, (bool, int, float, list, tuple, dict)):
        return as_string(json.dumps(value, ensure_ascii=False, default=as_string))
    return str(value)


def _array(values: Sequence[Any], target: Any) -> Any:
    """Make an array of `target` type, or of strings if the values do not fit the type."""
    import pyarrow as pa

    try:
        return pa.array(values, target)
    except (ValueError, TypeError):
        return pa.array([as_string(value) for value in values], target)


# ---------------------------------------------------------------- Arrow data: data frames, Parquet


def frame_table(source: Any) -> Table:
    """Make a table of a pandas, polars or pyarrow table or series."""
    import pyarrow as pa

    module = type(source).__module__.partition(".")[0]
    if hasattr(source, "to_frame") and not hasattr(source, "columns"):  # a pandas or polars series
        source = source.to_frame(name="text")
    if module == "pandas":
        if any(name is not None for name in source.index.names):
            source = source.reset_index(allow_duplicates=True)
        names = [str(name) for name in source.columns]
        columns = []
        for position in range(len(names)):
            column = source.iloc[:, position]
            try:
                columns.append(pa.array(column, from_pandas=True))
            except (ValueError, TypeError):  # mixed types
                columns.append(_array(column.tolist(), pa.large_string()))
    elif hasattr(source, "__arrow_c_stream__"):
        with reading("the data frame"):
            table = pa.table(source)
        names, columns = table.column_names, table.columns
    else:
        raise InputError(
            "The 'source' parameter of Corpus.read must be a path, a data frame or a sequence of strings. "
            f"Got {module} {type(source).__name__} instead."
        )
    return arrow_table(
        "the data frame",
        names,
        [column.type for column in columns],
        lambda: iter(pa.table(columns, names=unique_names(names)).to_batches(max_chunksize=BATCH_ROWS)),
        counted=("row", 0),
    )


def arrow_table(
    name: str,
    names: Iterable[str],
    types: Iterable[Any],
    open: Callable[[], Iterator[Any]],
    *,
    counted: tuple[str, int] = ("row", 1),
) -> Table:
    """Make a table of Arrow batches with columns of any type."""
    import pyarrow as pa

    names = unique_names(names)
    plain = [_plain_type(type_) for type_ in types]

    def batches() -> Iterator[Any]:
        for batch in open():
            batch.validate(full=True)  # a file may hold strings that are not UTF-8
            columns = [
                _plain(column, target) for column, (_, target) in zip(batch.columns, plain, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, names=names)

    return Table(name, {name: kind for name, (kind, _) in zip(names, plain, strict=True)}, batches, counted)


def _plain_type(type_: Any) -> tuple[str, Any]:
    """Return the kind of a column of an Arrow type, and the plain type it is stored as."""
    import pyarrow as pa
    from pyarrow import types

    string = pa.large_string()
    if isinstance(type_, pa.BaseExtensionType):
        return _plain_type(type_.storage_type)
    if types.is_dictionary(type_):
        return _plain_type(type_.value_type)
    if types.is_boolean(type_):
        return FLAGS, type_
    if types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_):
        return NUMBERS, pa.float32() if types.is_float16(type_) else type_
    if types.is_timestamp(type_) and type_.unit == "ns":  # finer than a Python datetime
        return DATES, pa.timestamp("us", tz=type_.tz)
    if types.is_date(type_) or types.is_timestamp(type_):
        return DATES, type_
    if types.is_nested(type_):
        return NESTED, string
    kept_as_texts = (
        types.is_string,
        types.is_large_string,
        types.is_null,
        types.is_binary,
        types.is_large_binary,
    )
    if any(is_such(type_) for is_such in kept_as_texts) or str(type_) in ("string_view", "binary_view"):
        return TEXTS, string
    return OTHER, string


def _plain(array: Any, target: Any) -> Any:
    import pyarrow as pa
    from pyarrow import types

    if array.type == target:
        return array
    if isinstance(array.type, pa.BaseExtensionType):
        return _plain(array.storage, target)
    if types.is_dictionary(array.type):
        return _plain(array.dictionary_decode(), target)
    if types.is_large_string(target) and not types.is_string(array.type):
        return _array(array.to_pylist(), target)
    return array.cast(target, safe=False)
