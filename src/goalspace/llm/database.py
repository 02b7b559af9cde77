"""The SQLite files of a run, such as that of its LLM calls: opened in one way, whoever writes to them."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from goalspace.errors import InputError
from goalspace.files import atomic_path, refuse_link
from goalspace.mounts import network_disk
from goalspace.text import to_line

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 60.0  # how long one process waits while another writes
_MAX_DETAIL = 200  # characters of SQLite's message, which quotes a damaged file
# what SQLite raises; the message about a damaged file may itself be no UTF-8
DAMAGED = (sqlite3.Error, UnicodeDecodeError)
_CALLS = "log of LLM calls"
_told: set[Path] = set()  # files whose disk was warned about


def connect(path: Path, table: str, *, synchronous: str, what: str = _CALLS) -> sqlite3.Connection:
    """Open the file, which is created with its folder if missing, in autocommit mode and for use from several threads.

    Parameters
    ----------
    path
        The file.
    table
        Statement that creates a table unless it exists.
    synchronous
        SQLite's pragma: "FULL" survives a power failure, "NORMAL" only the end of the process.
    what
        What the file is, in messages.

    Raises
    ------
    InputError
        If the file is a link, cannot be written, or is not such a database.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(path, error, what) from error
    for part in ("", "-wal", "-shm", "-journal"):
        refuse_link(path.with_name(path.name + part))
    disk = network_disk(path)
    if disk is not None and path not in _told:
        _told.add(path)
        _log.warning(
            "%s is on a network disk (%s): let no two computers use it at once, or choose a folder on a local disk.",
            path,
            disk,
        )
    try:
        return _connect(path, table, "DELETE" if disk else "WAL", synchronous)
    except DAMAGED as error:
        raise unusable(path, error, what) from error


def _connect(path: Path, table: str, journal: str, synchronous: str) -> sqlite3.Connection:
    """Open the file; unlike SQLite, also wait while another process opens or closes it."""
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA journal_mode = {journal}")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute(table)
            if connection.execute("SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view')").fetchone():
                raise sqlite3.DatabaseError("it holds triggers or views, which goalspace does not write")
            return connection
        except DAMAGED as error:
            connection.close()
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            if code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def unusable(path: Path, error: Exception, what: str = _CALLS) -> InputError:
    """Return the error that says why the file cannot be used."""
    return InputError(
        f"{path}: the {what} cannot be used ({to_line(str(error), _MAX_DETAIL)}). Make room, move it away, or choose "
        "another folder."
    )


def copy_database(path: Path, target: Path) -> None:
    """Copy such a file, what is in its write-ahead log included, to where there is none; nothing if it does not exist.

    Raises
    ------
    InputError
        If it is a link or no database, or the copy cannot be written.
    """
    for part in ("", "-wal", "-shm", "-journal"):
        refuse_link(path.with_name(path.name + part))
    if not path.is_file() or target.exists():
        return
    with atomic_path(target) as temporary:
        try:
            with (
                closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as source,
                closing(sqlite3.connect(temporary)) as copy,
            ):
                source.backup(copy)
        except DAMAGED as error:
            raise unusable(path, error) from error
