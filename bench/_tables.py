"""Tables of results: printed with rich, written as JSON with machine, versions and settings."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table as RichTable

from goalspace.estimate import Estimate
from goalspace.files import write_json

RESULTS = Path(__file__).parent / "results"

Cell = Estimate | float | int | str | None


@dataclass
class Table:
    """Rows of cells by column name.

    `targets` holds the least value that a row should reach in a column, `limits` the greatest that it may have.
    """

    title: str
    columns: Sequence[str]
    caption: str = ""
    rows: list[dict[str, Cell]] = field(default_factory=list)
    targets: dict[str, dict[str, float]] = field(default_factory=dict)
    limits: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, /, **cells: Cell) -> None:
        """Append a row; underscores in the names of the cells stand for blanks."""
        row: dict[str, Cell] = {"row": name}
        for key, value in cells.items():
            column = key.replace("_", " ")
            if column not in self.columns:
                raise ValueError(f"The table '{self.title}' has no column '{column}'.")
            row[column] = value
        self.rows.append(row)

    def aim(self, name: str, /, **targets: float) -> None:
        """Set the least values for a row, by column as in `add`."""
        self.targets[name] = {key.replace("_", " "): value for key, value in targets.items()}

    def limit(self, name: str, /, **limits: float) -> None:
        """Set the greatest values for a row, by column as in `add`."""
        self.limits[name] = {key.replace("_", " "): value for key, value in limits.items()}

    def missed(self) -> list[str]:
        """Say in one line per cell which targets and limits a row of the table does not meet."""
        found = []
        for row in self.rows:
            for column, cell in row.items():
                bound = self._bound(row, column)
                if bound is not None and not bound.holds(cell):
                    title, sign = self.title.partition(":")[0], "<" if bound.least else ">"
                    found.append(
                        f"{title}; {row['row']}, {column}: {value_of(cell):.3f} {sign} {bound.value:.3f}"
                    )
        return found

    def show(self, console: Console) -> None:
        """Print the table, with targets in green where they are met and in red where they are not."""
        table = RichTable(title=self.title, caption=self.caption or None, title_justify="left")
        table.add_column("")
        for column in self.columns:
            table.add_column(column, justify="left" if column == "note" else "right")
        for row in self.rows:
            table.add_row(str(row["row"]), *(self._text(row, column) for column in self.columns))
        console.print(table)

    def as_dict(self) -> dict[str, Any]:
        """Return the table as JSON-able values."""
        rows = [
            {k: v._asdict() if isinstance(v, Estimate) else v for k, v in row.items()} for row in self.rows
        ]
        return {
            "title": self.title,
            "caption": self.caption,
            "columns": list(self.columns),
            "rows": rows,
            "targets": self.targets,
            "limits": self.limits,
            "missed": self.missed(),
        }

    def _bound(self, row: Mapping[str, Cell], column: str) -> _Bound | None:
        """What is asked of a cell; None where nothing is, or nothing was measured."""
        for bounds, least in ((self.targets, True), (self.limits, False)):
            value = bounds.get(str(row["row"]), {}).get(column)
            if value is not None and row.get(column) is not None:
                return _Bound(value, least)
        return None

    def _text(self, row: Mapping[str, Cell], column: str) -> str:
        cell = row.get(column)
        if isinstance(cell, Estimate):
            text = f"{cell.mean:.3f} ± {cell.se:.3f}"
        elif isinstance(cell, float):
            text = f"{cell:.1f}" if column == "seconds" else f"{cell:.3f}"
        else:
            text = "" if cell is None else str(cell)
        bound = self._bound(row, column)
        return text if bound is None else f"[{'green' if bound.holds(cell) else 'red'}]{text} ({bound})[/]"


class _Bound(NamedTuple):
    """The least value that a cell should have, or the greatest."""

    value: float
    least: bool

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.value:.3g}"

    def holds(self, cell: Cell) -> bool:
        """Whether a cell has it."""
        return value_of(cell) >= self.value if self.least else value_of(cell) <= self.value


def save(name: str, tables: Sequence[Table], *, settings: Mapping[str, Any], packages: Sequence[str]) -> Path:
    """Write bench/results/NAME.json and return its path."""
    path = RESULTS / f"{name}.json"
    versions = {package: _version(package) for package in ("goalspace", *packages)}
    document = {
        "name": name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **versions},
        "settings": dict(settings),
        "tables": [table.as_dict() for table in tables],
    }
    write_json(path, document)
    return path


def machine() -> dict[str, Any]:
    """Return the processor, the cores that this process may use, the memory and the thread limits set."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "system": platform.platform(),
        "processor": model,
        "cores": cores,
        "memory_gb": round(memory / 1e9, 1),
        "threads": {k: v for k, v in os.environ.items() if k in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def value_of(cell: Cell) -> float:
    """Return the number of a cell, of an estimate its mean."""
    return cell.mean if isinstance(cell, Estimate) else float(cell)  # type: ignore[arg-type]
