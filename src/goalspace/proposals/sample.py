"""Which texts are read, and how much of each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Literal

import numpy as np

from goalspace.llm.pricing import estimate_tokens
from goalspace.vectors.coverage import choose_covering

TEXT_TOKENS = 2000  # of a text, by default
Sample = int | Literal["auto"] | None
UNTIL_KNOWN: Literal["auto"] = "auto"
ROUND = 100  # texts that are read before it is decided whether to go on
POOL = 4096  # texts among which a sample is chosen by coverage: of more, so many are drawn


def draw_rows(n_texts: int, sample: int | None, seed: int) -> list[int]:
    """Return the rows of all texts, or of so many that are drawn, in the order of the corpus."""
    if sample is None or sample >= n_texts:
        return list(range(n_texts))
    return sorted(np.random.default_rng(seed).choice(n_texts, size=sample, replace=False).tolist())


def cover_rows(n_texts: int, sample: int | None, seed: int, encode: Callable[[], np.ndarray]) -> list[int]:
    """Return the rows of all texts, or of so many that cover them, those first that cover most.

    Parameters
    ----------
    n_texts, sample
        The number of texts, and of those to choose. As many as the pool has, or more, are drawn.
    seed
        Seed of what is drawn.
    encode
        Returns the vectors of all texts (n_texts, dim).
    """
    if sample is None or sample >= min(n_texts, POOL):
        return draw_rows(n_texts, sample, seed)
    pool = draw_rows(n_texts, POOL, seed)
    return [pool[i] for i in choose_covering(encode()[pool], sample)]


def count_read(n_texts: int, sample: Sample) -> int:
    """Return the number of texts that are read; with "auto", at most."""
    return min(n_texts, POOL if sample == UNTIL_KNOWN else n_texts if sample is None else sample)


def truncate(text: str, tokens: int, truncate_from: str) -> str:
    """Return about `tokens` tokens from the start or the end of a text, in whole words where it has words."""
    if estimate_tokens(text) <= tokens:
        return text
    ordered = text if truncate_from == "end" else text[::-1]
    quarters = list(accumulate(1 if character.isascii() else 4 for character in ordered))
    size = bisect_right(quarters, 4 * tokens)
    kept, after = ordered[:size], ordered[size]
    if not after.isspace() and " " in kept.strip():  # a script without spaces has no words to keep whole
        kept = kept[: max(kept.rfind(space) for space in " \n\t")] or kept
    return kept.strip() if truncate_from == "end" else kept[::-1].strip()
