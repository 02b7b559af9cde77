"""What an address shows in the explorer's page, what it leaves out, and where back and Escape lead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from explorer_page import go, opened, rows_of, search, visitor
from explorer_server import ExplorerServer

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture
def visit(browser: Any, server: ExplorerServer) -> Iterator[Callable[..., Any]]:
    """Open the page at a view, by its part of the address; no request may be refused."""
    with visitor(browser) as visit:
        yield lambda where, **options: visit(f"{server.url}#{where}", **options)


@pytest.mark.parametrize(
    "query",
    [
        {"columns": [{"column": 0, "values": [99, 0.5, "0"]}]},
        {"columns": [{"column": 99, "values": [0]}]},
        {"columns": [{"column": 0, "low": 5, "high": 6}]},
        {"sort": {"by": "factor", "at": 99, "down": True}},
        {"sort": {"by": "column", "at": -1, "down": True}},
        {"sort": {"by": "factor", "down": True}},
        {"dominant": [99, 0.5], "factors": [{"factor": 99, "low": 1, "high": None}]},
    ],
)
def test_filters_of_what_does_not_exist_are_left_out(visit, run, query):
    page = visit(f"view=texts&query={json.dumps(query)}")
    expect(rows_of(page).first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text(f"{len(run.corpus)} texts", exact=True)).to_be_visible()


def test_what_exists_of_a_filter_is_kept(visit, run):
    page = visit(f"view=texts&query={json.dumps({'columns': [{'column': 0, 'values': [0, 99]}]})}")
    expect(page.get_by_role("list", name="Filters").get_by_role("listitem").first).to_contain_text("product:")
    expect(rows_of(page).first).to_be_visible()


@pytest.mark.parametrize("where", ["0:98:99:shares", "3:0:9:means"])
def test_groups_that_a_column_does_not_have_are_left_out(visit, where):
    page = visit(f"view=compare&compare={where}")
    expect(page.get_by_role("table").first).to_be_visible()
    chosen = page.get_by_role("combobox", name="Group B").locator("option:checked")
    expect(chosen).to_have_text("none")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_text_that_does_not_exist_is_not_open(visit, run):
    page = visit("view=texts&text=999999")
    expect(rows_of(page).first).to_be_visible()
    expect(page.get_by_role("complementary", name="Why")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_back_closes_the_card_and_the_text_before_it_leaves_the_view(visit, run):
    page = visit("view=map", width=390)
    go(page, "Factors")
    entries = page.get_by_role("region", name="Factors")
    entries.get_by_role("button", name=run.factors.names[1]).click()
    expect(page.get_by_role("heading", name=run.factors.names[1], exact=True)).to_be_visible()
    page.go_back()
    expect(entries.get_by_role("button", name=run.factors.names[1])).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(0)
    go(page, "Texts")
    rows_of(page).first.click()
    opened(page, run.corpus.ids[0])
    page.go_back()
    expect(rows_of(page).first).to_be_visible()
    expect(page.get_by_role("complementary", name="Why")).to_have_count(0)
    page.go_back()
    expect(entries.get_by_role("button", name=run.factors.names[1])).to_be_visible()
    page.go_forward()
    go(page, "Factors")
    page.go_back()  # a view that was gone back to before is a step again
    expect(page.get_by_role("main")).to_have_attribute("data-view", "texts")


def test_a_sentence_of_the_card_is_one_step_away(visit, run):
    page = visit("view=factors&factor=0")
    page.get_by_role("region", name="Evidence").get_by_role("listitem").first.get_by_role("button").click()
    expect(page.get_by_role("main")).to_have_attribute("data-view", "texts")
    page.go_back()
    expect(page.get_by_role("heading", name=run.factors.names[0], exact=True)).to_be_visible()
    expect(page.get_by_role("main")).to_have_attribute("data-view", "factors")
    assert "text=" not in page.url


def test_escape_empties_the_search_and_stays_in_it(visit, run):
    page = visit("view=texts")
    field = page.get_by_role("searchbox")
    search(page, "router")
    field.press("Escape")
    expect(field).to_have_value("")
    expect(field).to_be_focused()
    expect(page.get_by_text(f"{len(run.corpus)} texts", exact=True)).to_be_visible()
