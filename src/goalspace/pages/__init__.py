"""Static reports of the workflows (label, select, retrieve, …): facts, figures and tables as HTML and Markdown."""

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
    """An SVG image made by `figure`, and its caption."""

    svg: str
    caption: str


@dataclass(frozen=True)
class PageTable:
    """A table of strings, numbers or None; columns of numbers, or of strings like "12%", are right-aligned."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]


@dataclass(frozen=True)
class Page:
    """The contents of a page, from top to bottom; none of its texts is trusted."""

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
        The folder to write to; created if missing.
    page
        The contents; texts are cleaned and escaped here.

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
    """Return the page as one HTML document that makes no network requests and runs no scripts."""
    style = templates.source("use.css")
    policy = (
        f"default-src 'none'; style-src '{templates.source_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    template = templates.environment(html=True).get_template("web/use.html.j2")
    return template.render(p=_shown(page), style=style, policy=policy, version=__version__)


def render_markdown(page: Page) -> str:
    """Return the page as Markdown that refers to figure-1.svg, … in the same folder."""
    template = templates.environment(html=False).get_template("use.md.j2")
    return template.render(p=_shown(page)).strip() + "\n"


def render_terminal(page: Page, written: Sequence[Path]) -> RenderableType:
    """Return the title, lead and facts of the page and the written files as a rich renderable."""
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
    """Return the contents for the templates: cleaned texts, formatted numbers, and which columns are numeric."""
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
