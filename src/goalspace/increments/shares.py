"""Shares of texts per factor: their intervals, and tests of how they differ between two sets of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_Q = 0.05  # false discovery rate up to which a change counts as significant


@dataclass(frozen=True)
class Share:
    """A share of texts with its 95 % interval (Wilson 1927)."""

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share; 0 of no texts."""
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True)
class ShareChange:
    """How the share of a factor differs between two sets of texts.

    Attributes
    ----------
    factor
        The number of the factor, from 0; -1 stands for the texts without one.
    before, after
        The share in either set.
    low, high
        95 % interval of the difference, after − before (Newcombe 1998, method 10, from the two Wilson intervals).
    p, q
        Fisher's exact test of equal shares, and p corrected over all rows (Benjamini & Hochberg 1995); 1 if a set is empty.
    """

    factor: int
    before: Share
    after: Share
    low: float
    high: float
    p: float
    q: float

    @property
    def is_significant(self) -> bool:
        """Whether the shares differ at a false discovery rate of 5 %."""
        return self.q < MAX_Q


def measure_share(count: int, of: int) -> Share:
    """Return `count` of `of` texts as a share with its interval; of no texts, from 0 to 1."""
    from scipy.stats import binomtest

    if not of:
        return Share(0, 0, 0.0, 1.0)
    interval = binomtest(count, of).proportion_ci(method="wilson")
    return Share(count, of, float(interval.low), float(interval.high))


def compare_shares(before: np.ndarray, after: np.ndarray, shown: Sequence[int]) -> tuple[ShareChange, ...]:
    """Compare how often each factor is the dominant one in two sets of texts.

    Parameters
    ----------
    before, after
        The dominant factor of every text of either set, -1 for none.
    shown
        The factors to compare.

    Returns
    -------
    A row per shown factor, and one for the texts without a factor.
    """
    rows = (*shown, -1)
    counts = [(int((before == k).sum()), int((after == k).sum())) for k in rows]
    return compare_counts(rows, counts, len(before), len(after))


def compare_counts(
    factors: Sequence[int], counts: Sequence[tuple[int, int]], n_before: int, n_after: int
) -> tuple[ShareChange, ...]:
    """Compare shares, given the number of texts of each factor in both sets, and of all texts in either."""
    from scipy.stats import false_discovery_control, fisher_exact

    tables = [[[a, n_before - a], [b, n_after - b]] for a, b in counts]
    p = np.array([fisher_exact(table).pvalue if n_before and n_after else 1.0 for table in tables])
    q = false_discovery_control(p.clip(0, 1))
    rows = []
    for i, (k, (a, b)) in enumerate(zip(factors, counts, strict=True)):
        old, new = measure_share(a, n_before), measure_share(b, n_after)
        change = new.value - old.value
        low = change - np.hypot(new.value - new.low, old.high - old.value)
        high = change + np.hypot(new.high - new.value, old.value - old.low)
        rows.append(ShareChange(k, old, new, float(low), float(high), float(p[i]), float(q[i])))
    return tuple(rows)
