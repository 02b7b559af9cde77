"""Metadata columns against dominant factors: which columns are worth a table, and which cells stand out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist
from typing import Any

import numpy as np

from goalspace._columns import named_like_ids
from goalspace._report_text import line, shown_names

MAX_VALUES = 20  # groups of a column; of more values the most frequent ones, and one group of all others
MAX_PERIODS = 24
_FAR = 0.01  # share of the dates at either end that may lie far from all others
_UNITS = (
    ("day", 0.0), ("month", 0.0), ("day", _FAR), ("month", _FAR), ("year", 0.0), ("year", _FAR), ("decade", 0.0)
)  # fmt: skip
_OFTEN = 5  # texts of a value that is a group where there are more values than groups
_LEAST = 0.1  # share of the texts that those groups must hold: else it is names, not categories
MAX_COLUMNS = 6
CLEAR = 3.0  # |adjusted residual| above which a cell is marked; 1 cell in 370 passes it by chance
ENOUGH = 5.0  # texts observed or expected in a marked cell

_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:[T ].*)?")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[T ].*)?")  # day first; with slashes it may be either
_YEAR = re.compile(r"(?:19|20)\d\d(?:\.0)?")
_STRUCTURES = (list, tuple, dict, set, np.ndarray)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_NAMED = re.compile(
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?"
    r"|dec(ember)?|mon(day)?|tue(s|sday)?|wed(nesday)?|thu(rs?|rsday)?|fri(day)?|sat(urday)?|sun(day)?)\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Column:
    """A metadata column as groups of texts.

    Attributes
    ----------
    name
        The column's name.
    unit
        "day", "month", "year" or "decade" when the groups are periods in order, else None.
    labels
        The groups, in reading order.
    codes
        (n_texts,) int32 group of every text, -1 where the value is missing.
    has_rest
        Whether the last group is that of all values too rare for one of their own.
    """

    name: str
    unit: str | None
    labels: tuple[str, ...]
    codes: np.ndarray
    has_rest: bool = False


def read_columns(metadata: Mapping[str, Sequence[Any]]) -> list[Column]:
    """Return the columns that divide the texts into groups or into periods, in file order."""
    shown = shown_names(metadata)
    columns = (read_column(shown[str(name)], metadata[name]) for name in metadata)
    return [column for column in columns if column is not None]


def read_column(name: str, values: Sequence[Any]) -> Column | None:
    """Return a column's groups or periods, None where it has too few or too many.

    Of more than 20 values that texts share, the most frequent 19 are groups and the others one more, its last.
    """
    known: dict[str, int] = {}
    codes = np.full(len(values), -1, dtype=np.int32)
    dated = True
    for row, value in enumerate(values):
        text = as_text(value)
        if text is None:
            continue
        if text not in known:
            dated = dated and _parse_date(text) is not None
            if not dated and len(known) >= max(MAX_VALUES, len(values) / 2):
                return None
            known[text] = len(known)
        codes[row] = known[text]
    if len(known) < 2:
        return None
    texts = list(known)
    if dated:
        return _periods(name, texts, codes)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    if len(texts) > MAX_VALUES:
        return _most_frequent(name, texts, codes, counts)
    order = sorted(range(len(texts)), key=_reading_order(texts, counts))
    place = np.empty(len(texts) + 1, dtype=np.int32)
    place[order] = np.arange(len(texts))
    place[-1] = -1
    return Column(name, None, tuple(line(texts[i], 60) for i in order), place[codes])


def _most_frequent(name: str, texts: Sequence[str], codes: np.ndarray, counts: np.ndarray) -> Column | None:
    """The most frequent values and all others as the last group; None where the column is no category.

    Free text and ids seldom repeat, names of people and numbers do without being few: what is a category has values
    that are half as many as its texts at most, and frequent ones that hold a good part of them.
    """
    n = int(counts.sum())
    order = sorted(
        (i for i in range(len(texts)) if counts[i] >= _OFTEN), key=lambda i: (-int(counts[i]), texts[i])
    )
    order = order[: MAX_VALUES - 1]
    enough = 2 * len(texts) <= n and counts[order].sum() >= _LEAST * n
    if not enough or named_like_ids([name]) or all(is_number(text) for text in texts):
        return None
    place = np.full(len(texts) + 1, len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    place[-1] = -1
    others = f"other ({len(texts) - len(order)} values)"
    labels = (*(line(texts[i], 60) for i in order), others)
    return Column(name, None, labels, place[codes], has_rest=True)


def why_not(name: str, values: Sequence[Any]) -> str:
    """Say why a column is neither groups nor periods nor numbers."""
    if named_like_ids([name]):
        return "ids"
    distinct = {text for text in map(as_text, values) if text is not None}
    if not distinct:
        return "lists or objects" if any(isinstance(value, _STRUCTURES) for value in values) else "empty"
    if len(distinct) == 1:
        return "one value only"
    if all(_parse_date(text) is not None for text in distinct):
        return f"dates over more than {10 * MAX_PERIODS} years"
    return f"{len(distinct):,} different values, too few of them frequent"


def is_number(text: str) -> bool:
    """Say whether a value is written as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_text(value: Any) -> str | None:
    """Return a scalar metadata value as text; None when it is missing, empty, or a structure."""
    if value is None or isinstance(value, _STRUCTURES):
        return None
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value == int(value) else str(value)
    text = str(value).strip()
    return text if text and text.lower() not in {"nan", "none", "nat", "null", "<na>", "n/a"} else None


def _reading_order(texts: Sequence[str], counts: np.ndarray) -> Any:
    """Numbers by size, months and weekdays by the calendar, anything else by how often it occurs."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        pass
    else:
        return lambda i: numbers[i]
    if all(_NAMED.fullmatch(text) for text in texts):
        return lambda i: (_MONTHS + _DAYS).index(texts[i][:3].lower())
    return lambda i: (-int(counts[i]), texts[i])


def _parse_date(text: str) -> date | None:
    if _YEAR.fullmatch(text):
        return date(int(text[:4]), 1, 1)
    if found := _DATE.fullmatch(text):
        year, month, day = (int(part or 1) for part in found.groups())
    elif found := _DOTTED.fullmatch(text):
        day, month, year = (int(part) for part in found.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _periods(name: str, texts: Sequence[str], codes: np.ndarray) -> Column | None:
    """Group dates by the finest of day, month, year and decade that gives at most 24 periods; gaps stay in.

    The few dates that lie far from all others, such as 1900-01-01 for unknown, are one period before and one after.
    """
    days = [d for d in map(_parse_date, texts) if d is not None]
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    years_only = all(_YEAR.fullmatch(text) for text in texts)
    for unit, far in (("year", 0.0),) if years_only else _UNITS:
        ordinals = np.array([_ordinal(d, unit) for d in days], dtype=np.int64)
        ends = np.quantile(np.repeat(ordinals, counts), [far, 1 - far], method="nearest")
        first, last = (int(end) for end in ends)
        if 2 <= last - first + 1 <= MAX_PERIODS:
            before, after = int(ordinals.min() < first), int(ordinals.max() > last)
            labels = [_period_label(ordinal, unit) for ordinal in range(first, last + 1)]
            labels = [f"before {labels[0]}"] * before + labels + [f"after {labels[-1]}"] * after
            places = np.clip(ordinals - first, -before, last - first + after) + before
            return Column(name, unit, tuple(labels), np.append(places, -1).astype(np.int32)[codes])
    return None


def _ordinal(day: date, unit: str) -> int:
    if unit == "day":
        return day.toordinal()
    if unit == "month":
        return day.year * 12 + day.month - 1
    return day.year if unit == "year" else day.year // 10


def _period_label(ordinal: int, unit: str) -> str:
    if unit == "day":
        return date.fromordinal(ordinal).isoformat()
    if unit == "month":
        return f"{ordinal // 12:04d}-{ordinal % 12 + 1:02d}"
    return str(ordinal) if unit == "year" else f"{ordinal}0s"


def crosstab(column: Column, dominant: np.ndarray, n_factors: int) -> dict[str, Any]:
    """Count the texts of each group whose dominant factor is each factor.

    Parameters
    ----------
    column
        The groups.
    dominant
        (n_texts,) dominant factor, -1 when none.
    n_factors
        The number of factors.

    Returns
    -------
    dict
        "values" (label and number of texts of each group that has any), "rows" (one per factor, and one with
        factor -1 when some texts have none) with "cells": n, share of the group, adjusted standardised
        residual (n - e) / sqrt(e (1 - row share)(1 - column share)) with e the count expected if factor and
        column were independent (Haberman 1973), and mark: +1 or -1 where |residual| > 3 and n or e is at
        least 5; "association" is the bias-corrected Cramér's V (Bergsma 2013).
    """
    known = column.codes >= 0
    n_values = len(column.labels)
    flat = (dominant[known].astype(np.int64) + 1) * n_values + column.codes[known]
    table = np.bincount(flat, minlength=(n_factors + 1) * n_values).reshape(n_factors + 1, n_values)
    table = np.roll(table, -1, axis=0)  # the texts without a dominant factor become the last row
    filled = np.flatnonzero(table.sum(axis=0))
    table = table[:, filled].astype(np.float64)
    total, by_factor, by_value = table.sum(), table.sum(axis=1), table.sum(axis=0)
    expected = np.outer(by_factor, by_value) / total
    spread = np.sqrt(expected * np.outer(1 - by_factor / total, 1 - by_value / total))
    residual = np.divide(table - expected, spread, out=np.zeros_like(table), where=spread > 0)
    marked = (np.abs(residual) > CLEAR) & (np.maximum(table, expected) >= ENOUGH)
    mark = np.where(marked, np.sign(residual), 0)
    rows = [i for i in range(n_factors + 1) if i < n_factors or by_factor[i]]
    return {
        "column": column.name,
        "unit": column.unit,
        "n": int(total),
        "n_missing": int((~known).sum()),
        "n_marked": int(marked[:n_factors].sum()),
        "association": _cramers_v(table, expected),
        "values": [{"label": column.labels[v], "n": int(by_value[i])} for i, v in enumerate(filled)],
        "rows": [
            {
                "factor": i if i < n_factors else -1,
                "n": int(by_factor[i]),
                "share": float(by_factor[i] / total),
                "cells": [
                    {
                        "n": int(table[i, j]),
                        "share": float(table[i, j] / by_value[j]),
                        "residual": round(float(residual[i, j]), 2),
                        "mark": int(mark[i, j]),
                    }
                    for j in range(len(filled))
                ],
            }
            for i in rows
        ],
    }


def _cramers_v(table: np.ndarray, expected: np.ndarray) -> float:
    rows = int((table.sum(axis=1) > 0).sum())
    columns = table.shape[1]
    total = table.sum()
    if min(rows, columns) < 2 or total < 2:
        return 0.0
    deviation = np.divide((table - expected) ** 2, expected, out=np.zeros_like(table), where=expected > 0)
    phi2 = max(0.0, float(deviation.sum() / total) - (rows - 1) * (columns - 1) / (total - 1))
    rows_, columns_ = (k - (k - 1) ** 2 / (total - 1) for k in (rows, columns))
    least = min(rows_, columns_) - 1
    return float(math.sqrt(phi2 / least)) if least > 0 else 0.0


def most_telling(tables: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most six tables, those of the columns most associated with the factors first."""
    useful = [table for table in tables if len(table["values"]) > 1]
    return sorted(useful, key=lambda table: -table["association"])[:MAX_COLUMNS]


def n_cells(tables: Iterable[dict[str, Any]]) -> int:
    """Return how many cells of factors and values were compared."""
    return sum(len(table["values"]) * sum(row["factor"] >= 0 for row in table["rows"]) for table in tables)


def findings(tables: Iterable[dict[str, Any]], *, n_compared: int, limit: int = 6) -> list[dict[str, Any]]:
    """Return the cells most above expectation, at most two of one factor and two of one value.

    A marked cell in a table is one of many; what is told on its own must stay clear although `n_compared`
    cells were looked at: a two-sided 5 % level divided by their number (Bonferroni).
    """
    least = NormalDist().inv_cdf(1 - 0.025 / max(n_compared, 1))
    cells = [
        {
            "factor": row["factor"],
            "column": table["column"],
            "value": table["values"][j]["label"],
            "share": cell["share"],
            "overall": row["share"],
            "n": cell["n"],
            "of": table["values"][j]["n"],
            "residual": cell["residual"],
        }
        for table in tables
        for row in table["rows"]
        if row["factor"] >= 0
        for j, cell in enumerate(row["cells"])
        if cell["mark"] > 0 and cell["residual"] > least
    ]
    kept: list[dict[str, Any]] = []
    for cell in sorted(cells, key=lambda cell: -cell["residual"]):
        same_factor = sum(other["factor"] == cell["factor"] for other in kept)
        same_value = sum(
            (other["column"], other["value"]) == (cell["column"], cell["value"]) for other in kept
        )
        if same_factor < 2 and same_value < 2:
            kept.append(cell)
    return kept[:limit]


def trend(columns: Iterable[Column], dominant: np.ndarray, n_factors: int) -> dict[str, Any] | None:
    """Return the share of texts per factor over the first column of at least three periods, or None.

    A column of decades, which may be dates of birth, is the last choice.

    The result has "column", "unit", "periods", "n" (texts per period) and "shares", n_factors lists with a
    share or None (no text in that period) per period.
    """
    for column in sorted(columns, key=lambda column: column.unit == "decade"):
        if column.unit is None or len(column.labels) < 3:
            continue
        known = column.codes >= 0
        n = np.bincount(column.codes[known], minlength=len(column.labels))
        shares: list[list[float | None]] = []
        for factor in range(n_factors):
            hits = np.bincount(column.codes[known & (dominant == factor)], minlength=len(column.labels))
            shares.append([float(hit / count) if count else None for hit, count in zip(hits, n, strict=True)])
        return {
            "column": column.name,
            "unit": column.unit,
            "periods": list(column.labels),
            "n": n.tolist(),
            "shares": shares,
        }
    return None
