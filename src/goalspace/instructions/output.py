"""Output: the result of a workflow on instruction files, and the files that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from goalspace.pages import Page

Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True)
class Output(Generic[Result]):
    """The result of a workflow on instruction files, and the files that it wrote.

    Attributes
    ----------
    result
        The result as an object.
    folder
        The output folder.
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
        """The HTML report; report.md beside it has the same contents."""
        return self.folder / "report.html"
