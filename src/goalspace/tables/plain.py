"""Text files with one text per line, and folders of text files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from goalspace.errors import InputError
from goalspace.tables.encoding import MAX_ITEM, check_size, lines, utf8
from goalspace.tables.format import Format
from goalspace.tables.rows import TextRowFile
from goalspace.tables.table import Table, reading, records_table


def lines_table(path: Path) -> Table:
    """Open a text file with one text per line."""
    return records_table(
        path.name,
        lambda: ({"text": line} for line in text_lines(path)),
        counted=("line", 1),
        types={"text": {str}},
    )


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, including empty ones, without line endings."""
    for line in lines(path):
        yield line.decode().rstrip("\r\n")


def folder_table(path: Path) -> Table:
    """Open a folder of .txt and .md files.

    Raises
    ------
    InputError
        If it holds no such file, or one that is a link to a file outside it.
    """
    named = {
        file.relative_to(path).as_posix(): file
        for file in path.rglob("*")
        if file.suffix.lower() in (".txt", ".md") and file.is_file()
    }
    files = sorted((name, file) for name, file in named.items() if not re.search(r"(^|/)\.", name))
    if not files:
        raise InputError(f"The folder {str(path)!r} contains no .txt or .md file.")

    inside = path.resolve()
    for name, file in files:
        if inside not in file.resolve().parents:
            raise InputError(
                f"{name} in the folder {str(path)!r} is a link to {str(file.resolve())!r}, outside it: remove the link, or "
                "copy the file."
            )

    def records() -> Iterator[dict[str, Any]]:
        for name, file in files:
            with reading(name), utf8(file, name) as stream:
                content = stream.read(MAX_ITEM + 1)
                check_size(len(content), name)
                yield {"id": name, "text": content.decode()}

    return records_table(f"the folder {str(path)!r}", records, types={"id": {str}, "text": {str}})


class TextRows(TextRowFile):
    """The lines of a text file."""

    has_fields: ClassVar[bool] = False

    def pieces(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """Yield a line per row, without the added values."""
        yield from (f"{self.rows[i]['text']}\n" for i in indices)


def text_rows(path: Path) -> TextRows:
    """Read the lines of a text file."""
    rows = tuple({"text": line} for line in text_lines(path))
    return TextRows(path, rows, range(1, len(rows) + 1), "line")


TEXT_LINES = Format((".txt",), lines_table, text_rows)
