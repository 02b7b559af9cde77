"""The goal corpus and its bank: size, rules, split, reproducibility, and no text of the data that goalspace is measured on."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.goal.corpus import (
    find_faults,
    read_aspects,
    read_bank,
    read_domains,
    split,
)
from recipes.goal.make_bank import OUT, build, encode, fold

README = Path(__file__).parents[2] / "recipes" / "goal" / "README.md"
DOMAINS = read_domains()
KINDS = {name: aspect.kind for name, aspect in read_aspects().items()}
GOALS = [(domain, aspect) for domain in DOMAINS for aspect in domain.goals]
NOT_MEASURED_ON = ("goal_corpus", "metabench/responses")  # an older part of this corpus; rows of bits
# What anybody writes: runs of eight words that the corpus shares with the data by chance.
STOCK_PHRASES = {
    "and i want you to know that i",
    "and it is with a heavy heart that",
    "and put it on the edge of the",
    "dear sir or madam i am writing to",
    "i am writing to inform you that i",
    "i don t know what else to do",
    "i want you to know that i m",
    "i would like to thank you for the",
    "inform you that i am resigning from my",
    "to inform you that i am resigning from",
}


def test_the_corpus_is_large_and_most_goals_are_not_about_content():
    assert sum(len(domain.texts) for domain in DOMAINS) >= 4000
    assert len(DOMAINS) >= 160
    assert sum(len(domain.goals[aspect]) >= 3 for domain, aspect in GOALS) >= 500
    assert sum(KINDS[aspect] != "content" for _, aspect in GOALS) >= len(GOALS) / 2


def test_the_corpus_keeps_its_rules():
    aspects = read_aspects()
    assert [f"{d.name}: {fault}" for d in DOMAINS for fault in find_faults(d, aspects)] == []


def test_the_readme_gives_these_sizes():
    n_texts, bank = sum(len(domain.texts) for domain in DOMAINS), build()
    n_properties = sum(len(aspect["properties"]) for aspect in bank["aspects"])
    written = [wordings for entry in read_bank().values() for wordings in entry.properties]
    page = " ".join(README.read_text("utf-8").split())
    assert f"{n_texts:,} texts in {len(DOMAINS)} domains, annotated under {len(GOALS):,} goals" in page
    assert f"{n_properties:,} properties under {len(bank['aspects'])} aspects" in page
    assert (
        f"{len(written):,} properties and their {sum(map(len, written)) - len(written):,} paraphrases" in page
    )
    aspects, goals = Counter(KINDS.values()), Counter(KINDS[aspect] for _, aspect in GOALS)
    rows = re.findall(r"\| `(\w+)` \|[^|]+\| (\d+) \| (\d+) \|", page)
    assert {kind: (int(a), int(g)) for kind, a, g in rows} == {k: (aspects[k], goals[k]) for k in aspects}


def test_no_text_occurs_twice():
    texts = [fold(text.text) for domain in DOMAINS for text in domain.texts]
    assert len(set(texts)) == len(texts)


def test_the_split_holds_out_whole_domains_and_aspects():
    parts = split(DOMAINS)
    train, held_out = ({domain.name for domain in part} for part in parts[:2])
    assert len(held_out) == 48
    assert len(parts.aspects) == 12
    assert not train & held_out
    assert {domain.name for domain in DOMAINS if set(domain.goals) - parts.aspects} == train | held_out
    for domain in parts.train:
        assert domain.goals
        assert not set(domain.goals) & parts.aspects
        assert all(set(text.properties) == set(domain.goals) for text in domain.texts)
    for_held_out_aspects = [domain for domain in parts.held_out if domain.name.startswith("n-")]
    assert len(for_held_out_aspects) == 24
    assert all(len(set(domain.goals) & parts.aspects) >= 3 for domain in for_held_out_aspects)
    texts = {fold(text.text) for domain in parts.train for text in domain.texts}
    assert not texts & {fold(text.text) for domain in parts.held_out for text in domain.texts}
    assert split(DOMAINS[::-1]).aspects == parts.aspects
    assert split(DOMAINS[::-1]).held_out == parts.held_out


def test_the_committed_bank_is_the_one_that_the_recipe_makes():
    content = encode(build())
    assert gzip.decompress(OUT.read_bytes()) == gzip.decompress(content)
    if "ng" not in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng compresses to other bytes
        assert OUT.read_bytes() == content


def test_the_bank_has_the_properties_of_its_files_and_of_training_domains_only():
    held_out = {domain.name for domain in split(DOMAINS).held_out}
    files = read_bank()
    for aspect in build()["aspects"]:
        entry = files[aspect["name"]]
        assert aspect["questions"] == entry.questions
        assert aspect["properties"][: len(entry.properties)] == entry.properties
        written = {fold(wording) for wordings in entry.properties for wording in wordings}
        counts = Counter(
            name
            for domain in DOMAINS
            if domain.name not in held_out
            for name in domain.properties(aspect["name"])
        )
        annotated = {fold(name) for name, n_domains in counts.items() if n_domains > 1}
        added = aspect["properties"][len(entry.properties) :]
        assert {fold(name) for (name,) in added} == annotated - written
        assert len(added) == len(annotated - written)


def strings(value: Any) -> Iterator[str]:
    """All strings of a JSON value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def runs_of_words(text: str, length: int = 8) -> set[str]:
    words = re.findall(r"\w+", text.casefold())
    return {" ".join(words[at : at + length]) for at in range(len(words) - length + 1)}


def measured_texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*/*.json*")):
        if str(path.relative_to(folder)).startswith(NOT_MEASURED_ON):
            continue
        content = path.read_text("utf-8")
        rows = [content] if path.suffix == ".json" else content.split("\n")
        for row in rows:
            yield from strings(json.loads(row)) if row else ()


def test_no_text_comes_from_the_data_that_goalspace_is_measured_on(shared_data: Path):
    # a single word, such as "No.", is anybody's
    texts = {fold(text.text) for domain in DOMAINS for text in domain.texts if " " in text.text.strip()}
    runs = {run for text in texts for run in runs_of_words(text)} - STOCK_PHRASES
    n_read, same, shared = 0, set(), set()
    for text in measured_texts(shared_data):
        n_read += 1
        same |= {fold(text)} & texts
        shared |= runs_of_words(text) & runs
    assert n_read > 100_000
    assert same == set()
    assert shared == set()
