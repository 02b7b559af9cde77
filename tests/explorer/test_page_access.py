"""The explorer's page for everybody: axe-core finds nothing serious in any view, light, dark and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from explorer_page import VIEWS, visitor
from explorer_server import ExplorerServer

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "width": 390, "has_touch": True},
}
PLACES = (
    *(f"view={view}" for view in VIEWS),
    "view=map&text=60&properties=1",
    "view=map&colour=column:3",
    "view=factors&factor=1",
    "view=factors&order=tree",
    "view=texts&text=59",
    "view=texts&query=%7B%22search%22%3A%22router%22%7D",
    "view=compare&compare=0:0:1:means",
    "view=compare&compare=1:::shares",
)


@pytest.fixture(scope="module")
def server(explorer_runs: Path, browser: Any) -> Iterator[ExplorerServer]:
    with ExplorerServer(explorer_runs / "why", "--edit") as running:
        yield running


@pytest.fixture
def page(request: Any, browser: Any, server: ExplorerServer) -> Iterator[Any]:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci in web/)")
    with visitor(browser) as visit:
        yield visit(server.url, bypass_csp=True, **LOOKS[request.param])


def violations(page: Any, where: str) -> list[str]:
    """What axe-core finds serious or critical in the page as it stands, a line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{where}: {rule['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def show(page: Any, where: str) -> None:
    """Open a place of the page and wait until nothing is loading."""
    page.evaluate("where => { location.hash = where }", where)
    page.reload()
    expect(page.get_by_role("main")).to_have_attribute("data-view", where.split("&")[0].removeprefix("view="))
    expect(page.locator(".loading, [aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_no_view_has_a_serious_violation(page):
    found = []
    for where in PLACES:
        show(page, where)
        found += violations(page, where)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{where}: scrolls sideways")
    assert found == []


@pytest.mark.parametrize("page", ["dark", "phone"], indirect=True)
def test_no_menu_or_dialog_has_a_serious_violation(page):
    found = []
    show(page, "view=factors&factor=1")
    edit = page.get_by_role("button", name="Edit", exact=True)
    edit.click()
    found += violations(page, "menu")
    edit.click()
    for name in ("Rename…", "Merge…", "Split…", "Add a property…"):
        edit.click()
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        found += violations(page, name)
        page.keyboard.press("Escape")
    show(page, "view=texts")
    page.get_by_role("button", name="Filter", exact=True).click()
    found += violations(page, "filter")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    found += violations(page, "help")
    assert found == []


def test_axe_sees_what_is_wrong(browser):
    """The check can fail: an image without a name is serious."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci in web/)")
    with visitor(browser) as visit:
        page = visit("data:text/html,<!doctype html><html lang=en><title>x</title><main><input></main>")
        assert any("label" in line for line in violations(page, "x"))
