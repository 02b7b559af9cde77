"""The JSON objects of edits, as the explorer's page sends and reads them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # before Python 3.12, pydantic reads no other; the tests use it


class Rename(TypedDict):
    """Rename a factor."""

    do: Literal["rename"]
    factor: int
    name: str
    description: NotRequired[str]


class Merge(TypedDict):
    """Merge factors."""

    do: Literal["merge"]
    factors: list[int]
    name: NotRequired[str]


class Split(TypedDict):
    """Split a factor into parts."""

    do: Literal["split"]
    factor: int
    into: int


class Hide(TypedDict):
    """Hide a factor, or show it again."""

    do: Literal["hide"]
    factor: int
    hidden: bool


class Move(TypedDict):
    """Move a property to another factor, or to none."""

    do: Literal["move"]
    property: str
    to: int | None


class Add(TypedDict):
    """Add a property in the analyst's words."""

    do: Literal["add"]
    property: str
    to: int


class Remove(TypedDict):
    """Remove a property."""

    do: Literal["remove"]
    property: str


Edit = Rename | Merge | Split | Hide | Move | Add | Remove


class DoneEdit(TypedDict):
    """An edit of any kind that was made, and what it did as a sentence."""

    do: Literal["rename", "merge", "split", "hide", "move", "add", "remove"]
    factor: NotRequired[int]
    factors: NotRequired[list[int]]
    name: NotRequired[str]
    description: NotRequired[str]
    into: NotRequired[int]
    hidden: NotRequired[bool]
    property: NotRequired[str]
    to: NotRequired[int | None]
    said: str


class EditHistory(TypedDict):
    """The edits of the run."""

    done: list[DoneEdit]
    undone: int
    """How many can be redone."""
    lost: list[str]
    """A line for each edit that could not be applied again after the factors were refitted."""
    lines: int
    """Length of the log, which only grows; it identifies one state of the factors."""


class EditLimits(TypedDict):
    """Upper limits of an edit: characters of a name or property, characters of a description, parts of a split."""

    name: int
    description: int
    parts: int
