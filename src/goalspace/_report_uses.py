"""A page of one use (label, select, retrieve, …): facts, figures and tables → HTML and Markdown."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from goalspace import __version__, _report_text, _report_web
from goalspace._files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure
    from rich.console import RenderableType

INK = "#010203"  # stands for the page's own text colour: becomes currentColor in the SVG
NEUTRAL = "#8a8f96"  # at 3:1 or better on the light and on the dark paper, as the palette is
PALETTE = ("#3f80cc", "#d9742b", "#3a9b6a", "#9a6ac9", "#d2564b", "#2a99a0", "#b58614", "#c05c9a")

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_NOT_XML = re.compile("[\ufffe\uffff]")
_NUMBER = re.compile(r"[<>]?[-−+]?[\d,. ]*[%×]?|–")
_STYLE = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 12,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "goalspace",
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a text starts no formula
    "xtick.color": INK,
    "ytick.color": INK,
}


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


def figure(draw: Callable[[Axes], None], *, size: tuple[float, float] = (6.8, 4.0)) -> str:
    """Draw on matplotlib axes and return the picture as SVG.

    Text, axes and ticks take the colour of the page around them, light or dark. What `draw` colours itself
    should be of `PALETTE` or `NEUTRAL`, which can be read on both. `INK` stands for the page's text colour,
    except in artists with `rasterized=True` (good for thousands of dots), whose pixels are fixed.

    Parameters
    ----------
    draw
        Called once with the axes of a new figure; `axes.figure` gives room for more axes.
    size
        Width and height in inches. Up to 7 wide it is scaled to a phone; wider figures scroll there.

    Returns
    -------
    str
        An SVG document without scripts, style sheets, and references to anything outside it.
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as MatplotlibFigure

    drawn = StringIO()
    style: Any = {**_STYLE, "axes.prop_cycle": cycler(color=PALETTE)}
    with matplotlib.rc_context(style):
        canvas = MatplotlibFigure(figsize=size, layout="constrained")
        FigureCanvasSVG(canvas)
        draw(canvas.subplots())
        _clean_texts(canvas)
        with warnings.catch_warnings():
            # the reader's browser has the fonts for scripts that matplotlib's lacks
            warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
            warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
            canvas.savefig(drawn, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    return _clean(drawn.getvalue())


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
    style = _report_web.source("use.css")
    policy = (
        f"default-src 'none'; style-src '{_report_web.source_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    template = _report_web.environment(html=True).get_template("web/use.html.j2")
    return template.render(p=_shown(page), style=style, policy=policy, version=__version__)


def render_markdown(page: Page) -> str:
    """Return the page as Markdown that shows figure-1.svg, … beside it."""
    template = _report_web.environment(html=False).get_template("use.md.j2")
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
    line = _report_text.line
    return {
        "title": line(page.title, 200),
        "lead": line(page.lead, 1200),
        "facts": [(line(label, 80), _cell(value)) for label, value in page.facts],
        "figures": [{"svg": item.svg, "caption": line(item.caption, 600)} for item in page.figures],
        "tables": [_table(table) for table in page.tables],
    }


def _table(table: PageTable) -> dict[str, Any]:
    line = _report_text.line
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
    return _report_text.line(value, 400) if isinstance(value, str) else _report_text.number(value)


def _clean_texts(canvas: MatplotlibFigure) -> None:
    """Shorten all texts and take out what cannot be measured; names on an axis exist only as ticks so far."""
    from matplotlib.category import StrCategoryLocator
    from matplotlib.text import Text
    from matplotlib.ticker import FixedLocator

    for axes in canvas.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_locator(), (StrCategoryLocator, FixedLocator)):
                places = axis.get_majorticklocs()
                names = axis.get_major_formatter().format_ticks(list(places))
                axis.set_ticks(places, labels=[_short(name, 36) for name in names])
    for text in canvas.findobj(Text):
        text.set_text(_short(text.get_text(), 100))


def _short(text: str, limit: int) -> str:
    return "\n".join(_report_text.line(part, limit) for part in _report_text.block(text).split("\n"))


def _clean(svg: str) -> str:
    """Return matplotlib's SVG without style sheets, so that a page with a strict policy shows it.

    Style attributes become presentation attributes, INK becomes currentColor, and the ids that nothing refers
    to go; the others get a prefix, for two figures may share a page.
    """
    svg = _NOT_XML.sub("", _report_text.block(svg))
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", svg))
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    for element in root.iter():
        for name, value in _presentation(element.attrib.pop("style", "")).items():
            element.set(name, value)
        if element.get("id") is not None and element.get("id") not in used:
            del element.attrib["id"]
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, f"{prefix}-{value}")
            elif name == f"{{{_XLINK}}}href" and value.startswith("#"):
                element.set(name, f"#{prefix}-{value[1:]}")
            elif value.startswith("url(#"):
                element.set(name, f"url(#{prefix}-{value[5:]}")
            elif value == INK:
                element.set(name, "currentColor")
    # the standalone file's text: between the light and the dark grounds that it may stand on
    root.attrib |= {"color": "#7f858d", "font-family": "system-ui, 'DejaVu Sans', Arial, sans-serif"}
    if float(root.get("width", "0").removesuffix("pt")) > 7 * 72:
        root.set("class", "wide")
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _presentation(style: str) -> dict[str, str]:
    """Return the declarations of a style attribute as SVG attributes; the page chooses the font's family."""
    found: dict[str, str] = {}
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            size = re.search(r"([\d.]+px)", value)
            found |= {"font-size": size[1]} if size else {}
            found |= {"font-weight": "bold"} if re.match(r"[^']*\b(bold|[6-9]00)\b", value) else {}
        elif name and name != "font-family":
            found[name] = value
    if "fill" not in found and "font-size" in found:
        found["fill"] = "currentColor"
    return found
