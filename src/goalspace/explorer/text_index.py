"""A DuckDB table of the texts, for search, filters and sorting."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from goalspace.corpus import Corpus
from goalspace.explorer.highlight import fold
from goalspace.reports.view import View
from goalspace.text import to_line

_CHUNK = 10_000  # texts
_MEMORY = "1GB"  # beyond this, DuckDB spills to disk


class TextTable:
    """The texts, folded for search, in DuckDB; filled in the background.

    Parameters
    ----------
    corpus
        The texts.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._database: Any = None
        self._lock = threading.Lock()
        self._current: Any = None
        self._overflow = tempfile.TemporaryDirectory(prefix="goalspace-", ignore_cleanup_errors=True)
        threading.Thread(target=self._fill, daemon=True).start()

    def _fill(self) -> None:
        try:
            import duckdb
            import pyarrow as pa

            self._database = duckdb.connect(
                ":memory:",
                config={"memory_limit": _MEMORY, "temp_directory": self._overflow.name, "threads": 2},
            )
            # queries cannot access files, extensions or settings; spilling to disk still works
            self._database.execute("SET enable_external_access = false")
            self._database.execute("SET lock_configuration = true")
            self._database.execute(
                "CREATE TABLE texts (row INTEGER, id VARCHAR, folded VARCHAR, length INTEGER)"
            )
            for start in range(0, len(self._corpus), _CHUNK):
                texts, ids = (part[start : start + _CHUNK] for part in (self._corpus.texts, self._corpus.ids))
                chunk = {
                    "row": np.arange(start, start + len(texts), dtype=np.int32),
                    "id": [to_line(id) for id in ids],
                    "folded": [_stored(text) for text in texts],
                    "length": np.array([len(text) for text in texts], dtype=np.int32),
                }
                self._database.register("chunk", pa.table(chunk))
                self._database.execute("INSERT INTO texts SELECT * FROM chunk")
                self._database.unregister("chunk")
        except BaseException as error:
            self._failed = error
        finally:
            self._ready.set()

    def rows(self, view: View, condition: str, order: str, values: Mapping[str, Any]) -> np.ndarray:
        """Return the rows that meet a condition, in order; both are SQL built from column names, never from user input."""
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        with self._lock:  # a concurrent query with another view would replace the scores
            self._show(view)
            result = self._database.execute(
                f"SELECT row FROM texts JOIN measures USING (row) WHERE {condition} ORDER BY {order}", values
            ).fetchnumpy()
        return np.asarray(result["row"], dtype=np.int32)

    def _show(self, view: View) -> None:
        """Load the scores and columns of the view into a second table."""
        if self._current is view:
            return
        import pyarrow as pa

        factors = view.factors
        columns: dict[str, Any] = {
            "row": np.arange(len(factors.scores), dtype=np.int32),
            "dominant": factors.dominant.astype(np.int32),
        }
        columns |= {f"s{k}": factors.scores[:, k] for k in range(factors.dim)}
        columns |= {f"c{p}": column.values for p, column in enumerate(view.columns)}
        self._database.register("given", pa.table(columns))
        self._database.execute("CREATE OR REPLACE TABLE measures AS SELECT * FROM given")
        self._database.unregister("given")
        self._current = view


def _stored(text: str) -> str:
    """Return the folded text for DuckDB: no lone surrogates, runs of white space as single spaces."""
    return " ".join(fold(text).encode("utf-8", "replace").decode("utf-8").split())
