"""Output: what a workflow on files of instructions found, and where it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from goalspace.pages import Page

Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True)
class Output(Generic[Result]):
    """What a workflow on files of instructions found, and where it was written.

    Attributes
    ----------
    result
        What was found, as an object.
    folder
        The folder that was written.
    page
        The contents of the report: title, summary, figures and tables.
    files
        The data files that were written, in a fixed order.
    """

    result: Result
    folder: Path
    page: Page
    files: Sequence[Path]

    @property
    def report(self) -> Path:
        """The report as an HTML file; report.md beside it has the same contents."""
        return self.folder / "report.html"
