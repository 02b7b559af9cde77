"""What is found in texts that were written by hand, and what is not taken for private data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goalspace.llm.private_data import find_private

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in Path(__file__).with_name("private_data.jsonl").read_text("utf-8").splitlines()
]


def found_in(text: str) -> list[str]:
    return [text[finding.start : finding.end] for finding in find_private(text)]


def test_every_spelling_of_private_data_is_found() -> None:
    """Also in German, French, Spanish, US and UK formats, other widths and scripts, and with line breaks."""
    wrong = {}
    for case in CASES:
        found = found_in(case["text"])
        if sorted(found) != sorted([*case["private"], *case.get("taken", ())]):
            wrong[case["text"]] = found
    assert wrong == {}


def test_the_cases_are_many_and_what_is_missed_is_named() -> None:
    assert sum(len(case["private"]) for case in CASES) >= 130
    assert sum(not case["private"] for case in CASES) >= 160
    assert sum("taken" in case for case in CASES) == 1
    for case in CASES:
        for value in case.get("missed", ()):
            assert value not in found_in(case["text"]), f"now found: {value}"


@pytest.mark.parametrize(
    ("texts", "kind", "value"),
    [
        (
            ["Anna@Example.com", "anna@example.com", "anna＠example．com", "anna(at)example.com"],
            "EMAIL",
            None,
        ),
        (
            ["+49 171 2345678", "0049 171 2345678", "Tel. 0171/2345678", "٠٠٤٩١٧١٢٣٤٥٦٧٨"],
            "PHONE",
            "+491712345678",
        ),
        (["4111 1111 1111 1111", "4111111111111111", "4111-1111-1111-1111"], "CARD", "4111111111111111"),
        (["DE89 3704 0044 0532 0130 00", "de89370400440532013000"], "IBAN", "DE89370400440532013000"),
    ],
)
def test_spellings_of_one_value_are_one(texts: list[str], kind: str, value: str | None) -> None:
    findings = [find_private(text) for text in texts]
    assert [len(found) for found in findings] == [1] * len(texts)
    assert {(found[0].kind, found[0].value) for found in findings} == {(kind, value or "anna@example.com")}


@pytest.mark.parametrize("gap", [" ", "\n", ", ", " / ", "; ", "  ", "\r\n", "\t", " und "])
def test_numbers_in_lists_are_all_found(gap: str) -> None:
    """Also where nothing but a space or a line break is between them."""
    for value in (
        *(
            "0171 2345678",
            "+49 171 2345678",
            "0049 171 2345678",
            "415-555-2671",
            "(415) 555-2671",
            "612 345 678",
        ),
        *(
            "030/1234567",
            "06 12 34 56 78",
            "07911 123456",
            "01.42.68.53.00",
            "0301234567",
            "anna@example.com",
        ),
        *("4111 1111 1111 1111", "378282246310005", "DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
    ):
        for n in (2, 3, 12):
            text = gap.join([value] * n)
            assert found_in(text) == [value] * n, text


def test_numbers_of_several_kinds_in_a_row_are_all_found() -> None:
    values = [
        "0171 2345678",
        "DE89370400440532013000",
        "4111111111111111",
        "+49 30 1234567",
        "06 12 34 56 78",
    ]
    for shift in range(5):
        row = values[shift:] + values[:shift]
        assert found_in(" ".join(row)) == row
        assert found_in("\n".join(row)) == row


@pytest.mark.parametrize(
    "text",
    [
        "@" * 20_000,
        "a@a." * 5_000,
        "[ at " * 4_000,
        "a(at)a(dot)" * 2_000,
        "1" * 20_000,
        "0-" * 10_000,
        "+1" * 10_000,
        "(0" * 10_000,
        "1\n" * 10_000,
        "DE89 " * 1_000,
        "IBAN" * 5_000 + "DE89",
        "a@" + "\u0301" * 20_000,
        "0\u200b1" * 6_000,
        "1.1.20" * 3_000,
    ],
    ids=range(14),
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    """Each takes a fraction of a second; exponential or quadratic searches would not end."""
    assert all(found.end > found.start for found in find_private(text))
