"""Tables are written without formulas."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from goalspace.tables.writing import write_csv


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("\n=1+1", "'\n=1+1"),
        ("@cmd", "'@cmd"),
        ("-5", "-5"),
        ("+1e3", "+1e3"),
        ("-5 degrees", "'-5 degrees"),
        ("a = b", "a = b"),
        (None, None),
    ],
)
def test_a_csv_holds_no_formula_and_leaves_numbers(
    cell: str | None, written: str | None, tmp_path: Path
) -> None:
    write_csv(tmp_path / "t.csv", {"=HYPERLINK(1)": [cell, "x"], "'=HYPERLINK(1)": [1, 2]})
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        names, (found, number), _ = csv.reader(file)
    assert names == ["'=HYPERLINK(1)", "'=HYPERLINK(1)_"]
    assert (found or None, number) == (written, "1")
