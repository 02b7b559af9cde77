"""Text files with one text per line, and folders of text files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goalspace.errors import InputError
from goalspace.tables.encoding import utf8
from goalspace.tables.table import Table, reading, records_table

# ---------------------------------------------------------------- lines, folders, JSON, Parquet


def lines_table(path: Path) -> Table:
    """Open a text file with one text per line."""
    return records_table(
        path.name,
        lambda: ({"text": line} for line in text_lines(path)),
        counted=("line", 1),
        types={"text": {str}},
    )


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file without their ends, empty ones too."""
    with utf8(path) as file:
        for line in file:
            yield line.decode().rstrip("\r\n")


def folder_table(path: Path) -> Table:
    """Open a folder of .txt and .md files."""
    named = {
        file.relative_to(path).as_posix(): file
        for file in path.rglob("*")
        if file.suffix.lower() in (".txt", ".md") and file.is_file()
    }
    files = sorted((name, file) for name, file in named.items() if not re.search(r"(^|/)\.", name))
    if not files:
        raise InputError(f"The folder {str(path)!r} has no .txt or .md file in it.")

    def records() -> Iterator[dict[str, Any]]:
        for name, file in files:
            with reading(name), utf8(file, name) as stream:
                yield {"id": name, "text": stream.read().decode()}

    return records_table(f"the folder {str(path)!r}", records, types={"id": {str}, "text": {str}})
