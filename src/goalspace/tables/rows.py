"""The rows of a file, held in memory and written back in the file's own format."""

from __future__ import annotations

import gzip
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from goalspace.files import atomic_path
from goalspace.tables.columns import snake

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class RowFile(ABC):
    """All rows of one file, in memory.

    Attributes
    ----------
    path
        The file.
    rows
        Name → value for every row, with values as the format represents them; a bare string is named "text".
    numbers, word
        The number of every row and the word for it, as used in messages: "line" 7, "item" 0, "row" 2.
    is_tabular
        Whether all rows have the same fields, as in a table with columns.
    has_fields
        Whether rows can have fields besides the text.
    """

    path: Path
    rows: tuple[Row, ...]
    numbers: Sequence[int]
    word: str
    is_tabular: ClassVar[bool] = True
    has_fields: ClassVar[bool] = True

    def where(self, index: int) -> str:
        """Return the position of a row in words, such as "line 7"."""
        return f"{self.word} {self.numbers[index]}"

    @abstractmethod
    def write(self, indices: Sequence[int], path: Path, added: Mapping[str, Sequence[Any]]) -> None:
        """Write rows in the file's own format; `added` maps names to one value per row."""

    def values(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
        """Yield rows with their added values."""
        for position, index in enumerate(indices):
            yield {**self.rows[index], **{name: values[position] for name, values in added.items()}}


class TextRowFile(RowFile):
    """All rows of one text file, optionally gzipped."""

    def write(self, indices: Sequence[int], path: Path, added: Mapping[str, Sequence[Any]]) -> None:
        """Write rows in the file's own format, compressed if `path` ends in .gz; arguments as in `RowFile`."""
        with atomic_path(path) as temporary, temporary.open("wb") as raw:
            # no name and no time in the gzip header, so that the same rows give the same bytes
            compressed = path.suffix.lower() == ".gz"
            file: Any = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if compressed else raw
            for piece in self.pieces(indices, added):
                file.write(piece.encode())
            if compressed:
                file.close()

    @abstractmethod
    def pieces(self, indices: Sequence[int], added: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """Yield the file content for these rows, piece by piece; arguments as in `write`."""


def fields(rows: Iterable[Row]) -> list[str]:
    """Return the field names of all rows, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def find_field(rows: Iterable[Row], names: Sequence[str]) -> list[str]:
    """Return the fields whose name equals one of `names` up to case and separators, in the order of `names`."""
    spelled = {name: snake(str(name)) for name in fields(rows)}
    return [field for name in names for field, spelling in spelled.items() if spelling == name]
