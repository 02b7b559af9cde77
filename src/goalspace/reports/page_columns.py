"""Metadata columns as the page of a run shows them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.reports import columns, contract
from goalspace.reports.columns import why_not
from goalspace.tables.columns import named_like_ids, snake
from goalspace.text import display_names

if TYPE_CHECKING:
    from goalspace.run.protocol import RunLike

_TIME_NAME = re.compile(r"(^|_)(date|time|timestamp|datetime|day|created|updated|posted|received)(_|$)")
_SECONDS = (1e8, 4.2e9)  # from 1973 to 2103


@dataclass(frozen=True)
class PageColumn:
    """A metadata column by which texts can be coloured, filtered and compared.

    Attributes
    ----------
    name
        The display name.
    kind
        "category", "number" or "time".
    labels
        What the codes mean; empty for numbers.
    values
        (n_texts,) int16 codes, -1 for missing; or float64 numbers, NaN for missing.
    source
        The name of the column in the corpus; empty if it has none.
    has_rest
        Whether the last label stands for all values that are too rare for their own.
    unit, outside
        Of a time: what its periods are, and the codes of the dates before the first and after the last period.
    """

    name: str
    kind: contract.ColumnKind
    labels: tuple[str, ...]
    values: np.ndarray
    source: str
    has_rest: bool = False
    unit: str | None = None
    outside: tuple[int, ...] = ()

    def format_value(self, row: int) -> str | None:
        """Return the value of a text as a string, or None if it is missing."""
        value = self.values[row]
        if self.kind == "number":
            return None if math.isnan(value) else _format_number(float(value))
        return self.labels[value] if value >= 0 else None

    def about(self) -> contract.Column:
        """Return the column in the form that the pages read."""
        known = self.values[np.isfinite(self.values)] if self.kind == "number" else self.values[:0]
        return {
            "name": self.name,
            "kind": self.kind,
            "values": list(self.labels),
            "rest": len(self.labels) - 1 if self.has_rest else None,
            "low": float(known.min()) if len(known) else None,
            "high": float(known.max()) if len(known) else None,
        }


def _format_number(value: float) -> str:
    """Format a number with all its digits, so that filtering by the shown number finds its text."""
    if value.is_integer() and 1e7 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.15g}"


def columns_of(run: RunLike) -> tuple[PageColumn, ...]:
    """Return the columns of a run's metadata and, if it was updated, the batches in which its texts came."""
    columns = read_columns(run.corpus.metadata)
    starts = sorted(update["n_known"] for update in run.record.get("updates", ()) if update["n_new"])
    if not starts:
        return columns
    codes = np.searchsorted(starts, np.arange(len(run.corpus)), side="right").astype(np.int16)
    labels = ("first", *(f"update {i}" for i in range(1, len(starts) + 1)))
    name = "batch" if all(column.name != "batch" for column in columns) else "batch of the run"
    return (*columns, PageColumn(name, "time", labels, codes, "", unit="batch"))


def read_columns(metadata: Mapping[str, Sequence[Any]]) -> tuple[PageColumn, ...]:
    """Return the columns of groups or periods (see `reports.columns`) and numeric columns that are not ids."""
    page_columns = []
    shown = display_names(metadata)
    identifiers = set(named_like_ids(str(name) for name in metadata))
    for name in metadata:
        values = metadata[name]
        groups = columns.read_column(str(name), _dated(str(name), values))
        if groups is not None:
            kind: contract.ColumnKind = "category" if groups.unit is None else "time"
            codes = groups.codes.astype(np.int16)
            page_columns.append(
                PageColumn(
                    shown[str(name)],
                    kind,
                    groups.labels,
                    codes,
                    str(name),
                    groups.has_rest,
                    groups.unit,
                    groups.outside,
                )
            )
        elif str(name) not in identifiers:
            numbers = _numbers(values)
            if numbers is not None:
                page_columns.append(PageColumn(shown[str(name)], "number", (), numbers, str(name)))
    return tuple(page_columns)


def left_out(metadata: Mapping[str, Sequence[Any]], columns: Sequence[PageColumn]) -> list[tuple[str, str]]:
    """Return the columns that the pages cannot compare by, each with the reason."""
    compared = {column.source for column in columns}
    return [
        (shown, why_not(name, metadata[name]))
        for name, shown in display_names(metadata).items()
        if name not in compared
    ]


def _dated(name: str, values: Sequence[Any]) -> Sequence[Any]:
    """Convert Unix timestamps in seconds or milliseconds to dates if the column is named like a time."""
    numbers = [value for value in values if value is not None and value == value]
    if not numbers or not _TIME_NAME.search(snake(name)):
        return values
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in numbers):
        return values
    scale = 1000.0 if min(numbers) > _SECONDS[1] else 1.0
    if not all(_SECONDS[0] <= value / scale <= _SECONDS[1] for value in numbers):
        return values
    return [
        datetime.fromtimestamp(value / scale, UTC).date().isoformat()
        if value is not None and value == value
        else None
        for value in values
    ]


def _numbers(values: Sequence[Any]) -> np.ndarray | None:
    """Return the values as numbers, NaN if missing; None if one is not a number or all are equal."""
    numbers = np.full(len(values), np.nan, dtype=np.float64)
    for row, value in enumerate(values):
        text = columns.as_text(value)
        if text is None:
            continue
        try:
            number = float(text)
        except ValueError:
            return None
        if abs(number) < 3e38:  # the range of the map's float32
            numbers[row] = number
    known = numbers[np.isfinite(numbers)]
    return numbers if len(known) and known.min() < known.max() else None
