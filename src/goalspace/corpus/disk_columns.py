"""Columns on disk: written while rows are streamed, read one at a time on access."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from goalspace.checked import readable
from goalspace.files import scratch_file, writing
from goalspace.tables.table import columns_table

GROUP_ROWS = 1024  # rows per Parquet row group, the unit held in memory while columns are copied
AGAIN = "run goalspace discover with its source and goal again"


class DiskColumns(Mapping[str, list[Any]]):
    """Columns of a Parquet file, each read on access.

    Parameters
    ----------
    path
        The file; None if there are no columns.
    stored
        Column name → its name in the file.
    groups
        The row groups of the file that hold the rows; None for all.
    """

    def __init__(self, path: Path | None, stored: Mapping[str, str], groups: range | None = None) -> None:
        self._path, self._stored, self._groups = path, dict(stored), groups

    def __getitem__(self, name: str) -> list[Any]:
        from pyarrow import parquet

        stored = self._stored[name]
        values: list[Any] = []
        with self._opened(parquet.ParquetFile) as file:
            for batch in file.iter_batches(columns=[stored], row_groups=list(self._groups_of(file))):
                values += batch.column(stored).to_pylist()
        return values

    def __contains__(self, name: object) -> bool:
        return name in self._stored  # the inherited method would read the column

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def row(self, position: int) -> dict[str, Any]:
        """Return the values of one row; reads one row group."""
        from pyarrow import parquet

        if not self._stored:
            return {}
        with self._opened(parquet.ParquetFile) as file:
            for group in self._groups_of(file):
                n_rows = file.metadata.row_group(group).num_rows
                if position < n_rows:
                    table = file.read_row_group(group, columns=list(self._stored.values()))
                    return {
                        name: table.column(stored)[position].as_py() for name, stored in self._stored.items()
                    }
                position -= n_rows
        raise IndexError(position)

    def types(self) -> list[Any]:
        """Return the Arrow type of every column."""
        from pyarrow import parquet

        if not self._stored:
            return []
        with self._opened(parquet.ParquetFile) as file:
            schema = file.schema_arrow
        return [schema.field(stored).type for stored in self._stored.values()]

    def groups(self) -> Iterator[list[Any]]:
        """Yield all columns in groups of `GROUP_ROWS` rows."""
        from pyarrow import parquet

        if self._stored:
            names = list(self._stored.values())
            with self._opened(parquet.ParquetFile) as file:
                for group in self._groups_of(file):
                    yield file.read_row_group(group, columns=names).select(names).columns

    @contextmanager
    def _opened(self, open_file: Callable[[Path], Any]) -> Iterator[Any]:
        """Open the file; what is wrong with it is an InputError that names it."""
        assert self._path is not None
        with readable(self._path, again=AGAIN), open_file(self._path) as file:
            yield file

    def _groups_of(self, file: Any) -> range:
        return range(file.num_row_groups) if self._groups is None else self._groups


class Spill:
    """A temporary Parquet file that collects the rows of some columns while they are streamed.

    It is removed once the columns opened from it are no longer in use.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._stored = {name: str(position) for position, name in enumerate(names)}
        self._path: Path | None = None
        self._writer: Any = None
        self._pending: list[Any] = []
        self._remove: Any = None
        self._delete: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._pending:
                self._write(whole_groups=False)
        finally:
            if self._writer is not None and self._path is not None:
                with writing(self._path):
                    self._writer.close()

    def add(self, batch: Any, kept: Sequence[bool]) -> None:
        """Append the `kept` rows of a record batch."""
        import pyarrow as pa

        if self._stored and any(kept):
            self._pending.append(batch.select(list(self._stored)).filter(pa.array(kept)))
            if sum(part.num_rows for part in self._pending) >= GROUP_ROWS:
                self._write(whole_groups=True)

    def _write(self, *, whole_groups: bool) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        rows = pa.Table.from_batches(self._pending)
        n_rows = rows.num_rows - (rows.num_rows % GROUP_ROWS if whole_groups else 0)
        if self._path is None:
            self._path, self._delete = scratch_file(".parquet")
            self._remove = weakref.finalize(self, self._delete)
            schema = pa.schema(zip(self._stored.values(), rows.schema.types, strict=True))
            self._writer = parquet.ParquetWriter(self._path, schema, compression="lz4")
        with writing(self._path):
            self._writer.write_table(
                rows.slice(0, n_rows).rename_columns(list(self._stored.values())), row_group_size=GROUP_ROWS
            )
        self._pending = rows.slice(n_rows).combine_chunks().to_batches()

    def columns(self, *, without: str | None = None) -> DiskColumns:
        """Open the written columns, which take ownership of the file."""
        opened = DiskColumns(self._path, {name: key for name, key in self._stored.items() if name != without})
        if self._path is not None:
            self._remove.detach()
            weakref.finalize(opened, self._delete)
        return opened


def spilled(columns: Mapping[str, Sequence[Any]]) -> DiskColumns:
    """Write in-memory columns to a temporary file."""
    with Spill(list(columns)) as spill:
        for batch in columns_table("the metadata", columns).batches():
            spill.add(batch, [True] * batch.num_rows)
    return spill.columns()
