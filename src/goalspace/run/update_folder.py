"""The folder of an update: whether it holds one, finished or interrupted, and what it takes over from the run."""

from __future__ import annotations

from pathlib import Path

from goalspace.edits import log
from goalspace.errors import InputError
from goalspace.files import is_temporary, make_folder, refuse_link, write_atomic, writing
from goalspace.llm.database import copy_database
from goalspace.run.folder import Run
from goalspace.run.record import read_record


def finished_update(path: Path, base: Path, mark: str, *, edits_log: bytes, retry_unread: bool) -> Run | None:
    """Return the finished run in the folder if it is this update; None if there is none, or work is left.

    Raises
    ------
    InputError
        If the folder holds something else, or edits that doing the rest would undo.
    """
    with writing(path):
        is_same = path.exists() and path.resolve() == base.resolve()
        has_run = (path / "run.json").is_file()
        is_taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    if is_same:
        raise InputError(f"An update makes a new run: choose another folder than {path} with --out.")
    if not has_run:
        if is_taken and not _is_left(path):
            raise InputError(f"{path} exists and is not a run folder. Choose another one with --out.")
        return None
    record = read_record(path)
    if record.get("update") != mark:
        raise InputError(
            f"{path} holds another run. Choose another folder with --out; if it was an update that was interrupted, and the "
            "run or the file has changed since, delete it."
        )
    result = record["stages"].get("propose", {}).get("result", {})
    is_partial = bool(result.get("cap") or (retry_unread and result.get("n_unparsed")))
    if not record.get("updates") or not record["stages"]:
        return None
    if is_partial and log.read_bytes(path) != edits_log:
        raise InputError(
            f"{path} has edits of its own, which reading more texts would undo. Choose another folder with --out."
        )
    return None if is_partial else Run.open(path)


def _is_left(path: Path) -> bool:
    """Return whether a folder has nothing but what an update leaves that was killed at its start."""
    left = (".lock", "vectors", "llm.sqlite", "redacted.sqlite")
    return all(item.name.startswith(left) or is_temporary(item) for item in path.iterdir())


def copy_stored(source: Path, target: Path) -> None:
    """Copy what a run has paid for, or what took long: replies, placeholders and vectors."""
    for name in ("llm.sqlite", "redacted.sqlite"):
        copy_database(source / name, target / name)
    refuse_link(source / "vectors")
    if (source / "vectors").is_dir():
        make_folder(target / "vectors")
        for file in (source / "vectors").glob("*.npy"):
            refuse_link(file)
            if not (target / "vectors" / file.name).exists():
                write_atomic(target / "vectors" / file.name, file.read_bytes())
