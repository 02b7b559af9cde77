"""Texts by their words, scores and metadata: the tables behind the page's list, asked in SQL."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goalspace import _report_text
from goalspace._explorer_words import excerpt, fold, words_of
from goalspace._report_view import View
from goalspace.corpus import Corpus
from goalspace.errors import InputError

MOST_HITS = 200
MOST_ROWS = 100_000
MOST_ALIKE = 1_000  # texts that a search by meaning finds
_ALIKE = 0.5  # of the best text's likeness, what a text that is found has
_LONGEST_SEARCH = 1_000  # characters
_CHUNK = 10_000  # texts
_AS_READ = "row"  # the order of the corpus
_MEMORY = "1GB"  # of duckdb, which goes on disk beyond

Similarity = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Found:
    """Rows that a query found, best or first first, with the words to mark and the likeness to a meaning."""

    rows: np.ndarray
    words: tuple[str, ...] = ()
    relevance: np.ndarray | None = None


class TextTable:
    """The texts, folded for search, in duckdb; filled in the background.

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
            # no text is ever taken for a file, an extension or a setting; the overflow is still allowed
            self._database.execute("SET enable_external_access = false")
            self._database.execute("SET lock_configuration = true")
            self._database.execute(
                "CREATE TABLE texts (row INTEGER, id VARCHAR, folded VARCHAR, length INTEGER)"
            )
            for start in range(0, len(self._corpus), _CHUNK):
                texts, ids = (part[start : start + _CHUNK] for part in (self._corpus.texts, self._corpus.ids))
                chunk = {
                    "row": np.arange(start, start + len(texts), dtype=np.int32),
                    "id": [_report_text.line(id) for id in ids],
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
        """Rows of the texts that meet a condition, in order; both are made of the names of columns only."""
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        with self._lock:  # another view would put its own scores in place
            self._show(view)
            found = self._database.execute(
                f"SELECT row FROM texts JOIN measures USING (row) WHERE {condition} ORDER BY {order}", values
            ).fetchnumpy()
        return np.asarray(found["row"], dtype=np.int32)

    def _show(self, view: View) -> None:
        """Keep the scores and columns of the view as a table beside the texts."""
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
    """The folded text as duckdb takes it: no lone surrogates, white space as single spaces."""
    return " ".join(fold(text).encode("utf-8", "replace").decode("utf-8").split())


def find(view: View, table: TextTable, query: Mapping[str, Any], similarity: Similarity) -> Found:
    """Answer a query (`Query` of web/src/contract.ts).

    Parameters
    ----------
    view
        The run.
    table
        Its texts.
    query
        As it came over the wire; nothing in it is trusted.
    similarity
        Likeness of all texts to what a search by meaning asks for (n_texts,).

    Raises
    ------
    InputError
        If the query is not of the agreed form.
    """
    search, by = text_of(query, "search"), query.get("by", "words")
    if by not in ("words", "meaning"):
        raise InputError("'by' must be words or meaning.")
    words = words_of(search) if by == "words" else []
    conditions, values = _conditions(view, query)
    for i, word in enumerate(words):
        conditions.append(f"contains(folded, $word{i})")
        values[f"word{i}"] = word
    order, by_relevance = _order(view, query.get("sort"))
    if conditions or order != _AS_READ:
        rows = table.rows(view, " AND ".join(conditions) or "true", order, values)
    else:  # the list that the page opens with does not wait for the table
        rows = np.arange(len(view.run.corpus), dtype=np.int32)
    if by == "words" or not search.strip():
        return Found(rows, tuple(words))
    likeness = similarity(search)[rows]
    return _most_alike(rows, likeness, by_relevance)


def _most_alike(rows: np.ndarray, likeness: np.ndarray, by_relevance: bool) -> Found:
    """The texts at least half as alike as the best, at most 1,000, in order of likeness or as they are."""
    if not len(rows):
        return Found(rows, (), likeness)
    kept = np.argsort(-likeness, kind="stable")[:MOST_ALIKE]
    kept = kept[likeness[kept] >= max(_ALIKE * float(likeness[kept[0]]), 1e-6)]
    if not by_relevance:
        kept = np.sort(kept)
    return Found(rows[kept], (), likeness[kept])


def _conditions(view: View, query: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The filters as SQL over names of columns, and the values that they compare with."""
    conditions: list[str] = []
    values: dict[str, Any] = {}

    def member(column: str, name: str, wanted: list[int]) -> None:
        conditions.append(f"{column} IN (SELECT unnest(${name}::INTEGER[]))")
        values[name] = wanted

    def between(column: str, name: str, item: Mapping[str, Any]) -> None:
        for end, sign in (("low", ">="), ("high", "<=")):
            bound = item.get(end)
            if bound is not None:
                conditions.append(f"{column} {sign} ${name}{end}")
                values[f"{name}{end}"] = _number(bound, end)

    n_texts, n_factors = len(view.run.corpus), view.factors.dim
    if query.get("rows") is not None:
        member("row", "rows", _integers(query["rows"], "rows", 0, n_texts))
    if query.get("dominant") is not None:
        member("dominant", "dominant", _integers(query["dominant"], "dominant", -1, n_factors))
    for i, item in enumerate(_objects(query, "factors")):
        between(f"s{integer(item.get('factor'), 'factor', 0, n_factors)}", f"f{i}", item)
    for i, item in enumerate(_objects(query, "columns")):
        position = integer(item.get("column"), "column", 0, len(view.columns))
        if item.get("values") is not None and view.columns[position].kind != "number":
            n_labels = len(view.columns[position].labels)
            member(f"c{position}", f"v{i}", _integers(item["values"], "values", -1, n_labels))
        else:
            conditions.append(f"NOT isnan(c{position}::DOUBLE)")
            between(f"c{position}", f"v{i}", item)
    return conditions, values


def _order(view: View, sort: Any) -> tuple[str, bool]:
    """The order as SQL, and whether it is by relevance, which SQL does not know."""
    if sort is None:
        return _AS_READ, True
    if not isinstance(sort, Mapping):
        raise InputError("'sort' must be an object.")
    by, down = sort.get("by"), " DESC" if sort.get("down") is True else ""
    if by == "id":
        return f"id{'::BIGINT' if view.has_numbers_as_ids else ''}{down}, row", False
    if by == "length":
        return f"length{down}, row", False
    if by == "factor":
        return f"s{integer(sort.get('at'), 'at', 0, view.factors.dim)}{down}, row", False
    if by == "column":
        at = integer(sort.get("at"), "at", 0, len(view.columns))
        missing = f"isnan(c{at}::DOUBLE)" if view.columns[at].kind == "number" else f"c{at} < 0"
        return f"{missing}, c{at}{down}, row", False
    raise InputError("'by' of 'sort' must be id, length, factor or column.")


def hits(view: View, found: Found, query: Mapping[str, Any]) -> dict[str, Any]:
    """One page of what was found, as `Hits` of web/src/contract.ts."""
    n_found = len(found.rows)
    start = integer(query.get("offset", 0), "offset", 0, 2**31)
    stop = start + integer(query.get("limit", 50), "limit", 0, MOST_HITS + 1)
    sought = _sought(view, query)
    return {
        "total": n_found,
        "hits": [_hit(view, found, position, sought) for position in range(start, min(stop, n_found))],
        "rows": [] if start else found.rows[:MOST_ROWS].tolist(),
    }


def _sought(view: View, query: Mapping[str, Any]) -> int | None:
    """The factor that a query sorts by, else that it first filters by."""
    sort = query.get("sort")
    if isinstance(sort, Mapping) and sort.get("by") == "factor":
        return integer(sort.get("at"), "at", 0, view.factors.dim)
    for item in _objects(query, "factors"):
        return integer(item.get("factor"), "factor", 0, view.factors.dim)
    return None


def _hit(view: View, found: Found, position: int, sought: int | None) -> dict[str, Any]:
    row = int(found.rows[position])
    text, marks = excerpt(view.run.corpus.texts[row], found.words)
    dominant = int(view.factors.dominant[row])
    return {
        "row": row,
        "id": _report_text.line(str(view.run.corpus.ids[row]), 60),
        "text": text,
        "marks": marks,
        "dominant": dominant,
        "score": round(float(view.factors.scores[row, dominant]), 3) if dominant >= 0 else None,
        "sought": round(float(view.factors.scores[row, sought]), 3) if sought is not None else None,
        "relevance": round(float(found.relevance[position]), 4) if found.relevance is not None else None,
        "values": [column.told(row) for column in view.columns],
    }


# ---------------------------------------------------------------- what came over the wire


def text_of(query: Mapping[str, Any], name: str) -> str:
    """A string of the query, "" where it is not given."""
    value = query.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_SEARCH:
        raise InputError(f"'{name}' must be a text of at most {_LONGEST_SEARCH} characters.")
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def integer(value: Any, name: str, low: int, high: int) -> int:
    """An integer from `low` up to, not including, `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < high:
        raise InputError(f"'{name}' must be an integer from {low} to {high - 1}.")
    return value


def _integers(value: Any, name: str, low: int, high: int) -> list[int]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"'{name}' must be a list of integers.")
    return [integer(item, name, low, high) for item in value]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"'{name}' must be a number.")
    return float(value)


def _objects(query: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    items = query.get(name)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items) or len(items) > 64:
        raise InputError(f"'{name}' must be a list of at most 64 objects.")
    return items
