"""Joining further rows to a corpus: which texts are new, which repeat known ones, and all columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np

from goalspace.corpus import Corpus
from goalspace.corpus.disk_columns import DiskColumns, Spill, spilled
from goalspace.corpus.storage import frozen
from goalspace.errors import InputError
from goalspace.tables.table import as_string


@dataclass(frozen=True, eq=False)
class Join:
    """A corpus after further rows joined it.

    Attributes
    ----------
    corpus
        The known texts in their order, then the new ones.
    n_new
        The number of new texts.
    n_repeated
        The number of further rows with a text that was known, under another id: they are duplicates.
    n_same
        The number of further rows that were known with text and id: they are left out.
    """

    corpus: Corpus
    n_new: int
    n_repeated: int
    n_same: int


@dataclass(frozen=True)
class _Rows:
    """Some rows of columns: `mask` (n_rows,) says which."""

    columns: Mapping[str, Sequence[Any]]
    mask: np.ndarray


def join(known: Corpus, further: Corpus, *, source: str, first_row: int) -> Join:
    """Join further rows to a corpus; equal texts are folded into one, as in `Corpus.read`.

    Parameters
    ----------
    known
        The corpus of a run; the order and ids of its texts do not change.
    further
        The further rows, as they were read.
    source
        Their name, for messages.
    first_row
        The number that the first further row gets as its id if the source has no ids.

    Raises
    ------
    InputError
        If an id of the further rows is that of another text.
    """
    ids = _numbered(further, first_row)
    row_of = {text: row for row, text in enumerate(known.texts)}
    where = [row_of.get(text, -1) for text in further.texts]
    same = _find_same(known, further, ids, where, source)
    is_new = np.array([at < 0 for at in where], dtype=bool)
    # rows that repeat a known text, and those that repeat another further row
    repeats = np.array([id not in same for id in further.ids], dtype=bool) & ~is_new
    folded = np.array([id not in same for id in further.folded], dtype=bool)
    names = list(dict.fromkeys([*known.metadata, *further.metadata]))
    counts, duplicates = _fold(known, further, ids, where, same)
    n_rows = int(counts.sum() - known.counts.sum())
    n_new = int(is_new.sum())
    corpus = Corpus(
        ids=known.ids + tuple(ids[id] for id in compress(further.ids, is_new)),
        texts=known.texts + tuple(compress(further.texts, is_new)),
        counts=frozen(counts),
        duplicates=duplicates,
        metadata=_stack(names, [_Rows(known.metadata, _all(known.ids)), _Rows(further.metadata, is_new)]),
        stats={
            "n_read": known.stats.get("n_read", 0) + n_rows + further.stats["n_empty"],
            "n_texts": len(known) + n_new,
            "n_duplicates": known.stats.get("n_duplicates", 0) + n_rows - n_new,
            "n_empty": known.stats.get("n_empty", 0) + further.stats["n_empty"],
        },
        text_column=known.text_column,
        id_column=known.id_column,
        folded=(
            *known.folded,
            *(ids[id] for id in (*compress(further.ids, repeats), *compress(further.folded, folded))),
        ),
        folded_metadata=_stack(
            names,
            [
                _Rows(known.folded_metadata, _all(known.folded)),
                _Rows(further.metadata, repeats),
                _Rows(further.folded_metadata, folded),
            ],
        ),
    )
    return Join(corpus, n_new, int(counts[: len(known)].sum() - known.counts.sum()), len(same))


def _rows(corpus: Corpus) -> Iterator[tuple[int, str]]:
    """Yield the text and the id of every row, those of duplicates included."""
    for row, text_id in enumerate(corpus.ids):
        for id in (text_id, *corpus.duplicates.get(text_id, ())):
            yield row, id


def _find_same(
    known: Corpus, further: Corpus, ids: Mapping[str, str], where: Sequence[int], source: str
) -> set[str]:
    """Return the ids of further rows that are known with id and text; InputError if an id is that of another text."""
    owner = {id: row for row, id in _rows(known)}
    same = set()
    for i, id in _rows(further):
        row = owner.get(ids[id])
        if row is not None and row != where[i]:
            raise InputError(
                f"{source}: the id {ids[id]!r} is that of another text in the run. Give the new rows ids of their own, or "
                "choose another column with --id."
            )
        if row is not None:
            same.add(id)
    return same


def _fold(
    known: Corpus, further: Corpus, ids: Mapping[str, str], where: Sequence[int], same: Set[str]
) -> tuple[np.ndarray, dict[str, tuple[str, ...]]]:
    """Return the number of rows of every text, and the ids of all rows but the first."""
    own: list[list[str]] = [[id, *known.duplicates.get(id, ())] for id in known.ids]
    n_more = np.zeros(len(known), dtype=np.int64)
    place = list(where)
    for i in range(len(further)):
        if place[i] < 0:
            place[i] = len(own)
            own.append([])
    for i, id in _rows(further):
        if id not in same:
            own[place[i]].append(ids[id])
            if where[i] >= 0:
                n_more[where[i]] += 1
    counts = np.concatenate([known.counts + n_more, [len(more) for more in own[len(known) :]]])
    return counts.astype(np.int64), {first: tuple(more) for first, *more in own if more}


def _all(rows: Sequence[str]) -> np.ndarray:
    return np.ones(len(rows), dtype=bool)


def _numbered(further: Corpus, first_row: int) -> dict[str, str]:
    """Return the ids that the further rows get, by those they were read with: row numbers go on from `first_row`."""
    is_numbered = further.id_column is None
    return {id: str(int(id) + first_row) if is_numbered else id for _, id in _rows(further)}


# ---------------------------------------------------------------- columns


def _stack(names: Sequence[str], parts: Sequence[_Rows]) -> DiskColumns:
    """Put rows of several tables one below the other; what a table does not have is missing."""
    import pyarrow as pa

    stored = [
        (part.columns if isinstance(part.columns, DiskColumns) else spilled(part.columns), part.mask)
        for part in parts
        if len(part.mask)  # columns without rows have no types
    ]
    kinds = [dict(zip(columns, columns.types(), strict=True)) if columns else {} for columns, _ in stored]
    target = {name: _common_type([kind[name] for kind in kinds if name in kind]) for name in names}
    with Spill(names) as spill:
        for columns, mask in stored:
            for batch, kept in _batches(columns, mask):
                arrays = [
                    _cast(batch[name], target[name]) if name in batch else pa.nulls(len(kept), target[name])
                    for name in names
                ]
                spill.add(pa.RecordBatch.from_arrays(arrays, names=list(names)), kept)
    return spill.columns()


def _batches(columns: DiskColumns, mask: np.ndarray) -> Iterator[tuple[dict[str, Any], list[bool]]]:
    """Yield the columns in groups of rows, each with which of its rows are wanted."""
    start = 0
    for group in columns.groups():
        batch = dict(zip(columns, group, strict=True))
        n_rows = len(group[0])
        yield batch, mask[start : start + n_rows].tolist()
        start += n_rows
    if start < len(mask):  # a table without columns, or duplicates without metadata
        yield {}, mask[start:].tolist()


def _common_type(types: Sequence[Any]) -> Any:
    """Return the Arrow type that holds the values of a column from several sources: strings where the types differ."""
    import pyarrow as pa

    if not types:
        return pa.large_string()
    if all(type_ == types[0] for type_ in types):
        return types[0]
    are_numbers = all(pa.types.is_integer(type_) or pa.types.is_floating(type_) for type_ in types)
    return pa.float64() if are_numbers else pa.large_string()


def _cast(column: Any, target: Any) -> Any:
    """Convert a column to a type, and chunks to one array."""
    import pyarrow as pa

    if column.type != target and pa.types.is_large_string(target):
        return pa.array([as_string(value) for value in column.to_pylist()], target)
    cast = column.cast(target, safe=False)
    return cast.combine_chunks() if isinstance(cast, pa.ChunkedArray) else cast
