"""Charts as inline SVG, drawn by matplotlib."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from goalspace.text import to_block, to_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure


INK = "#010203"  # stands for the page's own text colour: becomes currentColor in the SVG
NEUTRAL = "#8a8f96"  # at 3:1 or better on the light and on the dark paper, as the palette is
PALETTE = ("#3f80cc", "#d9742b", "#3a9b6a", "#9a6ac9", "#d2564b", "#2a99a0", "#b58614", "#c05c9a")

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_NOT_XML = re.compile("[\ufffe\uffff]")
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


def _clean_texts(canvas: MatplotlibFigure) -> None:
    """Shorten all texts and take out what cannot be measured; names on an axis exist only as ticks so far."""
    from matplotlib.category import StrCategoryLocator
    from matplotlib.text import Text
    from matplotlib.ticker import FixedLocator

    for axes in canvas.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_locator(), (StrCategoryLocator, FixedLocator)):
                ticks = axis.get_majorticklocs()
                names = axis.get_major_formatter().format_ticks(list(ticks))
                axis.set_ticks(ticks, labels=[_short(name, 36) for name in names])
    for text in canvas.findobj(Text):
        text.set_text(_short(text.get_text(), 100))


def _short(text: str, limit: int) -> str:
    return "\n".join(to_line(part, limit) for part in to_block(text).split("\n"))


def _clean(svg: str) -> str:
    """Return matplotlib's SVG without style sheets, so that a page with a strict policy shows it.

    Style attributes become presentation attributes, INK becomes currentColor, and the ids that nothing refers
    to go; the others get a prefix, for two figures may share a page.
    """
    svg = _NOT_XML.sub("", to_block(svg))
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
    attributes: dict[str, str] = {}
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            size = re.search(r"([\d.]+px)", value)
            attributes |= {"font-size": size[1]} if size else {}
            attributes |= {"font-weight": "bold"} if re.match(r"[^']*\b(bold|[6-9]00)\b", value) else {}
        elif name and name != "font-family":
            attributes[name] = value
    if "fill" not in attributes and "font-size" in attributes:
        attributes["fill"] = "currentColor"
    return attributes
