"""Factors by a metadata column: shares, mean scores, and tests of the differences between groups."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from goalspace.errors import InputError
from goalspace.reports.contract_details import Comparison, FactorTest, PairComparison, PairTest
from goalspace.reports.page_columns import PageColumn
from goalspace.reports.view import View
from goalspace.text import format_number, format_percent, isolate, plural

_MIN_TEXTS = 2  # texts that a group needs to be tested; the same in web/src/statistics.ts
_QUARTERS = 4  # groups of a numeric column
_DIGITS = 3  # significant digits of a group's limits; more if they would look equal
_MAX_DIGITS = 9  # the precision of float32
_YEARS = (1000, 2999)
_MAX_P = 0.05  # significance level of the corrected p values
_LEVEL = 1.959964  # quantile of the normal distribution for 95% intervals


def compare(view: View, position: int, *, a: int | None = None, b: int | None = None) -> Comparison:
    """Compare the groups of a column, or two of them.

    All groups: one-way analysis of variance per factor (Welch 1951, which does not assume equal variances); the effect
    size is epsilon squared, the share of the variance between groups adjusted for chance (Kelley 1935). Two groups:
    Welch's t test; the effect size is Cohen's d with its large-sample interval (Hedges & Olkin 1985). The p values are
    corrected over the visible factors (Benjamini & Hochberg 1995); hidden factors are not tested.

    Parameters
    ----------
    view
        The run.
    position
        The position of the column.
    a, b
        The two groups to compare; both or neither.

    Raises
    ------
    InputError
        If only one group is given, or both are the same, or one of them does not exist or is too small.
    """
    if (a is None) != (b is None) or (a is not None and a == b):
        raise InputError("Give two different groups as 'a' and 'b', or neither.")
    column = view.columns[position]
    names, codes = groups(column)
    known = codes >= 0
    scores = view.factors.scores[known].astype(np.float64)
    codes = codes[known]
    dominant = view.factors.dominant[known]
    n = np.bincount(codes, minlength=len(names))
    means, variances = _moments(scores, codes, n)
    if a is not None and b is not None:
        if not (0 <= a < len(names) and 0 <= b < len(names)):
            raise InputError(f"'a' and 'b' must be groups, from 0 to {len(names) - 1}.")
        tests, pair = _two(view, column.name, names, n, means, variances, a, b)
    else:
        tests, pair = _all(view, column.name, names, scores, n, means, variances), None
    return {
        "column": position,
        "groups": [
            {"name": name, "n": int(n[g]), "range": _range(column, codes == g, known)}
            for g, name in enumerate(names)
        ],
        "shares": _filled(_shares(dominant, codes, n, view.factors.dim), n, 5),
        "means": _filled(means.T, n, 4),
        "tests": tests,
        "pair": pair,
    }


def groups(column: PageColumn) -> tuple[list[str], np.ndarray]:
    """Return the names of the groups and the group of every text, -1 if missing; numbers are split at their quartiles.

    If more than half of the numbers are equal, such as amounts of 0, the quartiles coincide; the groups are then this
    value, smaller and larger ones.
    """
    if column.kind != "number":
        return list(column.labels), column.values.astype(np.int64)
    known = np.isfinite(column.values)
    numbers = column.values[known]
    distinct, counts = np.unique(numbers, return_counts=True)
    mode = int(counts.argmax())
    names, own = (
        _beside(distinct, mode, numbers) if 2 * counts[mode] > len(numbers) else _cut(distinct, numbers)
    )
    codes = np.full(len(known), -1, dtype=np.int64)
    codes[known] = own
    return names, codes


def _beside(distinct: np.ndarray, at: int, numbers: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Group numbers into those equal to one value, smaller and larger ones; empty groups are left out."""
    near = distinct[max(at - 1, 0) : at + 2]
    label = _written(near, distinct)[min(at, 1)]
    names = {-1: f"less than {label}", 0: label, 1: f"more than {label}"}
    sides, codes = np.unique(np.sign(numbers - distinct[at]), return_inverse=True)
    return [names[int(side)] for side in sides], codes


def _cut(distinct: np.ndarray, numbers: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Group numbers at quartiles that occur among the values, so that no group is empty."""
    ends = np.unique(np.quantile(numbers, np.arange(1, _QUARTERS) / _QUARTERS, method="lower"))
    ends = np.append(ends[ends < distinct[-1]], distinct[-1])
    labels = _written(ends, distinct)
    names = [f"up to {labels[0]}", *(f"{low} to {high}" for low, high in pairwise(labels))]
    return names, np.searchsorted(ends, numbers, side="left")


def _written(values: np.ndarray, distinct: np.ndarray) -> list[str]:
    """Format some values of a column with enough digits to tell them apart; years get no thousands separator."""
    if not np.mod(distinct, 1).any():
        years = _YEARS[0] <= distinct[0] and distinct[-1] <= _YEARS[1]
        return [f"{value:.0f}" if years else f"{value:,.0f}" for value in values.tolist()]
    for digits in range(_DIGITS, _MAX_DIGITS + 1):
        labels = [format_number(value, digits) for value in values.tolist()]
        if len(set(labels)) == len(labels):
            break
    return labels


def _range(column: PageColumn, members: np.ndarray, known: np.ndarray) -> tuple[float, float] | None:
    """Return the smallest and the largest number of a group, for pages that do not compute quartiles themselves."""
    if column.kind != "number":
        return None
    own = column.values[known][members]
    return float(own.min()), float(own.max())


def _moments(scores: np.ndarray, codes: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and unbiased variances (n_groups, n_factors); 0 for groups without texts."""
    means, variances = np.zeros((2, len(n), scores.shape[1]))
    for group in np.flatnonzero(n):
        own = scores[codes == group]
        means[group] = own.mean(axis=0)
        variances[group] = own.var(axis=0, ddof=1) if len(own) > 1 else 0
    return means, variances


def _shares(dominant: np.ndarray, codes: np.ndarray, n: np.ndarray, n_factors: int) -> np.ndarray:
    described = dominant >= 0
    flat = dominant[described].astype(np.int64) * len(n) + codes[described]
    table = np.bincount(flat, minlength=n_factors * len(n)).reshape(n_factors, len(n))
    return np.asarray(table / np.maximum(n, 1))


def _filled(table: np.ndarray, n: np.ndarray, digits: int) -> list[list[float | None]]:
    """Return a table of factors × groups as lists, with None for groups without texts."""
    return [
        [round(float(value), digits) if count else None for value, count in zip(row, n, strict=True)]
        for row in table
    ]


def _all(
    view: View,
    column: str,
    names: Sequence[str],
    scores: np.ndarray,
    n: np.ndarray,
    means: np.ndarray,
    variances: np.ndarray,
) -> list[FactorTest]:
    tested = np.flatnonzero(n >= _MIN_TEXTS)
    if len(tested) < 2:
        return []
    p = _welch_anova(n[tested], means[tested], variances[tested])
    effect = _epsilon_squared(n[tested], means[tested], variances[tested])
    q = _corrected(p, view.factors.hidden)
    tests: list[FactorTest] = []
    for k in np.flatnonzero(np.isfinite(q)).tolist():
        best = tested[int(means[tested, k].argmax())]
        worst = tested[int(means[tested, k].argmin())]
        name = f"“{isolate(view.summary_data['factors'][k]['name'])}”"
        if q[k] < _MAX_P:
            sentence = (
                f"{name} differs by {isolate(column)}: highest where it is {isolate(names[best])}, lowest where it "
                f"is {isolate(names[worst])}. The groups account for {format_percent(float(effect[k]))} of its variance."
            )
        else:
            sentence = f"{name} does not differ clearly by {isolate(column)}."
        tests.append(
            {
                "factor": k,
                "effect": round(float(effect[k]), 5),
                "measure": "epsilon²",
                "p": float(p[k]),
                "q": float(q[k]),
                "sentence": sentence,
            }
        )
    return tests


def _welch_anova(n: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return the p value of Welch's analysis of variance per factor; 1 if all scores are equal."""
    from scipy.stats import f

    size = n[:, None].astype(np.float64)
    weight = size / np.maximum(variances, 1e-12)
    total = weight.sum(axis=0)
    grand = (weight * means).sum(axis=0) / total
    count = len(n)
    between = (weight * (means - grand) ** 2).sum(axis=0) / (count - 1)
    slack = ((1 - weight / total) ** 2 / (size - 1)).sum(axis=0)
    statistic = between / (1 + 2 * (count - 2) / (count**2 - 1) * slack)
    freedom = (count**2 - 1) / (3 * np.maximum(slack, 1e-12))
    return np.asarray(f.sf(statistic, count - 1, freedom))


def _epsilon_squared(n: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    size = n[:, None].astype(np.float64)
    grand = (size * means).sum(axis=0) / size.sum()
    between = (size * (means - grand) ** 2).sum(axis=0)
    within = ((size - 1) * variances).sum(axis=0)
    freedom = n.sum() - len(n)
    chance = (len(n) - 1) * within / max(freedom, 1)
    effect: np.ndarray = np.clip((between - chance) / np.maximum(between + within, 1e-12), 0, 1)
    return effect


def _two(
    view: View,
    column: str,
    names: Sequence[str],
    n: np.ndarray,
    means: np.ndarray,
    variances: np.ndarray,
    a: int,
    b: int,
) -> tuple[list[FactorTest], PairComparison]:
    """Compare group a with b by Welch's t tests and Cohen's d, which is positive if the factor is stronger in a."""
    from scipy.stats import t

    for group in (a, b):
        if n[group] < _MIN_TEXTS:
            raise InputError(
                f"The group {names[group]} has {plural(int(n[group]), 'text')}: too few to test a difference."
            )
    n_a, n_b = float(n[a]), float(n[b])
    difference = means[a] - means[b]
    share_a, share_b = variances[a] / n_a, variances[b] / n_b
    error = np.sqrt(np.maximum(share_a + share_b, 1e-18))
    freedom = error**4 / np.maximum(share_a**2 / (n_a - 1) + share_b**2 / (n_b - 1), 1e-36)
    p = 2 * t.sf(np.abs(difference / error), np.maximum(freedom, 1))
    q = _corrected(p, view.factors.hidden)
    pooled = ((n_a - 1) * variances[a] + (n_b - 1) * variances[b]) / (n_a + n_b - 2)
    d = difference / np.sqrt(np.maximum(pooled, 1e-12))
    spread = _LEVEL * np.sqrt((n_a + n_b) / (n_a * n_b) + d**2 / (2 * (n_a + n_b)))
    tests: list[FactorTest] = []
    pairs: list[PairTest] = []
    for k in np.flatnonzero(np.isfinite(q)).tolist():
        name = f"“{isolate(view.summary_data['factors'][k]['name'])}”"
        if q[k] < _MAX_P:
            more, less = (isolate(names[group]) for group in ((a, b) if d[k] > 0 else (b, a)))
            sentence = (
                f"{name} is stronger where {isolate(column)} is {more} than where it is {less}, by "
                f"{abs(d[k]):.2f} standard deviations."
            )
        else:
            sentence = f"{name} does not differ clearly between {isolate(names[a])} and {isolate(names[b])}."
        effect, corrected = round(float(d[k]), 4), float(q[k])
        tests.append(
            {
                "factor": k,
                "effect": effect,
                "p": float(p[k]),
                "q": corrected,
                "measure": "Cohen's d",
                "sentence": sentence,
            }
        )
        low, high = round(float(d[k] - spread[k]), 4), round(float(d[k] + spread[k]), 4)
        pairs.append(
            {"factor": k, "effect": effect, "p": float(p[k]), "q": corrected, "low": low, "high": high}
        )
    return tests, {"a": a, "b": b, "tests": pairs}


def _corrected(p: np.ndarray, hidden: Sequence[int]) -> np.ndarray:
    """Return the p values corrected over the visible factors; NaN for hidden ones."""
    from scipy.stats import false_discovery_control

    shown = np.setdiff1d(np.arange(len(p)), hidden)
    q = np.full(len(p), np.nan)
    q[shown] = false_discovery_control(np.nan_to_num(p[shown], nan=1.0).clip(0, 1))
    return q
