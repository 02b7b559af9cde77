"""The registry of file formats, and the choice of the one for a path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from goalspace.errors import InputError
from goalspace.tables.delimited import DELIMITED
from goalspace.tables.encoding import check_head
from goalspace.tables.format import Format
from goalspace.tables.json_files import JSON, JSON_LINES
from goalspace.tables.parquet import PARQUET
from goalspace.tables.plain import TEXT_LINES, folder_table
from goalspace.tables.rows import RowFile
from goalspace.tables.table import Table, as_record, frame_table, reading, records_table

FORMATS = (DELIMITED, JSON_LINES, JSON, PARQUET, TEXT_LINES)
_BY_EXTENSION = {extension: format for format in FORMATS for extension in format.extensions}
_NAMED = ".csv, .tsv, .jsonl, .json, .parquet or .txt"  # for messages: one extension per format


def open_table(source: Any) -> Table:
    """Open `source`, a path, a data frame, or a sequence of strings or mappings, as a table.

    Raises
    ------
    InputError
        If the file does not exist, its format is unknown, or its content does not match its extension.
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
    path = _existing_path(source)
    with reading(path.name):
        return folder_table(path) if path.is_dir() else _find_format(path).open_table(path)


def read_rows(source: str | os.PathLike[str]) -> RowFile:
    """Read all rows of a file in any format, so that some of them can be written back.

    Raises
    ------
    InputError
        If the file does not exist, its format is unknown, or its content does not match its extension.
    """
    path = _existing_path(source)
    with reading(path.name):
        if path.is_dir():
            raise InputError(f"{str(path)!r} is a folder; give one file.")
        return _find_format(path).read_rows(path)


def _existing_path(source: str | os.PathLike[str]) -> Path:
    if not os.path.exists(source):  # unlike Path.exists, returns False for a name that is too long
        shown = os.fspath(source) if len(os.fspath(source)) <= 200 else f"{os.fspath(source)[:80]}…"
        raise InputError(f"There is no file {shown!r}; check the path.")
    path = Path(source)
    if not path.is_dir() and not path.is_file():
        raise InputError(f"{str(path)!r} is neither a file nor a folder; give one that holds texts.")
    return path


def _find_format(path: Path) -> Format:
    """Choose the format by extension, and check that a text format starts with text."""
    suffix = path.suffix.lower()
    extension = Path(path.stem).suffix.lower() if suffix == ".gz" else suffix
    format = _BY_EXTENSION.get(extension)
    if format is None or (suffix == ".gz" and not format.is_text):
        what = f"the extension {extension!r}, which is not supported" if extension else "no extension"
        raise InputError(f"{path.name} has {what}; give a {_NAMED} file or a folder of .txt and .md files.")
    if format.is_text:
        check_head(path, _NAMED)
    return format
