"""Downloads of the page: the tables of a run, for all texts or for the matching ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.explorer.contract import ExportedFormat, ExportedTable
from goalspace.reports import exports
from goalspace.run.protocol import RunLike
from goalspace.tables import writing

WRITERS: dict[ExportedFormat, tuple[Callable[[Path, dict[str, Any]], None], str]] = {
    "csv": (writing.write_csv, "text/csv; charset=utf-8"),
    "parquet": (writing.write_parquet, "application/vnd.apache.parquet"),
    "json": (writing.write_json_rows, "application/json"),
}
TABLES: dict[ExportedTable, str] = {
    "texts": "scores",
    "factors": "factors",
    "properties": "properties",
    "evidence": "evidence",
}
FILES = {f"{table}.{kind}": (table, kind) for table in TABLES for kind in WRITERS}


def write(
    path: Path, run: RunLike, table: ExportedTable, kind: ExportedFormat, rows: np.ndarray | None = None
) -> None:
    """Write one table.

    Parameters
    ----------
    path
        The file to write.
    run
        The run, including edits.
    table
        The table to write.
    kind
        The format of the file.
    rows
        The rows of the texts to include; None for all. Ignored by the tables of factors and properties.
    """
    if table == "texts":
        columns = _with_text(run, exports.scores(run, rows), rows)
    else:
        columns = exports.TABLES[TABLES[table]](run)
        if table == "evidence" and rows is not None:
            wanted = {run.corpus.ids[int(row)] for row in rows}
            kept = [i for i, id in enumerate(columns["id"]) if id in wanted]
            columns = {name: [values[i] for i in kept] for name, values in columns.items()}
    WRITERS[kind][0](path, columns)


def _with_text(run: RunLike, columns: dict[str, Any], rows: np.ndarray | None) -> dict[str, Any]:
    """Insert the texts after the ids in the table of scores."""
    corpus = run.corpus
    texts = []
    for row in range(len(corpus)) if rows is None else map(int, rows):
        texts += [corpus.texts[row]] * (1 + len(corpus.duplicates.get(corpus.ids[row], ())))
    name = "text"
    while name in columns:
        name += "_"
    return {"id": columns["id"], name: texts, **columns}
