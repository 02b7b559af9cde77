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


INK = "#010203"  # stands for the text colour of the page; replaced by currentColor in the SVG
NEUTRAL = "#8a8f96"  # contrast of at least 3:1 on light and dark backgrounds, like the palette
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
    "text.parse_math": False,  # a dollar sign must not start a formula
    "xtick.color": INK,
    "ytick.color": INK,
}


def figure(draw: Callable[[Axes], None], *, size: tuple[float, float] = (6.8, 4.0)) -> str:
    """Draw on matplotlib axes and return the figure as SVG.

    Text, axes and ticks take the text colour of the surrounding page, light or dark. Other artists should use
    `PALETTE` or `NEUTRAL`, which are legible on both. `INK` stands for the text colour of the page, except in
    artists with `rasterized=True` (for thousands of dots), whose pixels are fixed.

    Parameters
    ----------
    draw
        Called once with the axes of a new figure; more axes can be added to `axes.figure`.
    size
        Width and height in inches. On phones, figures up to 7 inches wide are scaled and wider ones scroll.

    Returns
    -------
    str
        An SVG document without scripts, style sheets or external references.
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
            # the browser has fonts for the scripts that matplotlib's font lacks
            warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
            warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
            canvas.savefig(drawn, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    return _clean(drawn.getvalue())


def _clean_texts(canvas: MatplotlibFigure) -> None:
    """Clean and shorten all texts; category names exist only as tick formatters until they are set as labels."""
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
    """Return matplotlib's SVG without style sheets, for pages with a strict Content-Security-Policy.

    Style attributes become presentation attributes, and INK becomes currentColor. Ids without references are
    removed; the others get a prefix, for two figures may share a page.
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
    # text colour of the standalone file: legible on light and dark backgrounds
    root.attrib |= {"color": "#7f858d", "font-family": "system-ui, 'DejaVu Sans', Arial, sans-serif"}
    if float(root.get("width", "0").removesuffix("pt")) > 7 * 72:
        root.set("class", "wide")
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _presentation(style: str) -> dict[str, str]:
    """Return the declarations of a style attribute as SVG attributes, without the font family, which the page sets."""
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
