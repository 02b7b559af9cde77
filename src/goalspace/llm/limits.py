"""What calls may cost and how fast they may go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from goalspace.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Limits of the paid calls of a run.

    Attributes
    ----------
    budget
        US dollars that all calls of a run folder may cost together, those of earlier starts included; None for no limit.
    max_tokens_total
        Tokens, of prompts and replies, that all calls of a run folder may use together.
    concurrency
        Most calls at a time; fewer while the endpoint answers that it is overloaded. None chooses 8.
    rpm, tpm
        Most calls, and most tokens of prompts and replies, that are started per minute.
    patience
        Seconds without any reply, waits that the endpoint asks for included, after which a run stops.
    deadline
        Seconds that one call may take in all.
    prices
        JSON file of prices: model name → {"input": …, "output": …, "cached": …} in US dollars per million tokens. They come
        before those of the package genai-prices. "batch" is the share of these prices that calls in batches cost; 1 if
        it is missing.
    batch
        Whether calls go through the batch API of the endpoint: OpenAI answers within 24 hours, at half the price.
    retry_unread
        Whether texts are asked about again whose stored replies cannot be read.

    Raises
    ------
    InputError
        If a value is not positive.
    """

    budget: float | None = None
    max_tokens_total: int | None = None
    concurrency: int | None = None
    rpm: float | None = None
    tpm: float | None = None
    patience: float = 600.0
    deadline: float = 120.0
    prices: Path | None = None
    batch: bool = False
    retry_unread: bool = False

    def __post_init__(self) -> None:
        for name in ("budget", "max_tokens_total", "concurrency", "rpm", "tpm", "patience", "deadline"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"The '{name}' parameter of Limits must be positive. Got {value!r} instead.")

    @property
    def is_capped(self) -> bool:
        """Whether money or tokens are limited."""
        return self.budget is not None or self.max_tokens_total is not None
