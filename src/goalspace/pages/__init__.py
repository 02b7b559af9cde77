"""A page of one use (label, select, retrieve, …): facts, figures and tables → HTML and Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goalspace import __version__
from goalspace.files import write_atomic
from goalspace.pages import templates
from goalspace.text import format_number, to_line

if TYPE_CHECKING:
    from rich.console import RenderableType

_NUMBER = re.compile(r"[<>]?[-−+]?[\d,. ]*[%×]?|–")


@dataclass(frozen=True)
class Figure:
    """An SVG picture made by `figure`, and the sentence below it."""

    svg: str
    caption: str


@dataclass(frozen=True)
class PageTable:
    """A table: `rows` hold strings, numbers or None; a column of numbers, or of strings like "12%", is set to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]


@dataclass(frozen=True)
class Page:
    """What a page says, in the order in which it is read; every text in it may be hostile."""

    title: str
    lead: str
    facts: Sequence[tuple[str, str | int | float]] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[PageTable] = ()


def write_page(folder: Path, page: Page) -> Path:
    """Write report.html (self-contained), report.md, and beside it the figures as figure-1.svg, ….

    Parameters
    ----------
    folder
        Where the files go; made when missing.
    page
        What to write; texts are cleaned and escaped here.

    Returns
    -------
    Path
        The HTML file.
    """
    folder = Path(folder)
    for number, item in enumerate(page.figures, 1):
        write_atomic(folder / f"figure-{number}.svg", item.svg)
    write_atomic(folder / "report.md", render_markdown(page))
    write_atomic(folder / "report.html", render_html(page))
    return folder / "report.html"


def render_html(page: Page) -> str:
    """Return the page as one HTML file that asks the network for nothing and runs no script."""
    style = templates.source("use.css")
    policy = (
        f"default-src 'none'; style-src '{templates.source_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    template = templates.environment(html=True).get_template("web/use.html.j2")
    return template.render(p=_shown(page), style=style, policy=policy, version=__version__)


def render_markdown(page: Page) -> str:
    """Return the page as Markdown that shows figure-1.svg, … beside it."""
    template = templates.environment(html=False).get_template("use.md.j2")
    return template.render(p=_shown(page)).strip() + "\n"


def render_terminal(page: Page, written: Sequence[Path]) -> RenderableType:
    """Return title, lead and facts of the page for rich to print, and the files that were written."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = _shown(page)
    facts, files = Table.grid(padding=(0, 2, 0, 0)), Table.grid(padding=(0, 2, 0, 0))
    for grid in (facts, files):
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
    for label, value in shown["facts"]:
        facts.add_row(Text(value), Text(label))
    for path in written:
        files.add_row("report" if path.name == "report.html" else "wrote", Text(str(path)))
    return Group(Text(shown["title"], style="bold"), Text(shown["lead"]), Text(), facts, Text(), files)


def _shown(page: Page) -> dict[str, Any]:
    """Return the page with every text cleaned, numbers in words, and the columns that are numbers."""
    line = to_line
    return {
        "title": line(page.title, 200),
        "lead": line(page.lead, 1200),
        "facts": [(line(label, 80), _cell(value)) for label, value in page.facts],
        "figures": [{"svg": item.svg, "caption": line(item.caption, 600)} for item in page.figures],
        "tables": [_table(table) for table in page.tables],
    }


def _table(table: PageTable) -> dict[str, Any]:
    line = to_line
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return {
        "title": line(table.title, 200),
        "columns": [line(name, 120) for name in table.columns],
        "rows": rows,
        "numeric": [
            bool(rows) and all(_NUMBER.fullmatch(row[i]) for row in rows) for i in range(len(table.columns))
        ],
    }


def _cell(value: str | int | float | None) -> str:
    return to_line(value, 400) if isinstance(value, str) else format_number(value)
