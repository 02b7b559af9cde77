"""Metadata columns as groups of texts: categories, ranges of numbers, periods of dates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from goalspace.reports.dates import are_years, ordinal, period_label, read_dates, readers_of
from goalspace.tables.columns import named_like_ids
from goalspace.text import display_names, is_number, to_line

if TYPE_CHECKING:
    from datetime import date

MAX_VALUES = 20  # groups of a column; with more values, the most frequent ones and one group for the rest
MAX_PERIODS = 24
MAX_OUTLIER_SHARE = 0.01  # share of the dates at either end that may be outliers
_ENOUGH = ((6, 20), (3, 10))  # periods, and texts that half of them should have: at best, or else
_UNITS = (
    ("day", 0.0), ("week", 0.0), ("month", 0.0),
    ("day", MAX_OUTLIER_SHARE), ("week", MAX_OUTLIER_SHARE), ("month", MAX_OUTLIER_SHARE),
    ("quarter", 0.0), ("quarter", MAX_OUTLIER_SHARE), ("year", 0.0), ("year", MAX_OUTLIER_SHARE),
)  # fmt: skip
MIN_VALUE_TEXTS = 5  # texts that a value needs for its own group if there are more values than groups
MIN_GROUPED_SHARE = (
    0.1  # share of the texts that these groups must cover; otherwise the values are not categories
)

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
        "day", "week", "month", "quarter", "year" or "decade" if the groups are consecutive periods, otherwise None.
    labels
        The names of the groups, in display order.
    codes
        (n_texts,) int32 index of the group of every text, -1 if the value is missing.
    has_rest
        Whether the last group collects all values that are too rare for their own.
    outside
        The groups, at most one at either end, that collect the dates before the first and after the last period.
    """

    name: str
    unit: str | None
    labels: tuple[str, ...]
    codes: np.ndarray
    has_rest: bool = False
    outside: tuple[int, ...] = ()


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
    readers = None
    for row, value in enumerate(values):
        text = as_text(value)
        if text is None:
            continue
        if text not in known:
            if readers is None:
                readers = readers_of(text)
            readers = [read for read in readers if read(text) is not None]
            if not readers and len(known) >= max(MAX_VALUES, len(values) / 2):
                return None
            known[text] = len(known)
        codes[row] = known[text]
    if len(known) < 2:
        return None
    texts = list(known)
    dates = read_dates(texts, readers or ())
    if dates is not None:
        return _periods(name, texts, dates, codes)
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
    texts = list(distinct)
    if readers := [read for read in readers_of(texts[0]) if all(read(text) is not None for text in texts)]:
        if read_dates(texts, readers) is None:
            return "dates whose days and months cannot be told apart"
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


def _periods(name: str, texts: Sequence[str], dates: Sequence[date], codes: np.ndarray) -> Column | None:
    """Group dates by the finest unit that gives at most 24 periods, empty ones included, with enough texts.

    Enough are 20 in half of at least 6 periods; failing that, 10 in half of at least 3; failing that, the coarsest unit of 3
    periods is taken. Decades are for dates that fit no other unit. Outliers, such as 1900-01-01 for an unknown date, are
    collected in one period before and one after the others.
    """
    days = sorted(set(dates))
    position = {day: i for i, day in enumerate(days)}
    codes = np.array([*(position[day] for day in dates), -1], dtype=np.int32)[codes]
    counts = np.bincount(codes[codes >= 0], minlength=len(days))
    found: dict[str, _Periods] = {}
    for unit, far in (("year", 0.0),) if are_years(texts) else (*_UNITS, ("decade", 0.0)):
        is_needed = not found if unit == "decade" else unit not in found
        divided = _divide(days, counts, unit, far) if is_needed else None
        if divided is not None:
            found[unit] = divided
    if not found:
        return None
    periods = _choose(list(found.values()))
    before, after = int((periods.numbers < periods.first).any()), int((periods.numbers > periods.last).any())
    labels = [period_label(number, periods.unit) for number in range(periods.first, periods.last + 1)]
    labels = [f"before {labels[0]}"] * before + labels + [f"after {labels[-1]}"] * after
    code_of = np.clip(periods.numbers, periods.first - before, periods.last + after) - periods.first + before
    outside = (0,) * before + (len(labels) - 1,) * after
    return Column(
        name,
        periods.unit,
        tuple(labels),
        np.append(code_of, -1).astype(np.int32)[codes],
        outside=outside,
    )


def _choose(found: Sequence[_Periods]) -> _Periods:
    """Choose from periods, the finest first, as `_periods` says; half of them must have texts, unless that cannot be had."""
    filled = [periods for periods in found if periods.median > 0]
    for n_periods, n_texts in _ENOUGH:
        for periods in filled:
            if periods.n >= n_periods and periods.median >= n_texts:
                return periods
    many = [periods for periods in filled if periods.n >= _ENOUGH[-1][0]]
    return (many[-1:] or filled or found)[0]


class _Periods(NamedTuple):
    """The periods from `first` to `last`, the median number of their texts, and the `numbers` of those of the dates."""

    unit: str
    first: int
    last: int
    median: float
    numbers: np.ndarray

    @property
    def n(self) -> int:
        """The number of periods."""
        return self.last - self.first + 1


def _divide(days: Sequence[date], counts: np.ndarray, unit: str, far: float) -> _Periods | None:
    """Return the periods of a unit, except for the share `far` of the texts at either end; None if too few or too many."""
    numbers = np.array([ordinal(day, unit) for day in days], dtype=np.int64)
    all_numbers = np.repeat(numbers, counts)
    first, last = (int(end) for end in np.quantile(all_numbers, [far, 1 - far], method="nearest"))
    if not 2 <= last - first + 1 <= MAX_PERIODS:
        return None
    inside = all_numbers[(all_numbers >= first) & (all_numbers <= last)]
    median = np.median(np.bincount(inside - first, minlength=last - first + 1))
    return _Periods(unit, first, last, float(median), numbers)
