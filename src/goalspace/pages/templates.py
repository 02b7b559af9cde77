"""The template environment, the web sources and their hashes, shared by all pages."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from goalspace.errors import GoalspaceError
from goalspace.text import escape_markdown, format_number, format_percent, format_seconds, plural

if TYPE_CHECKING:
    from jinja2 import Environment


NOT_BUILT = (
    "The page is not built in this copy of goalspace. Build it with: cd web && npm ci && npm run build"
)


def environment(*, html: bool) -> Environment:
    """Return the Jinja environment of the templates in data/, with or without HTML escaping."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("goalspace", "data"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": format_percent,
        "number": format_number,
        "seconds": format_seconds,
        "md": escape_markdown,
    }
    made.globals["plural"] = plural
    return made


def source(name: str) -> str:
    """Return a source file from data/web/."""
    file = resources.files("goalspace").joinpath("data", "web", name)
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def built(name: str) -> str:
    """Return a built file of the explorer's page.

    Raises
    ------
    GoalspaceError
        If goalspace runs from a checkout in which the page was not built.
    """
    try:
        return source(f"explorer/{name}")
    except FileNotFoundError:
        raise GoalspaceError(NOT_BUILT) from None


def source_hash(source: str) -> str:
    """Return the Content-Security-Policy source expression of an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
