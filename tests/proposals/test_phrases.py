"""Phrases of texts: noun phrases, and verbs with their object."""

from __future__ import annotations

import pytest

from goalspace.proposals.phrases import find_native_phrases, find_phrases


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Die lange Lieferzeit ist nicht gut.", {"lange Lieferzeit"}),
        ("Wegen der langen Lieferzeit bin ich nicht zufrieden.", {"lange Lieferzeit"}),
        (
            "Der freundliche Techniker hat mir das neue Gerät erklärt.",
            {"freundlicher Techniker", "neues Gerät"},
        ),
        ("Ich habe einen alten Staubsauger und keine Anleitung.", {"alter Staubsauger", "keine Anleitung"}),
        (
            "Die große Straße ist zu laut, die Dusche war kaputt.",
            {"große Straße", "kaputte Dusche", "Dusche"},
        ),
        ("Es gab auch leider ohne Frühstück und mit dem alten Gerät nichts.", {"ohne Frühstück"}),
        ("El personal es muy amable y la habitación no tiene vistas.", {"personal amable"}),
        ("No me gustó el largo tiempo de espera, sin ascensor.", {"largo tiempo de espera", "sin ascensor"}),
        ("La compré ayer y no la quiero.", set()),
        ("La douche était froide et nous avons attendu le petit-déjeuner.", {"douche froide"}),
        ("Une attente interminable à l’accueil, c’est trop.", {"attente interminable", "accueil"}),
        ("La camera era sporca e non c’era una finestra.", {"camera sporca", "finestra"}),
        ("O quarto estava sujo e a espera foi muito longa.", {"quarto sujo", "espera longa"}),
        (
            "Het vriendelijke personeel heeft ons geen ontbijt gegeven.",
            {"vriendelijk personeel", "geen ontbijt"},
        ),
        ("I returned the broken router to you.", {"broken router", "return the broken router"}),
        ("客服态度很差", set()),
    ],
)
def test_native_phrases_are_written_as_labels_in_their_language(text: str, expected: set[str]) -> None:
    found = find_native_phrases(text)
    assert expected <= {phrase.name for phrase in found}
    if not expected:
        assert found == []
    for phrase in found:
        assert text[phrase.start : phrase.end].strip() == text[phrase.start : phrase.end] != ""
