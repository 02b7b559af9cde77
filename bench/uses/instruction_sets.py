"""Samples of the instruction sets."""

from __future__ import annotations

import numpy as np

from bench.kit.paths import DATA
from goalspace.instructions.dataset import Instructions

N_ROWS, N_QUICK = 2000, 300  # rows per set, at most


def read_sample(name: str, quick: bool) -> tuple[str, ...]:
    """Return the texts of a random sample of a set, in file order; the sample is always the same."""
    texts = Instructions.read(DATA / "instructions" / f"{name}.jsonl").texts
    rows = np.random.default_rng(0).permutation(len(texts))[: N_QUICK if quick else N_ROWS]
    return tuple(texts[i] for i in np.sort(rows))
