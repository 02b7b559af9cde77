"""Which texts a language model reads, and how much of each."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import numpy as np

from goalspace.llm.pricing import estimate_tokens

TEXT_TOKENS = 2000  # of a text, by default


def draw_rows(n_texts: int, sample: int | None, seed: int) -> list[int]:
    """Return the rows to read, in the order of the corpus."""
    if sample is None or sample >= n_texts:
        return list(range(n_texts))
    return sorted(np.random.default_rng(seed).choice(n_texts, size=sample, replace=False).tolist())


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
