"""What a benchmark prints: tables and missed targets on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console

from bench.kit.tables import Table

log = Console(stderr=True, log_path=False)


def open_console(width: int = 150) -> Console:
    """Return the console for tables, of this width if stdout is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=width)


def print_missed(tables: Iterable[Table], console: Console) -> None:
    """List the cells that miss their target."""
    missed = [line for table in tables for line in table.missed()]
    if missed:
        console.print("[red]targets missed:[/]", *missed, sep="\n  ")
