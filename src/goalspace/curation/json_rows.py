"""Texts and their rows as lines of JSON, in memory or memory-mapped, decoded one at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from goalspace.files import save_array, write_atomic


@dataclass(frozen=True, eq=False)
class JsonRows:
    """Lines of JSON, each a pair of a text and its row.

    Attributes
    ----------
    lines
        The bytes of all lines, concatenated.
    ends
        (n_rows,) int64, the end of each line.
    """

    lines: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Self:
        """Encode texts with their rows; values that JSON cannot represent, such as dates, become strings."""
        pairs = zip(texts, rows, strict=True)
        lines = [json.dumps(pair, default=str).encode() + b"\n" for pair in pairs]
        ends = np.cumsum([len(line) for line in lines], dtype=np.int64)
        return cls(np.frombuffer(b"".join(lines), dtype=np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> tuple[str, dict[str, Any]]:
        start = int(self.ends[index - 1]) if index else 0
        text, row = json.loads(self.lines[start : int(self.ends[index])].tobytes())
        return text, row

    def then(self, others: JsonRows) -> JsonRows:
        """Return these rows followed by the others."""
        shift = int(self.ends[-1]) if len(self) else 0
        return JsonRows(
            np.concatenate([self.lines, others.lines]), np.concatenate([self.ends, others.ends + shift])
        )

    def digest(self) -> str:
        """Return the SHA-256 of the lines."""
        return hashlib.sha256(np.ascontiguousarray(self.lines).data).hexdigest()

    def save(self, folder: Path) -> None:
        """Write rows.jsonl, and rows.npy with the ends of the lines."""
        write_atomic(folder / "rows.jsonl", self.lines.tobytes())
        save_array(folder / "rows.npy", self.ends)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Memory-map rows written by `save`."""
        ends = read_array(folder / "rows.npy")
        return cls(np.memmap(folder / "rows.jsonl", dtype=np.uint8, mode="r"), ends)


def read_array(path: Path) -> np.ndarray:
    """Memory-map the array in a .npy file."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
