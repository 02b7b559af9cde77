"""Seeded mutations of files: of their bytes, and of the JSON and the safetensors headers in them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

Files = Mapping[str, bytes]

# values that replace one in JSON; each is a kind of damage that a reader must expect
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3,
    10**6,
    2**31,
    2**63,
    10**400,
    0.5,
    -1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "\x00\x1b[31m",
    "e" * 5000,
    [],
    [None],
    [[]],
    [0, 1, 2],
    {},
    {"a": {"b": [1]}},
    "@deep",
)
_DEEP = "[" * 100_000 + "]" * 100_000
_DTYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "I64", "I32", "I8", "U8", "U64", "BOOL", "X7", 3)


def mutate(files: Files, rng: np.random.Generator) -> dict[str, bytes | None]:
    """Return the files to change, with their new contents; None deletes a file."""
    names = sorted(files)
    name = names[rng.integers(len(names))]
    kinds = ["bytes"] * 3 + ["gone", "swap", "copy"]
    if name.endswith((".json", ".jsonl")):
        kinds += ["json"] * 12
    if name.endswith(".safetensors"):
        kinds += ["header"] * 6 + ["numbers"] * 3
    kind = kinds[rng.integers(len(kinds))]
    other = names[rng.integers(len(names))]
    if kind == "gone":
        return {name: None}
    if kind == "swap":
        return {name: files[other], other: files[name]}
    if kind == "copy":
        return {name: files[other]}
    change = {
        "bytes": mutate_bytes,
        "json": mutate_json,
        "header": _mutate_header,
        "numbers": _mutate_numbers,
    }
    return {name: change[kind](files[name], rng)}


def mutate_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, repeat, insert or overwrite bytes."""
    data = bytearray(content)
    if not data:
        return bytes(rng.integers(0, 256, 16, dtype=np.uint8))
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data) + 1))
        length = int(rng.integers(1, 1 + max(1, len(data) // 4)))
        what = rng.integers(6)
        if what == 0 and at < len(data):
            data[at] ^= 1 << int(rng.integers(8))
        elif what == 1:
            del data[at:]
        elif what == 2:
            del data[at : at + length]
        elif what == 3:
            data[at:at] = data[at : at + length]
        elif what == 4:
            data[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 9)), dtype=np.uint8))
        else:
            marks = (
                b"\0",
                b'"',
                b"\n",
                b"\r",
                b",",
                b"\xff\xfe",
                b"\xed\xa0\x80",
                b"{",
                b"]",
                b"1e999",
                b"\\ud800",
            )
            mark = marks[rng.integers(len(marks))]
            data[at : at + len(mark)] = mark
        if not data:
            break
    return bytes(data)


def mutate_json(content: bytes, rng: np.random.Generator) -> bytes:
    """Change one value of one JSON document: the whole file, or a line of JSON Lines."""
    lines = content.split(b"\n")
    try:
        json.loads(content)
        at, text = None, content
    except (ValueError, RecursionError):
        at = int(rng.integers(len(lines)))
        text = lines[at]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mutate_bytes(content, rng)
    changed = _as_text(_change(value, rng), rng)
    if at is None:
        return changed
    lines[at] = changed
    return b"\n".join(lines)


def _as_text(value: Any, rng: np.random.Generator) -> bytes:
    text = json.dumps(value).replace('"@deep"', _DEEP)
    if text.startswith("{") and text != "{}" and rng.integers(20) == 0:  # the first key a second time
        key = next(iter(value))
        text = f"{text[:-1]}, {json.dumps(key)}: 0}}"
    return text.encode()


def _change(value: Any, rng: np.random.Generator) -> Any:
    """Replace, remove, add or repeat one item somewhere in a JSON value."""
    if isinstance(value, (dict, list)) and value and rng.integers(5):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[rng.integers(len(keys))]
        what = rng.integers(12)
        if what == 0:
            del value[key]
        elif what == 1 and isinstance(value, dict):
            value["unknown"] = value.pop(key)
        elif what == 1:
            value.append(value[key])
        elif what == 2 and len(keys) > 1:
            value[key] = value[keys[rng.integers(len(keys))]]
        else:
            value[key] = _change(value[key], rng)
        return value
    return _VALUES[rng.integers(len(_VALUES))]


def _mutate_header(content: bytes, rng: np.random.Generator) -> bytes:
    """Change the header of a safetensors file, or the number that gives its length."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    body = content[8 + size :]
    what = rng.integers(5)
    names = [name for name in header if name != "__metadata__"]
    name = names[rng.integers(len(names))]
    if what == 0:
        lengths = (0, 1, size - 1, size + 1, 2**31, 2**40, 2**63, 2**64 - 1)
        return struct.pack("<Q", lengths[rng.integers(len(lengths))]) + content[8:]
    if what == 1:
        header[name]["dtype"] = _DTYPES[rng.integers(len(_DTYPES))]
    elif what == 2:
        shape = header[name]["shape"]
        shapes: tuple[Any, ...] = (
            shape[::-1],
            [*shape, 1],
            [1, *shape],
            [int(np.prod(shape))],
            [0],
            [2**62, 4],
            -1,
        )
        header[name]["shape"] = shapes[rng.integers(len(shapes))]
    elif what == 3:
        other = names[rng.integers(len(names))]
        header[name], header[other] = header[other], header[name]
    else:
        header = _change(header, rng)
    text = _as_text(header, rng)
    return struct.pack("<Q", len(text)) + text + body


def _mutate_numbers(content: bytes, rng: np.random.Generator) -> bytes:
    """Write an extreme number over one of a safetensors file, at a place that its type allows."""
    (size,) = struct.unpack("<Q", content[:8])
    data = bytearray(content)
    n_words = (len(content) - 8 - size) // 4
    numbers = (
        struct.pack("<f", float("nan")),
        struct.pack("<f", float("-inf")),
        struct.pack("<f", 3e38),
        struct.pack("<i", -2),
        struct.pack("<i", 10**6),
        struct.pack("<i", 2**31 - 1),
    )
    at = 8 + size + 4 * int(rng.integers(n_words))
    data[at : at + 4] = numbers[rng.integers(len(numbers))]
    return bytes(data)
