"""Folding of duplicate texts into one, with their ids and metadata."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from goalspace.errors import InputError
from goalspace.tables.table import Table

_NUMBER = re.compile(r"[-+]?\d[\d.,]*")


def cleaned(text: str) -> str:
    """Return a text as stored in a corpus: without surrounding whitespace and NUL characters."""
    return text.replace("\0", "").strip()


def count_repeats(owners: Sequence[int], first: np.ndarray) -> np.ndarray:
    """Return the positions of the rows whose text occurs in an earlier row."""
    return np.setdiff1d(np.arange(len(owners)), first, assume_unique=True)


def find_duplicates(
    ids: Sequence[str], owners: Sequence[int], first: np.ndarray
) -> dict[str, tuple[str, ...]]:
    """Map the id of the first row with a text to the ids of the rows folded into it."""
    folded: dict[str, list[str]] = {}
    for row in count_repeats(owners, first):
        folded.setdefault(ids[first[owners[row]]], []).append(ids[row])
    return {id_: tuple(folded[id_]) for id_ in (ids[row] for row in first) if id_ in folded}


# ---------------------------------------------------------------- rows → distinct texts


class Folding:
    """The distinct texts of a stream of rows, and candidates for their ids.

    Attributes
    ----------
    texts
        The distinct texts.
    owners
        For every row with a text, the index of that text in `texts`.
    """

    def __init__(self, table: Table, text: str, id_columns: Sequence[str], *, required: bool) -> None:
        self.texts: list[str] = []
        self.owners = array("q")
        self.n_read = 0
        self._table, self._text, self._required = table, text, required
        self._rows = array("q")  # source row of each entry of owners
        self._index: dict[str, int] = {}
        self._ids: dict[str, dict[str, int]] = {name: {} for name in id_columns}  # column → id → source row

    def add(self, batch: Any) -> tuple[list[bool], list[bool]]:
        """Add a batch; return which of its rows have a new text and which repeat one."""
        kept: list[bool] = []
        repeated: list[bool] = []
        present = []
        for position, value in enumerate(batch.column(self._text).to_pylist()):
            text = cleaned(value) if value else ""
            owner = self._index.setdefault(text, len(self.texts)) if text else -1
            kept.append(owner == len(self.texts))
            repeated.append(bool(text) and not kept[-1])
            if text:
                present.append(position)
                self.owners.append(owner)
                self._rows.append(self.n_read + position)
            if kept[-1]:
                self.texts.append(text)
        for column, seen in list(self._ids.items()):
            values = batch.column(column).to_pylist()
            if not self._add_ids(column, seen, [(values[i], self.n_read + i) for i in present]):
                del self._ids[column]  # not unique or not complete: not a candidate
        self.n_read += len(kept)
        return kept, repeated

    def _add_ids(self, column: str, seen: dict[str, int], values: list[tuple[Any, int]]) -> bool:
        for value, row in values:
            if isinstance(value, float) and value.is_integer():
                value = int(value)  # a data frame with missing values holds integers as floats
            id_ = "" if value is None or value != value else str(value)
            if id_.strip() and seen.setdefault(id_, row) == row:
                continue
            if not self._required:
                return False
            where = self._table.where
            what = f"repeats {id_!r} of {where(seen[id_])}" if id_.strip() else "has no value"
            raise InputError(
                f"The id column {column!r} of {self._table.name} {what} in {where(row)}; "
                "make the ids unique and complete, or choose another column with --id."
            )
        return True

    def check(self) -> None:
        """Raise an `InputError` for a source without texts."""
        if not self.n_read:
            raise InputError(f"{self._table.name} has no rows.")
        if not self.texts:
            where = f"column {self._text!r} of {self._table.name}"
            raise InputError(f"Every text in {where} is empty (rows read: {self.n_read}).")
        if all(map(_NUMBER.fullmatch, self.texts)):
            raise InputError(
                f"The column {self._text!r} of {self._table.name} holds numbers, not texts; "
                "choose another with --text NAME."
            )

    def choose_ids(self) -> tuple[str | None, list[str]]:
        """Return the id column, if there is one clear choice, and the id of every row with a text."""
        candidates = list(self._ids)
        clear = len(candidates) == 1 or (candidates and candidates[0].strip().lower() == "id")
        column = candidates[0] if clear else None
        return column, list(self._ids[column]) if column is not None else [str(row) for row in self._rows]
