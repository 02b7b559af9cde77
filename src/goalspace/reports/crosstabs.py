"""Cross tables of metadata columns and dominant factors: the most associated columns and the cells that stand out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from goalspace.reports.columns import Column

MAX_COLUMNS = 6
MIN_RESIDUAL = 3.0  # |adjusted residual| above which a cell is marked; by chance, 1 cell in 370 exceeds it
MIN_CELL_TEXTS = 5.0  # texts observed or expected in a marked cell


def crosstab(column: Column, dominant: np.ndarray, n_factors: int) -> dict[str, Any]:
    """Count the texts of each group whose dominant factor is each factor.

    Parameters
    ----------
    column
        The groups.
    dominant
        (n_texts,) dominant factor, -1 if there is none.
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
    marked = (np.abs(residual) > MIN_RESIDUAL) & (np.maximum(table, expected) >= MIN_CELL_TEXTS)
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
    max_phi2 = min(rows_, columns_) - 1
    return float(math.sqrt(phi2 / max_phi2)) if max_phi2 > 0 else 0.0


def most_telling(tables: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the at most six tables with the strongest association between column and factors, strongest first."""
    useful = [table for table in tables if len(table["values"]) > 1]
    return sorted(useful, key=lambda table: -table["association"])[:MAX_COLUMNS]


def n_cells(tables: Iterable[dict[str, Any]]) -> int:
    """Return the number of cells in all tables, without the rows of texts without a factor."""
    return sum(len(table["values"]) * sum(row["factor"] >= 0 for row in table["rows"]) for table in tables)


def findings(tables: Iterable[dict[str, Any]], *, n_compared: int, limit: int = 6) -> list[dict[str, Any]]:
    """Return the cells furthest above expectation, at most two per factor and two per value.

    Findings are shown without the rest of the table, so they must be significant at the 5% level (two-sided)
    after correction for the `n_compared` cells (Bonferroni).
    """
    min_residual = NormalDist().inv_cdf(1 - 0.025 / max(n_compared, 1))
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
        if cell["mark"] > 0 and cell["residual"] > min_residual
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
    """Return the share of texts per factor over the periods of a time column, or None if there is none.

    The first column of at least three periods is used; columns of decades come last, for they may be dates of birth.
    Dates outside the periods are left out.

    The result has "column", "unit", "periods", "n" (texts per period) and "shares", n_factors lists with a
    share per period, None for a period without texts.
    """
    for column in sorted(columns, key=lambda column: column.unit == "decade"):
        inside = [code for code in range(len(column.labels)) if code not in column.outside]
        if column.unit is None or len(inside) < 3:
            continue
        hits, n = count_texts(column.codes, inside, dominant, n_factors)
        shares = [
            [float(hit / count) if count else None for hit, count in zip(row, n, strict=True)] for row in hits
        ]
        return {
            "column": column.name,
            "unit": column.unit,
            "periods": [column.labels[code] for code in inside],
            "n": n.tolist(),
            "shares": shares,
        }
    return None


def count_texts(
    codes: np.ndarray, groups: Sequence[int], dominant: np.ndarray, n_factors: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count the texts of groups by dominant factor (n_factors, n_groups), and all texts of each group (n_groups,)."""
    known = codes >= 0
    n_codes = max(int(codes.max(initial=0)), *groups) + 1
    flat = (dominant[known].astype(np.int64) + 1) * n_codes + codes[known]  # -1, none, becomes the first row
    table = np.bincount(flat, minlength=(n_factors + 1) * n_codes).reshape(n_factors + 1, n_codes)
    table = table[:, list(groups)]
    return table[1:], table.sum(axis=0)
