"""The placeholders of private data: numbered per kind, and stored before a prompt holds them, so that reruns find the same."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from goalspace.files import refuse_link, writing
from goalspace.llm.database import connect, unusable
from goalspace.llm.private_data import KINDS, Finding

PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})-\d{{1,9}}\]", re.IGNORECASE)
_MOST = 10**9
_WHAT = "file of placeholders"
_TABLE = """
CREATE TABLE IF NOT EXISTS placeholders (
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, number),
    UNIQUE (kind, value)
)"""


class Placeholders:
    """Assigns ``[EMAIL-1]``, ``[EMAIL-2]``, … to values.

    Parameters
    ----------
    path
        SQLite file that keeps them, and that processes may share; None keeps them in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._numbers: dict[tuple[str, str], int] = {}
        self._used: Counter[str] = Counter()  # numbers per kind, in memory

    def assign(self, findings: Sequence[Finding]) -> Callable[[Finding], str]:
        """Number the values that have no number yet, and return what gives a finding its placeholder.

        A finding without a kind keeps its value as it is.

        Raises
        ------
        InputError
            If the file cannot be written or is not such a database.
        """
        values = dict.fromkeys((f.kind, f.value) for f in findings if f.kind)
        new = [pair for pair in values if pair not in self._numbers]
        if new and self.path is not None:
            self._store(self.path, new)
        elif new:
            for kind, value in new:
                self._used[kind] += 1
                self._numbers[kind, value] = self._used[kind]
        return lambda f: f"[{f.kind}-{self._numbers[f.kind, f.value]}]" if f.kind else f.value

    def _store(self, path: Path, new: Sequence[tuple[str, str]]) -> None:
        _make_private(path)
        try:
            with closing(connect(path, _TABLE, synchronous="FULL", what=_WHAT)) as file:
                file.execute("BEGIN IMMEDIATE")  # another process may number values, too
                for kind, value in new:
                    self._numbers[kind, value] = _number(file, kind, value)
                file.execute("COMMIT")
        except sqlite3.Error as error:
            raise unusable(path, error, _WHAT) from error


def _number(file: sqlite3.Connection, kind: str, value: str) -> int:
    """Return the number of a value, a new one if it has none; the file may come from somebody else."""
    known = "SELECT number FROM placeholders WHERE kind = ? AND value = ? AND typeof(number) = 'integer'"
    row = file.execute(known, (kind, value)).fetchone()
    if row is None:
        file.execute(
            "INSERT INTO placeholders SELECT ?1, 1 + COALESCE(MAX(number), 0), ?2 FROM placeholders WHERE kind = ?1",
            (kind, value),
        )
        row = file.execute(known, (kind, value)).fetchone()
    if row is None or not 0 < row[0] < _MOST:
        raise sqlite3.DatabaseError("it holds something else")
    number: int = row[0]
    return number


def _make_private(path: Path) -> None:
    """Make the file, or change an existing one, so that nobody else may read it."""
    refuse_link(path)
    with writing(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
