"""Correcting a run in the explorer's page: every edit, undo and redo, and what is left of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from explorer_page import go, visitor
from explorer_server import ExplorerServer
from goalspace.run import redo
from goalspace.run.folder import Run

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def server(explorer_runs: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("edited") / "why"
    shutil.copytree(explorer_runs / "why", folder)
    with ExplorerServer(folder, "--edit") as running:
        running.log = folder / "edits.jsonl"
        yield running


@pytest.fixture
def visit(browser: Any, server: ExplorerServer) -> Iterator[Callable[..., Any]]:
    """Open the page at a view, by its part of the address; afterwards all edits are taken back."""
    with visitor(browser) as visit:
        yield lambda where="view=factors", **options: visit(f"{server.url}#{where}", **options)
    while server.get("/api/summary")["edits"]["done"]:
        server.post("/api/undo", {})


def edit(page: Any, what: str) -> Any:
    """Choose an edit of the factor whose card is open; returns its dialog."""
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("button", name=what, exact=True).click()
    return page.get_by_role("dialog")


def names(page: Any) -> list[str]:
    """The names of the factors in the list."""
    return [factor["name"] for factor in factors(page)]


def factors(page: Any) -> Any:
    """The factors as the server has them, once the page said that the last edit is done."""
    return page.evaluate(
        """async () => {
            const token = new URLSearchParams(location.search).get("token");
            const answer = await fetch("/api/summary", {headers: {"X-Goalspace-Token": token}});
            return (await answer.json()).factors;
        }"""
    )


def said(page: Any, what: str) -> None:
    expect(page.get_by_role("status").filter(has_text=what).last).to_be_visible()


def test_a_factor_is_renamed_and_the_name_stands_everywhere(visit, server):
    page = visit("view=factors&factor=1")
    dialog = edit(page, "Rename…")
    dialog.get_by_label("Name").fill("Bills & <b>prices</b>")
    dialog.get_by_label("Description").fill("What it costs.")
    dialog.get_by_role("button", name="Rename", exact=True).click()
    said(page, "Renamed.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="Bills & <b>prices</b>", exact=True)).to_be_visible()
    expect(page.get_by_role("main").get_by_text("What it costs.")).to_be_visible()
    go(page, "Map")
    legend = page.get_by_role("list", name="Legend")
    expect(legend.get_by_role("button", name="Bills & <b>prices</b>")).to_be_visible()
    last = json.loads(server.log.read_text(encoding="utf-8").splitlines()[-1])
    assert "Bills & <b>prices</b>" in json.dumps(last, ensure_ascii=False)


def test_factors_are_merged_split_and_hidden(visit, server):
    page = visit("view=factors&factor=0")
    entries = page.get_by_role("region", name="Factors").get_by_role("listitem")
    n = len(server.get("/api/summary")["factors"])
    expect(entries).to_have_count(n)
    dialog = edit(page, "Merge…")
    dialog.get_by_role("checkbox").first.check()
    dialog.get_by_label("New name (optional)").fill("Both")
    dialog.get_by_role("button", name="Merge", exact=True).click()
    said(page, "Merged.")
    expect(entries).to_have_count(n - 1)
    expect(page.get_by_role("region", name="Factors").get_by_role("button", name="Both")).to_be_visible()

    page.get_by_role("region", name="Factors").get_by_role("button", name="Both").click()
    dialog = edit(page, "Split…")
    dialog.get_by_label("Number of parts").fill("2")
    dialog.get_by_role("button", name="Split", exact=True).click()
    said(page, "Split.")
    expect(entries).to_have_count(n)

    heading = page.get_by_role("article").get_by_role("heading", level=2)
    expect(heading).not_to_have_text("Both")  # the card is filled after the list
    hidden = heading.inner_text()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("button", name="Hide", exact=True).click()
    said(page, "Hidden.")
    expect(
        page.get_by_role("region", name="Factors").get_by_role("button", name=hidden).get_by_text("hidden")
    ).to_be_visible()
    go(page, "Map")
    legend = page.get_by_role("list", name="Legend")
    expect(legend.get_by_role("button").first).to_be_visible()
    expect(legend.get_by_role("button", name=hidden, exact=False)).to_have_count(0)


def test_a_property_is_moved_removed_and_added(visit):
    page = visit("view=factors&factor=0")
    card = page.get_by_role("article").get_by_role("region", name="Properties")
    wanted = card.get_by_role("listitem").first.get_by_role("button").first.inner_text()
    card.get_by_role("button", name=f"Edit {wanted}", exact=True).click()
    page.get_by_role("button", name="Move…").click()
    other = names(page)[1]
    page.get_by_role("dialog").get_by_label("To").select_option(other)
    page.get_by_role("dialog").get_by_role("button", name="Move", exact=True).click()
    said(page, "Moved.")
    expect(card.get_by_role("button", name=wanted, exact=True)).to_have_count(0)

    removed = card.get_by_role("listitem").first.get_by_role("button").first.inner_text()
    card.get_by_role("button", name=f"Edit {removed}", exact=True).click()
    page.get_by_role("button", name="Remove", exact=True).click()
    said(page, "Removed.")
    expect(card.get_by_role("button", name=removed, exact=True)).to_have_count(0)

    dialog = edit(page, "Add a property…")
    dialog.get_by_label("The property, in your own words").fill("waiting weeks for an answer")
    dialog.get_by_role("button", name="Add", exact=True).click()
    said(page, "Added.")
    expect(card.get_by_role("button", name="waiting weeks for an answer", exact=True)).to_be_visible()
    page.get_by_role("region", name="Factors").get_by_role("button", name=other).click()
    expect(card.get_by_role("button", name=wanted, exact=True)).to_be_visible()


def test_edits_are_listed_undone_and_done_again(visit, server):
    page = visit("view=factors&factor=0")
    before = names(page)
    for name in ("First name", "Second name"):
        dialog = edit(page, "Rename…")
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_role("button", name="Rename", exact=True).click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    main = go(page, "Edits")
    listed = main.get_by_role("list", name="Edits").get_by_role("listitem")
    expect(listed).to_have_count(2)
    expect(listed.last).to_contain_text("Second name")
    page.keyboard.press("Control+z")
    expect(listed).to_have_count(1)
    main.get_by_role("button", name="Undo").click()
    expect(main.get_by_text("There are no edits yet.")).to_be_visible()
    assert names(page) == before
    expect(main.get_by_text("2 undone edits can be redone")).to_be_visible()
    main.get_by_role("button", name="Redo").click()
    expect(listed).to_have_count(1)
    page.keyboard.press("Control+Shift+z")
    expect(listed).to_have_count(2)
    assert names(page)[0] == "Second name"
    lines = [json.loads(line) for line in server.log.read_text(encoding="utf-8").splitlines()]
    assert len(lines) >= 6  # undo and redo are lines too: nothing that was done is forgotten


def test_an_edit_that_is_refused_says_why(browser, server):
    with visitor(browser) as visit:
        page = visit(f"{server.url}#view=factors&factor=0", expected=("400",))
        properties = page.get_by_role("article").get_by_role("region", name="Properties")
        there = properties.get_by_role("listitem").first.get_by_role("button").first.inner_text()
        dialog = edit(page, "Add a property…")
        field = dialog.get_by_label("The property, in your own words")
        field.fill(" ")
        expect(dialog.get_by_role("button", name="Add", exact=True)).to_be_disabled()
        field.fill(there)
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text(f"There already is a property “{there}”")
        dialog.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert server.get("/api/summary")["edits"]["done"] == []


def test_a_refused_edit_leaves_the_map_as_it_is(browser, server):
    with visitor(browser) as visit:
        page = visit(f"{server.url}#view=factors&factor=0", expected=("400",))
        dialog = edit(page, "Split…")
        dialog.get_by_label("Number of parts").fill("12")
        dialog.get_by_role("button", name="Split", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text("too few for 12 parts")
        expect(dialog.get_by_role("button", name="Split", exact=True)).to_be_focused()
        dialog.get_by_role("button", name="Cancel").click()
        go(page, "Map")
        page.get_by_role("combobox", name="Colour by").select_option("product")
        legend = page.get_by_role("list", name="Legend")
        expect(legend.get_by_role("button", name="Home router")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)


def test_dialogs_take_as_much_as_the_server(visit, server):
    limits = server.get("/api/summary")["limits"]
    page = visit("view=factors&factor=0")
    for what, label, limit in (
        ("Rename…", "Name", "name"),
        ("Rename…", "Description", "description"),
        ("Merge…", "New name (optional)", "name"),
        ("Add a property…", "The property, in your own words", "name"),
    ):
        dialog = edit(page, what)
        expect(dialog.get_by_label(label)).to_have_attribute("maxlength", str(limits[limit]))
        dialog.get_by_role("button", name="Cancel").click()
    dialog = edit(page, "Split…")
    into = dialog.get_by_label("Number of parts")
    into.fill(str(limits["parts"]))
    expect(dialog.get_by_role("button", name="Split", exact=True)).to_be_enabled()
    into.fill(str(limits["parts"] + 1))
    expect(dialog.get_by_role("button", name="Split", exact=True)).to_be_disabled()


def test_merging_says_what_becomes_of_the_texts(visit):
    page = visit("view=factors&factor=0")
    expect(edit(page, "Merge…")).to_contain_text("the number of texts may differ from their sum")


# ---------------------------------------------------------------- numbers of factors


def merge_first_two(page: Any) -> None:
    """Merge factors 0 and 1 on the card of one of them."""
    first, second = names(page)[:2]
    page.get_by_role("region", name="Factors").get_by_role("button", name=first).click()
    dialog = edit(page, "Merge…")
    dialog.get_by_role("checkbox", name=second, exact=True).check()
    dialog.get_by_role("button", name="Merge", exact=True).click()
    said(page, "Merged.")


def shown(page: Any) -> Any:
    """The chips of the filters."""
    return page.get_by_role("list", name="Filters").get_by_role("listitem")


def test_an_edit_after_one_in_another_tab_is_reported_and_not_made(browser, server):
    with visitor(browser) as visit:
        page = visit(f"{server.url}#view=factors&factor=5", expected=("409",))
        before = names(page)
        dialog = edit(page, "Rename…")
        dialog.get_by_label("Name").fill("Mine")
        server.post("/api/edits", {"do": "merge", "factors": [0, 1]})
        dialog.get_by_role("button", name="Rename", exact=True).click()
        said(page, "changed in the meantime")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("heading", name=before[5], exact=True)).to_be_visible()
        assert names(page)[1:] == before[2:]
        entries = page.get_by_role("region", name="Factors").get_by_role("listitem")
        expect(entries).to_have_count(len(before) - 1)
        dialog = edit(page, "Rename…")
        dialog.get_by_label("Name").fill("Mine")
        dialog.get_by_role("button", name="Rename", exact=True).click()
        said(page, "Renamed.")
        assert names(page)[1:] == [*before[2:5], "Mine", *before[6:]]
    for _ in range(2):
        server.post("/api/undo", {})


def test_what_is_shown_keeps_to_its_factors(visit):
    where = {
        "dominant": [0, 5],
        "factors": [{"factor": 6, "low": -9, "high": None}],
        "sort": {"by": "factor", "at": 8, "down": True},
    }
    page = visit(f"view=factors&factor=5&colour=score:7&query={json.dumps(where)}")
    before = names(page)

    def check(dominant: list[str], scores: str, sort: int) -> None:
        go(page, "Texts")
        for name in [*dominant, f"{scores}: at least -9"]:
            expect(shown(page).filter(has_text=name)).to_have_count(1)
        expect(shown(page)).to_have_count(len(dominant) + 2)  # and a link that clears them
        expect(page.get_by_role("grid")).to_be_visible()
        asked = parse_qs(urlsplit(page.url).fragment)
        assert json.loads(asked["query"][0])["sort"] == {**where["sort"], "at": sort}
        go(page, "Map")
        colour = page.get_by_role("combobox", name="Colour by")
        expect(colour.locator("option:checked")).to_have_text(before[7])
        go(page, "Factors")

    merge_first_two(page)
    merged = names(page)[0]
    check([merged, before[5]], before[6], 7)
    page.keyboard.press("Control+z")
    said(page, "Undone.")
    check([before[0], before[1], before[5]], before[6], 8)


def test_what_is_gone_is_left_out(visit, server):
    page = visit("view=factors&factor=0")
    n_texts = server.get("/api/summary")["n_texts"]
    told = server.post("/api/edits", {"do": "split", "factor": 0, "into": 2})
    page.reload()
    last = told["factors"][1]
    page.get_by_role("region", name="Factors").get_by_role("button", name=last["name"]).click()
    page.get_by_role("button", name="Show its texts").click()
    expect(page.get_by_text(f"{last['n_texts']} of {n_texts} texts")).to_be_visible()
    page.keyboard.press("Control+z")
    said(page, "Undone.")
    whole = server.get("/api/summary")["factors"][0]
    expect(shown(page).filter(has_text=whole["name"])).to_have_count(1)
    expect(page.get_by_text(f"{whole['n_texts']} of {n_texts} texts")).to_be_visible()


def test_back_shows_the_factor_of_then_under_its_new_number(visit):
    page = visit("view=factors&factor=5")
    wanted = names(page)[5]
    go(page, "Texts")
    go(page, "Factors")
    merge_first_two(page)
    page.go_back()
    expect(page.get_by_role("main")).to_have_attribute("data-view", "texts")
    page.go_back()
    expect(page.get_by_role("heading", name=wanted, exact=True)).to_be_visible()
    assert "factor=4" in page.url


def test_edits_follow_each_other_as_fast_as_keys_are_pressed(visit, server):
    page = visit("view=edits")
    for name in ("one", "two", "three"):
        server.post("/api/edits", {"do": "rename", "factor": 0, "name": name})
    page.reload()
    listed = page.get_by_role("list", name="Edits").get_by_role("listitem")
    expect(listed).to_have_count(3)
    page.evaluate(
        """() => { for (let i = 0; i < 2; i++) document.body.dispatchEvent(
            new KeyboardEvent("keydown", {key: "z", ctrlKey: true, bubbles: true})) }"""
    )
    expect(listed).to_have_count(1)
    said(page, "Undone.")


def test_an_edit_chosen_while_another_runs_hits_no_other_factor(browser, server):
    with visitor(browser) as visit:
        page = visit(f"{server.url}#view=factors&factor=0", expected=("409",))
        before = names(page)
        merge_first_two(page)
        page.goto(f"{server.url}#view=factors&factor=4")
        held: list[Any] = []
        page.route("**/api/undo", lambda route: held.append(route))
        with page.expect_request("**/api/undo"):
            page.keyboard.press("Control+z")
        edit(page, "Hide")
        held[0].continue_()
        said(page, "changed in the meantime")
        assert names(page) == before
        assert not any(factor["hidden"] for factor in factors(page))


def test_a_tab_that_is_returned_to_shows_what_another_has_edited(visit, server):
    page = visit("view=factors&factor=5")
    before = names(page)
    server.post("/api/edits", {"do": "merge", "factors": [0, 1]})
    page.evaluate("dispatchEvent(new Event('focus'))")
    said(page, "changed in another tab")
    expect(page.get_by_role("heading", name=before[5], exact=True)).to_be_visible()
    assert "factor=4" in page.url


def test_the_keyboard_goes_back_to_the_card_after_an_edit(visit):
    page = visit("view=factors&factor=2")
    dialog = edit(page, "Rename…")
    dialog.get_by_label("Name").fill("By keyboard")
    dialog.get_by_role("button", name="Rename", exact=True).press("Enter")
    said(page, "Renamed.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    first = names(page)[0]
    dialog = edit(page, "Merge…")
    dialog.get_by_role("checkbox", name=first, exact=True).check()
    dialog.get_by_role("button", name="Merge", exact=True).press("Enter")
    said(page, "Merged.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_be_focused()
    card = page.get_by_role("article").get_by_role("region", name="Properties")
    removed = card.get_by_role("listitem").first.get_by_role("button").first.inner_text()
    card.get_by_role("button", name=f"Edit {removed}", exact=True).press("Enter")
    page.get_by_role("button", name="Remove", exact=True).press("Enter")
    said(page, "Removed.")
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_be_focused()


# ---------------------------------------------------------------- others who read


def test_the_report_and_a_reader_see_the_edits(visit, server, browser, tmp_path):
    page = visit("view=factors&factor=0")
    dialog = edit(page, "Rename…")
    dialog.get_by_label("Name").fill("Told to everyone")
    dialog.get_by_role("button", name="Rename", exact=True).click()
    said(page, "Renamed.")
    go(page, "Export")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save report").click()
    path = tmp_path / "sent.html"
    download.value.save_as(path)
    with visitor(browser) as read:
        report = read(path.as_uri())
        go(report, "Edits")
        listed = report.get_by_role("list", name="Edits").get_by_role("listitem")
        expect(listed).to_have_count(1)
        expect(listed).to_contain_text("Told to everyone")
        expect(report.get_by_role("button", name="Undo")).to_have_count(0)
    with ExplorerServer(server.log.parent) as reader, visitor(browser) as read:
        page = read(f"{reader.url}#view=factors&factor=0")
        expect(page.get_by_role("heading", name="Told to everyone", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Edit", exact=True)).to_have_count(0)


def test_edits_that_a_refit_lost_are_listed(browser, explorer_runs, tmp_path):
    folder = shutil.copytree(explorer_runs / "where", tmp_path / "where")
    said = "“a name that nobody has” renamed to “devices”."
    entry = {
        "edit": {"do": "rename", "factor": 2, "name": "devices"},
        "said": said,
        "of": {"2": {"name": "a name that nobody has", "properties": ["no such property"]}},
        "when": "2026-01-01T00:00:00+00:00",
    }
    (folder / "edits.jsonl").write_text(json.dumps(entry) + "\n", encoding="utf-8")
    redo(Run.open(folder), "factor", {})
    with ExplorerServer(folder) as running, visitor(browser) as visit:
        main = visit(f"{running.url}#view=edits").get_by_role("main")
        expect(main.get_by_role("heading", name="No longer applicable")).to_be_visible()
        expect(main.get_by_role("list").last).to_contain_text(
            "Not applied: “\u2068a name that nobody has\u2069” renamed to “\u2068devices\u2069”."
        )
