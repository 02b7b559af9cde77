"""The property bank: what texts can have in common, by aspect, for proposing properties without a language model.

An aspect is what a goal can ask for, such as the emotion or the speech act. The bank is made by recipes/goal, from
properties written for it and those of the annotated texts there.
"""

from __future__ import annotations

import functools
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from goalspace.errors import GoalspaceError


@dataclass(frozen=True)
class Property:
    """A property that many texts can have, in a few words.

    Attributes
    ----------
    text
        The property, such as "asks for advice".
    paraphrases
        The same in other words; empty for properties that come from annotated texts.
    """

    text: str
    paraphrases: tuple[str, ...]


@dataclass(frozen=True)
class Aspect:
    """What a goal can ask for, with the properties that answer it.

    Attributes
    ----------
    name
        The name, such as "emotion"; unique in the bank.
    kind
        The kind of aspect: content, feeling, manner, act, argument, circumstance, people, assessment or story.
    question
        The question in general words, such as "Which emotion does the writer express?".
    questions
        More wordings, as an analyst would type a goal: noun phrases, questions, instructions, wishes.
    properties
        The properties; no two are the same text.
    """

    name: str
    kind: str
    question: str
    questions: tuple[str, ...]
    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Bank:
    """The properties of all aspects.

    Attributes
    ----------
    version
        Version of the content.
    aspects
        The aspects.
    """

    version: int
    aspects: tuple[Aspect, ...]

    @functools.cached_property
    def questions(self) -> tuple[tuple[int, str], ...]:
        """The number of the aspect and the text of every question, in the order of the bank."""
        return tuple(
            (number, text) for number, aspect in enumerate(self.aspects) for text in aspect.questions
        )

    @functools.cached_property
    def aspects_of(self) -> Mapping[str, tuple[str, ...]]:
        """The text of every property → the names of the aspects that it is a property of, in the order of the bank."""
        names: dict[str, list[str]] = {}
        for aspect in self.aspects:
            for item in aspect.properties:
                names.setdefault(item.text, []).append(aspect.name)
        return {text: tuple(found) for text, found in names.items()}

    @functools.cached_property
    def properties(self) -> tuple[str, ...]:
        """The distinct texts of all properties (n_properties,), in the order of the bank."""
        return tuple(self.aspects_of)


@functools.cache
def load_bank() -> Bank:
    """Return the bank of the package; later calls return the same object.

    Raises
    ------
    GoalspaceError
        If its file is missing or damaged.
    """
    with resources.as_file(resources.files("goalspace") / "data" / "bank.json.gz") as path:
        return read_bank(path)


def read_bank(path: Path) -> Bank:
    """Read a bank written by recipes/goal.

    Raises
    ------
    GoalspaceError
        If the file is missing or damaged.
    """
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        aspects = tuple(
            Aspect(
                item["name"],
                item["kind"],
                item["question"],
                tuple(item["questions"]),
                tuple(Property(text, tuple(paraphrases)) for text, *paraphrases in item["properties"]),
            )
            for item in content["aspects"]
        )
        return Bank(content["version"], aspects)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise GoalspaceError(
            f"The property bank {path} is missing or damaged: pip install --force-reinstall --no-deps goalspace."
        ) from error
