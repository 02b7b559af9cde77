"""Phone numbers in a text, found and checked by phonenumbers, and told from other numbers by what surrounds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from goalspace.errors import require

FEWEST_DIGITS = 7
# where numbers without country code come from: with a 0 before the area code, and without one
_TRUNK_REGIONS = ("DE", "FR", "GB", "IT", "NL", "BE", "CH", "AT")
_OTHER_REGIONS = ("US", "ES")
_OTHER_DIGITS = range(9, 12)
_FEWEST_UNCUED = 9  # digits of a number without country code that no word announces
_MOST_DIGITS = 17  # with 00 and country code
_CONTEXT = 40  # characters before a number in which a word may say what it is

_RUN = re.compile(
    r"(?:\+[ (]?)?\(?\d(?:[ \-./()\[\]~]{0,3}\n?[ (]{0,2}\d)+(?:[ ,]{0,2}(?:ext|x|#)[. ]{0,2}\d{1,6}(?!\d))?",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?<!\d)(?<!\d[./-])(?:(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|[12]\d|3[01])\1(?:\d\d|(?:19|20)\d\d)(?!\1?\d)"
    r"|(?:19|20)\d\d([./-])(?:0?[1-9]|1[0-2])\2(?:0?[1-9]|[12]\d|3[01])(?!\2?\d))"
)
_CUE = re.compile(
    r"(?:\bt[ée]l|phone|\bfon\b|telefono?\b|\bmobile?\b|m[óo]vil|portable|\bcell|\bhandy|\bfax|whats|\bwa\.me|\bsms|\bcall|"
    r"\bring\b|\btext|anruf|\bruf|r[uü]ckruf|appele|ll[aá]m|\bcontact|\bn[uú]mero|num[ée]ro|"
    r"\b(?:my|meine|reach|us) (?:number|nummer|on|at))[^\d]{0,20}$",
    re.IGNORECASE,
)
_MESSENGER = re.compile(r"\b(?:wa\.me/|whatsapp\W{1,3})$", re.IGNORECASE)  # shows numbers abroad without +
_ABROAD = re.compile(r"\(?\+|\(?00(?=[1-9])")
_TRUNK = re.compile(r"\(?0\)?\d")
_GROUP = re.compile(r"(?:\(?\+[ (]?)?\(?\d+")
_EXTENSION = re.compile(r"[ ,]{0,2}(?:ext|x|#)[. ]{0,2}\d{1,6}$", re.IGNORECASE)
_ISBN = re.compile(r"ISBN(?:-1[03])?[:\s]{0,2}\Z", re.IGNORECASE)
_JOINED = re.compile(r"[-./_]\d")  # what stands after a part of a longer number
_INSIDE = re.compile(r"[^\W_]\Z|[\w#][-_/.#]\Z")  # what stands before a part of a longer number
_MONEY_BEFORE = re.compile(r"(?:[$€£¥]|\b(?:EUR|USD|GBP|CHF))\s?$", re.IGNORECASE)
_MONEY_AFTER = re.compile(
    r"\s?(?:[$€£¥%]|(?:EUR|USD|GBP|CHF|euros?|dollars?|pounds?)\b)(?!\s?\d)|,\d", re.IGNORECASE
)


class PhoneNumber(NamedTuple):
    """A phone number: where it stands, and its digits with country code (E.164)."""

    start: int
    end: int
    value: str


def find_phone_numbers(view: str) -> Iterator[PhoneNumber]:
    """Find phone numbers with country code, and those of Europe's larger countries and North America without it.

    Without country code, a number must begin with the 0 of long-distance calls, be written in the groups of its country, or
    follow a word such as "phone". Dates, amounts of money, and parts of longer numbers are none.

    Parameters
    ----------
    view
        A text with plain digits, spaces and hyphens.
    """
    for run in _RUN.finditer(_DATE.sub(lambda date: "_" * len(date[0]), view)):
        if sum(map(str.isdigit, run[0])) >= FEWEST_DIGITS:
            yield from _find_in(view, run.start(), run[0])


def _find_in(view: str, at: int, run: str) -> Iterator[PhoneNumber]:
    """Find the phone numbers in a run of digits and of the characters between them; there may be several, as in a list."""
    before = view[max(0, at - _CONTEXT) : at]
    has_cue = _CUE.search(before) is not None
    is_abroad = _MESSENGER.search(before) is not None
    extension = _EXTENSION.search(run)
    groups = [group.span() for group in _GROUP.finditer(run, 0, extension.start() if extension else len(run))]
    first = 0
    while first < len(groups):
        begin = groups[first][0]
        for last, end in _ends(run, groups, first):
            number = run[begin:end].replace("\n", " ")
            value = _read(view, at + begin, at + end, number, has_cue=has_cue, is_abroad=is_abroad)
            if value:
                yield PhoneNumber(at + begin, at + end, value)
                first = last
                break
        first += 1


def _ends(run: str, groups: Sequence[tuple[int, int]], first: int) -> Iterator[tuple[int, int]]:
    """Yield the groups with which a number that begins with a group may end, and their ends, the likely ones first.

    These are the ends of lines and of the run; then the groups before a 0 or a wide gap, and the others, longest first.
    """
    ranked: list[tuple[int, int, int]] = []
    n_digits = 0
    for last in range(first, len(groups)):
        start, end = groups[last]
        n_digits += sum(map(str.isdigit, run[start:end]))
        if n_digits > _MOST_DIGITS:
            break
        if n_digits < FEWEST_DIGITS:
            continue
        following = groups[last + 1][0] if last + 1 < len(groups) else len(run)
        gap = run[end:following]
        if last + 1 == len(groups) or "\n" in gap:
            ranked.append((0, last, last))
        else:
            is_likely = len(gap.strip("()[]")) > 1 or run[following] in "0(+"
            ranked.append((1 if is_likely else 2, -last, last))
    for _, _, last in sorted(ranked):
        if last + 1 == len(groups) and len(run) > groups[last][1]:
            yield last, len(run)  # with its extension
        yield last, groups[last][1]


def _read(view: str, start: int, end: int, number: str, *, has_cue: bool, is_abroad: bool) -> str:
    """Return the digits with country code of what may be a phone number; "" if it is none."""
    after = view[end : end + 10]
    abroad = _ABROAD.match(number)
    if abroad or (is_abroad and number[0] != "0"):
        found = _valid(f"+{number[abroad.end() if abroad else 0 :]}", None, False)
        before = view[max(0, start - 2) : start]
        if found and (number[0] != "0" or not (_INSIDE.search(before) or after[:1].isalnum())):
            return found
    n_digits = sum(map(str.isdigit, _EXTENSION.sub("", number)))
    is_trunk = _TRUNK.match(number) is not None
    if after[:1].isalnum() or not (is_trunk or n_digits in _OTHER_DIGITS):
        return ""
    if not _stands_alone(view, start, number, has_cue=has_cue):
        return ""
    if is_trunk:
        regions = _TRUNK_REGIONS if has_cue or n_digits >= _FEWEST_UNCUED else ()
        return next((found for region in regions if (found := _valid(number, region, False))), "")
    before = view[max(0, start - _CONTEXT) : start]
    is_money = _MONEY_BEFORE.search(before) or _MONEY_AFTER.match(after)
    if is_money or _JOINED.match(after) or not (has_cue or not number.isdecimal()):
        return ""
    return next((found for region in _OTHER_REGIONS if (found := _valid(number, region, not has_cue))), "")


def _stands_alone(view: str, start: int, number: str, *, has_cue: bool) -> bool:
    """Return whether a number is not a part of a longer one or of a name, and not an ISBN."""
    before = view[max(0, start - _CONTEXT) : start]
    if _ISBN.search(before) and require("stdnum.isbn", extra="redact").is_valid(number):
        return False
    return has_cue or not _INSIDE.search(before)


@lru_cache(maxsize=8192)  # a text is searched once by itself, and once more in its prompt
def _valid(number: str, region: str | None, is_strict: bool) -> str:
    """Return the number in E.164 if it is valid in the region and, if strict, written in its groups; else ""."""
    phonenumbers = require("phonenumbers", extra="redact")
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(parsed):
        return ""
    if is_strict:
        strict = phonenumbers.PhoneNumberMatcher(number, region, phonenumbers.Leniency.EXACT_GROUPING, 1)
        if not any(match.raw_string == number.strip() for match in strict):
            return ""
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
