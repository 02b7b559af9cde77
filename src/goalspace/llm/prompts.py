"""Template: a named text with slots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Self

from goalspace.text import fill_slots, find_slots


@dataclass(frozen=True)
class Template:
    """A text with slots written {{slot}}; single braces are plain text, so JSON in a prompt needs no escaping."""

    name: str
    text: str

    @classmethod
    def load(cls, name: str) -> Self:
        """Read data/prompts/NAME.txt of this package."""
        return cls(name, _read(name))

    @property
    def slots(self) -> frozenset[str]:
        """Names of the slots."""
        return find_slots(self.text)

    def fill(self, **slots: str) -> str:
        """Fill every slot in one pass, so that slots inside values stay unfilled.

        Raises
        ------
        TypeError
            If a slot has no value, or a value has no slot.
        """
        return fill_slots(self.text, slots, f"prompt {self.name!r}")


@cache
def _read(name: str) -> str:
    return resources.files("goalspace").joinpath("data", "prompts", f"{name}.txt").read_text("utf-8").strip()
