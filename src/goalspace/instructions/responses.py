"""Responses of models to benchmark items: files with models × items matrices of correctness."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goalspace.errors import InputError
from goalspace.tables.formats import read_rows
from goalspace.tables.rows import Row, RowFile, find_field

_MODEL = ("model", "model_name", "name", "system", "id")
_BITS = ("bits", "responses", "correct", "correctness", "answers")
_SCORE = ("full_score", "score", "total")
_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, eq=False)
class Responses:
    """The correctness of the answers of models to items.

    Attributes
    ----------
    models
        The names of the models.
    correct
        (n_models, n_items) correctness from 0 to 1.
    scores
        (n_models,) scores on the whole benchmark, if the file has them.
    items
        The column names of the items, if the file has columns.
    """

    models: tuple[str, ...]
    correct: np.ndarray
    scores: np.ndarray | None
    items: tuple[str, ...] | None

    def of_items(self, ids: Sequence[str]) -> Responses:
        """Reorder the items by `ids` if these are the column names; otherwise keep their order.

        Raises
        ------
        InputError
            If the number of items differs.
        """
        if self.correct.shape[1] != len(ids):
            raise InputError(
                f"The matrix has {self.correct.shape[1]:,} items, the benchmark has {len(ids):,}: "
                "it needs one for every row, in the same order."
            )
        if self.items is None or set(self.items) != set(ids):
            return self
        index_of = {name: i for i, name in enumerate(self.items)}
        return Responses(self.models, self.correct[:, [index_of[id] for id in ids]], self.scores, tuple(ids))


def read_responses(path: str | os.PathLike[str]) -> Responses:
    """Read a matrix of models × items.

    Parameters
    ----------
    path
        One row per model. JSON Lines or JSON: a field `model`, a field `bits` ("0110…" or a list of numbers) and,
        optionally, `full_score`. CSV, TSV or Parquet: a column `model`, optionally `full_score`, and one column per
        item with 1, 0, true, false or a number in between.

    Raises
    ------
    InputError
        If the file cannot be read, or a cell is missing or not a number; the message names model and item.
    """
    file = read_rows(path)
    if not file.rows:
        raise InputError(f"{file.path.name} has no rows.")
    model, score = _one(file, _MODEL), _one(file, _SCORE)
    bits = None if file.is_tabular else _one(file, _BITS)
    if model is None or (bits is None and not file.is_tabular):
        raise InputError(
            f"{file.path.name} is not a models × items matrix: it needs one row per model, with a field 'model' and a "
            "field 'bits' (JSON) or a column for every item (CSV, Parquet)."
        )
    models = tuple(str(row.get(model, "")) for row in file.rows)
    names = None
    if bits is None:
        names = tuple(name for name in file.rows[0] if name not in (model, score))
        cells: list[Any] = [[row.get(name) for name in names] for row in file.rows]
    else:
        cells = [row.get(bits) for row in file.rows]
    return Responses(models, _matrix(file, models, cells, names), _scores(file, models, score), names)


def _one(file: RowFile, names: Sequence[str]) -> str | None:
    candidates = find_field(file.rows[:100], names)
    return candidates[0] if candidates else None


def _matrix(
    file: RowFile, models: Sequence[str], cells: Sequence[Any], names: Sequence[str] | None
) -> np.ndarray:
    lengths = [len(row) if isinstance(row, (str, list)) else 0 for row in cells]
    correct = np.empty((len(cells), lengths[0]))
    for i, row in enumerate(cells):
        if lengths[i] != lengths[0] or not lengths[0]:
            raise InputError(
                f"{file.path.name}, {file.where(i)}: the model '{models[i][:60]}' has {lengths[i]:,} answers, "
                f"the first model has {lengths[0]:,}; the matrix must not have missing cells."
            )
        for j, cell in enumerate(row):
            value = _number(cell)
            if value is None:
                item = f"'{names[j][:60]}'" if names else f"number {j + 1}"
                what = "has no answer" if cell is None or cell == "" else f"has {str(cell)[:20]!r}"
                raise InputError(
                    f"{file.path.name}, {file.where(i)}: the model '{models[i][:60]}' {what} for item {item}; "
                    "every cell must be a number from 0 to 1."
                )
            correct[i, j] = value
    return correct


def _number(cell: Any) -> float | None:
    """Return the cell as a number from 0 to 1, or None if it is not one."""
    if isinstance(cell, str):
        cell = _WORDS.get(cell.strip().lower(), cell)
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if 0 <= value <= 1 else None


def _scores(file: RowFile, models: Sequence[str], name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    scores = np.empty(len(file.rows))
    for i, row in enumerate(file.rows):
        scores[i] = _score(file, i, row, name, models[i])
    return scores


def _score(file: RowFile, i: int, row: Row, name: str, model: str) -> float:
    try:
        value = float(row.get(name))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(
            f"{file.path.name}, {file.where(i)}: the {name} of the model '{model[:60]}' is missing or not a number."
        )
    return value
