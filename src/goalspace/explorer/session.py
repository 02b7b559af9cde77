"""What a served run holds in memory: its current view, its texts for search, its encoder."""

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
from goalspace.reports.page_columns import PageColumn, left_out, read_columns
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
        Whether it may be changed.
    """

    def __init__(self, run: RunLike, *, edit: bool) -> None:
        self.edit = edit
        self.columns: tuple[PageColumn, ...] = read_columns(run.corpus.metadata)
        self.left_out = tuple(left_out(run.corpus.metadata, self.columns))
        self.others = siblings(run)
        self._changing = threading.Lock()
        self._editor = Editor(run.as_editable(), lambda: self.meaning.encoder()) if edit else None
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

    def summary(self, seen: int | None = None) -> Summary | Changed:
        """The first answer that the page asks for; with which factors those became that it has `seen`."""
        if seen is None or self._editor is None:
            return self._summary()
        with self._changing:  # the numbers are those of this summary
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
        """The run as one HTML file that needs no server."""
        return render_html(self.view.run, self.view.summary_data)

    def follow(self, act: Callable[[Editor], Run], seen: Any = None) -> Changed:
        """Make, undo or redo an edit.

        Parameters
        ----------
        act
            What the editor is to do.
        seen
            Lines of the log when the page looked last (`EditHistory.lines`): the numbers of factors in an edit are
            of that state. None stands for the state as it is.

        Returns
        -------
        The new summary, with which factors those before became.

        Raises
        ------
        GoalspaceError
            If the factors are others than the page has seen.
        """
        if self._editor is None:
            raise GoalspaceError("This page only reads. Start it with --edit to change factors.")
        with self._changing:  # one edit at a time; readers keep the view that they began with
            before = self.run.edits.n_lines
            if seen is not None and seen != before:
                raise GoalspaceError(
                    "The factors were changed meanwhile. Nothing was done here: look at them as they are now."
                )
            self.run = act(self._editor)
            self.view = self._look()
            return {**self._summary(), "moved": self._editor.moved_since(before)}
