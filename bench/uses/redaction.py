"""Private data that --redact and presidio-analyzer find in texts written by hand, and their speed.

    python -m bench.uses.redaction

Requires the shared data (GOALSPACE_DATA, by default ../shared/data). presidio-analyzer is omitted if it is not installed; its
recognizers of patterns need no spaCy model. docs/decisions/0021-redaction.md discusses the figures.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from bench.kit.console import open_console
from bench.kit.paths import DATA, ROOT
from bench.kit.tables import Table, save

Finder = Callable[[str], list[tuple[int, int]]]
_N_TEXTS = 10_000


def _ours() -> Finder:
    from goalspace.llm.private_data import find_private

    return lambda text: [finding[:2] for finding in find_private(text)]


def _presidio() -> Finder:
    recognizers: Any = importlib.import_module("presidio_analyzer.predefined_recognizers")
    regions = ("US", "GB", "DE", "FR", "ES")
    chosen = (
        (recognizers.EmailRecognizer(), "EMAIL_ADDRESS"),
        (recognizers.PhoneRecognizer(supported_regions=regions), "PHONE_NUMBER"),
        (recognizers.CreditCardRecognizer(), "CREDIT_CARD"),
        (recognizers.IbanRecognizer(), "IBAN_CODE"),
    )
    return lambda text: [
        (found.start, found.end) for r, kind in chosen for found in r.analyze(text, [kind], None) or ()
    ]


def _is_found(text: str, value: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether all letters and digits of a value are covered."""
    start = text.index(value)
    covered = {i for first, last in spans for i in range(first, last)}
    return all(i in covered for i in range(start, start + len(value)) if text[i].isalnum())


def _texts(cases: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Complaints to a bank of about 1,100 characters, each with a case at its end."""
    lines = (DATA / "cfpb" / "cfpb_product_labelled.jsonl").read_text("utf-8").splitlines()
    complaints = [max(json.loads(line).values(), key=lambda value: len(str(value))) for line in lines]
    for n, complaint in zip(range(_N_TEXTS), itertools.cycle(complaints)):
        yield f"{complaint} {cases[n % len(cases)]['text']}"


@click.command()
def main() -> None:
    """Measure how much is found of what is private and of what is not, per set of cases, and the seconds."""
    cases = [
        {"missed": {}, **json.loads(line)}
        for line in (ROOT / "tests" / "llm" / "private_data.jsonl").read_text("utf-8").splitlines()
    ]
    table = Table(
        "Private data found",
        ["found", "not private, found", "held out found", "held out, not private, found", "seconds"],
        f"In texts written by hand; seconds for {_N_TEXTS:,} complaints.",
    )
    finders = {"goalspace": _ours}
    if importlib.util.find_spec("presidio_analyzer"):
        finders["presidio-analyzer"] = _presidio
    for name, make in finders.items():
        find, counts = make(), []
        for is_held_out in (False, True):
            part = [case for case in cases if case.get("held_out", False) is is_held_out]
            values = [(case["text"], value) for case in part for value in (*case["private"], *case["missed"])]
            found = sum(_is_found(text, value, find(text)) for text, value in values)
            others = [case["text"] for case in part if not case["private"] and not case["missed"]]
            counts += [f"{found} of {len(values)}", f"{sum(bool(find(t)) for t in others)} of {len(others)}"]
        started = time.monotonic()
        for text in _texts(cases):
            find(text)
        seconds = round(time.monotonic() - started, 1)
        table.add(
            name, **dict(zip((c.replace(" ", "_") for c in table.columns), [*counts, seconds], strict=True))
        )
    table.show(open_console())
    print(
        save(
            "redaction", [table], settings={"texts": _N_TEXTS}, packages=("presidio-analyzer", "phonenumbers")
        )
    )


if __name__ == "__main__":
    main()
