"""Columns as groups: which are read, how numbers are cut and named, what is compared, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import factories
from goalspace import reports
from goalspace.errors import InputError
from goalspace.reports import columns as report_columns
from goalspace.reports import crosstabs
from goalspace.reports.compare import compare, groups
from goalspace.reports.page_columns import left_out, read_columns
from goalspace.reports.summary import summarise
from goalspace.reports.view import View, summary
from goalspace.reports.why import format_metadata
from goalspace.text import display_names

ARABIC = "شكوى من التأخير"


def column(name: str, values: Sequence[Any]) -> Any:
    """The one column as it is shown."""
    (found,) = read_columns({name: values})
    return found


def counted(name: str, values: Sequence[Any]) -> dict[str, int]:
    """The groups of a column by name, with their number of texts."""
    names, codes = groups(column(name, values))
    assert len(set(names)) == len(names)
    return dict(zip(names, np.bincount(codes[codes >= 0], minlength=len(names)).tolist(), strict=True))


def view_of(
    path: Path, metadata: Mapping[str, Sequence[Any]], *, hidden: Sequence[int] = (), **options: Any
) -> View:
    run = factories.hide_factors(factories.helpdesk_run(path, metadata=metadata, **options), *hidden)
    columns = read_columns(metadata)
    rows = np.arange(len(run.corpus))
    return View(run, summarise(run), columns, rows, tuple(left_out(metadata, columns)))


# ---------------------------------------------------------------- numbers


def test_a_number_that_most_texts_have_is_a_group_beside_the_rest():
    amounts = [*([0] * 180), *np.linspace(1, 100, 30)]
    assert counted("refund", amounts) == {"0": 180, "more than 0": 30}
    assert counted("refund", [-value for value in amounts]) == {"less than 0": 30, "0": 180}
    assert counted("refund", [*amounts, -1, -2]) == {"less than 0": 2, "0": 180, "more than 0": 30}
    assert counted("share", [0.9991] * 60 + [0.9992 + i / 1e6 for i in range(30)]) == {
        "0.9991": 60,
        "more than 0.9991": 30,
    }


def test_groups_of_numbers_are_quarters_none_of_them_empty():
    assert list(counted("paid", [i + 0.5 for i in range(100)]).values()) == [25, 25, 25, 25]
    assert list(counted("paid", [*([1.5] * 30), *(2 + i / 100 for i in range(70))]).values()) == [
        30,
        20,
        25,
        25,
    ]
    sparse = [0.5, 1.5, *([None] * 40)]
    assert list(counted("sparse", [*sparse, *range(3, 24)]).values()) == [6, 6, 5, 6]


def test_names_of_groups_have_the_digits_that_they_need():
    assert list(counted("share", [0.999 + i / 1e6 for i in range(200)])) == [
        "up to 0.99905",
        "0.99905 to 0.9991",
        "0.9991 to 0.99915",
        "0.99915 to 0.9992",
    ]
    assert list(counted("paid", [12.3456 * i for i in range(1, 101)])) == [
        "up to 309",
        "309 to 617",
        "617 to 926",
        "926 to 1,235",
    ]


def test_years_have_no_comma_and_other_whole_numbers_do():
    years = [1960 + i % 64 for i in range(640)]
    assert list(counted("year", years)) == ["up to 1975", "1975 to 1991", "1991 to 2007", "2007 to 2023"]
    steps = [90 * i for i in range(100)]
    assert list(counted("steps", steps)) == [
        "up to 2,160",
        "2,160 to 4,410",
        "4,410 to 6,660",
        "6,660 to 8,910",
    ]


# ---------------------------------------------------------------- categories, dates, what is left out


def test_of_many_categories_the_most_frequent_are_groups_and_the_others_one():
    cities = [f"city {i % 60:02d}" for i in range(300)] + ["city 59", None]
    shown = column("city", cities)
    assert shown.kind == "category"
    assert len(shown.labels) == 20
    assert shown.labels[0] == "city 59"
    assert shown.labels[-1] == "other (41 values)"
    assert counted("city", cities)["other (41 values)"] == 5 * 41
    assert shown.values[-1] == -1


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("comment", [f"number {i}" for i in range(240)], "240 different values, too few of them frequent"),
        ("name", [f"person {i % 120}" for i in range(240)], "120 different values, too few of them frequent"),
        (
            "answer",
            ["no"] * 40 + [f"as {i}" for i in range(200)],
            "201 different values, too few of them frequent",
        ),
        ("customer_id", [f"c{i % 30}" for i in range(240)], "ids"),
        ("ticket id", list(range(240)), "ids"),
        ("constant", ["same"] * 240, "one value only"),
        ("nothing", [None, "", "n/a"] * 80, "empty"),
        ("tags", [["a"], ["b", "c"], []] * 80, "lists or objects"),
        ("founded", [f"{1200 + 2 * i}-01-01" for i in range(240)], "dates over more than 240 years"),
    ],
)
def test_columns_that_are_no_groups_are_left_out_with_the_reason(tmp_path, name, values, why):
    view = view_of(tmp_path, {name: values, "tier": ["a", "b"] * 120})
    assert [shown.name for shown in view.columns] == ["tier"]
    assert summary(view, capabilities={})["left_out"] == [{"name": name, "why": why}]


def periods(values: Sequence[Any]) -> Any:
    return report_columns.read_column("day", values)


def test_dates_over_many_years_are_decades():
    born = periods([f"{1950 + i % 55}-03-07" for i in range(300)])
    assert (born.unit, born.labels) == ("decade", ("1950s", "1960s", "1970s", "1980s", "1990s", "2000s"))
    assert born.codes[[0, 9, 10, 54]].tolist() == [0, 0, 1, 5]
    assert periods([f"{1990 + i % 20}-03-07" for i in range(300)]).unit == "year"


def test_a_few_dates_far_from_all_others_do_not_stretch_the_periods():
    days = [f"2026-{1 + i % 12:02d}-15" for i in range(200)]
    column = periods(["1900-01-01", *days, None])
    assert column.unit == "month"
    assert column.labels[:2] == ("before 2026-01", "2026-01")
    assert column.labels[-1] == "2026-12"
    assert column.codes[[0, 1, 12, -1]].tolist() == [0, 1, 12, -1]
    later = periods([*days, "9999-12-31"])
    assert later.labels[-2:] == ("2026-12", "after 2026-12")
    assert later.codes[[0, -1]].tolist() == [0, 12]


def test_dates_with_dots_are_read_day_first():
    column = periods(["05.03.2026", "7.4.2026 10:30", "31.05.2026"] * 20)
    assert column.unit == "month"
    assert column.labels == ("2026-03", "2026-04", "2026-05")
    assert column.codes[:3].tolist() == [0, 1, 2]
    assert periods(["05.13.2026", "07.14.2026"] * 20).unit is None


def test_a_line_over_time_is_not_over_decades_where_there_are_months():
    metadata = {
        "born": [f"{1950 + i % 55}-03-07" for i in range(60)],
        "posted": [f"2026-0{1 + i % 5}-01" for i in range(60)],
    }
    trend = crosstabs.trend(report_columns.read_columns(metadata), np.zeros(60, dtype=int), 1)
    assert trend["column"] == "posted"


# ---------------------------------------------------------------- comparisons


def test_a_group_without_texts_has_no_numbers(tmp_path):
    view = view_of(tmp_path, {"month": [("2024-01", "2024-03", "2024-04")[i % 3] for i in range(240)]})
    told = compare(view, 0)
    assert [group["n"] for group in told["groups"]] == [80, 0, 80, 80]
    for table in (told["shares"], told["means"]):
        assert all([value is None for value in row] == [False, True, False, False] for row in table)
    with pytest.raises(InputError, match="0 texts: too few"):
        compare(view, 0, a=0, b=1)


def test_hidden_factors_are_neither_tested_nor_counted(tmp_path):
    metadata = {"kind": [["a", "b", "c"][i % 3] for i in range(240)]}
    whole, part = view_of(tmp_path, metadata), view_of(tmp_path, metadata, hidden=(0, 2))
    for pair in ({}, {"a": 0, "b": 1}):
        p = {test["factor"]: test["p"] for test in compare(whole, 0, **pair)["tests"]}
        told = compare(part, 0, **pair)
        assert [test["factor"] for test in told["tests"]] == [1, 3]
        low, high = sorted(told["tests"], key=lambda test: test["p"])
        assert (low["p"], high["p"]) == tuple(sorted((p[1], p[3])))
        assert high["q"] == pytest.approx(high["p"])
        assert low["q"] == pytest.approx(min(2 * low["p"], high["p"]))  # of two factors, not of four
        if pair:
            assert [test["factor"] for test in told["pair"]["tests"]] == [1, 3]


def test_a_range_holds_the_numbers_of_its_group_and_no_others(tmp_path):
    metadata = {"paid": np.random.default_rng(1).lognormal(3, 1, 240).tolist(), "tier": ["a", "b"] * 120}
    view = view_of(tmp_path, metadata)
    _, codes = groups(view.columns[0])
    for group, told in enumerate(compare(view, 0)["groups"]):
        low, high = told["range"]
        values = view.columns[0].values.astype(np.float64)
        assert ((values >= low) & (values <= high)).tolist() == (codes == group).tolist()
    assert {told["range"] for told in compare(view, 1)["groups"]} == {None}


def test_names_are_isolated_in_sentences_of_the_page_and_nowhere_else(tmp_path):
    run = factories.helpdesk_run(tmp_path)
    names = (f"{ARABIC}\u2069 one", *run.factors.names[1:])
    metadata = {ARABIC: [ARABIC if k == 0 else "other" for k in run.factors.dominant]}
    view = view_of(tmp_path, metadata, names=names)
    isolated = f"\u2068{ARABIC}\u2069"
    told = compare(view, 0)["tests"][0]["sentence"]
    assert told.startswith(
        f"“\u2068{ARABIC} one\u2069” differs by {isolated}: highest where it is {isolated}, "
    )
    told = compare(view, 0, a=0, b=1)["tests"][0]["sentence"]
    assert f"where {isolated} is {isolated} than where it is \u2068other\u2069" in told
    page = summary(view, capabilities={})
    assert f"where {isolated} is {isolated}" in page["findings"][0]
    assert "“\u2068" in page["headline"]
    console = Console(width=100, record=True)
    console.print(reports.render_terminal(view.summary_data))
    for text in (
        console.export_text(),
        reports.render_markdown(view.summary_data),
        view.summary_data["headline"],
    ):
        assert "\u2068" not in text
        assert "\u2069" not in text


# ---------------------------------------------------------------- properties on the map


def test_properties_lie_where_a_text_lies(tmp_path):
    """Of few texts at the strongest; of many at the middle one of the strongest, not between two groups of them."""
    run = factories.helpdesk_run(tmp_path, n=12)
    few = View(run, summarise(run), (), np.arange(12))
    links = run.factors.links
    strongest = (links.property_vectors @ links.text_vectors.T).argmax(axis=1)
    np.testing.assert_array_equal(few.property_positions, run.factors.map[strongest])
    many = view_of(tmp_path, {})
    apart = np.linalg.norm(many.property_positions[:, None] - many.factors.map[None], axis=2)
    assert apart.min(axis=1).max() == 0


def test_long_names_that_differ_at_their_ends_are_told_apart():
    question = "How much do you agree with the statement that our support team is"
    names = [f"{question} {what}" for what in ("quick", "friendly", "competent")]
    metadata = {name: [str(i % (k + 2)) for i in range(30)] for k, name in enumerate(names)}
    shown = [column.name for column in read_columns(metadata)]
    assert len(set(shown)) == 3
    assert all(len(name) <= 60 for name in shown)
    assert shown[1].endswith("support team is friendly")
    assert format_metadata({name: i for i, name in enumerate(names)}) == {
        name: str(i) for i, name in enumerate(shown)
    }
    twins = ["x" * 40 + middle + "y" * 40 for middle in "ab"]
    assert len(set(display_names(twins).values())) == 2
