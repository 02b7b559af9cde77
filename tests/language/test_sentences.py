"""Where sentences begin and end."""

from __future__ import annotations

import pytest

from goalspace.language.sentences import sentence_spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ("It cost 3.50 euros. Fine", ["It cost 3.50 euros.", "Fine"]),
        ("a line\n  another line \n", ["a line", "another line"]),
        ("。", ["。"]),
    ],
)
def test_text_is_split_into_sentences(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == expected
