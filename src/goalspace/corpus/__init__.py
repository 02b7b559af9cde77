"""Corpus: the texts, in a fixed order, each with a stable id and its metadata."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from goalspace.corpus import storage
from goalspace.corpus.disk_columns import GROUP_ROWS, DiskColumns, Spill, spilled
from goalspace.corpus.folding import Folding, count_repeats, find_duplicates
from goalspace.errors import InputError
from goalspace.files import atomic_path
from goalspace.tables.columns import id_columns, text_column
from goalspace.tables.formats import open_table
from goalspace.text import unique_names


@dataclass(frozen=True, eq=False, repr=False)
class Corpus:
    """The distinct texts of a source, in order of first appearance.

    Attributes
    ----------
    ids
        One unique id per text: the value of the id column, otherwise the row number, starting at "0".
    texts
        The texts, stripped of surrounding whitespace and NUL characters, otherwise unchanged; distinct, never empty.
    counts
        (n_texts,) int64, the number of source rows with this text.
    duplicates
        id → ids of the further rows with the same text, for the texts that have any.
    metadata
        Name → values, aligned with `ids`, for every other column of the source; of rows with the
        same text, the first one counts. Each access reads the column from disk; nothing is cached.
    folded
        The ids of all duplicates, in source order; empty if their metadata are unknown.
    folded_metadata
        Name → values, aligned with `folded`.
    stats
        `n_read` rows = `n_texts` + `n_duplicates` + `n_empty`.
    text_column, id_column
        The given or guessed columns; None if the ids are row numbers.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    counts: np.ndarray
    duplicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    metadata: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    stats: Mapping[str, int] = field(default_factory=dict)
    text_column: str = "text"
    id_column: str | None = None
    folded: tuple[str, ...] = ()
    folded_metadata: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        metadata = ", ".join(self.metadata) or "none"
        return f"Corpus({len(self)} texts, {int(self.counts.sum())} rows, metadata: {metadata})"

    def metadata_of(self, row: int) -> dict[str, Any]:
        """Return the metadata of one text; columns on disk are not read as a whole."""
        if isinstance(self.metadata, DiskColumns):
            return self.metadata.row(row)
        return {name: self.metadata[name][row] for name in self.metadata}

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of ids and texts, in order (hex)."""
        state = hashlib.sha256()
        for id_and_text in zip(self.ids, self.texts, strict=True):
            for part in id_and_text:
                data = part.encode()
                state.update(f"{len(data)}\n".encode())
                state.update(data)
        return state.hexdigest()

    @classmethod
    def read(cls, source: Any, *, text: str | None = None, id: str | None = None) -> Self:
        """Read texts from a file, a folder, a data frame or a sequence of strings.

        Rows are streamed: ids and texts are kept in memory, all other columns in a temporary file.

        Parameters
        ----------
        source
            Path of a CSV, TSV, JSON Lines, JSON (array of objects or strings, or object of columns),
            Parquet or text file (one text per line), optionally gzipped (.gz) except for Parquet; path of a
            folder of .txt and .md files, searched recursively; a pandas or polars frame or series; or a
            sequence of strings.
        text
            Column that holds the texts. Guessed if there is one obvious choice.
        id
            Column that holds unique ids. Guessed if a column named `id`, or exactly one named `*_id`,
            `uuid`, `guid` or `key`, is unique and complete; otherwise ids are row numbers.

        Raises
        ------
        InputError
            If the source cannot be read, if no column or several columns look like texts, if all texts are
            empty, or if the given ids are not unique and complete. The message names the location.
        """
        table = open_table(source)
        if not table.kinds:
            raise InputError(f"{table.name} has no rows.")
        texts = text_column(table, text)
        candidates = id_columns(table, id, text=texts)
        fold = Folding(table, texts, candidates, required=id is not None)
        others = [name for name in table.kinds if name not in (texts, id)]
        with Spill(others) as spill, Spill(others) as again:
            for batch in table.batches():
                new, repeated = fold.add(batch)
                spill.add(batch, new)
                again.add(batch, repeated)
        fold.check()
        id_column, ids = fold.choose_ids()
        first = np.unique(np.frombuffer(fold.owners, dtype=np.int64), return_index=True)[1]
        return cls(
            ids=tuple(ids[row] for row in first),
            texts=tuple(fold.texts),
            counts=storage.frozen(np.bincount(fold.owners, minlength=len(fold.texts))),
            duplicates=find_duplicates(ids, fold.owners, first),
            metadata=spill.columns(without=id_column),
            stats={
                "n_read": fold.n_read,
                "n_texts": len(fold.texts),
                "n_duplicates": len(fold.owners) - len(fold.texts),
                "n_empty": fold.n_read - len(fold.owners),
            },
            text_column=texts,
            id_column=id_column,
            folded=tuple(ids[row] for row in count_repeats(fold.owners, first)),
            folded_metadata=again.columns(without=id_column),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the corpus to one Parquet file, atomically; the same corpus gives the same bytes.

        The columns are `id`, `text`, `count` and `duplicates`, followed by the metadata under their own names
        (numbered if a name is taken). Duplicates follow the texts as rows without text and with count 0.
        """
        import pyarrow as pa
        from pyarrow import parquet

        metadata = self.metadata if isinstance(self.metadata, DiskColumns) else spilled(self.metadata)
        string = pa.large_string()
        types = [string, string, pa.int64(), pa.list_(string)]
        names = unique_names([*storage.OWN, *metadata])
        header = {
            "format": storage.FORMAT,
            "stats": dict(self.stats),
            "text_column": self.text_column,
            "id_column": self.id_column,
            "metadata": dict(zip(metadata, names[len(storage.OWN) :], strict=True)),
        }
        schema = pa.schema(
            zip(names, [*types, *metadata.types()], strict=True),
            metadata={"goalspace": json.dumps(header, ensure_ascii=False)},
        )
        n_folded = len(self.folded)
        texts = [self.ids, self.texts, self.counts, [self.duplicates.get(id_, ()) for id_ in self.ids]]
        folded = [self.folded, [None] * n_folded, [0] * n_folded, [None] * n_folded]
        with (
            atomic_path(Path(path)) as temporary,
            parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            for piece in _pieces(texts, metadata.groups(), schema):
                writer.write_table(piece)
            for piece in _pieces(folded, self._folded_groups(metadata), schema):
                writer.write_table(piece)

    def _folded_groups(self, metadata: DiskColumns) -> Iterator[list[Any]]:
        """Yield the metadata of the duplicates, with the columns and types of the texts' metadata."""
        import pyarrow as pa

        known = self.folded_metadata
        stored = known if isinstance(known, DiskColumns) else spilled(known)
        for group in stored.groups():
            columns = dict(zip(stored, group, strict=True))
            yield [
                columns[name].cast(type_) if name in columns else pa.nulls(len(group[0]), type_)
                for name, type_ in zip(metadata, metadata.types(), strict=True)
            ]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Open a corpus written by `save`; metadata stay on disk until accessed.

        Raises
        ------
        InputError
            If the file does not exist, is not a corpus, or is damaged.
        """
        return cls(**storage.read(Path(path)))


def _pieces(own: Sequence[Any], groups: Iterator[list[Any]], schema: Any) -> Iterator[Any]:
    """Yield tables of `GROUP_ROWS` rows: the corpus' own columns, then the metadata."""
    import pyarrow as pa

    for start in range(0, len(own[0]), GROUP_ROWS):
        rows = slice(start, start + GROUP_ROWS)
        columns = [pa.array(values[rows], schema.field(at).type) for at, values in enumerate(own)]
        yield pa.table([*columns, *next(groups, [])], schema=schema)
