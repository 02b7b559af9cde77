"""Reading the replies of language models: reasoning is dropped, JSON is found wherever it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from goalspace.llm.lenient_json import Scanner, decode_escapes

MAX_REPLY = 300_000  # characters that are read

_TAG = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reasoning|reflection)"
_FORMAT = (
    r"[^<]{0,80}(?:<\|constrain\|>[^<]{0,80})?<\|message\|>"  # the rest of the header of a harmony message
)
_END = rf"<\s?/\s?{_TAG}\s?>|\[/think(?:ing)?\]|◁/think▷|<\|(?:end_of_thought|end_thinking)\|>"
# harmony, also as servers show it that drop special tokens
_FINAL = rf"<\|channel\|>\s?final{_FORMAT}|assistantfinal"
_MARK = re.compile(
    r"(?P<bracket>\{|\[(?!/?think))"
    r"|(?=[<\[◁a])(?:"  # the first characters of the others, for speed
    rf"(?P<open><\s?{_TAG}\s?>|\[think(?:ing)?\]|◁think▷|<\|(?:begin_of_thought|start_thinking)\|>)"
    rf"|(?P<channel><\|channel\|>\s?(?:analysis|commentary){_FORMAT})"
    rf"|(?P<close>{_END}|{_FINAL})"
    r"|(?P<token><\|start\|>assistant|<\|\w{1,30}\|>))",
    re.IGNORECASE,
)
_CLOSE = {
    "open": re.compile(f"{_END}|{_FINAL}", re.IGNORECASE),
    "channel": re.compile(rf"{_END}|{_FINAL}|<\|end\|>", re.IGNORECASE),
}
_BRACKET = re.compile(r"[{\[]")
_NOTHING = re.compile(
    r"(?:[\s`]++|<\|\w{1,30}\|>|</\w{1,30}>)*+\Z"
)  # what may follow an answer that ends a reply
_ESCAPED_JSON = re.compile(r'[{\[]\s*+\\++"')
_FENCED = re.compile(r"\s*```(?:json)?\s(.*)```\s*", re.DOTALL)
_REFUSAL = re.compile(
    r"(?i:i['’]?m |i am )?(?:(?i:so )?(?i:very )?(?i:sorry|unable|not able)\b|(?i:i) (?i:apologi[sz]e|can['’]?t|cannot|can not|won['’]?t|"
    r"will not|must decline|do not feel comfortable)\b|(?i:as an ai)\b)|.*(?i:content filter|content management policy|"
    r"content policy|was filtered|safety system)",
)
_LINE = 200  # characters of a line before a mark that are looked at
_WHOLE_NUMBER = re.compile(r"\s*([-+]?\d{1,15})(?:\.0*)?\s*", re.ASCII)


@dataclass(frozen=True)
class Reading:
    """What is in a reply.

    Attributes
    ----------
    text
        The reply without reasoning.
    values
        The non-empty JSON objects and lists in it, in order; those inside others do not count.
    whole
        For each of them, whether its end was found. If not, it has the members up to there.
    """

    text: str
    values: tuple[Any, ...]
    whole: tuple[bool, ...]

    def whole_values(self) -> list[Any]:
        """Return the values whose end was found."""
        return [value for value, whole in zip(self.values, self.whole, strict=True) if whole]


def read_reply(reply: str) -> Reading:
    """Read a reply; takes linear time, and never fails.

    Reasoning in the marks of any common model is dropped, also if its first or its last mark is missing. Marks in the
    strings of a JSON value belong to the value. If nothing follows the reasoning, JSON that ends it is the answer.
    """
    reader = _Reader(reply[:MAX_REPLY])
    reader.read()
    text = "".join(reader.kept)
    found = reader.found or reader.ending_thought()
    if not any(isinstance(value, dict) for value, _ in found):
        found = _encoded_twice(text) or found
    return Reading(text, tuple(value for value, _ in found), tuple(whole for _, whole in found))


class _Reader:
    """Reads a reply from mark to mark."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.scanner = Scanner(text)
        self.kept: list[str] = []  # pieces of the text outside of reasoning
        self.found: list[tuple[Any, bool]] = []  # JSON values in them, and whether they are whole
        self._start = 0  # of the next piece
        self._thought: tuple[int, int, int] | None = (
            None  # start and end of the last, number of pieces before its end
        )
        self._never_closed: set[str] = set()  # kinds of marks after which no end mark comes

    def read(self) -> None:
        position = 0
        while self.scanner.steps > 0 and (mark := _MARK.search(self.text, position)):
            self.scanner.steps -= 1
            kind = str(mark.lastgroup)
            if kind == "bracket":
                value, position, whole = self.scanner.read(mark.start())
                if value:
                    self.found.append((value, whole))
            else:
                position = self._skip(mark, kind)
        self.kept.append(self.text[self._start :])

    def _skip(self, mark: re.Match[str], kind: str) -> int:
        """Leave out a mark, and the reasoning that it opens or closes; return where reading continues."""
        if kind == "token":
            return self._drop(mark.start(), mark.end())
        if kind == "close":  # all before it is reasoning, whose opening mark is in the prompt
            self.kept, self.found, self._start = [], [], mark.end()
            self._thought = 0, mark.start(), 0
            return mark.end()
        closing = None if kind in self._never_closed else _CLOSE[kind].search(self.text, mark.end())
        if closing is not None:
            self._drop(mark.start(), closing.end())
            self._thought = mark.end(), closing.start(), len(self.kept)
            return closing.end()
        self._never_closed.add(kind)
        before = self.text[max(self._start, mark.start() - _LINE) : mark.start()]
        if before.rpartition("\n")[2].strip():
            return mark.end()  # within a line: the text is about the mark
        self._drop(mark.start(), len(self.text))
        self._thought = mark.end(), len(self.text), len(self.kept)
        return len(self.text)

    def _drop(self, start: int, end: int) -> int:
        self.kept.append(self.text[self._start : start])
        self._start = end
        return end

    def ending_thought(self) -> list[tuple[Any, bool]]:
        """Return the JSON value that ends the last thought if nothing follows it: the answer was not kept apart."""
        if self._thought is None:
            return []
        start, stop, n_before = self._thought
        thought = self.text[start:stop]
        if not _NOTHING.match("".join(self.kept[n_before:])):
            return []
        *_, (value, whole, end) = [(None, False, 0), *_scan(thought)]
        return [(value, True)] if whole and _NOTHING.match(thought, end) else []


def _encoded_twice(text: str) -> list[tuple[Any, bool]]:
    """Return the JSON values in a text whose quotes are escaped as in a JSON string."""
    first = _ESCAPED_JSON.search(text)
    if first is None:
        return []
    encoded = text[first.start() : max(text.rfind("}"), text.rfind("]")) + 1]
    return [(value, whole) for value, whole, _ in _scan(decode_escapes(encoded, lenient=False))]


def _scan(text: str) -> Iterator[tuple[Any, bool, int]]:
    """Yield the non-empty values in a text, whether they are whole, and where they end."""
    scanner = Scanner(text)
    position = 0
    while scanner.steps > 0 and (bracket := _BRACKET.search(text, position)):
        scanner.steps -= 1
        value, position, whole = scanner.read(bracket.start())
        if value:
            yield value, whole, position


def is_plain_json(reply: str) -> bool:
    """Return whether a reply is valid JSON and nothing else, apart from reasoning and the marks of a code block."""
    return _is_json(reply[:MAX_REPLY]) or _is_json(read_reply(reply).text)


def _is_json(text: str) -> bool:
    fenced = _FENCED.fullmatch(text)
    try:
        json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return False
    return True


def why_unread(reply: str, wanted: str) -> str:
    """Return in a few words why an answer cannot be read from a reply.

    Parameters
    ----------
    reply
        The reply.
    wanted
        What an answer must hold, for replies that are JSON.
    """
    reading = read_reply(reply)
    text = reading.text.strip()
    if not text:
        return "only reasoning" if reply.strip() else "empty"
    if not all(reading.whole) or (not reading.values and "{" in text and "}" not in text):
        return "cut"
    if reading.values or "{" in text:
        return f"no {wanted}"
    return "refusal" if _REFUSAL.match(text[:_LINE]) else "no JSON"


def drop_thoughts(reply: str) -> str:
    """Return a reply without the reasoning of the model."""
    return read_reply(reply).text


def json_values(reply: str) -> list[Any]:
    """Return the non-empty whole JSON objects and lists in a reply, in order, without those in its reasoning."""
    return read_reply(reply).whole_values()


def json_objects(reply: str) -> list[dict[str, Any]]:
    """Return the JSON objects in a reply that can be its answer, in order, with keys in lower case."""
    return [found for value in json_values(reply) for found in objects_in(value)]


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield a JSON object with keys in lower case, or those that a list or an object with one member contains."""
    if isinstance(value, dict):
        if len(value) == 1:
            (inner,) = value.values()
            items = inner if isinstance(inner, list) else decoded_twice(inner)
            yield from (lower_keys(item) for item in items if isinstance(item, dict))
        yield lower_keys(value)
    elif isinstance(value, list):
        yield from (lower_keys(item) for item in value if isinstance(item, dict))


def decoded_twice(value: Any) -> list[Any]:
    """Return the JSON values in a string that contains JSON, or else the value alone."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        return [item for item, whole, _ in _scan(value) if whole]
    return [value]


def lower_keys(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its keys in lower case and without spaces around them."""
    return {key.strip().casefold(): item for key, item in value.items()}


def find_json(reply: str, *keys: str) -> dict[str, Any] | None:
    """Return the last JSON object in a reply that has all of the keys, or else one of them; None if there is none.

    The models draft and correct themselves, so the last one counts. Prose, reasoning and code fences are ignored.
    """
    objects = json_objects(reply)[::-1]
    complete = (value for value in objects if all(key in value for key in keys))
    partial = (value for value in objects if any(key in value for key in keys))
    return next(complete, None) or next(partial, None)


def to_whole(value: Any) -> int | None:
    """Return a whole number as models write it: 4, 4.0 or "4"; None if it is none."""
    if isinstance(value, str) and (digits := _WHOLE_NUMBER.fullmatch(value)):
        return int(digits[1])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None
