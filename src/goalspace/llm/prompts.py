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
    """Text with slots written {{slot}}; single braces are plain text, so JSON in a prompt needs no escapes."""

    name: str
    text: str

    @classmethod
    def load(cls, name: str) -> Self:
        """Read data/prompts/NAME.txt of this package."""
        return cls(name, _read(name))

    @property
    def slots(self) -> frozenset[str]:
        """Names of the slots."""
        return frozenset(_SLOT.findall(self.text))

    def fill(self, **slots: str) -> str:
        """Fill every slot, in one pass: what looks like a slot inside a value stays as it is.

        Raises
        ------
        TypeError
            If a slot gets no value, or a value has no slot.
        """
        wrong = [f"needs {name!r}" for name in sorted(self.slots - slots.keys())]
        wrong += [f"has no slot {name!r}" for name in sorted(slots.keys() - self.slots)]
        if wrong:
            raise TypeError(f"The prompt {self.name!r} {' and '.join(wrong)}.")
        return _SLOT.sub(lambda slot: slots[slot[1]], self.text)


@cache
def _read(name: str) -> str:
    return resources.files("goalspace").joinpath("data", "prompts", f"{name}.txt").read_text("utf-8").strip()
