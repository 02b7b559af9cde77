"""Format: the extensions of a kind of file, and the functions that read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goalspace.tables.rows import RowFile
from goalspace.tables.table import Table


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes
    ----------
    extensions
        File extensions, in lower case and with the dot.
    open_table
        Opens a file as a table that is read in batches, for corpora of any size.
    read_rows
        Reads a file as rows that can be written back.
    is_text
        Whether files are UTF-8 text, optionally gzipped.
    """

    extensions: tuple[str, ...]
    open_table: Callable[[Path], Table]
    read_rows: Callable[[Path], RowFile]
    is_text: bool = True
