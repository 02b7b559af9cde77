"""File names, atomic writing that follows no links, temporary files, JSON files, and digests of their content."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.errors import GoalspaceError, InputError

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")  # of `atomic_path`
_SCRATCH = re.compile(r"goalspace-[a-z0-9_]{8}\.\w+")  # of `scratch_file`
_HOUR, _DAY = 3600.0, 86400.0
_MAX_STEM = 200  # bytes of a file's name that its temporary file repeats; names have at most 255


def data_stem(path: Path) -> str:
    """Return the name of a data file without its extension, such as .jsonl or .csv.gz."""
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


# ---------------------------------------------------------------- writing


def refuse_link(path: Path) -> None:
    """Raise an `InputError` if a file or folder to be written is a symbolic link."""
    if path.is_symlink():
        raise InputError(
            f"{path} is a symbolic link, and goalspace does not write through links. Remove it, or choose another path."
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the file system, such as a full disk, into an `InputError` about `path`."""
    try:
        yield
    except GoalspaceError:
        raise
    except Exception as error:
        from safetensors import SafetensorError

        if not isinstance(error, (OSError, SafetensorError)):
            raise
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            refuse_link(path)
        why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).partition("\n")[0]
        raise InputError(
            f"{path} cannot be written ({why}). Make room or change the permissions, or choose another folder."
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder that only its owner may enter, and the folders above it, if they do not exist."""
    with writing(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it is synced and renamed to `path`, on error removed.

    The permissions follow the umask.

    Raises
    ------
    InputError
        If `path` is a link, or cannot be written.
    """
    refuse_link(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stem = path.name.encode(errors="surrogateescape")[:_MAX_STEM].decode(errors="ignore")
        temporary = path.with_name(f".{stem}.{secrets.token_hex(4)}.tmp")
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            _lock(handle)
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            # safetensors puts a file of its own there, which only the owner may read
            temporary.chmod(stat.S_IMODE(os.fstat(handle).st_mode))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(handle)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as an .npy file, atomically and without a copy.

    `np.save` does not notice a full disk: what the C library still buffers is lost without an error.
    """
    array = np.ascontiguousarray(array)
    header = np.lib.format.header_data_from_array_1_0(array)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.data)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` atomically: readers see either the old file or the new one, even if the process is killed."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


# ---------------------------------------------------------------- temporary files


def scratch_file(suffix: str) -> tuple[Path, Callable[[], None]]:
    """Make a file in the system's temporary folder; return its path and a function that removes it.

    Files that killed processes left there are removed. A lock, which ends with the process, tells them from those in use.
    """
    folder = Path(tempfile.gettempdir())
    with writing(folder):
        for left in folder.glob("goalspace-*"):
            if _SCRATCH.fullmatch(left.name):
                _remove_left(left, older_than=_DAY)
        handle, name = tempfile.mkstemp(dir=folder, prefix="goalspace-", suffix=suffix)
    _lock(handle)
    path = Path(name)

    def remove() -> None:
        path.unlink(missing_ok=True)
        os.close(handle)

    return path, remove


def is_temporary(path: Path) -> bool:
    """Whether a file has the name of a temporary file of `atomic_path`."""
    return _TEMPORARY.fullmatch(path.name) is not None


def sweep(folder: Path, *, older_than: float = _HOUR) -> None:
    """Remove the temporary files that a killed process left in a folder, if they are older than so many seconds."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if is_temporary(Path(name)):
                _remove_left(Path(parent, name), older_than=older_than)


def _lock(handle: int) -> None:
    with suppress(OSError):  # some network file systems have no locks: there, only the age protects a file
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_left(path: Path, *, older_than: float) -> None:
    """Remove a temporary file of this user if no process uses it; whatever fails, it stays."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            about = os.fstat(handle)
            ours = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
            if ours and time.time() - about.st_mtime >= older_than:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        finally:
            os.close(handle)


# ---------------------------------------------------------------- JSON


def as_json(value: Any, **options: Any) -> str:
    """Return `value` as JSON that can be encoded as UTF-8; `options` are those of `json.dumps`."""
    text = json.dumps(value, ensure_ascii=False, **options)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can express only as an escape sequence
        text = json.dumps(value, **options)
    return text


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically."""
    write_atomic(path, as_json(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that goalspace wrote; ValueError as in `decode_json`."""
    return decode_json(path.read_text(encoding="utf-8"))


def decode_json(text: str) -> Any:
    """Decode JSON that goalspace wrote.

    Raises
    ------
    ValueError
        If it is not JSON, or holds what goalspace does not write: NaN, numbers beyond 64 bits, a name twice in an
        object, thousands of nested values.
    """
    try:
        value = _DECODER.decode(text)
        if "\\u" in text:  # perhaps a lone surrogate, which cannot be written as UTF-8: it becomes U+FFFD
            plain = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
            value = _DECODER.decode(plain.decode("utf-16", "replace"))
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"the number {digits[:20]}… is too large")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is not finite")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_float
)


def digest(*parts: object) -> str:
    """Return the SHA-256 (hex) of strings, bytes, arrays and JSON-serialisable values, in order and unambiguously."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            head, body = f"array {part.dtype.str} {part.shape}", np.ascontiguousarray(part).tobytes()
        elif isinstance(part, bytes):
            head, body = "bytes", part
        else:
            head, body = "json", json.dumps(part, sort_keys=True, ensure_ascii=False).encode()
        state.update(f"{head} {len(body)}\n".encode())
        state.update(body)
    return state.hexdigest()
