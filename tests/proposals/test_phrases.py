"""Phrases of texts: noun phrases, and verbs with their object."""

from __future__ import annotations

import pytest

from goalspace.proposals.phrases import find_phrases


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I returned the broken router.", {"broken router", "return the broken router"}),
        ("They have never answered my letters.", {"letters", "not answer letters"}),
        ("You charged my credit card twice", {"credit card", "charge credit card"}),
        ("The thermostat knows", {"thermostat"}),
        ("He didn't get it, I say", set()),
        ("", set()),
        ("!!! 123 :-)", set()),
    ],
)
def test_phrases_are_noun_phrases_and_verbs_with_their_object(text: str, expected: set[str]) -> None:
    found = find_phrases(text)
    assert {phrase.name for phrase in found} == expected
    for phrase in found:
        assert text[phrase.start : phrase.end].strip() == text[phrase.start : phrase.end] != ""


def test_a_phrase_is_found_where_it_is_first_said() -> None:
    text = "A late parcel. Another late parcel."
    [found] = find_phrases(text)
    assert (found.name, text[found.start : found.end], found.start) == ("late parcel", "late parcel", 2)
