"""Factors over time: dates and their periods, shares with intervals, and which changes count as significant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, chi2, chi2_contingency, false_discovery_control

import factories
from goalspace.errors import InputError
from goalspace.reports.columns import read_column
from goalspace.reports.over_time import assess_change, measure_over_time
from goalspace.reports.page_columns import left_out, read_columns
from goalspace.reports.summary import summarise
from goalspace.reports.view import View

# ---------------------------------------------------------------- dates


@pytest.mark.parametrize(
    "values",
    [
        ["2026-02-03", "2026-03-04", "2026-04-30"],
        ["2026-02-03T10:00:00Z", "2026-03-04T10:00:00+02:00", "2026-04-30 23:59:59.5"],
        ["2026/2/3", "2026/3/4", "2026/4/30"],
        ["2026-02", "2026-03", "2026-04"],
        ["20260203", "20260304", "20260430"],
        ["3.2.2026", "04.03.2026", "30.04.2026 10:30"],
        ["3/2/2026", "4/3/2026", "30/4/2026"],
        ["2/3/2026 1:15 PM", "3/4/2026 2:15 AM", "4/30/2026 2:15 AM"],
        ["3 Feb 2026", "4 Mar 2026", "30 Apr 2026"],
        ["February 3, 2026", "March 4, 2026", "April 30, 2026"],
        ["Feb 2026", "Mar 2026", "Apr 2026"],
        [
            "Tue, 03 Feb 2026 10:00:00 +0000",
            "Wed, 04 Mar 2026 10:00:00 +0000",
            "Thu, 30 Apr 2026 10:00:00 +0000",
        ],
        [date(2026, 2, 3), date(2026, 3, 4), date(2026, 4, 30)],
    ],
)
def test_common_formats_are_dates(values):
    column = read_column("posted", values * 20)
    assert column is not None
    assert (column.unit, column.labels) == ("month", ("2026-02", "2026-03", "2026-04"))
    assert column.codes[:3].tolist() == [0, 1, 2]


def test_days_and_months_that_cannot_be_told_apart_are_no_dates():
    column = read_column("posted", ["3/2/2026", "4/3/2026", "5/4/2026"] * 20)
    assert column is not None
    assert column.unit is None
    many = [f"{1 + i % 12}/{1 + i % 11}/{2020 + i % 6}" for i in range(200)]
    assert left_out({"posted": many}, ()) == [("posted", "dates whose days and months cannot be told apart")]


@pytest.mark.parametrize(
    ("values", "unit", "first", "n"),
    [
        (factories.days("2026-01-01", 20, 500), "day", "2026-01-01", 20),
        (factories.days("2026-01-01", 150, 1000), "week", "2026-W01", 22),
        (factories.days("2024-12-30", 14, 60), "day", "2024-12-30", 14),
        (factories.days("2024-12-30", 140, 600), "week", "2025-W01", 20),  # the week that the new year is in
        (factories.days("2026-01-01", 360, 1000), "month", "2026-01", 12),
        (factories.days("2024-01-01", 1090, 1000), "quarter", "2024-Q1", 12),
        (factories.days("2015-01-01", 4000, 1000), "year", "2015", 11),
        # longer, so that they have enough texts
        (factories.days("2026-01-01", 150, 200), "month", "2026-01", 5),
        (factories.days("2024-01-01", 700, 120), "quarter", "2024-Q1", 8),
        # a regular report has no texts between its dates
        ([f"2026-0{1 + i % 5}-01" for i in range(60)], "month", "2026-01", 5),
        ([f"202{i % 3}-0{1 + 3 * (i // 3 % 3)}-01" for i in range(180)], "quarter", "2020-Q1", 11),
    ],
)
def test_periods_are_few_and_have_enough_texts(values, unit, first, n):
    column = read_column("posted", sorted(values))
    assert column is not None
    assert (column.unit, column.labels[0], len(column.labels)) == (unit, first, n)
    assert (np.diff(column.codes) >= 0).all()


# ---------------------------------------------------------------- shares over time


def planted(path: Path, *, hidden: Sequence[int] = (), **options: Any) -> View:
    run = factories.hide_factors(factories.changing_run(path, **options), *hidden)
    return View(run, summarise(run), read_columns(run.corpus.metadata), np.arange(len(run.corpus)))


def test_significant_changes_come_first_and_say_what_they_are(tmp_path):
    told = measure_over_time(planted(tmp_path), 0)
    assert (told["unit"], [period["n"] for period in told["periods"]]) == ("week", [120] * 10)
    rows = told["factors"]
    assert [row["q"] for row in rows] == sorted(row["q"] for row in rows)
    assert {factories.COURSES[row["factor"]]: row["course"] for row in rows} == {
        "Rising": "rises",
        "Falling": "falls",
        "Bursting": "varies",
        "Steady": "steady",
        "Also steady": "steady",
    }
    by_name = {factories.COURSES[row["factor"]]: row for row in rows}
    first, last = by_name["Rising"]["ends"]
    assert (first, last) == (pytest.approx(0.05, abs=0.04), pytest.approx(0.35, abs=0.05))
    assert "rises from" in by_name["Rising"]["sentence"]
    assert "it is most frequent in 2026-W0" in by_name["Bursting"]["sentence"]
    assert by_name["Steady"]["sentence"].endswith("does not change clearly.")


def test_shares_have_the_intervals_of_wilson(tmp_path):
    view = planted(tmp_path)
    told = measure_over_time(view, 0)
    row = told["factors"][0]
    for code, share in enumerate(row["shares"]):
        own = view.factors.dominant[view.columns[0].values == code]
        n = int((own == row["factor"]).sum())
        low, high = binomtest(n, len(own)).proportion_ci(method="wilson")
        assert share == {
            "share": pytest.approx(n / len(own), abs=1e-5),
            "low": pytest.approx(low, abs=1e-5),
            "high": pytest.approx(high, abs=1e-5),
            "n": n,
        }


def test_periods_without_texts_are_gaps_and_other_dates_are_left_out_and_counted(tmp_path):
    posted: list[str | None] = [f"2026-0{(1, 2, 4, 5)[i % 4]}-07" for i in range(1200)]
    posted[:10] = ["1900-01-01"] * 10
    posted[10:17] = [None] * 7
    told = measure_over_time(planted(tmp_path, metadata={"posted": posted}), 0)
    names = [period["name"] for period in told["periods"]]
    assert names == ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
    assert [period["code"] for period in told["periods"]] == [1, 2, 3, 4, 5]  # 0: before 2026-01
    assert (told["n_outside"], told["n_missing"]) == (10, 7)
    assert told["periods"][2]["n"] == 0
    for row in told["factors"]:
        assert [share is None for share in row["shares"]] == [False, False, True, False, False]


def test_hidden_factors_are_neither_shown_nor_corrected_for(tmp_path):
    view = planted(tmp_path, hidden=(1, 2, 3, 4))
    (row,) = measure_over_time(view, 0)["factors"]
    assert row["factor"] == 0
    n = np.bincount(view.columns[0].values)
    hits = np.bincount(view.columns[0].values[view.factors.dominant == 0])
    test = assess_change(hits, n)
    assert row["q"] == pytest.approx(false_discovery_control([test.p_trend, test.p_departure]).min())


def test_a_column_without_dates_has_no_course(tmp_path):
    view = planted(tmp_path, n=120, metadata={"tier": ["a", "b"] * 60})
    with pytest.raises(InputError, match="The column tier has no dates"):
        measure_over_time(view, 0)


# ---------------------------------------------------------------- tests of change


def test_of_two_periods_the_trend_is_pearsons_chi_squared():
    test = assess_change(np.array([12, 30]), np.array([100, 120]))
    expected = chi2_contingency([[12, 30], [88, 90]], correction=False)
    assert test.p_trend == pytest.approx(expected.pvalue, rel=1e-9)
    assert test.p_departure == 1
    assert (test.first, test.last) == (pytest.approx(0.12, abs=1e-3), pytest.approx(0.25, abs=1e-3))


def test_trend_and_departure_are_the_parts_of_pearsons_chi_squared():
    hits, n = np.array([20, 35, 18, 60]), np.array([100, 110, 90, 130])
    test = assess_change(hits, n)
    parts = chi2.isf(test.p_trend, 1) + chi2.isf(test.p_departure, 2)
    assert parts == pytest.approx(chi2_contingency([hits, n - hits], correction=False).statistic)


@pytest.mark.parametrize("n", [np.full(12, 25), np.array([3, 60, 0, 8, 120, 20, 1, 45, 90, 10, 2, 30])])
@pytest.mark.parametrize("share", [0.03, 0.2])
def test_shares_that_do_not_change_are_rarely_significant(n, share):
    rng = np.random.default_rng(0)
    tests = [assess_change(rng.binomial(n, share), n) for _ in range(600)]
    for p in ("p_trend", "p_departure"):
        assert np.mean([getattr(test, p) < 0.05 for test in tests]) < 0.08


@pytest.mark.parametrize("hits", [[0, 0, 0], [5, 6, 7], [0, 0, 7]])
def test_shares_at_their_limits_are_tested_without_trouble(hits):
    test = assess_change(np.array(hits), np.array([5, 6, 7]))
    assert 0 <= min(test.first, test.last) <= max(test.first, test.last) <= 1
    assert all(0 <= p <= 1 for p in (test.p_trend, test.p_departure))
    assert (test.p_trend < 0.01) == (hits == [0, 0, 7])
