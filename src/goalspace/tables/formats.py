"""The registry of file formats: which reader opens a path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from goalspace.errors import InputError
from goalspace.tables.delimited import csv_table
from goalspace.tables.encoding import EXTENSIONS, check_head
from goalspace.tables.json_files import json_lines_table, json_table
from goalspace.tables.parquet import parquet_table
from goalspace.tables.plain import folder_table, lines_table
from goalspace.tables.table import Table, as_record, frame_table, reading, records_table

_KINDS = {
    "csv": (".csv", ".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "parquet": (".parquet", ".pq"),
    "txt": (".txt",),
}


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
        "folder": folder_table,
        "parquet": parquet_table,
        "csv": csv_table,
        "jsonl": json_lines_table,
        "json": json_table,
        "txt": lines_table,
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
