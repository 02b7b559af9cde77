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
        (
            "Das Hotel hat z. B. keinen Lift. Am 3. Mai kam Dr. Müller mit uns. „Gut.“ Das war alles.",
            [
                "Das Hotel hat z. B. keinen Lift.",
                "Am 3. Mai kam Dr. Müller mit uns.",
                "„Gut.“",
                "Das war alles.",
            ],
        ),
        (
            "M. Dupont est là. « Très bien ! » a dit le patron, qui est content.",
            ["M. Dupont est là.", "« Très bien ! » a dit le patron, qui est content."],
        ),
        (
            "¿Qué tal? ¡Muy bien, Sra. Molina! Cuesta más, p. ej. el arroz.",
            ["¿Qué tal?", "¡Muy bien, Sra. Molina!", "Cuesta más, p. ej. el arroz."],
        ),
        (
            "Il Sig. Rossi è arrivato. La cena non era pronta!",
            ["Il Sig. Rossi è arrivato.", "La cena non era pronta!"],
        ),
        ("O Sr. Silva não estava. A sala é boa.", ["O Sr. Silva não estava.", "A sala é boa."]),
        (
            "We hebben drs. Jansen niet gezien. Dat is jammer.",
            ["We hebben drs. Jansen niet gezien.", "Dat is jammer."],
        ),
    ],
)
def test_text_is_split_into_sentences(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == expected
