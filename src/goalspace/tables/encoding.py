"""The bytes of a text file: decompressed, without a byte-order mark, checked to be UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goalspace.errors import InputError

_MAGIC = {b"PK\x03\x04": "a zip or Excel", b"%PDF": "a PDF", b"\x1f\x8b": "a gzip", b"PAR1": "a Parquet"}
PIECE = 1 << 20
MAX_ITEM = 128 << 20  # bytes of a line, an item or a value, whose size a few compressed bytes can claim


def raw(path: Path) -> Any:
    """Open the decompressed bytes."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def check_head(path: Path, extensions: str) -> None:
    """Reject an empty file and one that is clearly not UTF-8 text; the message names the supported `extensions`."""
    with raw(path) as file:
        head = file.read(1 << 16)
    if not head.removeprefix(codecs.BOM_UTF8).strip():
        raise InputError(f"{path.name} is empty.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path.name} is UTF-16 text; save it as UTF-8.")
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"{path.name} holds {what} file, not text; give a {extensions} file.")
    if head.count(0) > len(head) / 10:
        raise InputError(f"{path.name} is a binary file or UTF-16 text; give it as UTF-8 text.")


class Utf8(io.RawIOBase):
    """The bytes of a file without its byte-order mark, checked to be UTF-8, ending in a line break."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__()
        self._name, self._file = name, raw(path)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._offset = self._newlines = self._nuls = 0
        self._end = b"\n"  # appended at the end if missing: pyarrow needs it to read a header without rows
        if self._file.read(3) == codecs.BOM_UTF8:
            self._offset = 3
        else:
            self._file.seek(0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        try:
            self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            self._refuse(error, len(data))
        self._offset += len(data)
        self._newlines += data.count(b"\n")
        self._nuls += data.count(b"\0")
        if data:
            self._end = b"" if data.endswith(b"\n") else b"\n"
        else:
            data, self._end = self._end, b""
        buffer[: len(data)] = data
        return len(data)

    def _refuse(self, error: UnicodeDecodeError, n_new: int) -> None:
        seen = error.object[: error.start]
        if self._nuls or b"\0" in error.object:
            raise InputError(f"{self._name} is a binary file, not text.") from error
        # the decoder may hold back a few bytes
        offset = self._offset - (len(error.object) - n_new) + error.start
        line = self._newlines + seen.count(b"\n") + 1
        raise InputError(
            f"{self._name} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {offset} "
            f"(line {line}); save the file as UTF-8."
        ) from error

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def utf8(path: Path, name: str = "") -> io.BufferedReader:
    """Open the checked bytes; messages refer to the file as `name`."""
    return io.BufferedReader(Utf8(path, name or path.name), buffer_size=PIECE)


def lines(path: Path, name: str = "") -> Iterator[bytes]:
    """Yield the checked lines, each with its line break.

    Raises
    ------
    InputError
        If a line is too long to be held in memory.
    """
    name = name or path.name
    with utf8(path, name) as file:
        number = 0
        while line := file.readline(MAX_ITEM):
            number += 1
            check_size(len(line) + 1, f"line {number} of {name}")
            yield line


def check_size(n_bytes: int, what: str) -> None:
    """Raise an `InputError` if a line, an item or a value is larger than `MAX_ITEM`."""
    if n_bytes > MAX_ITEM:
        raise InputError(f"{what[0].upper()}{what[1:]} is larger than {MAX_ITEM >> 20} MB: split it.")
