"""What every page shares: the templates' environment, the web sources, and their hashes."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from goalspace import _report_charts, _report_tables, _report_text

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(*, html: bool) -> Environment:
    """Return the environment of the templates in data/, with escaping for HTML or without."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("goalspace", "data"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": _report_text.percent,
        "number": _report_text.number,
        "seconds": _report_text.seconds,
        "colour": _report_charts.colour,
        "md": _report_text.markdown,
    }
    made.globals |= {
        "plural": _report_text.plural,
        "curve": _report_charts.curve,
        "sparkline": _report_charts.sparkline,
        "map_paths": _report_charts.map_paths,
        "dot_size": _report_charts.dot_size,
        "clear": _report_tables.CLEAR,
        "enough": _report_tables.ENOUGH,
    }
    return made


def source(name: str) -> str:
    """Return one of the sources in data/web/."""
    file = resources.files("goalspace").joinpath("data", "web", name)
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def source_hash(source: str) -> str:
    """Return the Content-Security-Policy source expression of an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
