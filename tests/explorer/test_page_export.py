"""What can be taken away from the explorer's page: tables, pictures, links, and report.html from file://."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from explorer_page import ARABIC, HOSTILE, go, opened, rows_of, search, visitor
from goalspace.reports import report
from goalspace.run.folder import Run

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
TABLES = ("Texts", "Factors", "Properties", "Evidence")


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    with visitor(browser) as visit:
        yield visit


@pytest.fixture(scope="module")
def sent(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the report as a file."""
    return report(run, path=tmp_path_factory.mktemp("sent") / "report.html").as_uri()


def saved(page: Any, button: Any, folder: Path) -> Path:
    """The file that a button saves."""
    with page.expect_download() as download:
        button.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def choose(page: Any, label: str, option: str) -> None:
    page.get_by_role("group", name=label, exact=True).get_by_text(option, exact=True).click()


def read_table(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    return pq.read_table(path).to_pylist()


def sizes(run: Run) -> dict[str, int]:
    """How many rows a whole table must have at least."""
    return {
        "Texts": len(run.corpus),
        "Factors": run.factors.dim,
        "Properties": 100,
        "Evidence": run.factors.dim,
    }


# ---------------------------------------------------------------- from the server


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_saved_in_three_formats(visit, server, run, tmp_path, table):
    page = visit(f"{server.url}#view=export")
    choose(page, "Table", table)
    numbers = set()
    for kind in ("CSV", "Parquet", "JSON"):
        choose(page, "Format", kind)
        path = saved(page, page.get_by_role("button", name="Save table"), tmp_path)
        assert path.name == f"why-{table.lower()}.{kind.lower()}"
        rows = read_table(path)
        assert len(rows) >= sizes(run)[table]
        numbers.add((len(rows), tuple(rows[0])))
    assert len(numbers) == 1


def test_a_filtered_table_holds_only_what_was_found(visit, server, run, tmp_path):
    page = visit(f"{server.url}#view=texts")
    search(page, "router")
    found = {
        id for id, text in zip(run.corpus.ids, run.corpus.texts, strict=True) if "router" in text.casefold()
    }
    expect(page.get_by_text(f"{len(found)} of {len(run.corpus)} texts")).to_be_visible()
    go(page, "Export")
    choose(page, "Format", "JSON")
    path = saved(page, page.get_by_role("button", name="Save table"), tmp_path)
    assert {row["id"] for row in read_table(path)} == found
    page.get_by_role("checkbox", name=re.compile("^only the")).uncheck()
    path = saved(page, page.get_by_role("button", name="Save table"), tmp_path)
    assert len(read_table(path)) == len(run.corpus)


@pytest.mark.parametrize(
    "view", ["view=map", "view=factors&factor=1", "view=compare&compare=0:0:1:shares", "view=runs"]
)
def test_every_chart_is_saved_as_a_picture(visit, server, tmp_path, view):
    from PIL import Image

    page = visit(f"{server.url}#{view}")
    page.get_by_role("button", name="Save picture").first.wait_for()
    page.get_by_role("main").get_by_text("Loading").wait_for(state="hidden")
    figures = page.get_by_role("button", name="Save picture")
    for at in range(figures.count()):
        figures.nth(at).click()
        svg = saved(page, page.get_by_role("button", name="SVG", exact=True), tmp_path)
        text = svg.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)  # must be well-formed
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 10
        assert "<script" not in text
        figures.nth(at).click()
        png = saved(page, page.get_by_role("button", name="PNG", exact=True), tmp_path)
        with Image.open(png) as image:
            assert min(image.size) > 80
            assert len(image.convert("RGB").getcolors(maxcolors=1 << 24)) > 20


def test_a_link_restores_the_view(visit, server, run):
    page = visit(f"{server.url}#view=map", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("combobox", name="Colour by").select_option("product")
    page.get_by_role("checkbox", name="Properties").check()
    search(page, "router")
    expect(page.get_by_text(re.compile(r"^\d+ of \d+ texts$"))).to_be_visible()
    told = page.get_by_text(re.compile(r"^\d+ of \d+ texts$")).inner_text()
    rows_of(page).first.click()
    id = (
        page.get_by_role("region", name=re.compile(r"^Why: text \S"))
        .get_by_role("heading", level=2)
        .inner_text()
    )
    page.get_by_role("navigation").get_by_role("button", name="Export").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.get_by_role("textbox", name="Link").input_value()
    other = visit(link.replace("view=export", "view=map"))
    opened(other, id)
    expect(other.get_by_role("combobox", name="Colour by").locator("option:checked")).to_have_text("product")
    expect(other.get_by_role("checkbox", name="Properties")).to_be_checked()
    other.keyboard.press("Escape")
    expect(other.get_by_text(told, exact=True)).to_be_visible()


# ---------------------------------------------------------------- the report, from file://


def test_the_saved_report_is_the_page_without_its_server(visit, server, run, tmp_path):
    page = visit(f"{server.url}#view=export")
    path = saved(page, page.get_by_role("button", name="Save report"), tmp_path)
    assert path.name == "why-report.html"
    assert server.token not in path.read_text(encoding="utf-8")
    alone = visit(path.as_uri())
    expect(alone.get_by_role("img", name=re.compile(f"^Map of {len(run.corpus)} texts"))).to_be_visible()


def test_every_view_of_the_report_works_without_a_network(visit, sent, run, server):
    page = visit(f"{sent}#view=map", offline=True)
    expect(page.get_by_role("img", name=re.compile(f"^Map of {len(run.corpus)} texts"))).to_be_visible()
    main = go(page, "Factors")
    expect(main.get_by_role("region", name="Factors").get_by_role("listitem")).to_have_count(run.factors.dim)
    go(page, "Compare")
    expect(main.get_by_role("table", name="Factors by product")).to_be_visible()
    main.get_by_role("combobox", name="Group A").select_option("Home router")
    main.get_by_role("combobox", name="Group B").select_option("Mobile app")
    figure = main.get_by_role("figure", name="Home router against Mobile app")
    expect(figure.get_by_role("rowheader")).to_have_count(run.factors.dim)
    go(page, "About")
    expect(main.get_by_role("heading", name=run.goal, exact=True)).to_be_visible()
    go(page, "Export")
    expect(main.get_by_text("This page is the report")).to_be_visible()
    expect(main.get_by_role("group", name="Format").get_by_text("Parquet")).to_have_count(0)
    assert main.get_by_role("group", name="Search by").count() == 0


def test_the_report_compares_as_the_server_does(visit, sent, server):
    """Two groups are compared in the page there, of scores to two digits, and in Python here."""
    told = []
    for address in (server.url, sent):
        page = visit(f"{address}#view=compare&compare=0:0:1:shares")
        figure = page.get_by_role("figure").filter(has_text="Cohen's d")
        expect(figure.get_by_role("rowheader").first).to_be_visible()
        told.append([row.inner_text().replace("−", "-") for row in figure.get_by_role("row").all()[1:]])
    assert [row.split("\t")[0] for row in told[0]] == [row.split("\t")[0] for row in told[1]]
    numbers = [[float(number) for row in rows for number in re.findall(r"-?\d+\.?\d*", row)] for rows in told]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.02)


@pytest.mark.parametrize("at", range(len(HOSTILE)), ids=("script", "long", "arabic", "chinese"))
def test_the_report_shows_any_text_as_it_is(visit, sent, run, at):
    page = visit(f"{sent}#view=texts", width=1440 if at % 2 else 390)
    search(page, f'"{HOSTILE[at][:20]}"')
    expect(page.get_by_text(f"1 of {len(run.corpus)} texts")).to_be_visible()
    rows_of(page).first.click()
    text = opened(page, f"<b>{at}</b>").get_by_role("region", name="The text")
    shown = text.text_content()
    assert shown
    assert HOSTILE[at].startswith(shown.removesuffix("…").strip())
    assert len(shown) > min(len(HOSTILE[at].strip()), 2000) - 2
    expect(text).to_have_css("direction", "rtl" if HOSTILE[at] == ARABIC else "ltr")
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_the_report_are_those_of_the_server(visit, sent, server, run, tmp_path, table):
    page = visit(f"{sent}#view=export")
    choose(page, "Table", table)
    choose(page, "Format", "JSON")
    ours = read_table(saved(page, page.get_by_role("button", name="Save table"), tmp_path))
    theirs = json.loads(server.ask(f"/api/export/{table.lower()}.json").body)
    assert set(theirs[0]) - set(ours[0]) <= {"surface_forms"}  # which the report does not hold
    assert set(ours[0]) <= set(theirs[0])
    key = {"Texts": "id", "Factors": "factor", "Properties": "property", "Evidence": "sentence"}[table]
    assert {row[key] for row in ours} <= {row[key] for row in theirs}
    least = {"Texts": len(run.corpus), "Factors": run.factors.dim}.get(table, 2 * run.factors.dim)
    assert len(ours) >= least
