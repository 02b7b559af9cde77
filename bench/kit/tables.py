"""Tables of results: printed with rich, saved as JSON with the machine, the versions and the settings."""

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

from bench.kit.paths import RESULTS
from goalspace.estimate import Estimate
from goalspace.files import write_json

Cell = Estimate | float | int | str | None


@dataclass
class Table:
    """Rows of cells by column name.

    `targets` holds lower bounds and `limits` upper bounds, by row and column.
    """

    title: str
    columns: Sequence[str]
    caption: str = ""
    rows: list[dict[str, Cell]] = field(default_factory=list)
    targets: dict[str, dict[str, float]] = field(default_factory=dict)
    limits: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, /, **cells: Cell) -> None:
        """Append a row; underscores in the names of the cells stand for spaces."""
        row: dict[str, Cell] = {"row": name}
        for key, value in cells.items():
            column = key.replace("_", " ")
            if column not in self.columns:
                raise ValueError(f"The table '{self.title}' has no column '{column}'.")
            row[column] = value
        self.rows.append(row)

    def aim(self, name: str, /, **targets: float) -> None:
        """Set lower bounds for a row, with columns named as in `add`."""
        self.targets[name] = {key.replace("_", " "): value for key, value in targets.items()}

    def limit(self, name: str, /, **limits: float) -> None:
        """Set upper bounds for a row, with columns named as in `add`."""
        self.limits[name] = {key.replace("_", " "): value for key, value in limits.items()}

    def missed(self) -> list[str]:
        """Return one line for every cell that misses its target or limit."""
        lines = []
        for row in self.rows:
            for column, cell in row.items():
                bound = self._bound(row, column)
                if bound is not None and not bound.holds(cell):
                    title, sign = self.title.partition(":")[0], "<" if bound.is_lower else ">"
                    lines.append(
                        f"{title}; {row['row']}, {column}: {value_of(cell):.3f} {sign} {bound.value:.3f}"
                    )
        return lines

    def show(self, console: Console) -> None:
        """Print the table; cells with a bound are green if they meet it, else red."""
        table = RichTable(title=self.title, caption=self.caption or None, title_justify="left")
        table.add_column("")
        for column in self.columns:
            table.add_column(column, justify="left" if column == "note" else "right")
        for row in self.rows:
            table.add_row(str(row["row"]), *(self._text(row, column) for column in self.columns))
        console.print(table)

    def as_dict(self) -> dict[str, Any]:
        """Return the table as values that JSON can hold."""
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
        """The bound of a cell; None if it has no bound or no value."""
        for bounds, is_lower in ((self.targets, True), (self.limits, False)):
            value = bounds.get(str(row["row"]), {}).get(column)
            if value is not None and row.get(column) is not None:
                return _Bound(value, is_lower)
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
    """A lower or upper bound of a cell."""

    value: float
    is_lower: bool

    def __str__(self) -> str:
        return f"{'≥' if self.is_lower else '≤'} {self.value:.3g}"

    def holds(self, cell: Cell) -> bool:
        """Whether a cell meets the bound."""
        return value_of(cell) >= self.value if self.is_lower else value_of(cell) <= self.value


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
    """Return the system, the processor, the cores available to this process, the memory and thread limits."""
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
    """Return the number in a cell; of an estimate, the mean."""
    return cell.mean if isinstance(cell, Estimate) else float(cell)  # type: ignore[arg-type]
