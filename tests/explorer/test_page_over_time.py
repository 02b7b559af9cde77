"""The explorer's page in Chromium: factors over time, as charts and as a table, from which texts are opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import factories
from explorer_page import visitor
from explorer_server import ExplorerServer
from goalspace import reports
from goalspace.reports.over_time import measure_over_time
from goalspace.reports.page_columns import read_columns
from goalspace.reports.summary import summarise
from goalspace.reports.view import View
from goalspace.run.folder import Run

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    n = 1200
    tiers = ["a", "b"] * (n // 2)
    posted = [day if i % 100 else None for i, day in enumerate(factories.days("2026-01-05", 70, n))]
    return factories.changing_run(
        tmp_path_factory.mktemp("over-time"), n=n, metadata={"tier": tiers, "posted": posted}
    )


@pytest.fixture(scope="module")
def measured(run: Run) -> Any:
    columns = read_columns(run.corpus.metadata)
    return measure_over_time(View(run, summarise(run), columns, np.arange(len(run.corpus))), 1)


@pytest.fixture(scope="module")
def server(run: Run, browser: Any) -> Iterator[ExplorerServer]:
    with ExplorerServer(run.path) as running:
        yield running


@pytest.fixture
def visit(browser: Any, server: ExplorerServer) -> Iterator[Callable[..., Any]]:
    with visitor(browser) as visit:
        yield lambda where, **options: visit(f"{server.url}#{where}", **options)


def figure_of(page: Any) -> Any:
    return page.get_by_role("figure", name="Over time, by posted")


def names_of(rows: Any) -> list[str]:
    return [factories.COURSES[row["factor"]] for row in rows]


def test_charts_are_in_the_order_of_their_changes_and_say_which_are_significant(visit, measured):
    page = visit("view=compare&compare=1:::shares")
    figure = figure_of(page)
    expect(figure).to_contain_text("Left out: 12 without a date.")
    links = figure.locator(".multiples .factor-link")
    expect(links).to_have_text(names_of(measured["factors"]))
    for row, told in zip(measured["factors"], figure.locator(".course").all_inner_texts(), strict=True):
        assert told.startswith("no clear change" if row["course"] == "steady" else row["course"])
    expect(page.get_by_role("listitem").filter(has_text="rises from")).to_contain_text("“\u2068Rising\u2069”")
    figure.get_by_text("By rank", exact=True).click()
    expect(links).to_have_text(list(factories.COURSES))
    band = figure.get_by_role("img").first.locator("path.band").bounding_box()
    line = figure.get_by_role("img").first.locator("path.line").bounding_box()
    assert band["y"] < line["y"]
    assert band["y"] + band["height"] > line["y"] + line["height"]


def test_a_click_on_a_period_opens_its_texts(visit, measured):
    page = visit("view=compare&compare=1:::shares")
    row, period = measured["factors"][0], measured["periods"][3]
    chart = figure_of(page).get_by_role("img").first
    target = chart.locator(".target").nth(3)
    n = row["shares"][3]["n"]
    expect(target.locator("title")).to_contain_text(f"{n} of {period['n']} texts")
    target.click()
    filters = page.get_by_role("list", name="Filters")
    expect(filters).to_contain_text(factories.COURSES[row["factor"]])
    expect(filters).to_contain_text(f"posted: {period['name']}")
    expect(page.get_by_role("main")).to_contain_text(f"{n} of 1,200 texts")


def test_the_table_has_all_intervals_and_works_by_keyboard(visit, measured):
    page = visit("view=compare&compare=1:::shares")
    page.get_by_role("group", name="Form").get_by_role("radio", name="Charts").focus()
    page.keyboard.press("ArrowRight")
    table = page.get_by_role("table", name="Over time, by posted")
    expect(table.get_by_role("columnheader")).to_have_count(2 + len(measured["periods"]))
    heads = table.get_by_role("rowheader")
    expect(heads).to_have_text(names_of(measured["factors"]))
    row = measured["factors"][0]
    cell = table.get_by_role("row").nth(1).get_by_role("cell").nth(1 + 2)
    share = row["shares"][2]
    expect(cell).to_contain_text(f"{100 * share['share']:.0f}%")
    expect(cell).to_contain_text(f"to {100 * share['high']:.0f}%")
    cell.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text(f"{share['n']} of 1,200 texts")


def test_the_dates_are_shown_beside_other_columns_and_on_cards(visit, measured):
    page = visit("view=compare&compare=0:::shares")
    expect(figure_of(page).get_by_role("img")).to_have_count(len(factories.COURSES))
    expect(page.get_by_role("table", name="Factors by tier")).to_be_visible()
    page = visit("view=factors&factor=0")
    figure = page.get_by_role("figure", name="Share by posted")
    expect(figure).to_contain_text("rises from")
    expect(figure.get_by_role("img")).to_have_accessible_name(
        "\u2068Rising\u2069: "
        + ", ".join(
            f"{period['name']} {100 * share['share']:.0f}%"
            for period, share in zip(measured["periods"], by_factor(measured, 0), strict=True)
        )
    )


def by_factor(measured: Any, factor: int) -> Any:
    return next(row["shares"] for row in measured["factors"] if row["factor"] == factor)


@pytest.mark.parametrize("width", [375, 1440])
def test_the_report_shows_the_same_without_a_server(browser, run, measured, tmp_path, width):
    address = reports.report(run, path=tmp_path / "page.html").as_uri()
    with visitor(browser) as visit:
        page = visit(f"{address}#view=compare&compare=1:::shares", width=width)
        figure = figure_of(page)
        expect(figure.locator(".multiples .factor-link")).to_have_text(names_of(measured["factors"]))
        expect(figure.get_by_role("img")).to_have_count(len(factories.COURSES))
        for chart in figure.get_by_role("img").all():
            box = chart.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        chart = figure.get_by_role("img").first
        labels = [label.bounding_box() for label in chart.locator("text[dx]").all()]
        assert len(labels) > 1
        for left, right in pairwise(labels):
            assert left["x"] + left["width"] <= right["x"]
