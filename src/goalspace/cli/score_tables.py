"""Tables of scores that fit the terminal: headings wrap, errors go below their values, columns into a further table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from goalspace.estimate import Estimate


_NAME = 10  # columns of the terminal that a name gets at least; the rest of it goes on below
_WORD = 12  # that a word of a heading gets at most
_ERROR = " ± "

Row = tuple[str, Sequence[str]]  # a name and a cell for every column


def cell(value: Estimate | None, digits: int = 3) -> str:
    """A value with its standard error, where there is one: of a single seed, episode or text there is none."""
    if value is None:
        return "–"
    error = f"{_ERROR}{value.se:.{digits}f}" if value.se else ""
    return f"{value.mean:.{digits}f}{error}"


def score_tables(columns: Sequence[str], rows: Sequence[Row], *, width: int) -> Iterator[Table]:
    """Lay rows out in one table, or in several where the terminal is too narrow for all columns.

    Parameters
    ----------
    columns
        Headings of the numbers.
    rows
        The rows.
    width
        Columns of the terminal.
    """
    from goalspace.text import to_line

    named = [(to_line(name), list(cells)) for name, cells in rows]
    heads = [to_line(column) for column in columns]
    name_width = min(_NAME, _widest(name for name, _ in named))
    gap, needs = 2, _needs(heads, named)
    if name_width + sum(needs) + gap * len(needs) > width:
        named = [
            (name, [text.replace(_ERROR, f"\n{_ERROR.lstrip()}") for text in row]) for name, row in named
        ]
        gap, needs = 1, _needs(heads, named)
    start = 0
    while start < len(heads):
        end, used = start + 1, name_width + needs[start] + gap
        while end < len(heads) and used + needs[end] + gap <= width:
            used += needs[end] + gap
            end += 1
        part = [(name, row[start:end]) for name, row in named]
        yield _table(heads[start:end], part, [name_width, *needs[start:end]], gap, spare=width - used)
        start = end


def _needs(heads: Sequence[str], rows: Sequence[Row]) -> list[int]:
    """The fewest columns of the terminal in which all cells and the words of the heading are whole."""
    words = [min(_WORD, _widest(head.split())) for head in heads]
    cells = [_widest(line for _, row in rows for line in row[i].split("\n")) for i in range(len(heads))]
    return [max(pair) for pair in zip(words, cells, strict=True)]


def _widest(texts: Iterator[str] | Sequence[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)


def _table(heads: Sequence[str], rows: Sequence[Row], widths: list[int], gap: int, *, spare: int) -> Table:
    """One table; the name and the headings share what is to spare."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    whole = [_widest(["encoder", *(name for name, _ in rows)]), *(_widest([head]) for head in heads)]
    while spare and (short := [i for i, width in enumerate(widths) if width < whole[i]]):
        for i in short[:spare]:
            widths[i] += 1
        spare -= min(spare, len(short))
    # the box puts a space between columns
    table = Table(box=box.HORIZONTALS, pad_edge=False, padding=0, show_edge=False)
    table.add_column("encoder", width=widths[0], overflow="fold")
    for head, width in zip(heads, widths[1:], strict=True):
        table.add_column(Text(head), width=width + gap - 1, justify="right", overflow="fold")
    for name, row in rows:
        table.add_row(Text(name), *map(Text, row))
    return table
