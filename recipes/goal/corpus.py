"""The goal corpus, read from the files beside this one: texts with their properties under several goals.

python -m recipes.goal.corpus          # the size of the corpus, and what breaks the rules of BRIEF.md
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent

_MAX_WORDS = 8  # of a property
_MAX_DISTINCT = 18  # properties of a goal
_MAX_EMPTY = 5  # texts without a property, per goal


class Aspect(NamedTuple):
    """What a goal can ask for, such as the emotion: its kind, and its question in general words."""

    name: str
    kind: str
    question: str


class Text(NamedTuple):
    """A text with its properties for every aspect that its domain has a goal for."""

    text: str
    properties: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Domain:
    """Texts of one kind, such as hotel reviews, annotated under the same goals.

    Attributes
    ----------
    name
        Name of the file, without its suffix.
    goals
        For every aspect, the wordings of the goal.
    texts
        The texts.
    """

    name: str
    goals: Mapping[str, Sequence[str]]
    texts: Sequence[Text]

    def properties(self, aspect: str | None = None) -> list[str]:
        """Return the distinct properties under one aspect, or under all, sorted."""
        return sorted(
            {
                name
                for text in self.texts
                for key, names in text.properties.items()
                if aspect in (None, key)
                for name in names
            }
        )


class Split(NamedTuple):
    """Domains for training and measuring, and the aspects that no training goal has."""

    train: list[Domain]
    held_out: list[Domain]
    aspects: frozenset[str]


def read_aspects() -> dict[str, Aspect]:
    """Return all aspects by name."""
    lines = (FOLDER / "aspects.tsv").read_text(encoding="utf-8").splitlines()
    return {aspect.name: aspect for aspect in (Aspect(*line.split("\t")) for line in lines)}


def read_domains() -> list[Domain]:
    """Return all domains, sorted by name."""
    return [read_domain(path) for path in sorted((FOLDER / "corpus").glob("*.jsonl"))]


def read_domain(path: Path) -> Domain:
    """Read a file of the corpus."""
    head, *rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return Domain(path.stem, head["goals"], [Text(row["text"], row["properties"]) for row in rows])


class Entry(NamedTuple):
    """What the bank holds for an aspect: wordings of its question, and properties with their paraphrases."""

    questions: list[str]
    properties: list[list[str]]


def read_bank() -> dict[str, Entry]:
    """Return the hand-written part of the property bank by aspect."""
    bank = {}
    for path in sorted((FOLDER / "bank").glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        questions = [line.removeprefix("? ") for line in lines if line.startswith("? ")]
        bank[path.stem] = Entry(questions, [line.split(" | ") for line in lines if not line.startswith("? ")])
    return bank


def split(domains: Sequence[Domain]) -> Split:
    """Hold out the domains of held_out.txt, and from training also its aspects.

    The domains come in an order without meaning, so that the first ones are a sample of all.
    """
    listed = (FOLDER / "held_out.txt").read_text(encoding="utf-8").split("# aspects\n")
    names, aspects = (
        frozenset(line for line in part.splitlines() if not line.startswith("#")) for part in listed
    )
    ordered = sorted(domains, key=lambda domain: hashlib.sha256(f"domain {domain.name}".encode()).digest())
    train = [_without(domain, aspects) for domain in ordered if domain.name not in names]
    held_out = [domain for domain in ordered if domain.name in names]
    return Split([domain for domain in train if domain.goals], held_out, aspects)


def _without(domain: Domain, aspects: Set[str]) -> Domain:
    """Return a domain without its goals under some aspects, and without their answers."""
    kept = [aspect for aspect in domain.goals if aspect not in aspects]
    texts = [Text(text.text, {aspect: text.properties[aspect] for aspect in kept}) for text in domain.texts]
    return Domain(domain.name, {aspect: domain.goals[aspect] for aspect in kept}, texts)


def find_faults(domain: Domain, aspects: Mapping[str, Aspect]) -> Iterator[str]:
    """Yield what breaks the rules that can be checked by a program."""
    if len({text.text for text in domain.texts}) < len(domain.texts):
        yield "a text occurs twice"
    for aspect, wordings in domain.goals.items():
        if aspect not in aspects:
            yield f"{aspect} is not in aspects.tsv"
        if len(set(wordings)) < len(wordings) or len(wordings) < 2:
            yield f"{aspect}: {len(set(wordings))} distinct wordings of the goal"
        counts = Counter(name for text in domain.texts for name in text.properties[aspect])
        if not 2 <= len(counts) <= _MAX_DISTINCT:
            yield f"{aspect}: {len(counts)} distinct properties"
        if sum(not text.properties[aspect] for text in domain.texts) > _MAX_EMPTY:
            yield f"{aspect}: too many texts without a property"
    for text in domain.texts:
        if set(text.properties) != set(domain.goals):
            yield f"'{text.text[:40]}': not annotated under the goals of the domain"
        for names in text.properties.values():
            if len(set(names)) < len(names):
                yield f"'{text.text[:40]}': a property occurs twice"
            for name in names:
                if (
                    not 1 <= len(name.split()) <= _MAX_WORDS
                    or name != name.strip()
                    or re.search(r"[.;\n]", name)
                ):
                    yield f"'{name}' is not a short property"


def main() -> None:
    """Print the size of the corpus and its faults."""
    domains, aspects = read_domains(), read_aspects()
    print(
        f"{sum(len(d.texts) for d in domains):,} texts in {len(domains)} domains, "
        f"{sum(len(d.goals) for d in domains):,} goals, "
        f"{len({name for d in domains for name in d.properties()}):,} distinct properties"
    )
    for domain in domains:
        for fault in find_faults(domain, aspects):
            print(f"{domain.name}: {fault}")


if __name__ == "__main__":
    main()
