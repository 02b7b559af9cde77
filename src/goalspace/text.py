"""Text made safe and short for a reader: cleaning, cutting, and numbers in words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# what a terminal, a browser or an editor would act upon instead of showing: C0 and C1 controls except tab and
# newline, bidirectional embeddings, overrides and isolates, line and paragraph separators, byte-order marks
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_JOINED = "\u200d\ufe0e\ufe0f"
_MAX_NAME_LENGTH = 60  # characters of a column's name
_QUOTED = re.compile("“([^“”]*)”")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~$@]|:(?=//)|(?<=www)\.|^[#>+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)])")


def to_block(text: str) -> str:
    """Return the text with its lines, without characters that would be obeyed instead of shown."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", text).encode("utf-8", "ignore").decode("utf-8")  # without lone surrogates
    return re.sub(r"\n{3,}", "\n\n", text)


def to_line(text: str, limit: int | None = None) -> str:
    """Return the text on one line that is safe to print and to store, cut to at most `limit` characters."""
    if limit is not None:
        text = text[: 4 * limit + 400]  # a text may hold megabytes; a line never shows more than this
    text = " ".join(to_block(text.replace("\u2028", " ")).split())
    return text if limit is None or len(text) <= limit else text[: _before(text, limit)].rstrip() + "…"


def display_names(names: Iterable[Any]) -> dict[str, str]:
    """Names of columns → how they are shown: at most 60 characters, and different where the names are.

    Questions of a survey often differ at their ends only, so a long name loses its middle.
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
        The sentence, in characters; clipped to the text.
    around
        Characters kept on each side of the sentence.
    limit
        Characters kept of the sentence itself.

    Returns
    -------
    dict
        "before", "sentence" and "after"; an ellipsis stands where something was cut.
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
    """Spans in characters as spans in the UTF-16 units that a browser counts."""
    if text.isascii():
        return list(spans)

    def unit(position: int) -> int:
        return len(text[:position].encode("utf-16-le", "surrogatepass")) // 2

    return [(unit(start), unit(end)) for start, end in spans]


def _before(text: str, position: int) -> int:
    """Return a place to cut at or shortly before `position`: a space, else never inside a character."""
    space = text.rfind(" ", max(0, position - 24), position + 1)
    if space > 0:
        return space
    while 0 < position < len(text) and _is_joined(text, position):
        position -= 1
    return position


def _after(text: str, position: int) -> int:
    """Return a place to cut at or shortly after `position`: a space, else never inside a character."""
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
    """Escape a one-line text for Markdown: it shows as it is and starts no markup, link or mention."""
    escaped = _MARKDOWN.sub(r"\\\1", to_line(str(text)))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def isolate(text: str) -> str:
    """Return a name or value for a sentence of a page: whichever way it is written, it turns round nothing else."""
    return f"\u2068{text}\u2069"


def isolate_quotes(sentence: str) -> str:
    """Return a sentence for a page, with what stands in quotation marks isolated."""
    return _QUOTED.sub(lambda found: f"“{isolate(found[1])}”", to_line(sentence))


def format_percent(share: float | None) -> str:
    """Return a share in [0, 1] in words: '12%', '0.4%', '<0.1%', '>99%', or a dash when there is none."""
    if share is None:
        return "–"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0 < share < 0.0095:
        return f"{100 * share:.1f}%"
    return ">99%" if 0.995 <= share < 1 else f"{100 * share:.0f}%"


def format_number(value: float | int | None, digits: int = 3) -> str:
    """Return a number with thousands separated, or with so many significant digits when it is no integer."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:,.{digits}g}"


def format_seconds(value: float | None) -> str:
    """Return a duration in words."""
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
    """Return the count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def join_clauses(parts: Sequence[str]) -> str:
    """Join the parts that say something to one sentence."""
    return "; ".join(part for part in parts if part)


def find_slots(template: str) -> frozenset[str]:
    """Return the names of the {{slots}} in a template."""
    return frozenset(_SLOT.findall(template))


def fill_slots(template: str, slots: Mapping[str, str], name: str = "template") -> str:
    """Fill every {{slot}} of a template in one pass: what looks like a slot inside a value stays as it is.

    `name` is what an error calls the template.

    Raises
    ------
    TypeError
        If a slot gets no value, or a value has no slot.
    """
    names = find_slots(template)
    wrong = [f"needs {slot!r}" for slot in sorted(names - slots.keys())]
    wrong += [f"has no slot {slot!r}" for slot in sorted(slots.keys() - names)]
    if wrong:
        raise TypeError(f"The {name} {' and '.join(wrong)}.")
    return _SLOT.sub(lambda slot: slots[slot[1]], template)


def is_number(text: str) -> bool:
    """Say whether a value is written as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def unique_names(names: Iterable[str]) -> list[str]:
    """Name the nameless columns by position and number repeated names, so that every name is unique."""
    taken: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        wanted = unique = name or f"column {position}"
        repeat = 1
        while unique in taken:
            repeat += 1
            unique = f"{wanted}_{repeat}"
        taken[unique] = None
    return list(taken)
