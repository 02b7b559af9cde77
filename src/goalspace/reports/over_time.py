"""Factors over time: their shares of the texts of each period, with intervals, and tests of how they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from goalspace.errors import InputError
from goalspace.increments.shares import MAX_Q, measure_share
from goalspace.reports.contract_details import Course, FactorOverTime, OverTime, PeriodShare
from goalspace.reports.crosstabs import count_texts
from goalspace.text import format_percent, isolate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goalspace.reports.view import View

_MIN_EXPECTED = 5.0  # texts, with and without a factor, in the periods of a chi-squared test (Cochran 1954)


def measure_over_time(view: View, position: int) -> OverTime:
    """Measure the share of each visible factor over the periods of a time column.

    Two independent parts of the chi-squared statistic are tested per factor: the linear trend of its shares, and the
    departure of the shares from the trend (Armitage 1955). The p values of both are corrected together over the
    visible factors (Benjamini & Hochberg 1995).

    Parameters
    ----------
    view
        The run.
    position
        The position of the column.

    Raises
    ------
    InputError
        If the column is no time.
    """
    column, factors = view.columns[position], view.factors
    if column.unit is None:
        raise InputError(f"The column {column.name} has no dates.")
    inside = [code for code in range(len(column.labels)) if code not in column.outside]
    hits, n = count_texts(column.values, inside, factors.dominant, factors.dim)
    shown = factors.shown
    tests = [assess_change(hits[k], n) for k in shown]
    n_known = int((column.values >= 0).sum())
    labels = [column.labels[code] for code in inside]
    names = [view.summary_data["factors"][k]["name"] for k in shown]
    measured = [
        _describe(k, name, hits[k], n, test, q, labels)
        for k, name, test, q in zip(shown, names, tests, _corrected(tests), strict=True)
    ]
    return {
        "column": position,
        "unit": column.unit,
        "periods": [
            {"code": code, "name": label, "n": int(count)}
            for code, label, count in zip(inside, labels, n, strict=True)
        ],
        "n_outside": n_known - int(n.sum()),
        "n_missing": len(column.values) - n_known,
        "factors": sorted(measured, key=lambda row: row["q"]),
    }


class ChangeTest(NamedTuple):
    """Tests of how a share changes over periods.

    Attributes
    ----------
    first, last
        The share in the first and in the last period by a logistic trend.
    p_trend, p_departure
        The p values of the trend, and of the departure from it; 1 if it cannot be tested.
    """

    first: float
    last: float
    p_trend: float
    p_departure: float


def assess_change(hits: np.ndarray, n: np.ndarray) -> ChangeTest:
    """Test how a share changes over consecutive periods.

    The trend is tested over all periods by the chi-squared test for trend, the score test of a logistic trend; its level holds
    for rare factors, too. For the departure from it, adjacent periods are merged until five texts with and five without the
    factor are expected in each.

    Parameters
    ----------
    hits, n
        (n_periods,) the texts with the factor, and all texts, of each period.
    """
    from scipy.stats import chi2

    k, size, at = (values.astype(np.float64) for values in (hits, n, np.arange(len(n))))
    share = k.sum() / max(size.sum(), 1)
    if share in (0, 1) or np.count_nonzero(size) < 2:
        return ChangeTest(share, share, 1.0, 1.0)
    trend, _ = _chi_squared(k, size, at)
    starts = _merge(size * min(share, 1 - share))
    merged_k, merged, weighted = (np.add.reduceat(values, starts) for values in (k, size, size * at))
    own_trend, total = _chi_squared(merged_k, merged, weighted / merged)
    freedom = len(starts) - 2
    return ChangeTest(
        *_fit_trend(k, size, at / (len(n) - 1)),
        p_trend=float(chi2.sf(trend, 1)),
        p_departure=float(chi2.sf(max(total - own_trend, 0.0), freedom)) if freedom > 0 else 1.0,
    )


def _chi_squared(k: np.ndarray, size: np.ndarray, at: np.ndarray) -> tuple[float, float]:
    """Return the chi-squared statistics of the trend and of all differences of k of size texts in periods at some times."""
    total = size.sum()
    share = k.sum() / total
    excess, offset = k - size * share, at - (size * at).sum() / total
    filled = size > 0
    spread = (size * offset**2).sum()
    trend = (excess * offset).sum() ** 2 / spread if spread > 0 else 0.0
    differences = (excess[filled] ** 2 / size[filled]).sum()
    return float(trend / (share * (1 - share))), float(differences / (share * (1 - share)))


def _merge(expected: np.ndarray) -> list[int]:
    """Return where groups of adjacent periods start, so that at least five texts are expected in each, or all in the only one."""
    starts, collected = [0], 0.0
    for period, texts in enumerate(expected):
        if collected >= _MIN_EXPECTED and expected[period:].sum() >= _MIN_EXPECTED:
            starts.append(period)
            collected = 0.0
        collected += texts
    return starts


def _fit_trend(k: np.ndarray, size: np.ndarray, at: np.ndarray) -> tuple[float, float]:
    """Return the shares at the times 0 and 1 by the logistic trend of the greatest likelihood."""
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        logits = line[0] + line[1] * at
        residual = size * expit(logits) - k
        value = (size * np.logaddexp(0, logits) - k * logits).sum()
        return value / size.sum(), np.array([residual.sum(), (residual * at).sum()]) / size.sum()

    # the bounds keep shares finite where all texts of a factor lie at one end
    fitted = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-30, 30), (-30, 30)])
    first, last = expit(np.array([fitted.x[0], fitted.x[0] + fitted.x[1]]))
    return float(first), float(last)


def _corrected(tests: Sequence[ChangeTest]) -> np.ndarray:
    """Return the corrected p values of trend and departure (n_factors, 2)."""
    from scipy.stats import false_discovery_control

    p = np.array([(test.p_trend, test.p_departure) for test in tests], dtype=np.float64).reshape(-1, 2)
    return np.asarray(false_discovery_control(p, axis=None)).reshape(p.shape) if len(p) else p


def _describe(
    k: int,
    name: str,
    hits: np.ndarray,
    n: np.ndarray,
    test: ChangeTest,
    q: np.ndarray,
    labels: Sequence[str],
) -> FactorOverTime:
    course: Course = "steady"
    if q[0] < MAX_Q:
        course = "rises" if test.last > test.first else "falls"
    elif q[1] < MAX_Q:
        course = "varies"
    return {
        "factor": k,
        "shares": [_share(int(hit), int(of)) if of else None for hit, of in zip(hits, n, strict=True)],
        "course": course,
        "ends": (round(test.first, 5), round(test.last, 5)),
        "q": float(q.min()),
        "sentence": _say(course, f"“{isolate(name)}”", test, labels, hits / np.maximum(n, 1)),
    }


def _share(n: int, of: int) -> PeriodShare:
    share = measure_share(n, of)
    return {"share": round(share.value, 5), "low": round(share.low, 5), "high": round(share.high, 5), "n": n}


def _say(course: Course, name: str, test: ChangeTest, labels: Sequence[str], shares: np.ndarray) -> str:
    if course == "steady":
        return f"{name} does not change clearly."
    if course == "varies":
        return f"{name} varies without rising or falling steadily: it is most frequent in {labels[int(shares.argmax())]}."
    return (
        f"{name} {course} from {format_percent(test.first)} of the texts in {labels[0]} to {format_percent(test.last)} in "
        f"{labels[-1]}, by a logistic trend."
    )
