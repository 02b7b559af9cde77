"""The record of a run folder: run.json, the files of each stage, and the folder's lock."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from goalspace import __version__
from goalspace.checked import check, readable
from goalspace.errors import GoalspaceError, InputError
from goalspace.files import read_json, refuse_link, sweep, write_json, writing
from goalspace.run.schema import check_record

FORMAT = 1
STAGES = ("corpus", "propose", "link", "factor")
FILES = {
    "corpus": ("corpus.parquet",),
    "propose": ("proposals.jsonl",),
    # earlier versions have no links/text_vectors.npy
    "link": ("links/vectors.safetensors", "links/links.json"),
    "factor": ("factors.safetensors", "factors.json"),
}
_OWN_FOLDERS = ("links", "edited", "vectors")
_OWN_FILES = (
    "run.json",
    "edits.jsonl",
    "sample.json",
    "report.html",
    "report.md",
    *(
        f"{name}.sqlite{part}"
        for name in ("llm", "redacted")
        for part in ("", "-wal", "-shm", "-journal", ".lock")
    ),
    *(name for names in FILES.values() for name in names),
)
_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "transformers",
    "sentence-transformers",
    "openai",
)


def read_record(folder: Path) -> dict[str, Any]:
    """Read run.json.

    Raises
    ------
    InputError
        If the folder holds no run, one of a newer format, or a record that is damaged.
    """
    path = folder / "run.json"
    with readable(folder, again="check the path and its permissions"):
        is_run, is_labelled = path.is_file(), (folder / "labels.parquet").is_file()
    if is_labelled and not is_run:
        raise InputError(
            f"{folder} is a folder of goalspace label, which has tasks and no factors. Look at it with: goalspace "
            f"explore {folder}; or name a folder of goalspace discover."
        )
    if not is_run:
        raise InputError(
            f"{folder} is not a run folder: it has no run.json. Make one with: goalspace discover"
        )
    with readable(path, again="run goalspace discover with its source and goal, and another folder as --out"):
        record = read_json(path)
        check(record, {"format": int}, "it")
        if record["format"] > FORMAT:
            raise InputError(
                f"{folder} was written by goalspace {str(record.get('goalspace'))[:20]} in format {record['format']}; "
                f"this version reads format {FORMAT}. Upgrade goalspace."
            )
        check_record(record)
    checked: dict[str, Any] = record
    return checked


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write run.json, atomically."""
    write_json(folder / "run.json", record)


def new_record(goal: str) -> dict[str, Any]:
    """The record of a run before its first stage."""
    return {
        "format": FORMAT,
        "goalspace": __version__,
        "goal": goal,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "stages": {},
    }


def stage_entry(
    arguments: Mapping[str, Any], *, mark: str, after: str | None, started: float, result: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of a finished stage: its digest, the previous stage's digest, and the seconds it took."""
    return {
        "arguments": arguments,
        "digest": mark,
        "after": after,
        "seconds": round(time.monotonic() - started, 2),
        "result": result,
    }


def stale_stages(record: Mapping[str, Any]) -> list[str]:
    """Stages whose artefacts are missing or outdated by an earlier stage."""
    stale: list[str] = []
    before: str | None = None
    for stage in STAGES:
        entry = record["stages"].get(stage)
        if entry is None or entry["after"] != before or (stale and stage != "corpus"):
            stale.append(stage)
        before = entry["digest"] if entry else None
    return stale


@contextmanager
def stage_files(folder: Path, record: Mapping[str, Any], stage: str) -> Iterator[Path]:
    """Yield the first file of a finished stage; errors from reading a damaged file become a one-line InputError.

    Raises
    ------
    InputError
        If the stage has not finished, or a file of it is missing or damaged.
    """
    if stage not in record["stages"]:
        again = "update" if "update" in record else "discover"
        raise InputError(f"{folder} has not finished the stage '{stage}'. Run goalspace {again} again.")
    again = (
        "goalspace discover with its source and goal" if stage == "corpus" else f"goalspace {stage} {folder}"
    )
    for name in FILES[stage]:
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing: run {again} again.")
    with readable(*(folder / name for name in FILES[stage]), again=f"run {again} again"):
        yield folder / FILES[stage][0]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder for one writing process, and remove temporary files that a killed one left behind.

    Raises
    ------
    GoalspaceError
        If another process works in the folder, the folder cannot be written, or a file of the run is a link.
    """
    path = folder / ".lock"
    with writing(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    try:
        with writing(path):
            _lock(handle, folder)
        _refuse_links(folder)
        sweep(folder, older_than=0)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise GoalspaceError(
            f"Another process is working in {folder}. Wait for it, or choose --out."
        ) from None


def _refuse_links(folder: Path) -> None:
    """Raise an `InputError` if a file or folder that stages write is a link: it may lead out of the run folder."""
    for path in folder.iterdir():
        if path.name in _OWN_FILES:
            refuse_link(path)
        elif path.name in _OWN_FOLDERS:
            refuse_link(path)
            for parent, folders, names in os.walk(path):
                for name in (*folders, *names):
                    refuse_link(Path(parent, name))


def was_redacted(folder: Path) -> bool:
    """Return whether the folder holds a run, finished or not, that masks private data."""
    with writing(folder):
        return (folder / "run.json").is_file() and bool(read_record(folder).get("redact", False))


def source_name(source: Any) -> str:
    """The name of the source of the texts in run.json and in messages."""
    return str(source) if isinstance(source, (str, os.PathLike)) else f"the {type(source).__name__}"


def default_folder(source: Any, goal: str) -> Path:
    """The default folder of a run."""
    stem = Path(source).name.partition(".")[0] if isinstance(source, (str, os.PathLike)) else "texts"
    slug = "-".join(re.findall(r"\w+", f"{stem} {goal}".lower())[:8])
    return Path("runs") / slug[:60].strip("-")


def next_folder(folder: Path) -> Path:
    """The default folder of an updated run: that of the run with the next number, such as runs/tickets-2."""
    stem, _, number = folder.name.rpartition("-")
    if stem and number.isdecimal() and len(number) < 4:
        return folder.with_name(f"{stem}-{int(number) + 1}")
    return folder.with_name(f"{folder.name}-2")


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
