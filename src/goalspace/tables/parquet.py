"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from goalspace.errors import InputError
from goalspace.files import atomic_path
from goalspace.tables.format import Format
from goalspace.tables.rows import Row, RowFile
from goalspace.tables.table import BATCH_BYTES, BATCH_ROWS, Table, arrow_table, as_string, reading
from goalspace.text import unique_names


def parquet_table(path: Path) -> Table:
    """Open a Parquet file."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        row_bytes = sum(group.total_byte_size for group in groups) / max(n_rows, 1)
        batch_rows = max(16, min(BATCH_ROWS, int(BATCH_BYTES / max(row_bytes, 1))))

    def batches() -> Iterator[Any]:
        with parquet.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:  # read page by page
            yield from file.iter_batches(batch_size=batch_rows, use_threads=False)

    return arrow_table(path.name, schema.names, schema.types, batches)


class ParquetRows(RowFile):
    """The rows of a Parquet file."""

    def write(self, indices: Sequence[int], path: Path, added: Mapping[str, Sequence[Any]]) -> None:
        """Write rows read anew from the file, because Python values would lose types."""
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
        with atomic_path(path) as temporary:
            parquet.write_table(table, temporary)


def parquet_rows(path: Path) -> ParquetRows:
    """Read the rows of a Parquet file."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = unique_names(file.schema_arrow.names)
        rows: list[Row] = []
        for batch in file.iter_batches():
            columns = [_python_values(column) for column in batch.columns]
            rows += [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return ParquetRows(path, tuple(rows), range(1, len(rows) + 1), "row")


def _python_values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except ValueError:  # timestamps finer than a Python datetime
        return [as_string(str(value)) if value.is_valid else None for value in column]


PARQUET = Format((".parquet", ".pq"), parquet_table, parquet_rows, is_text=False)
