"""Text for display: cleaning, truncating, escaping, and formatting of numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# characters that a terminal, a browser or an editor interprets instead of showing: C0 and C1 controls except tab
# and newline, bidirectional embeddings, overrides and isolates, line and paragraph separators, byte-order marks
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_JOINED = "\u200d\ufe0e\ufe0f"
_MAX_NAME_LENGTH = 60  # characters of a column name
_QUOTED = re.compile("“([^“”]*)”")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~$@]|:(?=//)|(?<=www)\.|^[#>+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)])")


def to_block(text: str) -> str:
    """Return the text with its line breaks, but without control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", text).encode("utf-8", "ignore").decode("utf-8")  # without lone surrogates
    return re.sub(r"\n{3,}", "\n\n", text)


def to_line(text: str, limit: int | None = None) -> str:
    """Return the text as one line that is safe to print and store, truncated to at most `limit` characters."""
    if limit is not None:
        text = text[: 4 * limit + 400]  # avoids cleaning megabytes that are cut off anyway
    text = " ".join(to_block(text.replace("\u2028", " ")).split())
    return text if limit is None or len(text) <= limit else text[: _before(text, limit)].rstrip() + "…"


def display_names(names: Iterable[Any]) -> dict[str, str]:
    """Map column names to display names of at most 60 characters, which stay distinct.

    The middle of a long name is cut out, because survey questions often differ only at their ends.
    """
    whole = [str(name) for name in names]
    return dict(zip(whole, unique_names(map(_without_middle, whole)), strict=True))


def _without_middle(name: str) -> str:
    name = to_line(name, 1_000)
    if len(name) <= _MAX_NAME_LENGTH:
        return name
    start = _MAX_NAME_LENGTH // 2
    return f"{name[:start].rstrip()}…{name[start + 1 - _MAX_NAME_LENGTH :].lstrip()}"


def excerpt(text: str, start: int, end: int, *, around: int = 240, limit: int = 480) -> dict[str, str]:
    """Cut a text around its sentence text[start:end].

    Parameters
    ----------
    text
        The whole text.
    start, end
        Character offsets of the sentence; clipped to the text.
    around
        Characters kept on each side of the sentence.
    limit
        Characters kept of the sentence itself.

    Returns
    -------
    dict
        "before", "sentence" and "after"; an ellipsis marks every cut.
    """
    start = min(max(start, 0), len(text))
    end = min(max(end, start), len(text))
    sentence = text[start:end]
    cut = len(sentence) > limit
    if cut:
        sentence = sentence[: _before(sentence, limit)].rstrip() + "…"
    first = _after(text, start - around) if start > around else 0
    last = _before(text, end + around) if end + around < len(text) else len(text)
    after = "" if cut else text[end:last]
    return {
        "before": to_block(("… " if first else "") + text[first:start]).lstrip(),
        "sentence": to_block(sentence),
        "after": to_block(after + (" …" if last < len(text) and not cut else "")).rstrip(),
    }


def utf16_spans(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Convert spans in characters to spans in UTF-16 code units, as browsers count them."""
    if text.isascii():
        return list(spans)

    def to_utf16(position: int) -> int:
        return len(text[:position].encode("utf-16-le", "surrogatepass")) // 2

    return [(to_utf16(start), to_utf16(end)) for start, end in spans]


def _before(text: str, position: int) -> int:
    """Return a cut position at or shortly before `position`: a space, or else a character boundary."""
    space = text.rfind(" ", max(0, position - 24), position + 1)
    if space > 0:
        return space
    while 0 < position < len(text) and _is_joined(text, position):
        position -= 1
    return position


def _after(text: str, position: int) -> int:
    """Return a cut position at or shortly after `position`: a space, or else a character boundary."""
    space = text.find(" ", position, position + 24)
    if space >= 0:
        return space + 1
    while position < len(text) and _is_joined(text, position):
        position += 1
    return position


def _is_joined(text: str, position: int) -> bool:
    here = text[position]
    return bool(unicodedata.combining(here)) or here in _JOINED or text[position - 1] == "\u200d"


def escape_markdown(text: object) -> str:
    """Escape a one-line text for Markdown, so that it is shown verbatim without markup, links or mentions."""
    escaped = _MARKDOWN.sub(r"\\\1", to_line(str(text)))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def isolate(text: str) -> str:
    """Wrap a name or value in directional isolates, so that right-to-left text does not reorder its surroundings."""
    return f"\u2068{text}\u2069"


def isolate_quotes(sentence: str) -> str:
    """Return a sentence as one line, with quoted passages wrapped in directional isolates."""
    return _QUOTED.sub(lambda match: f"“{isolate(match[1])}”", to_line(sentence))


def format_percent(share: float | None) -> str:
    """Format a share in [0, 1] as a percentage: '12%', '0.4%', '<0.1%', '>99%', or a dash for None."""
    if share is None:
        return "–"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0 < share < 0.0095:
        return f"{100 * share:.1f}%"
    return ">99%" if 0.995 <= share < 1 else f"{100 * share:.0f}%"


def format_number(value: float | int | None, digits: int = 3) -> str:
    """Format an integer with thousands separators, any other number with `digits` significant digits."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:,.{digits}g}"


def format_seconds(value: float | None) -> str:
    """Format a duration in seconds, minutes or hours."""
    if value is None:
        return "–"
    if value < 0.1:
        return "<0.1 s"
    if value < 100:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return the count with its noun in the singular or plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def count_reasons(counts: Mapping[str, int]) -> str:
    """Return "8 × status 429, 4 × timeout", the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} × {reason}" for reason, number in ordered if number)


def join_clauses(parts: Sequence[str]) -> str:
    """Join the non-empty parts with semicolons."""
    return "; ".join(part for part in parts if part)


def find_slots(template: str) -> frozenset[str]:
    """Return the names of the {{slots}} in a template."""
    return frozenset(_SLOT.findall(template))


def fill_slots(template: str, slots: Mapping[str, str], name: str = "template") -> str:
    """Fill every {{slot}} of a template in one pass, so that slots inside values stay unfilled.

    Errors refer to the template as `name`.

    Raises
    ------
    TypeError
        If a slot has no value, or a value has no slot.
    """
    names = find_slots(template)
    wrong = [f"needs {slot!r}" for slot in sorted(names - slots.keys())]
    wrong += [f"has no slot {slot!r}" for slot in sorted(slots.keys() - names)]
    if wrong:
        raise TypeError(f"The {name} {' and '.join(wrong)}.")
    return _SLOT.sub(lambda slot: slots[slot[1]], template)


def is_number(text: str) -> bool:
    """Return whether a string represents a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def unique_names(names: Iterable[str]) -> list[str]:
    """Make names unique: empty names become "column N" by position, repeated names are numbered."""
    taken: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        wanted = unique = name or f"column {position}"
        repeat = 1
        while unique in taken:
            repeat += 1
            unique = f"{wanted}_{repeat}"
        taken[unique] = None
    return list(taken)
