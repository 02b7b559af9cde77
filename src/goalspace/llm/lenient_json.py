"""JSON as language models write it: a tolerant scanner whose time is linear in the text, whatever the text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 64  # of nested brackets; answers need five
MAX_STEPS = 10_000  # brackets, keys, values and commas of a text; the answer for a text needs about a hundred

# Every repetition is possessive or ends at a character that it cannot contain: nothing is matched twice.
_SPACE = re.compile(r"(?:\s++|//[^\n]*+)*+")
_COLON = re.compile(r"\s*+:")
_WORD = re.compile(r"[^\W\d][\w-]*+")
_NUMBER = re.compile(r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?", re.ASCII)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)

_LITERALS = {"true": True, "false": False, "null": None, "none": None, "nan": None, "undefined": None}
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LONGEST_NUMBER = 400  # digits; int() refuses thousands, and no answer contains them

# What follows a quote that ends a string. Models forget to escape quotes inside strings; no structure follows those.
_MEMBER = r"""(?:["'“”„‘’{\[}\]\d+./,-]|\Z|[^\W\d][\w-]*+\s*+:|(?i:true|false|null|none|nan|undefined)\b)"""
_NO_COMMA = r"""[^\S\n]*+\n\s*+["'“”„‘’{\[]|[^\S\n]++["'“„‘]\w{1,30}["'”“’]\s*+:"""
_AFTER_STRING = rf"(?:\s*+(?:[:}}\]]|//|\Z|,\s*+{_MEMBER})|{_NO_COMMA})"


def _string_ended_by(quotes: str) -> re.Pattern[str]:
    return re.compile(rf"((?:[^{quotes}\\]++|\\.|[{quotes}](?!{_AFTER_STRING}))*+)[{quotes}]", re.DOTALL)


_STRAIGHT, _SINGLE = _string_ended_by('"'), _string_ended_by("'")
_SMART, _SMART_SINGLE = _string_ended_by('“”"'), _string_ended_by("‘’'")
_STRINGS = {
    '"': _STRAIGHT,
    "'": _SINGLE,
    **dict.fromkeys("“”„", _SMART),
    **dict.fromkeys("‘’", _SMART_SINGLE),
}


@dataclass
class _Container:
    """An object or list that is being read."""

    value: dict[str, Any] | list[Any]
    key: str | None = None  # of the member of an object whose value comes next
    separated: bool = True  # whether a comma or the bracket came last

    def add(self, value: Any) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key is not None:
            self.value[self.key] = value
            self.key = None
        self.separated = False

    def end_member(self) -> None:
        if self.key is not None:
            self.add(None)
        self.separated = True


class Scanner:
    """Reads objects and lists in a text.

    Beyond JSON it accepts raw line breaks in strings, strings in single or typographic quotes or with unescaped quotes
    inside, missing, repeated and trailing commas, missing closing brackets, keys without quotes, ``//`` comments, and
    the literals of Python.

    Parameters
    ----------
    text
        The text.

    Attributes
    ----------
    steps
        Number of steps that are left; the scanner stops at 0.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps = MAX_STEPS
        # per kind of string the first quote that nothing closes: no later one is searched, as nothing closes it either
        self._unclosed: dict[re.Pattern[str], int] = {}

    def read(self, start: int) -> tuple[Any, int, bool]:
        """Read the object or list whose opening bracket is at `start`.

        Returns
        -------
        value
            The object or list. If the text ends or cannot be read before its closing bracket, it has the members read
            until then, without unfinished objects in lists.
        end
            Where reading stopped.
        whole
            Whether the closing bracket was found.
        """
        open_: list[_Container] = []
        position = start
        root: Any = None
        while self.steps > 0:
            self.steps -= 1
            position = _end(_SPACE, self.text, position)
            char = self.text[position : position + 1]
            if char in ("}", "]"):
                level = _level_closed(open_, char)
                if level is None:
                    break
                position += 1
                root = _close(open_, level)
                if not open_:
                    return root, position, True
            elif char == "," and open_:
                open_[-1].end_member()
                position += 1
            else:
                end = self._read_part(open_, position, char)
                if end is None:
                    break
                position = end
        root = _close(open_, 0, cut=True)
        return root, max(position, start + 1), False

    def _read_part(self, open_: list[_Container], position: int, char: str) -> int | None:
        """Read an opening bracket, a key with its colon, or a value, and return its end; None if there is none."""
        inner = open_[-1] if open_ else None
        if inner is not None and isinstance(inner.value, dict) and inner.key is None:
            return self._read_key(inner, position, char)
        if char in ("{", "["):
            if len(open_) >= MAX_DEPTH:
                return None
            open_.append(_Container({} if char == "{" else []))
            return position + 1
        if inner is None:
            return None
        if char in _STRINGS:
            string = self._read_string(position, char)
            if string is None:
                return None
            inner.add(string[0])
            return string[1]
        if not inner.separated and isinstance(inner.value, list):
            return None  # prose such as "[1 and 2]"
        return self._read_scalar(inner, position)

    def _read_key(self, inner: _Container, position: int, char: str) -> int | None:
        if char in _STRINGS:
            string = self._read_string(position, char)
            if string is None:
                return None
            key, end = string
        else:
            word = _WORD.match(self.text, position)
            if word is None or not inner.separated:
                return None
            key, end = word.group(), word.end()
        colon = _COLON.match(self.text, end)
        if colon is not None:
            end = colon.end()
        elif char not in _STRINGS or not self.text.startswith((",", "}"), _end(_SPACE, self.text, end)):
            return None  # otherwise a Python set, whose members become keys without a value
        inner.key, inner.separated = key, True
        return end

    def _read_string(self, position: int, quote: str) -> tuple[str, int] | None:
        pattern = _STRINGS[quote]
        if position >= self._unclosed.get(pattern, len(self.text)):
            return None
        string = pattern.match(self.text, position + 1)
        if string is None:
            self._unclosed[pattern] = position
            return None
        return decode_escapes(string[1]), string.end()

    def _read_scalar(self, inner: _Container, position: int) -> int | None:
        if number := _NUMBER.match(self.text, position):
            inner.add(_number(number.group()))
            return number.end()
        word = _WORD.match(self.text, position)
        if word is None or word.end() - position > 9 or word.group().lower() not in _LITERALS:
            return None
        inner.add(_LITERALS[word.group().lower()])
        return word.end()


def decode_escapes(text: str, *, lenient: bool = True) -> str:
    """Decode the escapes of JSON strings.

    If there are unknown escapes or unescaped quotes, the result is empty, or with `lenient` contains them unchanged.
    """
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        if not lenient:
            return ""
        decoded = _ESCAPE.sub(_decode_escape, text)
        return decoded.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _decode_escape(escape: re.Match[str]) -> str:
    char = escape[1]
    if len(char) > 1:
        return chr(int(char[1:], 16))
    return _ESCAPED.get(char) or (escape[0] if char.isalnum() else char)


def _number(digits: str) -> int | float | str:
    if len(digits) > _LONGEST_NUMBER:
        return digits
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return position if found is None else found.end()


def _level_closed(open_: list[_Container], bracket: str) -> int | None:
    """Return the index of the container that a bracket closes: the innermost of its kind."""
    kind = dict if bracket == "}" else list
    return next((i for i in reversed(range(len(open_))) if isinstance(open_[i].value, kind)), None)


def _close(open_: list[_Container], level: int, *, cut: bool = False) -> Any:
    """Close the containers from `level` on, and return the outermost of them."""
    value: Any = None
    while len(open_) > level:
        closed = open_.pop()
        if not cut:
            closed.end_member()
        value = closed.value
        unfinished = cut and isinstance(value, dict)
        if open_ and not (unfinished and isinstance(open_[-1].value, list)):
            open_[-1].add(value)
    return value
