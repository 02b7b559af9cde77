"""Search of the texts by words, meaning, scores and metadata, as SQL over the tables behind the page's list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from goalspace.errors import InputError
from goalspace.explorer.contract import Hit, Hits
from goalspace.explorer.highlight import excerpt, words_of
from goalspace.explorer.requests import read_integer, read_integers, read_number, read_objects, text_of
from goalspace.explorer.text_index import TextTable
from goalspace.reports.view import View
from goalspace.text import to_line

MAX_HITS = 200
MAX_ROWS = 100_000
MAX_SIMILAR = 1_000  # texts that a search by meaning returns
_MIN_RELATIVE_COSINE = 0.5  # of the best text's cosine; texts below it do not match
_CORPUS_ORDER = "row"

Similarity = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Matches:
    """The rows that match a query, in order, with the words to highlight and, in a search by meaning, the cosines."""

    rows: np.ndarray
    words: tuple[str, ...] = ()
    relevance: np.ndarray | None = None


def find(view: View, table: TextTable, query: Mapping[str, Any], similarity: Similarity) -> Matches:
    """Answer a query (see `goalspace.explorer.contract.Query`).

    Parameters
    ----------
    view
        The run.
    table
        Its texts.
    query
        The query as received; nothing in it is trusted.
    similarity
        Returns the (n_texts,) similarities of all texts to a phrase, for a search by meaning.

    Raises
    ------
    InputError
        If the query is malformed.
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
    if conditions or order != _CORPUS_ORDER:
        rows = table.rows(view, " AND ".join(conditions) or "true", order, values)
    else:  # the page's first list does not wait for the table
        rows = np.arange(len(view.run.corpus), dtype=np.int32)
    if by == "words" or not search.strip():
        return Matches(rows, tuple(words))
    cosines = similarity(search)[rows]
    return _most_similar(rows, cosines, by_relevance)


def _most_similar(rows: np.ndarray, cosines: np.ndarray, by_relevance: bool) -> Matches:
    """Keep at most 1,000 texts, those with at least half the best cosine, by relevance or in the given order."""
    if not len(rows):
        return Matches(rows, (), cosines)
    kept = np.argsort(-cosines, kind="stable")[:MAX_SIMILAR]
    kept = kept[cosines[kept] >= max(_MIN_RELATIVE_COSINE * float(cosines[kept[0]]), 1e-6)]
    if not by_relevance:
        kept = np.sort(kept)
    return Matches(rows[kept], (), cosines[kept])


def _conditions(view: View, query: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Return the filters as SQL conditions with placeholders, and the values of the placeholders."""
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
                values[f"{name}{end}"] = read_number(bound, end)

    n_texts, n_factors = len(view.run.corpus), view.factors.dim
    if query.get("rows") is not None:
        member("row", "rows", read_integers(query["rows"], "rows", 0, n_texts))
    if query.get("dominant") is not None:
        member("dominant", "dominant", read_integers(query["dominant"], "dominant", -1, n_factors))
    for i, item in enumerate(read_objects(query, "factors")):
        between(f"s{read_integer(item.get('factor'), 'factor', 0, n_factors)}", f"f{i}", item)
    for i, item in enumerate(read_objects(query, "columns")):
        position = read_integer(item.get("column"), "column", 0, len(view.columns))
        if item.get("values") is not None and view.columns[position].kind != "number":
            n_labels = len(view.columns[position].labels)
            member(f"c{position}", f"v{i}", read_integers(item["values"], "values", -1, n_labels))
        else:
            conditions.append(f"NOT isnan(c{position}::DOUBLE)")
            between(f"c{position}", f"v{i}", item)
    return conditions, values


def _order(view: View, sort: Any) -> tuple[str, bool]:
    """Return the order as SQL, and whether to sort by relevance instead, which is not in the database."""
    if sort is None:
        return _CORPUS_ORDER, True
    if not isinstance(sort, Mapping):
        raise InputError("'sort' must be an object.")
    by, down = sort.get("by"), " DESC" if sort.get("down") is True else ""
    if by == "id":
        return f"id{'::BIGINT' if view.has_numbers_as_ids else ''}{down}, row", False
    if by == "length":
        return f"length{down}, row", False
    if by == "factor":
        return f"s{read_integer(sort.get('at'), 'at', 0, view.factors.dim)}{down}, row", False
    if by == "column":
        at = read_integer(sort.get("at"), "at", 0, len(view.columns))
        missing = f"isnan(c{at}::DOUBLE)" if view.columns[at].kind == "number" else f"c{at} < 0"
        return f"{missing}, c{at}{down}, row", False
    raise InputError("'by' of 'sort' must be id, length, factor or column.")


def hits(view: View, matches: Matches, query: Mapping[str, Any]) -> Hits:
    """Return one page of the matching texts."""
    n_matches = len(matches.rows)
    start = read_integer(query.get("offset", 0), "offset", 0, 2**31)
    stop = start + read_integer(query.get("limit", 50), "limit", 0, MAX_HITS + 1)
    sought = _sought(view, query)
    return {
        "total": n_matches,
        "hits": [_hit(view, matches, position, sought) for position in range(start, min(stop, n_matches))],
        "rows": [] if start else matches.rows[:MAX_ROWS].tolist(),
    }


def _sought(view: View, query: Mapping[str, Any]) -> int | None:
    """Return the factor that a query sorts by or, failing that, first filters by."""
    sort = query.get("sort")
    if isinstance(sort, Mapping) and sort.get("by") == "factor":
        return read_integer(sort.get("at"), "at", 0, view.factors.dim)
    for item in read_objects(query, "factors"):
        return read_integer(item.get("factor"), "factor", 0, view.factors.dim)
    return None


def _hit(view: View, matches: Matches, position: int, sought: int | None) -> Hit:
    row = int(matches.rows[position])
    text, marks = excerpt(view.run.corpus.texts[row], matches.words)
    dominant = int(view.factors.dominant[row])
    return {
        "row": row,
        "id": to_line(str(view.run.corpus.ids[row]), 60),
        "text": text,
        "marks": marks,
        "dominant": dominant,
        "score": round(float(view.factors.scores[row, dominant]), 3) if dominant >= 0 else None,
        "sought": round(float(view.factors.scores[row, sought]), 3) if sought is not None else None,
        "relevance": round(float(matches.relevance[position]), 4) if matches.relevance is not None else None,
        "values": [column.format_value(row) for column in view.columns],
    }
