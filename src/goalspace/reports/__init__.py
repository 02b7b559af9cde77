"""Reports of a run, for the terminal, as Markdown and as self-contained HTML, all from one summary dict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.files import write_atomic
from goalspace.pages import templates
from goalspace.reports import crosstabs, page_columns
from goalspace.reports.summary import summarise
from goalspace.reports.view import View

if TYPE_CHECKING:
    from rich.console import RenderableType

    from goalspace.run.protocol import RunLike


def report(run: RunLike, *, path: str | Path | None = None) -> Path:
    """Write report.html and report.md.

    Parameters
    ----------
    run
        A finished run.
    path
        The HTML file to write; the Markdown is written beside it with the suffix .md. By default `report.html` in
        the run folder.

    Returns
    -------
    Path
        The HTML file.
    """
    target = Path(path) if path is not None else Path(run.path) / "report.html"
    summary = summarise(run)
    write_atomic(target.with_suffix(".md"), render_markdown(summary))
    write_atomic(target, render_html(run, summary))
    return target


def render_html(run: RunLike, summary: dict[str, Any] | None = None) -> str:
    """Return the run as one HTML page that makes no network requests and runs only its own script.

    If there are more than 5,000 texts or 6 million characters, the page holds a sample and says so.
    """
    from goalspace.reports import inline

    columns = page_columns.columns_of(run)
    left_out = tuple(page_columns.left_out(run.corpus.metadata, columns))
    view = View(run, summary or summarise(run), columns, np.zeros(0, dtype=np.int32), left_out)
    return inline.render(replace(view, rows=inline.sample(view)))


def render_markdown(summary: dict[str, Any]) -> str:
    """Return a short report as Markdown."""
    text = (
        templates.environment(html=False)
        .get_template("report.md.j2")
        .render(s=summary, min_residual=crosstabs.MIN_RESIDUAL, min_texts=crosstabs.MIN_CELL_TEXTS)
    )
    return text.strip() + "\n"


def render_terminal(summary: dict[str, Any], *, path: str | Path | None = None) -> RenderableType:
    """Return the summary as a rich renderable for 80 columns or more, with the `path` of the report if given."""
    from goalspace.reports import terminal  # imported here because rich is slow to load

    return terminal.render(summary, path=path)
