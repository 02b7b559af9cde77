"""Reading of corpus.parquet, with checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from goalspace.checked import check, expect, expect_distinct, expect_range, readable
from goalspace.corpus.disk_columns import AGAIN, GROUP_ROWS, DiskColumns
from goalspace.errors import InputError
from goalspace.files import decode_json

FORMAT = 2
_FORMATS = (1, FORMAT)  # format 1 stores no rows for folded duplicates
# the corpus' own columns, ahead of the metadata
OWN = ("id", "text", "count", "duplicates")
_HEADER = {"stats": {str: int}, "text_column": str, "id_column": (str, None), "metadata": {str: str}}


def frozen(counts: np.ndarray) -> np.ndarray:
    """Return counts as integers that cannot be changed."""
    counts = counts.astype(np.int64)
    counts.flags.writeable = False
    return counts


def read(path: Path) -> dict[str, Any]:
    """Read the fields of a corpus; metadata stay on disk until accessed.

    Raises
    ------
    InputError
        If the file does not exist, is not a corpus, or is damaged.
    """
    from pyarrow import parquet

    with readable(path, again=AGAIN), parquet.ParquetFile(path) as file:
        header = _read_header(path, file)
        groups = [_read_group(file, group) for group in range(file.num_row_groups)]
        n_groups = sum(texts[0] is not None for _, texts, _, _ in groups)  # a group holds texts or duplicates
        ids, texts, counts, others = _joined(groups[:n_groups])
        folded, no_texts, no_counts, _ = _joined(groups[n_groups:])
        expect(len(ids) > 0, "it has no texts")
        is_whole = all(text is not None for text in texts) and all(text is None for text in no_texts)
        expect(is_whole, "a text is missing")
        expect(all(id_ is not None for id_ in (*ids, *folded)), "an id is missing")
        expect_distinct(ids, "ids")
        expect(None not in counts and None not in no_counts, "a count is missing")
        expect_range(counts, 1, 2**40, "a count")
        expect(
            all(id_ is not None for more in others for id_ in more or ()), "an id of a duplicate is missing"
        )
    return {
        "ids": tuple(ids),
        "texts": tuple(texts),
        "counts": frozen(np.array(counts, dtype=np.int64)),
        "duplicates": {id_: tuple(more) for id_, more in zip(ids, others, strict=True) if more},
        "metadata": DiskColumns(path, header["metadata"], range(n_groups)),
        "stats": header["stats"],
        "text_column": header["text_column"],
        "id_column": header["id_column"],
        "folded": tuple(folded),
        "folded_metadata": DiskColumns(path, header["metadata"], range(n_groups, len(groups))),
    }


def _read_header(path: Path, file: Any) -> dict[str, Any]:
    """Return what the file says about its columns."""
    import pyarrow as pa

    stored = (file.schema_arrow.metadata or {}).get(b"goalspace", b"{}")
    header: dict[str, Any] = decode_json(stored.decode())
    if not isinstance(header, dict) or header.get("format") not in _FORMATS:
        raise InputError(f"{path} is not a corpus of this version of goalspace; read its source again.")
    check(header, _HEADER)
    schema = file.schema_arrow
    expect_distinct(schema.names, "columns")
    expect(
        set(header["metadata"].values()) <= set(schema.names) - set(OWN), "a column of metadata is missing"
    )
    string = pa.large_string()
    for name, type_ in zip(OWN, (string, string, pa.int64(), pa.list_(string)), strict=True):
        found = schema.field(name).type
        expect(str(found).replace("element", "item") == str(type_), f"the column '{name}' holds {found}")
    return header


def _read_group(file: Any, group: int) -> list[list[Any]]:
    """Return the corpus' own columns in a row group."""
    n_rows = file.metadata.row_group(group).num_rows
    expect(0 < n_rows <= GROUP_ROWS, f"a group has {n_rows} rows")
    part = file.read_row_group(group, columns=list(OWN)).select(OWN).to_pydict()
    return [part[name] for name in OWN]


def _joined(groups: list[list[list[Any]]]) -> list[list[Any]]:
    return [[value for group in groups for value in group[column]] for column in range(len(OWN))]
