"""Which texts are in a language that the encoder does not know."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from goalspace.language.detection import (
    OTHER,
    detect_language,
    language_shares,
    languages_of,
    share_foreign,
)

GERMAN = "Die Rechnung kam zweimal, und niemand geht an das Telefon, wenn man deswegen anruft."
CHINESE = "客服态度很差，打电话等了一个小时没有人接。"
ENGLISH = "The invoice came twice, and nobody answers the phone when you call about it."


def test_the_examples_are_english() -> None:
    with (Path(__file__).parents[2] / "examples" / "helpdesk.csv").open(encoding="utf-8") as file:
        texts = [row["message"] for row in csv.DictReader(file)]
    assert share_foreign(texts) < 0.02


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        ([GERMAN, CHINESE, "الخدمة سيئة جدا", ENGLISH], 0.75),
        ([ENGLISH, "Rechnung falsch", "refund", "12345", ""], 0.0),  # few words tell nothing
        (["refund", ""], 0.0),
        ([ENGLISH, GERMAN] * 3000, 0.5),  # a sample
    ],
)
def test_foreign_texts_are_counted(texts: list[str], share: float) -> None:
    assert share_foreign(texts) == pytest.approx(share, abs=0.02)


FRENCH = "La facture est arrivée deux fois et personne ne répond au téléphone quand on appelle."
SPANISH = "La factura llegó dos veces y nadie contesta el teléfono cuando uno llama por eso."
ITALIAN = "La fattura è arrivata due volte e nessuno risponde al telefono quando si chiama per questo motivo."
DUTCH = "De rekening kwam twee keer en niemand neemt de telefoon op als je daarover belt."


@pytest.mark.parametrize(
    ("encoder", "share"),
    [
        ("minilm", 5 / 6),
        ("task", 5 / 6),
        ("goal@1a2b3c4d[why customers leave]", 0.5),
        ("goal:own.safetensors", 0.5),
    ],
)
def test_an_encoder_has_its_languages(encoder: str, share: float) -> None:
    texts = [ENGLISH, GERMAN, FRENCH, SPANISH, CHINESE, DUTCH]
    if encoder.startswith("goal"):
        texts[0] = ITALIAN
    assert share_foreign(texts, languages_of(encoder)) == pytest.approx(share)


def test_nothing_is_known_about_other_encoders() -> None:
    assert languages_of("openai:embed-large") == ()


PORTUGUESE = "A conta chegou duas vezes e ninguém atende o telefone quando se liga por causa disso."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "English"),
        (GERMAN, "German"),
        (FRENCH, "French"),
        (SPANISH, "Spanish"),
        (ITALIAN, "Italian"),
        (PORTUGUESE, "Portuguese"),
        (DUTCH, "Dutch"),
        (CHINESE, OTHER),
        ("Обслуживание ужасное", OTHER),
        ("サービスが悪い", OTHER),
        ("Bardzo dobry telefon, ale bateria słabo trzyma, nie polecam żadnemu klientowi.", OTHER),
        ("Schon beim Auspacken war der Griff abgebrochen.", "German"),
        ("How do you do currency exchanges?", "English"),
        ("", None),
        ("12345 67,89 %", None),
        ("refund", None),
        ("Samsung Galaxy S21 Ultra 5G 128GB schwarz", None),
        ("José García Müller, Zoë Çelik, André Grañén", None),
        ("restaurant de la Cruz", None),
        ("def __init__(self, path): self.path = os.path.join(path, name)", None),
    ],
)
def test_the_language_of_a_text_is_told_or_left_open(text: str, language: str | None) -> None:
    assert detect_language(text) == language


def test_shares_of_languages_add_up_to_what_can_be_told() -> None:
    assert language_shares([GERMAN, GERMAN, ENGLISH, "12345"]) == {"German": 0.5, "English": 0.25}
