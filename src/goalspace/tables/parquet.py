"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goalspace.tables.table import BATCH_BYTES, BATCH_ROWS, Table, arrow_table


def parquet_table(path: Path) -> Table:
    """Open a Parquet file."""
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
