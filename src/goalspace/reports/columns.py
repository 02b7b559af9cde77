"""Metadata columns as groups of texts: categories, ranges of numbers, periods of dates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from goalspace.tables.columns import named_like_ids
from goalspace.text import display_names, is_number, to_line

MAX_VALUES = 20  # groups of a column; with more values, the most frequent ones and one group for the rest
MAX_PERIODS = 24
MAX_OUTLIER_SHARE = 0.01  # share of the dates at either end that may be outliers
_UNITS = (
    ("day", 0.0), ("month", 0.0), ("day", MAX_OUTLIER_SHARE), ("month", MAX_OUTLIER_SHARE), ("year", 0.0), ("year", MAX_OUTLIER_SHARE), ("decade", 0.0)
)  # fmt: skip
MIN_VALUE_TEXTS = 5  # texts that a value needs for its own group if there are more values than groups
MIN_GROUPED_SHARE = (
    0.1  # share of the texts that these groups must cover; otherwise the values are not categories
)

_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:[T ].*)?")
_DOTTED = re.compile(
    r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[T ].*)?"
)  # day first; with slashes the order is ambiguous
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
        "day", "month", "year" or "decade" if the groups are consecutive periods, otherwise None.
    labels
        The names of the groups, in display order.
    codes
        (n_texts,) int32 index of the group of every text, -1 if the value is missing.
    has_rest
        Whether the last group collects all values that are too rare for their own.
    """

    name: str
    unit: str | None
    labels: tuple[str, ...]
    codes: np.ndarray
    has_rest: bool = False


def read_columns(metadata: Mapping[str, Sequence[Any]]) -> list[Column]:
    """Return the columns that divide the texts into groups or periods, in file order."""
    shown = display_names(metadata)
    columns = (read_column(shown[str(name)], metadata[name]) for name in metadata)
    return [column for column in columns if column is not None]


def read_column(name: str, values: Sequence[Any]) -> Column | None:
    """Return the groups or periods of a column, or None if there are too few or too many.

    If a categorical column has more than 20 values, the 19 most frequent are groups and the last group collects the rest.
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
    code_of = np.empty(len(texts) + 1, dtype=np.int32)
    code_of[order] = np.arange(len(texts))
    code_of[-1] = -1
    return Column(name, None, tuple(to_line(texts[i], 60) for i in order), code_of[codes])


def _most_frequent(name: str, texts: Sequence[str], codes: np.ndarray, counts: np.ndarray) -> Column | None:
    """Group the most frequent values, and all others as the last group; None if the column is not categorical.

    Free text and ids rarely repeat; names of people and numbers repeat, but have many values. A categorical column
    therefore has at most half as many values as texts, and its frequent values cover a fair share of the texts.
    """
    n = int(counts.sum())
    order = sorted(
        (i for i in range(len(texts)) if counts[i] >= MIN_VALUE_TEXTS),
        key=lambda i: (-int(counts[i]), texts[i]),
    )
    order = order[: MAX_VALUES - 1]
    enough = 2 * len(texts) <= n and counts[order].sum() >= MIN_GROUPED_SHARE * n
    if not enough or named_like_ids([name]) or all(is_number(text) for text in texts):
        return None
    code_of = np.full(len(texts) + 1, len(order), dtype=np.int32)
    code_of[order] = np.arange(len(order))
    code_of[-1] = -1
    others = f"other ({len(texts) - len(order)} values)"
    labels = (*(to_line(texts[i], 60) for i in order), others)
    return Column(name, None, labels, code_of[codes], has_rest=True)


def why_not(name: str, values: Sequence[Any]) -> str:
    """Say why a column can be read neither as groups nor as periods or numbers."""
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


def as_text(value: Any) -> str | None:
    """Return a scalar metadata value as text, or None if it is missing, empty or nested."""
    if value is None or isinstance(value, _STRUCTURES):
        return None
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value == int(value) else str(value)
    text = str(value).strip()
    return text if text and text.lower() not in {"nan", "none", "nat", "null", "<na>", "n/a"} else None


def _reading_order(texts: Sequence[str], counts: np.ndarray) -> Any:
    """Return a sort key: numbers by value, months and weekdays by calendar, anything else by frequency."""
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
    if match := _DATE.fullmatch(text):
        year, month, day = (int(part or 1) for part in match.groups())
    elif match := _DOTTED.fullmatch(text):
        day, month, year = (int(part) for part in match.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _periods(name: str, texts: Sequence[str], codes: np.ndarray) -> Column | None:
    """Group dates by the finest of day, month, year and decade that gives at most 24 periods, empty ones included.

    Outliers, such as 1900-01-01 for an unknown date, are collected in one period before and one after the others.
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
            positions = np.clip(ordinals - first, -before, last - first + after) + before
            return Column(name, unit, tuple(labels), np.append(positions, -1).astype(np.int32)[codes])
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
