"""Writing of tables as CSV, Parquet and JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from goalspace.files import atomic_path
from goalspace.text import is_number

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # first characters that make a spreadsheet evaluate a cell


def free_names(name: str, columns: dict[str, Any]) -> str:
    """Return `name`, with underscores appended until it is not a name in `columns`."""
    while name in columns:
        name += "_"
    return name


def write_table(stem: Path, columns: dict[str, Any]) -> list[Path]:
    """Write columns as STEM.parquet and STEM.csv, atomically; no cell of the CSV is a spreadsheet formula."""
    paths = [stem.with_suffix(".parquet"), stem.with_suffix(".csv")]
    write_parquet(paths[0], columns)
    write_csv(paths[1], columns)
    return paths


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    """Write columns as Parquet, atomically."""
    import pyarrow as pa
    from pyarrow import parquet

    with atomic_path(path) as temporary:
        parquet.write_table(pa.table(columns), temporary)


def write_json_rows(path: Path, columns: dict[str, Any]) -> None:
    """Write columns as a JSON array with one object per row, atomically; non-finite numbers become null."""
    import pyarrow as pa

    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace") as file:
        before = "[\n"
        for batch in pa.table(columns).to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                file.write(before + json.dumps(_plain(row), ensure_ascii=False, allow_nan=False))
                before = ",\n"
        file.write("[]\n" if before == "[\n" else "\n]\n")


def _plain(value: Any) -> Any:
    """Convert a value to one that JSON can represent."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def write_csv(path: Path, columns: dict[str, Any]) -> None:
    """Write columns as CSV, atomically; no text is a spreadsheet formula."""
    import pyarrow as pa
    from pyarrow import csv

    table = pa.table(columns)
    harmless: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = pa.types.is_string(column.type)
        harmless[free_names(defuse(name), harmless)] = (
            [value and defuse(value) for value in column.to_pylist()] if text else column
        )
    with atomic_path(path) as temporary:
        csv.write_csv(pa.table(harmless), temporary)


def defuse(cell: str) -> str:
    """Escape a cell that a spreadsheet would take for a formula; numbers stay unchanged."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not is_number(cell) else cell
