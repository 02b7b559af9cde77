"""File names, atomic writing, JSON files, and digests of their content."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


def data_stem(path: Path) -> str:
    """Return the name of a data file without its extension, such as .jsonl or .csv.gz."""
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it is synced and renamed to `path`, on error removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` atomically: readers see either the old file or the new one, even if the process is killed."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


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
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


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
