"""Which texts look English."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from goalspace.language.detection import share_foreign

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
