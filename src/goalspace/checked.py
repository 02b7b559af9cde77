"""Reading of files that may be damaged or tampered with: errors in one line, checked values and arrays."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.errors import GoalspaceError, InputError

# A schema is a type, None, a tuple of alternatives, a list with the schema of its items, an object with the schema of each
# field ("name?" may be missing, others are ignored), or {str: schema} for an object with any fields.
Schema = Any
PLAIN: Schema = (None, bool, int, float, str)
# the kind of an array's numbers, and its sizes: numbers, or names of sizes that several arrays share
Layout = Mapping[str, tuple[Any, ...]]
_LARGEST = 1e9  # cosines, scores and weights are far smaller; squares of larger numbers overflow a float32
_LARGE_BYTES = 1 << 28  # of a file whose array stays on disk
_ROWS = 1 << 16  # of an array that are checked at a time
_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


@contextmanager
def readable(*paths: Path, again: str) -> Iterator[None]:
    """Turn what goes wrong while files are decoded into an `InputError` that names them and says what makes them again.

    Parameters
    ----------
    paths
        The files.
    again
        What to do, as a clause: "run goalspace link FOLDER again".
    """
    try:
        yield
    except GoalspaceError:
        raise
    except Exception as error:
        if not isinstance(error, _decoding_errors()):
            raise
        shown = " or ".join(map(str, paths))
        why = (getattr(error, "strerror", None) or str(error)).partition("\n")[0] or type(error).__name__
        if isinstance(error, KeyError):
            why = f"{why} is missing"
        raise InputError(f"{shown} cannot be read ({why[:200].rstrip('.')}): {again}.") from error


def _decoding_errors() -> tuple[type[BaseException], ...]:
    """What parsers raise; those of packages that are not loaded cannot occur."""
    ours = (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        EOFError,
        MemoryError,
        RecursionError,
        NotImplementedError,
        struct.error,
        zlib.error,
    )
    loaded = (("pyarrow", "ArrowException"), ("safetensors", "SafetensorError"))
    return (
        *ours,
        *(getattr(sys.modules[package], name) for package, name in loaded if package in sys.modules),
    )


def check(value: Any, schema: Schema, at: str = "the content") -> None:
    """Raise a ValueError that says where `value` differs from a schema."""
    if isinstance(schema, tuple):
        if not any(_is_a(value, one) for one in schema):
            raise ValueError(f"{at} is {_name(value)}")
        for one in schema:
            if _is_a(value, one):
                check(value, one, at)
                return
    if not _is_a(value, schema):
        raise ValueError(f"{at} is {_name(value)}")
    if isinstance(schema, list):
        for number, item in enumerate(value):
            check(item, schema[0], f"item {number} of {at}")
    elif isinstance(schema, dict):
        _check_fields(value, schema, at)


def _check_fields(value: Mapping[str, Any], schema: Mapping[Any, Schema], at: str) -> None:
    if str in schema:
        for name, item in value.items():
            check(item, schema[str], f"'{name[:40]}' of {at}")
        return
    for key, of in schema.items():
        name = key.removesuffix("?")
        if name in value:
            check(value[name], of, f"'{name}' of {at}")
        elif name == key:
            raise ValueError(f"{at} has no '{name}'")


def _is_a(value: Any, schema: Schema) -> bool:
    """Whether a value has the outermost type of a schema; true and false are no numbers."""
    if schema is None:
        return value is None
    kind = type(schema) if isinstance(schema, (list, dict)) else schema
    if kind in (int, float):
        return type(value) is int or (kind is float and type(value) is float)
    return isinstance(value, kind)


def _name(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)


def expect(holds: bool, what: str) -> None:
    """Raise a ValueError with `what` is wrong unless it holds."""
    if not holds:
        raise ValueError(what)


def expect_distinct(names: list[str], what: str) -> None:
    """Raise a ValueError if a name occurs twice."""
    expect(len(set(names)) == len(names), f"{what} repeat")


def expect_range(numbers: Any, low: int, stop: int, what: str) -> None:
    """Raise a ValueError if a whole number is not from `low` to below `stop`."""
    found = np.asarray(numbers)
    expect(not found.size or bool(found.min() >= low and found.max() < stop), f"{what} is out of range")


def read_arrays(path: Path, layout: Layout, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file and check their types, shapes and numbers.

    Parameters
    ----------
    path
        The file.
    layout
        Name of an array ("name?" may be missing) → "int", "float", or "scale" for positive and infinite numbers, then its
        sizes.
    sizes
        The sizes known already, by name; those in the file must agree with them and with each other.

    Raises
    ------
    ValueError
        If an array is missing, or not as the layout says.
    """
    from safetensors.numpy import load_file

    found, known = load_file(path), dict(sizes)
    arrays = {}
    for key, (kind, *shape) in layout.items():
        name = key.removesuffix("?")
        if name not in found:
            expect(name != key, f"the array '{name}' is missing")
            continue
        array = found[name]
        _check_array(array, name, kind, shape, known)
        arrays[name] = array
    return arrays


def read_rows(path: Path, name: str, shape: tuple[Any, ...], sizes: Mapping[str, int]) -> np.ndarray:
    """Read an array of floats from an .npy file, and check it as `read_arrays` does; a large one stays on disk.

    Parameters
    ----------
    path
        The file.
    name
        What the array is called in messages.
    shape, sizes
        As in `read_arrays`.

    Raises
    ------
    ValueError
        If the file is not such an array.
    """
    is_large = path.stat().st_size > _LARGE_BYTES
    try:
        array = np.load(path, mmap_mode="r" if is_large else None, allow_pickle=False)
    except (SyntaxError, TypeError, OverflowError, MemoryError) as error:  # of a damaged header
        raise ValueError(f"{type(error).__name__} in its header") from error
    expect(isinstance(array, np.ndarray), "it is not a single array")
    _check_array(array, name, "float", shape, dict(sizes))
    return np.asarray(array)


def _check_array(
    array: np.ndarray, name: str, kind: str, shape: Sequence[Any], known: dict[str, int]
) -> None:
    """Raise a ValueError unless an array is as a layout says; its sizes become known."""
    letter = "i" if kind == "int" else "f"
    expect(array.dtype.kind == letter and array.itemsize >= 4, f"'{name}' holds {array.dtype} numbers")
    expect(array.ndim == len(shape), f"'{name}' has {array.ndim} dimensions")
    for size, of in zip(array.shape, shape, strict=True):
        wanted = known.setdefault(of, size) if isinstance(of, str) else of
        expect(size == wanted, f"'{name}' has the size {size} instead of {wanted}")
    for start in range(0, len(array) if kind != "int" else 0, _ROWS):
        part = array[start : start + _ROWS]
        if kind == "float":
            expect(bool((np.abs(part) <= _LARGEST).all()), f"'{name}' holds numbers that are not finite")
        else:
            expect(bool((part > 0).all()), f"'{name}' holds numbers that are not positive")
