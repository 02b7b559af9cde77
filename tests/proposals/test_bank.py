"""The property bank of the package: its size, its lookups, and what happens to a damaged file."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

import goalspace
from goalspace.errors import GoalspaceError
from goalspace.proposals.bank import Aspect, load_bank, read_bank

FILE = Path(goalspace.__file__).parent / "data" / "bank.json.gz"
ASPECTS = load_bank().aspects
KINDS = {"content", "feeling", "manner", "act", "argument", "circumstance", "people", "assessment", "story"}


def fold(text: str) -> str:
    return " ".join(text.casefold().split())


def test_the_bank_is_large_and_its_file_small():
    assert len(load_bank().properties) >= 8000
    assert sum(len(item.paraphrases) for aspect in ASPECTS for item in aspect.properties) >= 8000
    assert len({aspect.name for aspect in ASPECTS}) == len(ASPECTS) >= 80
    assert {aspect.kind for aspect in ASPECTS} == KINDS
    assert FILE.stat().st_size < 2_000_000


@pytest.mark.parametrize("aspect", ASPECTS, ids=lambda aspect: aspect.name)
def test_an_aspect_has_questions_and_distinct_properties(aspect: Aspect):
    assert aspect.question.endswith("?")
    assert len({fold(question) for question in aspect.questions}) == len(aspect.questions) >= 3
    texts = Counter(fold(item.text) for item in aspect.properties)
    assert [text for text, n in texts.items() if n > 1 or not text] == []
    for item in aspect.properties:
        wordings = {fold(item.text), *map(fold, item.paraphrases)}
        assert len(wordings) == 1 + len(item.paraphrases), f"{item} repeats a wording"
    paraphrases = {fold(wording) for item in aspect.properties for wording in item.paraphrases}
    assert not paraphrases & set(texts), "a paraphrase is a property of its own"


def test_lookups_lead_from_a_property_to_its_aspects():
    bank = load_bank()
    assert set(bank.aspects_of["asks for advice"]) >= {"act"}
    assert set(bank.aspects_of["angry"]) >= {"emotion"}
    assert len(set(bank.properties)) == len(bank.properties)
    pairs = {(item.text, aspect.name) for aspect in ASPECTS for item in aspect.properties}
    assert pairs == {(text, name) for text in bank.properties for name in bank.aspects_of[text]}


def test_loading_twice_gives_the_same_object():
    assert load_bank() is load_bank()
    assert read_bank(FILE) == load_bank()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(FILE.read_bytes()[:1000], id="cut off"),
        pytest.param(FILE.read_bytes()[:1000] + bytes(100) + FILE.read_bytes()[1100:], id="overwritten"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", id="not compressed"),
        pytest.param(gzip.compress(b'{"version": 1'), id="not JSON"),
        pytest.param(gzip.compress(b"[]"), id="a list"),
        pytest.param(gzip.compress(json.dumps({"version": 1}).encode()), id="no aspects"),
        pytest.param(gzip.compress(b'{"version": 1, "aspects": [{"name": "act"}]}'), id="half an aspect"),
    ],
)
def test_a_damaged_file_says_to_reinstall(tmp_path: Path, content: bytes | None):
    path = tmp_path / "bank.json.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GoalspaceError, match=r"bank\.json\.gz is missing or damaged: pip install") as caught:
        read_bank(path)
    assert "\n" not in str(caught.value)
