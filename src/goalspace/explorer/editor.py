"""Edits made on the page: do, undo and redo, each written to the log before it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goalspace.edits import log
from goalspace.edits.apply import apply
from goalspace.encoders.protocol import Encoder
from goalspace.errors import GoalspaceError
from goalspace.explorer.requests import read_integer
from goalspace.factors import Factors
from goalspace.run.folder import Run
from goalspace.run.record import locked

_KEPT = 12  # recent states kept for immediate undo


class Editor:
    """Edits the factors of a run and keeps its folder up to date.

    Parameters
    ----------
    run
        A finished run.
    encoder
        Returns the encoder of the run's links.
    """

    def __init__(self, run: Run, encoder: Callable[[], Encoder]) -> None:
        self.run = run
        self._edit_context = run.edit_context(encoder)
        # factors by number of edits; missing states are recomputed from the fitted factors
        self._states: dict[int, Factors] = {0: run.fitted, len(run.edits.done): run.factors}
        self._first_line = run.edits.n_lines
        self._moved: list[list[list[int]]] = []  # per log line since then: what each factor became

    def moved_since(self, n_lines: Any) -> list[list[int]]:
        """Return what each factor became since the log had `n_lines` lines; an empty list if the factor is gone.

        Raises
        ------
        InputError
            If the log never had this number of lines since the run was opened.
        """
        step = read_integer(n_lines, "seen", self._first_line, self.run.edits.n_lines + 1) - self._first_line
        became = [[k] for k in range(self.run.factors.dim)]
        for moved in reversed(self._moved[step:]):
            became = [sorted({after for k in to for after in became[k]}) for to in moved]
        return became

    def do(self, edit: Any) -> Run:
        """Make an edit.

        Raises
        ------
        InputError
            If it is malformed or cannot be applied to these factors.
        """
        with locked(self.run.path):
            self._check_log()
            entry = log.new_entry(self.run.factors, edit)
            factors = apply(self._edit_context, self.run.factors, entry.edit)
            n_done = len(self.run.edits.done)
            self._states = {n: state for n, state in self._states.items() if n <= n_done}
            moved = log.factor_successors(self.run.factors, entry, factors)
            return self._keep(entry, n_done + 1, factors, self.run.edits.lost, moved)

    def undo(self) -> Run:
        """Undo the last edit; the factors are restored exactly."""
        return self._step("undo", -1, "There is nothing to undo.", bool(self.run.edits.done))

    def redo(self) -> Run:
        """Redo the last undone edit."""
        return self._step("redo", +1, "There is nothing to redo.", bool(self.run.edits.undone))

    def _step(self, act: str, by: int, nothing: str, possible: bool) -> Run:
        if not possible:
            raise GoalspaceError(nothing)
        with locked(self.run.path):
            self._check_log()
            edits = self.run.edits
            n_done = len(edits.done) + by
            entries = [*edits.done, *edits.undone[::-1]][:n_done]
            lost = edits.lost
            if n_done not in self._states or lost:
                self._states[n_done], lost = log.replay(self._edit_context, self.run.fitted, entries)
            now, then = self.run.factors, self._states[n_done]
            if act == "redo":
                moved = log.factor_successors(now, entries[-1], then)
            else:
                made = log.factor_successors(then, edits.done[-1], now)
                moved = [[old for old, new in enumerate(made) if k in new] for k in range(now.dim)]
            return self._keep(act, n_done, then, lost, moved)

    def _keep(
        self,
        entry: log.Entry | str,
        n_done: int,
        factors: Factors,
        lost: tuple[str, ...],
        moved: list[list[int]],
    ) -> Run:
        log.append(self.run.path, entry)
        if n_done:
            log.save(self.run.path, factors, self.run.fit_digest, lost)
        else:
            log.remove(self.run.path)
        self._states[n_done] = factors
        for n in sorted(self._states)[1:-_KEPT]:
            del self._states[n]
        self._moved.append(moved)
        self.run = self.run.with_factors(factors)
        return self.run

    def _check_log(self) -> None:
        """Raise an error if another process changed the run since the page was opened."""
        now = Run.open(self.run.path)
        if now.edits != self.run.edits or now.fit_digest != self.run.fit_digest:
            raise GoalspaceError("The run was changed by another process. Restart goalspace explore.")
