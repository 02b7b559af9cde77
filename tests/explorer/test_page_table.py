"""The table of texts and what is saved of a run with many columns, odd names, missing values and copies."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
import pytest

from conftest import ROOT
from explorer_page import go, rows_of, visitor
from explorer_server import ExplorerServer
from goalspace.reports import report
from goalspace.run import discover
from goalspace.run.folder import Run

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
STREET = "Die Straße ist gesperrt, und der Router\n  ist seit Tagen kaputt."
LONG_ID = "complaint-2026-" + "0123456789" * 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("table")
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        messages = [row["message"] for row in csv.DictReader(file)][::9][:40]
    rows = [
        {
            "number": 990 + at,
            "message": message,
            "text": f"note {at % 3}",
            "dominant": "yes" if at % 2 else "no",
            "paid": None if at % 7 == 3 else round(1.02 + 0.6 * (at * 11 % 41), 2),
            "resolved": None if at % 5 == 2 else bool(at % 2),
            "account": 16_777_217 + at,
            **{f"group {c}": f"{c}{at % (c + 2)}" for c in range(3)},
            "last": f"value {at % 4}",
        }
        for at, message in enumerate([*messages, STREET])
    ]
    rows.append({**rows[0], "number": 5, "text": "a copy", "paid": 999.25})
    table = root / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return discover(
        table, goal="what goes wrong", out=root / "runs" / "odd", n_factors=4, text="message", id="number"
    )


@pytest.fixture(scope="module")
def server(run: Run, browser: Any) -> Iterator[ExplorerServer]:
    with ExplorerServer(run.path) as running:
        yield running


@pytest.fixture(scope="module")
def sent(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(run, path=tmp_path_factory.mktemp("sent") / "report.html").as_uri()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    with visitor(browser) as visit:
        yield visit


def column(server: ExplorerServer, name: str) -> int:
    return [c["name"] for c in server.get("/api/summary")["columns"]].index(name)


def asked(query: dict[str, Any]) -> str:
    return f"view=texts&query={quote(json.dumps(query))}"


def cells(page: Any, at: int) -> list[str]:
    """A column of the table, as far as rows are in the page."""
    rows_of(page).first.wait_for()
    return [row.get_by_role("gridcell").nth(at).inner_text() for row in rows_of(page).all()]


def saved_rows(page: Any, folder: Path) -> list[dict[str, Any]]:
    go(page, "Export")
    page.get_by_role("group", name="Format", exact=True).get_by_text("JSON", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save table").click()
    download.value.save_as(folder / "table.json")
    return json.loads((folder / "table.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- the report answers as the server does


def test_the_report_exports_texts_factors_and_every_column(visit, sent, server, run, tmp_path):
    page = visit(sent)
    ours = saved_rows(page, tmp_path)
    theirs = {row["id"]: row for row in server.ask("/api/export/texts.json").json()}
    assert theirs["5"]["paid"] == 999.25
    assert theirs["5"]["text"] == "a copy"
    assert theirs["5"]["text_"] == theirs["990"]["text_"]
    assert [row["id"] for row in ours] == list(run.corpus.ids)
    for row in ours:
        same = theirs[row["id"]]
        assert list(row) == list(same)
        for name in ("text_", "text", "dominant", "dominant_", "paid", "account", "last"):
            assert row[name] == same[name], name
    expect(page.get_by_text(re.compile("^One row per text, without copies"))).to_be_visible()
    page.get_by_role("group", name="Table").get_by_text("Properties").click()
    expect(page.get_by_text(re.compile(r"^The \d+ strongest properties"))).to_be_visible()
    served = visit(f"{server.url}#view=export")
    expect(served.get_by_text(re.compile("^One row per text and one per copy:"))).to_be_visible()


@pytest.mark.parametrize(
    "query",
    [
        {"search": "STRASSE"},
        {"search": '"der Router ist"'},
        {"search": '"ﬁnd" "ROUTER"'},
        {"sort": {"by": "id", "down": False}},
        *({"sort": {"by": "column", "at": name, "down": down}} for name in ("paid", "resolved") for down in (0, 1)),
    ],
    ids=str,
)  # fmt: skip
def test_the_report_finds_and_sorts_as_the_server_does(visit, sent, server, query):
    if isinstance(query.get("sort", {}).get("at"), str):
        sort = query["sort"]
        query = {"sort": {**sort, "at": column(server, sort["at"]), "down": bool(sort["down"])}}
    found = [hit["id"] for hit in server.post("/api/texts", {**query, "limit": 100})["hits"]]
    assert found
    shown = cells(visit(f"{sent}#{asked(query)}"), 0)
    assert shown == found[: len(shown)]
    if query.get("sort", {}).get("by") == "id":
        assert found[:2] + found[-1:] == ["990", "991", "1030"]
    if query.get("sort", {}).get("by") == "column":
        last = visit(f"{sent}#{asked(query)}")
        last.get_by_role("grid").press("End")
        values = server.post("/api/texts", {**query, "limit": 100})["hits"]
        assert values[-1]["values"][query["sort"]["at"]] is None
        expect(rows_of(last).last.get_by_role("gridcell").first).to_have_text(found[-1])


@pytest.mark.parametrize("place", ["server", "report"])
def test_a_number_is_found_by_the_digits_that_are_shown(visit, sent, server, run, place):
    at, paid = column(server, "paid"), np.array(run.corpus.metadata["paid"], dtype=float)
    value = 2.82
    assert value in paid
    query = {"columns": [{"column": at, "low": value, "high": None}]}
    page = visit(f"{server.url if place == 'server' else sent}#{asked(query)}")
    expect(page.get_by_text(f"{int((paid >= value).sum())} of {len(paid)} texts")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="paid: at least 2.82")).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("button", name="Filter", exact=True).click()
    group = page.get_by_role("group", name="Column")
    for name, low in (("paid", "1.02"), ("account", "16777217")):
        group.get_by_role("combobox").select_option(name)
        expect(group.get_by_role("spinbutton", name="from")).to_have_value(low)


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("place", ["server", "report"])
def test_the_table_shows_the_scores_that_it_filters_and_sorts_by(visit, sent, server, run, place):
    k, name = 1, run.factors.names[1]
    query = {
        "factors": [{"factor": k, "low": -1, "high": None}],
        "sort": {"by": "factor", "at": k, "down": True},
    }
    page = visit(f"{server.url if place == 'server' else sent}#{asked(query)}")
    rows_of(page).first.wait_for()
    head = page.get_by_role("columnheader", name="Score")
    assert head.get_attribute("title") == f"Score on {name}"
    expect(page.get_by_text(f"Scores on {name}.")).to_be_visible()
    shown = [float(cell.replace("−", "-")) for cell in cells(page, 3)]
    scores = np.sort(run.factors.scores[:, k])[::-1]
    assert shown == pytest.approx(scores[: len(shown)].tolist(), abs=0.06)


def test_the_column_that_is_sorted_by_is_in_the_table(visit, server):
    page = visit(f"{server.url}#view=texts")
    number = len(server.get("/api/summary")["columns"])
    expect(page.get_by_text(f"4 of {number} columns; open a text to see them all.")).to_be_visible()
    assert page.get_by_role("columnheader", name="last").count() == 0
    page.get_by_role("combobox", name="Sort by").select_option("last")
    expect(page.get_by_role("columnheader", name="last")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("button", name="Sort descending").click()
    expect(rows_of(page).first.get_by_role("gridcell").last).to_have_text("value 3")


def test_a_head_sorts_by_the_keyboard_too(visit, server):
    page = visit(f"{server.url}#view=texts")
    page.get_by_role("columnheader", name=re.compile("^Id")).get_by_role("button").press("Enter")
    expect(page.get_by_role("columnheader", name=re.compile("^Id"))).to_have_attribute(
        "aria-sort", "ascending"
    )
    assert "text=" not in page.url


def test_a_phone_sorts_by_a_menu(visit, server, run):
    page = visit(f"{server.url}#view=texts", width=390)
    page.get_by_role("combobox", name="Sort by").select_option("length")
    page.get_by_role("button", name="Sort descending").click()
    longest = max(run.corpus.texts, key=len)
    expect(rows_of(page).first).to_contain_text(longest[:40])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [920, 1024, 1240])
def test_texts_can_be_read_beside_an_open_one(visit, server, width):
    page = visit(f"{server.url}#view=texts&text=1", width=width)
    cell = rows_of(page).first.locator(".cell-text")
    assert cell.bounding_box()["width"] >= 175
    sort = page.get_by_role("combobox", name="Sort by").bounding_box()
    side = page.get_by_role("complementary", name="Why").bounding_box()
    assert sort["x"] + sort["width"] <= side["x"]


def test_a_long_id_leaves_room_for_the_factor(visit, tmp_path):
    rows = [
        {"id": f"{LONG_ID}{at}", "text": f"The {thing} is {fault} again and nobody helps."}
        for at, (thing, fault) in enumerate(
            (thing, fault)
            for thing in ("router", "invoice", "battery", "screen")
            for fault in ("broken", "wrong", "late", "lost")
        )
    ]
    made = discover(rows, goal="what goes wrong", out=tmp_path / "run", n_factors=2)
    page = visit(f"{report(made, path=tmp_path / 'report.html').as_uri()}#view=texts&text=1")
    panel = page.get_by_role("region", name=re.compile("^Why: text"))
    heading = panel.get_by_role("heading", level=2)
    expect(heading).to_have_attribute("title", re.compile(LONG_ID[:50]))
    dominant = panel.locator("header").locator(".factor-link, .quiet").first
    assert dominant.bounding_box()["width"] > 120
    assert heading.bounding_box()["width"] > 120


# ---------------------------------------------------------------- pictures


def words_in(page: Any, folder: Path) -> tuple[str, ElementTree.Element]:
    page.get_by_role("button", name="Save picture").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG", exact=True).click()
    download.value.save_as(folder / "picture.svg")
    root = ElementTree.parse(folder / "picture.svg").getroot()
    return " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")), root


@pytest.mark.parametrize("opened", ["", "&text=1"])  # a text hides the legend
def test_a_saved_map_says_what_its_colours_mean(visit, server, tmp_path, opened):
    page = visit(f"{server.url}#view=map&colour=column:{column(server, 'resolved')}{opened}")
    page.locator(".legend-list").wait_for(state="attached")
    words, root = words_in(page, tmp_path)
    for name in ("resolved", "True", "False", "missing"):
        assert re.search(rf"\b{name}\b", words)
    fills = {
        rect.get("fill") for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("rx") == "5"
    }
    assert len(fills) >= 3
    page = visit(f"{server.url}#view=map&colour=column:{column(server, 'paid')}{opened}")
    page.locator(".scale-legend").wait_for(state="attached")
    words, _ = words_in(page, tmp_path)
    assert re.search(r"\bpaid\b.*\b1\.02\b", words)


def test_a_saved_list_of_factors_has_heads_and_ends_with_them(visit, server, run, tmp_path):
    page = visit(f"{server.url}#view=factors")
    page.locator(".factor-entry").last.wait_for()
    words, root = words_in(page, tmp_path)
    for name in ("Name", "Share", "TC", *run.factors.names):
        assert name.split(" · ")[0] in words
    bottom = page.locator(".factor-entry").last.bounding_box()
    top = page.locator(".factor-head").bounding_box()
    assert float(root.get("height")) < bottom["y"] + bottom["height"] - top["y"] + 80
