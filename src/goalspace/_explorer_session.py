"""What a served run holds in memory: its current view, its texts for search, its encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from goalspace._explorer_edits import Editor
from goalspace._explorer_meaning import Meaning
from goalspace._explorer_queries import TextTable
from goalspace._report_agree import about, siblings
from goalspace._report_view import PageColumn, View, left_out, read_columns, summary
from goalspace.errors import GoalspaceError
from goalspace.reports import render_html, summarise
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
        self.edit = edit
        self.columns: tuple[PageColumn, ...] = read_columns(run.corpus.metadata)
        self.left_out = tuple(left_out(run.corpus.metadata, self.columns))
        self.others: dict[str, Run] = siblings(run) if run.kind == "texts" else {}
        self._changing = threading.Lock()
        self._editor = Editor(run, lambda: self.meaning.encoder()) if edit else None
        self.run = run
        self.view = self._look()
        # the page opens on the view; what it asks for later is made ready meanwhile
        self.table = TextTable(run.corpus)
        self.meaning = Meaning(run.links)
        threading.Thread(target=self.view.pairs_of, args=(0,), daemon=True).start()

    def _look(self) -> View:
        rows = np.arange(len(self.run.corpus), dtype=np.int32)
        view = View(self.run, summarise(self.run), self.columns, rows, self.left_out)
        view.correlations  # noqa: B018 - computed before the page asks
        return view

    def summary(self) -> dict[str, Any]:
        """The first answer that the page asks for."""
        able = {
            "edit": self.edit,
            "meaning": self.meaning.possible,
            "fullTexts": True,
            "compareRuns": bool(self.others),
        }
        return summary(self.view, able=able, runs=[about(run) for run in self.others.values()])

    def report(self) -> str:
        """The run as one HTML file that needs no server."""
        return render_html(self.view.run, self.view.told)

    def change(self, edit: Any) -> dict[str, Any]:
        """Make an edit; returns the new summary."""
        return self._follow(lambda editor: editor.do(edit))

    def undo(self) -> dict[str, Any]:
        """Take the last edit back; returns the new summary."""
        return self._follow(Editor.undo)

    def redo(self) -> dict[str, Any]:
        """Make the edit again that was taken back last; returns the new summary."""
        return self._follow(Editor.redo)

    def _follow(self, act: Callable[[Editor], Run]) -> dict[str, Any]:
        if self._editor is None:
            raise GoalspaceError("This page only reads. Start it with --edit to change factors.")
        with self._changing:  # one edit at a time; readers keep the view that they began with
            self.run = act(self._editor)
            self.view = self._look()
            return self.summary()
