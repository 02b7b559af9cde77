"""Prices of models, and how many tokens a text can be."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from goalspace.errors import InputError

_MILLION = 1_000_000
_OPENAI, _OPENAI_BATCH = "https://api.openai.com/", 0.5  # where batches cost this share of the price
_OVERHEAD = 64  # tokens that endpoints add for roles and templates
_SHARED = re.compile(r"[\x00-\x7f]+")


@dataclass(frozen=True)
class Prices:
    """The price of a model.

    Parameters
    ----------
    model
        Its name at the endpoint.
    address
        Base URL of the endpoint, which says who provides the model.
    path
        A file of prices that come first (see `Limits.prices`).
    is_batch
        Whether the calls go through the batch API.
    """

    model: str
    address: str
    path: Path | None = None
    is_batch: bool = False

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float | None:
        """Return the price of a call in US dollars; None if the price of the model is not known."""
        if self._own is not None:
            own = self._own
            fresh = prompt_tokens - cached_tokens
            cached = own.get("cached", own["input"])
            total = own["input"] * fresh + cached * cached_tokens + own["output"] * completion_tokens
            return total / _MILLION * (own.get("batch", 1.0) if self.is_batch else 1.0)
        counts = prompt_tokens, completion_tokens, cached_tokens
        if not self.is_batch:
            return _look_up(self.model, self.address, *counts)
        cost = _look_up(self.model, self.address, *counts, is_batch=self._lists_batches)
        # all of OpenAI's models cost half in batches, also those whose price in batches is not listed
        is_halved = not self._lists_batches and self.address.startswith(_OPENAI)
        return cost * _OPENAI_BATCH if cost is not None and is_halved else cost

    def most(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return the largest price of a call, whatever part of its prompt the provider had cached."""
        own = self._own
        if own is not None and own.get("cached", 0.0) > own["input"]:
            return self.cost(prompt_tokens, completion_tokens, prompt_tokens)
        return self.cost(prompt_tokens, completion_tokens)

    @cached_property
    def _lists_batches(self) -> bool:
        """Whether genai-prices has other prices for batches of the model; if not, it returns the usual ones."""
        single, batch = (
            _look_up(self.model, self.address, _MILLION, _MILLION, 0, is_batch=way) for way in (False, True)
        )
        return single != batch

    @cached_property
    def _own(self) -> dict[str, float] | None:
        if self.path is None:
            return None
        try:
            table: Any = json.loads(self.path.read_text("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{self.path}: the prices cannot be read ({error}).") from None
        found = table.get(self.model) if isinstance(table, dict) else None
        if found is None and isinstance(table, dict):
            return None
        values = found.values() if isinstance(found, dict) else ()
        numeric = all(
            isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v <= _MILLION for v in values
        )
        if (
            not isinstance(found, dict)
            or not {"input", "output"} <= set(found)
            or not numeric
            or found.get("batch", 0) > 1
        ):
            raise InputError(
                f'{self.path}: the price of {self.model} must look like {{"input": 0.4, "output": 1.6}}, in US dollars per '
                'million tokens; "batch" is the share of it that calls in batches cost, from 0 to 1.'
            )
        return {name: float(value) for name, value in found.items()}


@lru_cache(maxsize=1024)  # calls that wait for room below a cap ask again and again
def _look_up(
    model: str,
    address: str,
    prompt_tokens: int,
    completion_tokens: int,
    cached_tokens: int,
    *,
    is_batch: bool = False,
) -> float | None:
    """Return the price according to genai-prices."""
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=prompt_tokens, output_tokens=completion_tokens, cache_read_tokens=cached_tokens
    )
    context = {"processing": "batch"} if is_batch else None
    try:
        found = calc_price(usage, model, provider_api_url=address, price_context=context)
    except (LookupError, ValueError):
        return None
    return float(found.total_price)


def most_tokens(text: str) -> int:
    """Return an upper bound of the tokens of a prompt: tokenizers of bytes never make more tokens than bytes."""
    return len(text.encode("utf-8", "replace")) + _OVERHEAD


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text: one per 4 ASCII characters, and one per other character, as in Chinese."""
    shared = sum(len(run) for run in _SHARED.findall(text))
    return -(-shared // 4) + len(text) - shared
