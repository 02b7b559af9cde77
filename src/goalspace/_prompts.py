"""Template: named text with slots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Self

_SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Template:
    """Text with slots written {{name}}; single braces are plain text."""

    text: str

    @classmethod
    def load(cls, name: str) -> Self:
        """Read data/prompts/NAME.txt of this package."""
        return cls(_read(name))

    @property
    def slots(self) -> frozenset[str]:
        """Names of the slots."""
        return frozenset(_SLOT.findall(self.text))

    def fill(self, **values: str) -> str:
        """Fill every slot, in one pass: a slot inside a value stays as it is.

        Raises
        ------
        KeyError
            If the values are not exactly those of the slots.
        """
        if values.keys() != self.slots:
            raise KeyError(f"slots are {sorted(self.slots)}, values {sorted(values)}")
        return _SLOT.sub(lambda slot: values[slot[1]], self.text)


@cache
def _read(name: str) -> str:
    return resources.files("goalspace").joinpath("data", "prompts", f"{name}.txt").read_text("utf-8").strip()
