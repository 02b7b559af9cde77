"""E-mail addresses, phone numbers, payment cards and IBANs in a text.

Phone numbers and IBANs are checked by phonenumbers and python-stdnum, from the extra ``redact``. A search takes time linear
in the length of the text: repetitions are bounded, or their parts share no character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from goalspace.errors import require
from goalspace.llm.phone_numbers import FEWEST_DIGITS, find_phone_numbers

KINDS = ("EMAIL", "PHONE", "CARD", "IBAN")
WORDS = "e-mail addresses, phone numbers, payment cards and IBANs"


class Finding(NamedTuple):
    """Private data in a text: where it is, one of `KINDS`, and its value, the same for all spellings."""

    start: int
    end: int
    kind: str
    value: str


def check_installed() -> None:
    """Raise `MissingDependency` unless the packages of the extra ``redact`` are installed."""
    require("phonenumbers", extra="redact")
    require("stdnum", extra="redact")


def find_private(text: str) -> list[Finding]:
    """Find the private data in a text, in order and without overlaps.

    Widths, digits of other scripts, invisible characters, hyphens and a line break within a number make no difference.

    Raises
    ------
    MissingDependency
        If the extra ``redact`` is not installed.
    """
    view = PlainView.of(text)
    rest, found = view.text, list[Finding]()
    searches = (_emails, _ibans, _cards, _phones) if _MANY_DIGITS.search(rest) else (_emails,)
    for search in searches:
        new = sorted(search(rest))
        rest = _blank(rest, new)
        found += new
    return [Finding(*view.span(start, end), kind, value) for start, end, kind, value in sorted(found)]


def _blank(text: str, findings: Sequence[Finding]) -> str:
    """Replace what was found, so that it is not found again and no number goes on beyond it."""
    pieces, end = [], 0
    for finding in findings:
        pieces += [text[end : finding.start], "_" * (finding.end - finding.start)]
        end = finding.end
    return "".join([*pieces, text[end:]])


# ---------------------------------------------------------------- spelling

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
    "\U000e0020-\U000e007f]"
)


class _Plain(dict[int, str]):
    """Character → the plain one that it stands for: always one, so that places stay."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKC", chr(code))
        plain = plain if len(plain) == 1 else chr(code)
        kind = unicodedata.category(plain)
        if kind == "Nd":
            plain = str(unicodedata.digit(plain))
        elif kind == "Pd" or plain == "\N{MINUS SIGN}":
            plain = "-"
        elif kind in ("Zl", "Zp") or plain in "\v\f\x85":
            plain = "\n"
        elif kind == "Zs" or plain in "\r\t":
            plain = " "
        self[code] = plain
        return plain


_PLAIN = _Plain()


@dataclass(frozen=True)
class PlainView:
    """A text as it is searched: in plain characters, without invisible ones.

    Attributes
    ----------
    text
        The plain text.
    places
        Where its characters stand in the original; None if at the same place.
    """

    text: str
    places: Sequence[int] | None

    @classmethod
    def of(cls, text: str) -> PlainView:
        """Return the view of a text."""
        if text.isascii() or not _INVISIBLE.search(text):
            return cls(text.translate(_PLAIN), None)
        places = [i for i, character in enumerate(text) if not _INVISIBLE.match(character)]
        return cls("".join(text[i] for i in places).translate(_PLAIN), places)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original that a span of the view stands for."""
        return (start, end) if self.places is None else (self.places[start], self.places[end - 1] + 1)


# ---------------------------------------------------------------- e-mail addresses

_OPEN, _CLOSE = r"\s?[\[({]\s?", r"\s?[\])}]\s?"
_AT = re.compile(
    rf"@\n?| @ |%40|&#0{{0,4}}64;|&#x0{{0,4}}40;|&commat;|{_OPEN}(?:at|ät|@|arroba){_CLOSE}", re.IGNORECASE
)
_DOT = rf"(?:\.|{_OPEN}(?:dot|punkt|point|punto|\.){_CLOSE})"
_DOTS = re.compile(_DOT, re.IGNORECASE)
_MARKS = "\u0300-\u036f"
_UNSPACED = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"  # scripts that put no spaces around an address
_MAX_LOCAL = 64  # characters before the @


def _patterns(excluded: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the part before the @, from its end to its start, and the one after it, without some characters."""
    before = rf"""[^\s@<>()\[\]{{}},;:"|\\/=?&%\x00-\x20\x7f{excluded}]{{1,{_MAX_LOCAL}}}"""
    without = f"(?![{excluded}])" if excluded else ""
    label = rf"(?:{without}[\w{_MARKS}-]){{1,63}}"
    return re.compile(before), re.compile(rf"{label}(?:{_DOT}{label}){{1,8}}", re.IGNORECASE)


_EMAIL_PATTERNS = (_patterns(_UNSPACED), _patterns(""))


def _emails(view: str) -> Iterator[Finding]:
    end = 0
    for at in _AT.finditer(view):
        for before, after in _EMAIL_PATTERNS:
            local = before.match(view[max(end, at.start() - _MAX_LOCAL) : max(end, at.start())][::-1])
            domain = after.match(view, at.end())
            name = local[0][::-1].lstrip("'`*.+-") if local else ""
            host = _host(domain[0]) if domain else ""
            if name and host:
                end = at.end() + len(host)
                yield Finding(
                    at.start() - len(name), end, "EMAIL", f"{name}@{_DOTS.sub('.', host)}".casefold()
                )
                break


def _host(domain: str) -> str:
    """Return the beginning of a domain that ends with a top-level one, in letters; "" if there is none."""
    dots = list(_DOTS.finditer(domain))
    while dots:
        label = domain[dots[-1].end() :]
        if len(label) > 1 and (label[:4].lower() == "xn--" or not any(c.isdigit() for c in label[:2])):
            return domain
        domain = domain[: dots.pop().start()]
    return ""


# ---------------------------------------------------------------- numbers

_MANY_DIGITS = re.compile(rf"\d(?:\D{{0,5}}\d){{{FEWEST_DIGITS - 1}}}")
_IBAN_START = re.compile(r"(?:(?<![^\W_])|(?<=IBAN))[A-Z]{2}\d\d(?=[ \-.\n]{0,2}[A-Z0-9])", re.IGNORECASE)
_IBAN = re.compile(r"[A-Z]{2}\d\d(?:[ \-.\n]{0,2}[A-Z0-9]){11,30}", re.IGNORECASE | re.ASCII)
_FEWEST_OF_IBAN = 15
_DIGITS = re.compile(r"\d(?:[ \-.\n]?\d)+")
# issuers by the first digits, and their lengths
_CARD = re.compile(
    r"4(?:\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11,16}|35(?:2[89]|[3-8]\d)\d{12,15}|(?:6011|64[4-9]\d|65\d\d|62\d\d)\d{12,15}"
    r"|(?:5[0678]|6\d)\d{14,17}"
)
_MOST_OF_CARD = 19
_FEWEST_OF_GROUP = 3  # digits: phone numbers have shorter groups


def _ibans(view: str) -> Iterator[Finding]:
    iban = require("stdnum.iban", extra="redact")
    checksum = require("stdnum.iso7064.mod_97_10", extra="redact")
    end = 0
    for start in _IBAN_START.finditer(view):
        run = _IBAN.match(view, start.start()) if start.start() >= end else None
        if run is None:
            continue
        places = [run.start() + i for i, character in enumerate(run[0]) if character.isalnum()]
        compact = "".join(view[place] for place in places).upper()
        for length in range(len(compact), _FEWEST_OF_IBAN - 1, -1):
            # the sum first, as it takes a hundredth of the time
            if checksum.is_valid(compact[4:length] + compact[:4]) and iban.is_valid(
                compact[:length], check_country=False
            ):
                end = places[length - 1] + 1
                yield Finding(run.start(), end, "IBAN", compact[:length])
                break


def _cards(view: str) -> Iterator[Finding]:
    for run in _DIGITS.finditer(view):
        groups = [(run.start() + g.start(), g[0]) for g in re.finditer(r"\d+", run[0])]
        first = 0
        while first < len(groups):
            last = _last_of_card([digits for _, digits in groups[first : first + _MOST_OF_CARD]])
            if last is None:
                first += 1
                continue
            (start, _), (begin, digits) = groups[first], groups[first + last]
            value = "".join(digits for _, digits in groups[first : first + last + 1])
            yield Finding(start, begin + len(digits), "CARD", value)
            first += last + 1


def _last_of_card(groups: Sequence[str]) -> int | None:
    """Return the group with which a card number that starts with the first group ends; None if none starts there."""
    luhn = require("stdnum.luhn", extra="redact")
    digits = ""
    for last, group in enumerate(groups):
        digits += group
        if len(digits) > _MOST_OF_CARD or len(group) < _FEWEST_OF_GROUP:
            break
        if _CARD.fullmatch(digits) and luhn.is_valid(digits):
            return last
    return None


def _phones(view: str) -> Iterator[Finding]:
    return (Finding(start, end, "PHONE", value) for start, end, value in find_phone_numbers(view))
