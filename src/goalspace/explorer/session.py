"""The state of a served run: current view, search index and encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from goalspace.errors import GoalspaceError
from goalspace.explorer.contract import Changed
from goalspace.explorer.editor import Editor
from goalspace.explorer.semantic import Meaning
from goalspace.explorer.text_index import TextTable
from goalspace.reports import render_html
from goalspace.reports.agreement import about, siblings
from goalspace.reports.contract import Capabilities, Summary
from goalspace.reports.page_columns import PageColumn, columns_of, left_out
from goalspace.reports.summary import summarise
from goalspace.reports.view import View, summary
from goalspace.run.folder import Run
from goalspace.run.protocol import RunLike


class Session:
    """A run that is being explored.

    Parameters
    ----------
    run
        A finished run.
    edit
        Whether its factors can be edited.
    """

    def __init__(self, run: RunLike, *, edit: bool) -> None:
        self.edit = edit
        self.columns: tuple[PageColumn, ...] = columns_of(run)
        self.left_out = tuple(left_out(run.corpus.metadata, self.columns))
        self.others = siblings(run)
        self._changing = threading.Lock()
        self._editor = Editor(run.as_editable(), lambda: self.meaning.encoder()) if edit else None
        self.run = run
        self.view = self._make_view()
        # the page opens with the view; the rest is prepared in the background
        self.table = TextTable(run.corpus)
        self.meaning = Meaning(run.links)
        threading.Thread(target=self.view.pairs_of, args=(0,), daemon=True).start()

    def _make_view(self) -> View:
        rows = np.arange(len(self.run.corpus), dtype=np.int32)
        view = View(self.run, summarise(self.run), self.columns, rows, self.left_out)
        view.correlations  # noqa: B018 - computed before the page needs it
        return view

    def summary(self, seen: int | None = None) -> Summary | Changed:
        """Return the summary and, given the number of log lines `seen`, what each factor became since then."""
        if seen is None or self._editor is None:
            return self._summary()
        with self._changing:  # so that summary and log agree
            return {**self._summary(), "moved": self._editor.moved_since(seen)}

    def _summary(self) -> Summary:
        capabilities: Capabilities = {
            "edit": self.edit,
            "meaning": self.meaning.possible,
            "fullTexts": True,
            "compareRuns": bool(self.others),
        }
        return summary(
            self.view, capabilities=capabilities, runs=[about(run) for run in self.others.values()]
        )

    def report(self) -> str:
        """Return the run as one HTML document that needs no server."""
        return render_html(self.view.run, self.view.summary_data)

    def follow(self, act: Callable[[Editor], Run], seen: Any = None) -> Changed:
        """Make, undo or redo an edit.

        Parameters
        ----------
        act
            Calls a method of the editor.
        seen
            The number of log lines that the page knows (`EditHistory.lines`); the factor indices of an edit refer to
            that state. None stands for the current state.

        Returns
        -------
        The new summary, with what each previous factor became.

        Raises
        ------
        GoalspaceError
            If the factors changed since the page loaded them.
        """
        if self._editor is None:
            raise GoalspaceError("This page is read-only. Start it with --edit to change factors.")
        with self._changing:  # one edit at a time; running requests keep their view
            before = self.run.edits.n_lines
            if seen is not None and seen != before:
                raise GoalspaceError(
                    "The factors have changed in the meantime, so this edit was not made. Review the current factors."
                )
            self.run = act(self._editor)
            self.view = self._make_view()
            return {**self._summary(), "moved": self._editor.moved_since(before)}
