"""Strings for people: excerpts and percentages."""

from __future__ import annotations

import pytest

from goalspace.text import excerpt, format_percent


def test_excerpt_keeps_the_sentence_and_never_splits_a_character():
    text = "a" * 5000 + " The end. " + "e\u0301" * 3000
    cut = excerpt(text, 5001, 5009, around=100)
    assert cut["sentence"] == "The end."
    assert cut["before"].startswith("… ")
    assert cut["after"].endswith("e\u0301 …")
    assert len(cut["before"] + cut["after"]) < 300
    assert excerpt("short", 0, 99) == {"before": "", "sentence": "short", "after": ""}
    assert excerpt("\x1b[31mred\x00 \ud800\u202eend", 0, 99)["sentence"] == "[31mred end"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "–"),
        (0, "0%"),
        (1e-5, "<0.1%"),
        (0.004, "0.4%"),
        (0.096, "10%"),
        (0.5, "50%"),
        (0.997, ">99%"),
        (1, "100%"),
    ],
)
def test_percent_in_words(share, words):
    assert format_percent(share) == words
