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
from goalspace.errors import GoalspaceError, InputError
from goalspace.files import read_json, write_json

FORMAT = 1
STAGES = ("corpus", "propose", "link", "factor")
FILES = {
    "corpus": ("corpus.parquet",),
    "propose": ("proposals.jsonl",),
    "link": ("links/vectors.safetensors", "links/links.json"),
    "factor": ("factors.safetensors", "factors.json"),
}
_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "transformers",
    "sentence-transformers",
    "openai",
)


# renamed arguments of `propose`: old name → new name, and old values → new values
_RENAMED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "calls": ("prompting", {"one": "single", "two": "chained"}),
    "keep": ("truncate_from", {"start": "end", "end": "start"}),
    "max_unread": ("max_unparsed", {}),
}


def current_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Translate arguments recorded, or options given, under the names of an earlier version."""
    translated = {}
    for name, value in arguments.items():
        new, values = _RENAMED.get(name, (name, {}))
        translated[new] = values.get(value, value) if values else value
    return translated


def read_record(folder: Path) -> dict[str, Any]:
    """Read run.json.

    Raises
    ------
    InputError
        If the folder holds no run, or one of a newer format.
    """
    path = folder / "run.json"
    if (folder / "labels.parquet").is_file() and not path.is_file():
        raise InputError(
            f"{folder} is a folder of goalspace label, which has tasks and no factors. Look at it with: goalspace "
            f"explore {folder}; or name a folder of goalspace discover."
        )
    if not path.is_file():
        raise InputError(
            f"{folder} is not a run folder: it has no run.json. Make one with: goalspace discover"
        )
    try:
        record = read_json(path)
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}).") from None
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise InputError(f"{path} is not the record of a run.")
    if record["format"] > FORMAT:
        raise InputError(
            f"{folder} was written by goalspace {record.get('goalspace')} in format {record['format']}; "
            f"this version reads format {FORMAT}. Upgrade goalspace."
        )
    return record


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
    from safetensors import SafetensorError

    if stage not in record["stages"]:
        raise InputError(f"{folder} has not finished the stage '{stage}'. Run goalspace discover again.")
    again = (
        "goalspace discover with its source and goal" if stage == "corpus" else f"goalspace {stage} {folder}"
    )
    for name in FILES[stage]:
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing: run {again} again.")
    try:
        yield folder / FILES[stage][0]
    except GoalspaceError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        shown = " or ".join(str(folder / name) for name in FILES[stage])
        why = str(error).partition("\n")[0]
        raise InputError(f"{shown} cannot be read ({why}): run {again} again.") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder for one writing process, and remove temporary files that a killed one left behind."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise GoalspaceError(
                f"Another process is working in {folder}. Wait for it, or choose --out."
            ) from None
        for left in folder.rglob(".*.tmp"):
            left.unlink(missing_ok=True)
        yield


def source_name(source: Any) -> str:
    """The name of the source of the texts in run.json and in messages."""
    return str(source) if isinstance(source, (str, os.PathLike)) else f"the {type(source).__name__}"


def default_folder(source: Any, goal: str) -> Path:
    """The default folder of a run."""
    stem = Path(source).name.partition(".")[0] if isinstance(source, (str, os.PathLike)) else "texts"
    slug = "-".join(re.findall(r"\w+", f"{stem} {goal}".lower())[:8])
    return Path("runs") / slug[:60].strip("-")


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
