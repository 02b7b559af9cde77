"""Settings: the arguments that determine the result of a training, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from goalspace.errors import InputError

Tune = Literal["full", "heads", "lora"]
Split = Literal["text", "property"]

LEARNING_RATES: dict[Tune, float] = {"full": 5e-5, "heads": 1e-3, "lora": 2e-4}

_RANGES: dict[str, tuple[float, float]] = {
    "rank": (1, 1 << 12),
    "max_tokens": (4, 1 << 20),
    "epochs": (1, 1000),
    "temperature": (1e-3, 10),
    "batch_size": (2, 1 << 16),
    "learning_rate": (1e-9, 1),
    "held_out": (0, 0.9),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of `goalspace.training.train`, which documents them.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    tune: Tune
    hard_negatives: bool
    between_texts: bool
    split: Split
    rank: int
    max_tokens: int | None
    dropout: bool
    epochs: int
    temperature: float
    seed: int
    batch_size: int
    learning_rate: float | None
    held_out: float

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"The '{name}' parameter of train must be in [{low:g}, {high:g}]. Got {value} instead."
                )
        for name, known in (("tune", get_args(Tune)), ("split", get_args(Split))):
            word = getattr(self, name)
            if word not in known:
                raise InputError(
                    f"The '{name}' parameter of train must be one of {', '.join(known)}. Got {word!r} instead."
                )

    @property
    def rate(self) -> float:
        """The learning rate, by default that of the kind of tuning."""
        return LEARNING_RATES[self.tune] if self.learning_rate is None else self.learning_rate
