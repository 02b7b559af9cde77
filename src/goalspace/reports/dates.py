"""Dates in a metadata column: the formats in which they are read, and the periods into which they fall."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial

DateReader = Callable[[str], date | None]

_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:[T ].*)?")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[T ].*)?")  # day first
_COMPACT = re.compile(r"((?:19|20)(?:\d{6}|\d\d-?W\d\d(?:-?\d)?))(?:T.*)?")  # ISO 8601: 20260305, 2026-W10
_YEAR = re.compile(r"(?:19|20)\d\d(?:\.0)?")
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y")  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_MONTHS = ("%b %Y", "%B %Y", "%m/%Y")
_STAMPS = (
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %Z",
    "%a %b %d %H:%M:%S %z %Y",
)  # of e-mails and posts
_MAX_LENGTH = 40


def readers_of(text: str) -> list[DateReader]:
    """Return the readers that see a date in a text; two if day and month cannot be told apart, as in 3/4/2026."""
    if len(text) > _MAX_LENGTH or not any(character.isdigit() for character in text):
        return []
    return [read for read in _READERS if read(text) is not None]


def read_dates(texts: Sequence[str], readers: Iterable[DateReader]) -> list[date] | None:
    """Return the dates, or None if a text is none or the readers disagree."""
    readings = [[read(text) for text in texts] for read in readers]
    if not readings or any(reading != readings[0] for reading in readings):
        return None
    dates = [day for day in readings[0] if day is not None]
    return dates if len(dates) == len(texts) else None


def are_years(texts: Iterable[str]) -> bool:
    """Whether all texts are years without month and day."""
    return all(_YEAR.fullmatch(text) for text in texts)


def _read_iso(text: str) -> date | None:
    """Read ISO 8601, also with slashes or dots, and dates with dots whose day is first; what follows the day is ignored."""
    try:
        if match := _DATE.fullmatch(text):
            year, month, day = (int(part or 1) for part in match.groups())
        elif match := _DOTTED.fullmatch(text):
            day, month, year = (int(part) for part in match.groups())
        elif match := _COMPACT.fullmatch(text):
            return date.fromisoformat(match[1])
        elif _YEAR.fullmatch(text):
            return date(int(text[:4]), 1, 1)
        else:
            return None
        return date(year, month, day)
    except ValueError:
        return None


def _read_format(text: str, *, format: str) -> date | None:
    try:
        return datetime.strptime(text, format).date()
    except ValueError:
        return None


_READERS: tuple[DateReader, ...] = (
    _read_iso,
    *(
        partial(_read_format, format=format)
        for format in (*(day + time for day in _DAYS for time in _TIMES), *_MONTHS, *_STAMPS)
    ),
)


def ordinal(day: date, unit: str) -> int:
    """Return the number of the period into which a day falls; consecutive periods have consecutive numbers."""
    match unit:
        case "day":
            return day.toordinal()
        case "week":  # from Monday, as 0001-01-01 was one
            return (day.toordinal() - 1) // 7
        case "month":
            return day.year * 12 + day.month - 1
        case "quarter":
            return day.year * 4 + (day.month - 1) // 3
        case "year":
            return day.year
    return day.year // 10


def period_label(number: int, unit: str) -> str:
    """Return the name of a period by its number; weeks have their ISO 8601 number."""
    match unit:
        case "day":
            return date.fromordinal(number).isoformat()
        case "week":
            year, week, _ = date.fromordinal(7 * number + 1).isocalendar()
            return f"{year:04d}-W{week:02d}"
        case "month":
            return f"{number // 12:04d}-{number % 12 + 1:02d}"
        case "quarter":
            return f"{number // 4:04d}-Q{number % 4 + 1}"
        case "year":
            return str(number)
    return f"{number}0s"
