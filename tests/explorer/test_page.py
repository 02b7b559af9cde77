"""The explorer's page in Chromium: map, factors, texts, compare, runs, and who may read it."""

from __future__ import annotations

import http.server
import io
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from explorer_page import ARABIC, HOSTILE, VIEWS, go, opened, rows_of, search, visitor
from explorer_server import ExplorerServer

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def summary(server: ExplorerServer) -> Any:
    return server.get("/api/summary")


@pytest.fixture
def visit(browser: Any, server: ExplorerServer) -> Iterator[Callable[..., Any]]:
    """Open the page at a view, by its part of the address."""
    with visitor(browser) as visit:
        yield lambda where="view=map", **options: visit(f"{server.url}#{where}", **options)


def counted(n: int, of: int) -> str:
    return f"{n} of {of} texts"


# ---------------------------------------------------------------- the map


def canvas(page: Any) -> Any:
    return page.get_by_role("img", name=re.compile(r"^Map of [\d,]+ texts"))


def pixels(page: Any) -> np.ndarray:
    """The middle of the map as it is drawn (height, width, 3), without names and tools over it."""
    from PIL import Image

    page.get_by_role("checkbox", name="Labels").uncheck()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    with Image.open(io.BytesIO(canvas(page).screenshot())) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)[80:-80, 80:-80]


def changed_pixels(page: Any, before: np.ndarray) -> np.ndarray:
    """The map once it differs from `before`, when what it shows has come from the server; after ten seconds as it is."""
    for _ in range(200):
        if (pixels(page) != before).any():
            break
        page.wait_for_timeout(50)
    return pixels(page)


def drawn(image: np.ndarray) -> int:
    """The number of pixels that are not the ground."""
    return int((np.abs(image - image[2, 2]).max(axis=2) > 30).sum())


def outline(page: Any, corners: Sequence[tuple[float, float]]) -> None:
    """Draw an outline on the map with the mouse; corners in parts of its width and height."""
    box = canvas(page).bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.get_by_role("button", name="Draw an outline").click()
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=2)
    page.mouse.up()


@pytest.fixture
def spots(server: ExplorerServer, summary: Any) -> np.ndarray:
    """The places of the texts on the map (n, 2), in the order of the corpus."""
    n = summary["n_texts"]
    body = server.ask("/api/map").body
    places = np.frombuffer(body, "<f4", 2 * n).reshape(2, n).T
    rows = np.frombuffer(body, "<i4", n, 10 * n)
    return places[np.argsort(rows)]


def place_of(page: Any) -> Callable[[np.ndarray], tuple[float, float]]:
    """Where a place of the map is in the window: an outline of known corners tells, by its form in the address."""
    box = canvas(page).bounding_box()
    outline(page, [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)])
    page.wait_for_url(re.compile("lasso="))
    numbers = re.findall(r"-?\d+", re.search(r"lasso=([\d.-]+)", page.url)[1])
    told = np.array(numbers, dtype=float).reshape(-1, 2) / 1000
    left, right, bottom, top = told[:, 0].min(), told[:, 0].max(), told[:, 1].min(), told[:, 1].max()
    page.get_by_role("button", name="Clear all").click()

    def place(spot: np.ndarray) -> tuple[float, float]:
        x = 0.2 + 0.6 * (spot[0] - left) / (right - left)
        y = 0.8 - 0.6 * (spot[1] - bottom) / (top - bottom)
        return box["x"] + box["width"] * x, box["y"] + box["height"] * y

    return place


def test_the_map_draws_the_texts_under_the_names_of_their_factors(visit, summary):
    page = visit()
    expect(canvas(page)).to_have_accessible_name(re.compile(f"^Map of {summary['n_texts']} texts"))
    labels = page.get_by_role("region", name="Map").get_by_role("button")
    for factor in summary["factors"][:3]:
        expect(labels.filter(has_text=factor["name"]).first).to_be_visible()
    legend = page.get_by_role("list", name="Legend").get_by_role("button")
    without = summary["n_texts"] - sum(factor["n_texts"] for factor in summary["factors"])
    expect(legend).to_have_count(len(summary["factors"]) + (without > 0))
    shown = [entry.inner_text().split("\n") for entry in legend.all()]
    assert shown[: len(summary["factors"])] == [
        [factor["name"], str(factor["n_texts"])] for factor in summary["factors"]
    ]
    assert [number for _, number in shown[len(summary["factors"]) :]] == [str(without)] * (without > 0)
    assert drawn(pixels(page)) > 20 * summary["n_texts"]
    for factor in summary["factors"]:
        expect(labels.filter(has_text=factor["name"])).to_be_hidden()


def test_the_map_is_coloured_by_a_column_and_by_a_score(visit, run):
    page = visit()
    by_factor = pixels(page)
    page.get_by_role("combobox", name="Colour by").select_option("product")
    legend = page.get_by_role("list", name="Legend").get_by_role("button")
    sizes = Counter(run.corpus.metadata["product"])
    expect(legend).to_have_count(len(sizes))
    assert {tuple(entry.inner_text().split("\n")) for entry in legend.all()} == {
        (name, str(n)) for name, n in sizes.items()
    }
    by_column = changed_pixels(page, by_factor)
    page.get_by_role("combobox", name="Colour by").select_option(run.factors.names[1])
    expect(page.get_by_role("complementary").get_by_text(run.factors.names[1]).first).to_be_visible()
    by_score = changed_pixels(page, by_column)
    page.get_by_role("combobox", name="Colour by").select_option("minutes")
    by_number = changed_pixels(page, by_score)
    pictures = [by_factor, by_column, by_score, by_number]
    assert all(drawn(picture) > 20 * len(run.corpus) for picture in pictures)
    assert all((a != b).any() for at, a in enumerate(pictures) for b in pictures[:at])


def test_the_legend_filters(visit, summary):
    page = visit()
    factor = summary["factors"][1]
    page.get_by_role("list", name="Legend").get_by_role("button", name=factor["name"]).click()
    expect(page.get_by_text(counted(factor["n_texts"], summary["n_texts"]))).to_be_visible()
    page.get_by_role("list", name="Filters").get_by_role(
        "button", name=f"Remove filter: {factor['name']}"
    ).click()
    expect(page.get_by_text(f"{summary['n_texts']} texts", exact=True)).to_be_visible()


def test_a_point_shows_its_text_and_opens_it(visit, run, spots):
    page = visit()
    place = place_of(page)
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2) + 9 * np.eye(len(spots))
    row = int(apart.min(axis=1).argmax())
    page.get_by_role("checkbox", name="Labels").uncheck()
    page.mouse.move(*place(spots[row]))
    expect(page.get_by_role("tooltip")).to_contain_text(run.corpus.ids[row])
    page.mouse.down()
    page.mouse.up()
    panel = opened(page, run.corpus.ids[row])
    assert panel.get_by_role("region", name="The text").text_content() == run.corpus.texts[row]


def test_an_outline_leaves_the_texts_inside_and_the_address_restores_it(visit, summary, spots):
    page = visit()
    place = place_of(page)
    middle = canvas(page).bounding_box()
    asked = []
    page.on("request", lambda r: asked.append(r.post_data_json) if r.url.endswith("/api/texts") else None)
    outline(page, [(0.01, 0.01), (0.5, 0.01), (0.5, 0.99), (0.01, 0.99)])
    expect(page.get_by_text(re.compile(r"^\d+ of \d+ texts$"))).to_be_visible()
    n = int(page.get_by_text(re.compile(r"^\d+ of \d+ texts$")).inner_text().split()[0])
    inside = set(asked[-1]["rows"])
    border = middle["x"] + middle["width"] / 2
    for row, spot in enumerate(spots):
        x = place(spot)[0]
        if abs(x - border) > 2:
            assert (row in inside) == (x < border)
    assert n == len(inside)
    assert 0 < n < summary["n_texts"]
    page.reload()
    expect(page.get_by_text(counted(n, summary["n_texts"]))).to_be_visible()
    page.get_by_role("button", name="Remove filter: outline").click()
    expect(page.get_by_text(f"{summary['n_texts']} texts", exact=True)).to_be_visible()


def test_the_map_moves_and_zooms_by_buttons_wheel_and_keys(visit):
    page = visit()
    whole = pixels(page)
    page.get_by_role("button", name="Zoom in").click()
    larger = pixels(page)
    page.get_by_role("button", name="Show all").click()
    assert (pixels(page) == whole).all()
    canvas(page).focus()
    page.keyboard.press("+")
    by_key = pixels(page)
    canvas(page).focus()
    page.keyboard.press("ArrowLeft")
    moved = pixels(page)
    canvas(page).focus()
    page.keyboard.press("0")
    assert (pixels(page) == whole).all()
    canvas(page).hover()
    page.mouse.wheel(0, -400)
    by_wheel = pixels(page)
    for picture in (larger, by_key, moved, by_wheel):
        assert (picture != whole).any()
    assert (moved != by_key).any()


def test_properties_are_a_second_layer_that_finds_their_texts(visit, server, summary):
    page = visit()
    place = place_of(page)
    without = pixels(page)
    page.get_by_role("checkbox", name="Properties").check()
    layer = server.get("/api/properties")
    spots = np.column_stack([layer["x"], layer["y"]])
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2) + 9 * np.eye(len(spots))
    at = int(apart.min(axis=1).argmax())
    assert (changed_pixels(page, without) != without).any()
    page.mouse.move(*place(spots[at]))
    expect(page.get_by_role("tooltip")).to_contain_text(layer["names"][at])
    page.mouse.move(*place(spots[at]))
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("searchbox")).to_have_value(layer["names"][at])


# ---------------------------------------------------------------- factors


def test_factors_are_ranked_with_share_strength_poles_and_trend(visit, summary):
    main = go(visit(), "Factors")
    entries = main.get_by_role("region", name="Factors").get_by_role("listitem")
    expect(entries).to_have_count(len(summary["factors"]))
    for entry, factor in zip(entries.all(), summary["factors"], strict=True):
        told = entry.inner_text()
        assert factor["name"] in told
        assert f"{100 * factor['share']:.0f}%" in told
        assert f"{factor['tc']:.{1 if factor['tc'] < 10 else 0}f}" in told
        assert all(pole in told for pole in factor["poles"][1:])
        expect(entry.get_by_role("img", name="Share by month")).to_be_visible()


def test_the_card_of_a_factor_shows_its_properties_and_sentences(visit, run, server):
    page = visit("view=factors")
    page.get_by_role("region", name="Factors").get_by_role("button", name=run.factors.names[2]).click()
    whole = server.get("/api/factors/2")
    card = page.get_by_role("article", name=whole["name"])
    properties = card.get_by_role("region", name="Properties").get_by_role("listitem")
    expect(properties).to_have_count(whole["n_properties"])
    assert properties.first.get_by_role("button").inner_text() == whole["properties"][0]["name"]
    evidence = card.get_by_role("region", name="Evidence").get_by_role("listitem")
    expect(evidence).to_have_count(len(whole["evidence"]))
    ids = {id: at for at, id in enumerate(run.corpus.ids)}
    for item in evidence.all():
        sentence = item.get_by_role("mark").inner_text()
        assert sentence.strip()
        assert sentence in run.corpus.texts[ids[item.get_by_role("button").inner_text()]]
    neighbours = card.get_by_role("region", name="Neighbours").get_by_role("button")
    assert {link.inner_text() for link in neighbours.all()} == {
        run.factors.names[other["factor"]] for other in whole["related"]
    }
    expect(card.get_by_role("heading", name="Related factors")).to_be_visible()
    expect(card.get_by_role("heading", name="Opposite factors")).to_be_visible()
    evidence.first.get_by_role("button").click()
    opened(page, whole["evidence"][0]["id"])


def test_a_factor_leads_to_its_texts_and_to_the_map(visit, summary):
    page = visit("view=factors&factor=1")
    page.get_by_role("button", name="Show its texts").click()
    factor = summary["factors"][1]
    expect(page.get_by_text(counted(factor["n_texts"], summary["n_texts"]))).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Show on the map").click()
    expect(page.get_by_role("combobox", name="Colour by").locator("option:checked")).to_have_text(
        factor["name"]
    )


def test_the_hierarchy_holds_every_factor(visit, summary):
    assert summary["hierarchy"]
    page = visit("view=factors")
    page.get_by_role("group", name="Order").get_by_text("Hierarchy").click()
    groups = page.get_by_role("region", name="Factors")
    for branch in summary["hierarchy"]:
        expect(groups.get_by_text(branch["name"], exact=True).first).to_be_visible()
    for factor in summary["factors"]:
        expect(groups.get_by_role("button", name=factor["name"])).to_be_visible()


# ---------------------------------------------------------------- texts


def test_words_are_searched_and_marked(visit, run):
    page = visit("view=texts")
    search(page, "ROUTER")
    found = [text for text in run.corpus.texts if "router" in text.casefold()]
    expect(page.get_by_text(counted(len(found), len(run.corpus)))).to_be_visible()
    assert {mark.casefold() for mark in rows_of(page).get_by_role("mark").all_inner_texts()} == {"router"}
    search(page, '"the router is broken"')
    expect(page.get_by_text(counted(1, len(run.corpus)))).to_be_visible()
    search(page, "no text says this")
    expect(page.get_by_text("No texts match.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_text(f"{len(run.corpus)} texts", exact=True)).to_be_visible()


def test_texts_are_found_by_meaning(visit, server):
    page = visit("view=texts")
    search(page, "the parcel was never delivered")
    page.get_by_role("group", name="Search by").get_by_text("Meaning").click()
    hits = server.post("/api/texts", {"search": "the parcel was never delivered", "by": "meaning"})["hits"]
    first = rows_of(page).first
    expect(first).to_contain_text(hits[0]["id"])
    expect(first).to_contain_text(f"{hits[0]['relevance']:.2f}")
    go(page, "Texts")
    match = page.get_by_role("columnheader", name="Match")
    expect(match).to_have_attribute("aria-sort", "descending")
    expect(match.get_by_role("button")).to_have_count(0)


def test_scores_and_columns_filter_and_sort(visit, run, summary):
    page = visit("view=texts")
    page.get_by_role("button", name="Filter", exact=True).click()
    group = page.get_by_role("group", name="Score on a factor")
    group.get_by_role("combobox").select_option(summary["factors"][0]["name"])
    group.get_by_role("spinbutton", name="from").fill("0.5")
    group.get_by_role("button", name="Set").click()
    strong = run.factors.scores[:, 0] >= 0.5
    expect(page.get_by_text(counted(int(strong.sum()), len(run.corpus)))).to_be_visible()
    page.get_by_role("button", name="Filter", exact=True).click()
    group = page.get_by_role("group", name="Column")
    group.get_by_role("combobox").select_option("product")
    product = Counter(np.array(run.corpus.metadata["product"])[strong]).most_common(1)[0]
    group.get_by_role("checkbox", name=product[0]).check()
    page.keyboard.press("Escape")
    expect(page.get_by_text(counted(product[1], len(run.corpus)))).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("columnheader", name="minutes").get_by_role("button").click()
    minutes = sorted((float(m) for m in run.corpus.metadata["minutes"] if m not in ("", None)), reverse=True)
    expect(rows_of(page).first.get_by_role("gridcell").last).to_have_text(f"{minutes[0]:g}")


@pytest.mark.parametrize(("view", "width"), [("map", 390), ("map", 1440), ("texts", 390)])
def test_the_strongest_factor_filters_in_any_window(visit, summary, view, width):
    page = visit(f"view={view}", width=width)
    factor = summary["factors"][2]
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_role("group", name="Strongest factor").get_by_role("checkbox", name=factor["name"]).check()
    expect(page.get_by_text(counted(factor["n_texts"], summary["n_texts"]))).to_be_visible()


def test_why_a_text_scores_is_shown_in_its_own_sentences(visit, server, run):
    page = visit("view=texts&text=5")
    why = server.get("/api/texts/5")
    panel = opened(page, run.corpus.ids[5])
    text = panel.get_by_role("region", name="The text")
    assert text.text_content() == run.corpus.texts[5]
    carried = [reason for reason in why["factors"] if reason["end"] > reason["start"]]
    assert carried
    reason = panel.get_by_role("listitem").get_by_role("button", name=carried[0]["name"]).first
    reason.click()
    expect(reason).to_have_attribute("aria-pressed", "true")
    sentence = why["text"][carried[0]["start"] : carried[0]["end"]]
    assert "".join(text.locator("mark.on").all_text_contents()) == sentence
    for name, value in why["metadata"].items():
        expect(panel.get_by_role("term").filter(has_text=name)).to_have_count(1)
        expect(panel.get_by_role("definition").filter(has_text=value).first).to_be_visible()
    other = why["near"][0]
    panel.get_by_role("button").filter(has_text=other["text"][:40]).click()
    opened(page, other["id"])


@pytest.mark.parametrize("at", range(len(HOSTILE)), ids=("script", "long", "arabic", "chinese"))
def test_any_text_is_shown_as_it_is(visit, run, at):
    page = visit("view=texts", width=390 if at % 2 else 1440)
    search(page, f'"{HOSTILE[at][:20]}"')
    expect(page.get_by_text(counted(1, len(run.corpus)))).to_be_visible()
    rows_of(page).first.click()
    panel = opened(page, f"<b>{at}</b>")
    text = panel.get_by_role("region", name="The text")
    assert text.text_content() == HOSTILE[at].strip()
    expect(text).to_have_css("direction", "rtl" if HOSTILE[at] == ARABIC else "ltr")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("window.owned") is None


def test_no_view_runs_what_a_text_says(visit, server):
    page = visit()
    hits = server.post("/api/texts", {"search": "window.owned"})["hits"]
    for view in VIEWS:
        where = {"query": json.dumps({"search": "window.owned"}), "text": hits[0]["row"]}
        page.goto(f"{server.url}#view={view}&" + "&".join(f"{k}={v}" for k, v in where.items()))
        page.reload()
        expect(page.get_by_role("main")).to_be_visible()
        assert page.evaluate("window.owned") is None
        assert page.locator("#app script, #app img, iframe").count() == 0


# ---------------------------------------------------------------- compare, runs


def test_factors_are_compared_by_a_column_with_their_tests(visit, server, summary):
    page = visit("view=compare")
    data = server.get("/api/compare?column=0")
    table = page.get_by_role("table", name="Factors by product")
    names = [factor["name"] for factor in summary["factors"]]
    expect(table.get_by_role("rowheader")).to_have_count(len(data["tests"]))
    for test in data["tests"]:
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=names[test["factor"]]))
        cells = row.get_by_role("cell").all_inner_texts()
        assert cells[: len(data["groups"])] == [share(s) for s in data["shares"][test["factor"]]]
        assert cells[-2] == f"{test['effect']:.3f}"
        assert cells[-1] == ("< 0.001" if test["q"] < 0.001 else f"{test['q']:.3f}")
    strongest = max(data["tests"], key=lambda test: test["effect"])
    expect(page.get_by_text(strongest["sentence"])).to_be_visible()
    cell = max(range(len(data["groups"])), key=lambda at: data["shares"][strongest["factor"]][at])
    row = table.get_by_role("row").nth(1)
    expect(row.get_by_role("rowheader")).to_have_text(names[strongest["factor"]])
    row.get_by_role("cell").nth(cell).get_by_role("button").click()
    n = round(data["shares"][strongest["factor"]][cell] * data["groups"][cell]["n"])
    expect(page.get_by_text(counted(n, summary["n_texts"]))).to_be_visible()


def share(value: float) -> str:
    return f"{100 * value:.1f}%" if 0 < 100 * value < 0.95 else f"{int(100 * value + 0.5)}%"


def test_two_groups_stand_side_by_side_and_over_time(visit, server, summary):
    page = visit("view=compare")
    groups = [group["name"] for group in server.get("/api/compare?column=0")["groups"]]
    page.get_by_role("combobox", name="Group A").select_option(groups[1])
    page.get_by_role("combobox", name="Group B").select_option(groups[0])
    figure = page.get_by_role("figure", name=f"{groups[1]} against {groups[0]}")
    pair = server.get("/api/compare?column=0&a=1&b=0")["pair"]["tests"]
    rows = figure.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    expect(rows).to_have_count(len(pair))
    first = max(pair, key=lambda test: test["effect"])
    expect(rows.first).to_contain_text(summary["factors"][first["factor"]]["name"])
    expect(rows.first).to_contain_text(f"+{first['effect']:.2f}")
    over = page.get_by_role("figure", name="Over time, by month")
    expect(over.get_by_role("img")).to_have_count(len(summary["factors"]))


def test_another_goal_shows_which_factors_agree_and_which_texts_move(visit, server, summary):
    page = visit("view=runs")
    data = server.get("/api/runs/where")
    main = page.get_by_role("main")
    expect(main.get_by_text("why customers are dissatisfied", exact=True)).to_be_visible()
    expect(main).to_contain_text(f"{data['ari']:.2f}")
    matches = main.get_by_role("figure").first.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    expect(matches).to_have_count(len(data["matches"]))
    for row, match in zip(matches.all(), data["matches"], strict=True):
        told = row.inner_text()
        assert summary["factors"][match["factor"]]["name"] in told
        assert data["factors"][match["other"]]["name"] in told
        assert f"{abs(match['r']):.2f}" in told
    table = main.get_by_role("table", name="Correlation of factors")
    expect(table.get_by_role("rowheader")).to_have_count(len(summary["factors"]))
    moved = main.get_by_role("region", name="Moved").get_by_role("listitem")
    expect(moved).to_have_count(len(data["moved"]))
    moved.first.get_by_role("button").first.click()
    opened(page, data["moved"][0]["id"])


# ---------------------------------------------------------------- keyboard, states


def test_everything_is_reached_by_keyboard(visit, run):
    page = visit()
    expect(canvas(page)).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Factors", exact=True)).to_be_visible()
    page.keyboard.press("3")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("router")
    expect(page.get_by_text(re.compile("^\\d+ of \\d+ texts$"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text(f"{len(run.corpus)} texts", exact=True)).to_be_visible()
    rows_of(page).first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows_of(page).nth(1)).to_be_focused()
    second = rows_of(page).nth(1).get_by_role("gridcell").first.inner_text()
    page.keyboard.press("Enter")
    expect(opened(page, second).get_by_role("heading", name=second, exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name=f"Why: text {second}")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_theme_changes(visit):
    page = visit(color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    expect(canvas(page)).to_be_visible()
    light = page.evaluate(colour)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate(colour) != light


def test_a_lost_server_is_reported_and_asked_again(visit, run):
    page = visit("view=texts", expected=("ERR_INTERNET_DISCONNECTED",))
    expect(page.get_by_text(f"{len(run.corpus)} texts", exact=True)).to_be_visible()
    page.context.set_offline(True)
    search(page, "router")
    alert = page.get_by_role("alert")
    expect(alert).to_be_visible()
    assert "goalspace explore" in alert.inner_text()
    page.context.set_offline(False)
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_text(re.compile("^\\d+ of \\d+ texts$"))).to_be_visible()


def test_a_broken_link_opens_the_run_all_the_same(visit, run):
    page = visit("view=texts&query=%7Bbroken&factor=999&text=-4&colour=score:77&lasso=1.2&compare=9:x")
    expect(page.get_by_text(f"{len(run.corpus)} texts", exact=True)).to_be_visible()
    expect(page.get_by_text("could not be read")).to_be_visible()


# ---------------------------------------------------------------- who may read it


@pytest.mark.parametrize("token", ["", "?token=wrong"])
def test_without_the_token_nothing_is_shown(browser, server, run, token):
    with visitor(browser) as visit:
        page = visit(f"http://{server.host}/{token}", expected=("403",))
        expect(page.get_by_role("alert")).to_be_visible()
        assert run.goal not in page.content()


def test_a_page_of_another_origin_cannot_read_the_run(browser, server):
    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><iframe></iframe>")

        def log_message(self, *about: Any) -> None:
            pass

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        with visitor(browser) as visit:
            page = visit(
                f"http://127.0.0.1:{other.server_port}/", expected=(server.host, "Failed to load", "frame")
            )
            said = page.evaluate(
                """async ([host, token]) => {
                    const ask = (path, how) => fetch(`http://${host}${path}`, how).then(
                        async answer => `${answer.type} ${answer.status} ${await answer.text()}`, () => "refused");
                    const headers = {"X-Goalspace-Token": token};
                    return [
                        await ask("/api/summary", {headers}),
                        await ask(`/api/summary?token=${token}`),
                        await ask(`/api/summary?token=${token}`, {mode: "no-cors"}),
                        await ask("/api/edits", {method: "POST", headers, body: "{}"}),
                    ];
                }""",
                [server.host, server.token],
            )
            assert set(said) <= {"refused", "opaque 0 "}
            frame = page.locator("iframe")
            frame.evaluate("(frame, url) => { frame.src = url }", server.url)
            page.wait_for_timeout(500)
            assert page.frames[1].get_by_role("navigation").count() == 0
    finally:
        other.shutdown()
        other.server_close()


def test_a_name_that_points_here_is_refused(browser, server, run):
    port = server.host.partition(":")[2]
    with visitor(browser) as visit:
        page = visit(
            f"http://evil.example:{port}/?token={server.token}", expected=("40", "Cross-Origin-Opener-Policy")
        )
        assert run.goal not in page.content()
        assert page.get_by_role("navigation").count() == 0
