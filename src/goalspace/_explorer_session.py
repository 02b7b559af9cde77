"""What a served run holds in memory: its current view, its texts for search, its encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from goalspace._explorer_meaning import Meaning
from goalspace._explorer_queries import TextTable
from goalspace._report_view import PageColumn, View, read_columns, summary
from goalspace.reports import summarise
from goalspace.run import Run


class Session:
    """A run that is being explored.

    Parameters
    ----------
    run
        A finished run.
    edit
        Whether it may be changed.
    """

    def __init__(self, run: Run, *, edit: bool) -> None:
        self.run, self.edit = run, edit
        self.meaning = Meaning(run.links)
        self.table = TextTable(run.corpus)
        self.columns: tuple[PageColumn, ...] = read_columns(run.corpus.metadata)
        self.view = self._look()

    def _look(self) -> View:
        rows = np.arange(len(self.run.corpus), dtype=np.int32)
        return View(self.run, summarise(self.run), self.columns, rows)

    def summary(self) -> dict[str, Any]:
        """The first answer that the page asks for."""
        able = {
            "edit": self.edit,
            "meaning": self.meaning.possible,
            "fullTexts": True,
            "compareRuns": False,
        }
        return summary(self.view, able=able)
