"""The explorer's page in Chromium: awkward columns, names and groups, in the report of a small run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
from explorer_page import visitor
from goalspace import reports
from goalspace.edits import log
from goalspace.edits.log import Entry
from goalspace.reports import summary
from goalspace.reports.compare import compare
from goalspace.reports.page_columns import read_columns
from goalspace.reports.view import View
from goalspace.run.folder import Run

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

ARABIC = "شكوى من التأخير"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 2
MONTHS = ("2024-01", "2024-02", "2024-04", "2024-05", "2024-07")  # March has no texts, July one
N = 240


def run_with(
    folder: Path, metadata: Mapping[str, Sequence[Any]], *, hidden: Sequence[int] = (), **options: Any
) -> Run:
    run = factories.helpdesk_run(folder, n=N, metadata=metadata, **options)
    return factories.hide_factors(run, *hidden)


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open the report of a run from file:// at a view."""
    with visitor(browser) as visit:

        def open_report(run: Any, where: str, allowed: tuple[str, ...] = (), **options: Any) -> Any:
            address = reports.report(run, path=tmp_path / "page.html").as_uri()
            return visit(f"{address}#{where}", allowed=allowed, **options)

        yield open_report


def months(folder: Path) -> Any:
    found = [MONTHS[i % 4] for i in range(N)]
    found[-1] = MONTHS[4]
    return run_with(folder, {"month": found})


def test_a_period_without_texts_is_a_gap_and_no_group_to_choose(visit, tmp_path):
    page = visit(months(tmp_path), "view=compare")
    for label in ("Group A", "Group B"):
        options = page.get_by_label(label).get_by_role("option")
        expect(options).to_have_count(8)
        able = {option.inner_text(): option.is_enabled() for option in options.all()}
        assert [name for name in able if not able[name]] == ["2024-03", "2024-06", "2024-07"]
    heat = page.get_by_role("table", name="Factors by month")
    for numbers in ("Share of texts", "Mean score"):
        page.get_by_text(numbers, exact=True).click()
        cells = heat.get_by_role("row").nth(1).get_by_role("cell")
        expect(cells.nth(2)).to_have_text("–")
        expect(cells.nth(2).get_by_role("button")).to_have_count(0)
        expect(cells.nth(2)).to_have_css("background-color", "rgba(0, 0, 0, 0)")
        expect(cells.nth(3).get_by_role("button")).to_have_count(1)
    line = (
        page.get_by_role("figure").filter(has_text="Over time").get_by_role("img").first.locator("path.line")
    )
    assert line.get_attribute("d").count("M") == 3  # January and February, April and May, July


def test_a_link_to_a_group_with_too_few_texts_says_only_that(visit, tmp_path):
    page = visit(months(tmp_path), "view=compare&compare=0:0:6:shares")
    expect(page.get_by_role("alert")).to_contain_text("has 1 text here: too few to test a difference")
    expect(page.get_by_role("table", name="Factors by month")).to_be_visible()
    expect(page.get_by_text("No difference between the groups")).to_have_count(0)


def test_fewer_than_two_groups_of_two_texts_are_not_tested(visit, tmp_path):
    run = run_with(tmp_path, {"month": ["2024-01"] * (N - 1) + ["2024-02"]})
    page = visit(run, "view=compare")
    expect(
        page.get_by_text("Fewer than two groups have at least two texts, so there is nothing to test.")
    ).to_be_visible()
    expect(page.get_by_text("No difference between the groups")).to_have_count(0)


@pytest.mark.parametrize("kind", ["quarters", "mostly one"])
def test_the_report_compares_groups_of_numbers_as_python_does(visit, tmp_path, kind):
    paid = np.random.default_rng(3).lognormal(3, 1, N)
    if kind == "mostly one":
        paid[np.arange(N) % 10 > 0] = 0
    run = run_with(tmp_path, {"paid": paid.tolist()}, hidden=(1,))
    view = View(run, summary.summarise(run), read_columns(run.corpus.metadata), np.arange(N))
    wanted = sorted(compare(view, 0, a=0, b=1)["pair"]["tests"], key=lambda test: -test["effect"])
    page = visit(run, "view=compare&compare=0:0:1:shares")
    rows = page.get_by_role("figure").filter(has_text="Cohen's d").get_by_role("row")
    expect(rows).to_have_count(1 + len(wanted))
    told = [row.inner_text().replace("−", "-").split("\t") for row in rows.all()[1:]]
    assert [float(row[-3]) for row in told] == pytest.approx([test["effect"] for test in wanted], abs=0.02)
    assert [float(row[-1].removeprefix("< ")) for row in told] == pytest.approx(
        [test["q"] for test in wanted], abs=0.02
    )


def test_hidden_factors_are_not_reported(visit, tmp_path):
    kinds = factories.helpdesk_run(tmp_path, n=N).factors.dominant
    for hidden, n_told in (((), 4), ((1,), 3)):
        run = run_with(tmp_path, {"kind": [f"kind {k}" for k in kinds]}, hidden=hidden)
        page = visit(run, "view=compare")
        told = page.get_by_role("listitem").filter(has_text="differs by")
        expect(told).to_have_count(n_told)
        expect(told.filter(has_text=run.factors.names[1])).to_have_count(1 - len(hidden))


def test_sentences_run_from_left_to_right_whatever_they_name(visit, tmp_path):
    kinds = factories.helpdesk_run(tmp_path, n=N).factors.dominant
    run = run_with(
        tmp_path, {ARABIC: [f"{ARABIC} {k}" for k in kinds]}, names=tuple(f"{ARABIC} {i}" for i in range(4))
    )
    said = f"“{ARABIC}” hidden."
    # an edit of a factor that was lost when the factors were fitted again
    entry = Entry({"do": "hide", "factor": 4, "hidden": True}, said, {4: (ARABIC, ())}, "")
    log.append(run.path, entry)
    log.reapply(run.path, run.edit_context(), run.fitted, run.fit_digest)
    run = Run.open(run.path)
    assert [edit.sentence for edit in run.edits.done] == [said]
    assert run.edits.lost[0].startswith(f"Not applied: {said}")
    page = visit(run, "view=compare")
    for view, parts in (
        ("compare", ["differs by"]),
        ("about", ["The most common", "times as common"]),
        ("edits", ["hidden", "Not applied"]),
    ):
        page.get_by_role("navigation", name="Views").get_by_role(
            "button", name=view.title(), exact=True
        ).click()
        for part in parts:
            sentence = page.get_by_role("main").get_by_text(part).first
            expect(sentence).to_have_css("direction", "ltr")
            expect(sentence).to_contain_text(f"“\u2068{ARABIC}")


@pytest.mark.parametrize("width", [375, 1440])
def test_a_long_name_leaves_room_for_the_numbers(visit, tmp_path, width):
    run = run_with(tmp_path, {"kind": ["a", "b"] * (N // 2)}, names=tuple(f"{LONG}{i}" for i in range(4)))
    page = visit(run, "view=compare&compare=0:0:1:shares", width=width)
    heads = page.locator("main th[scope=row]")
    expect(heads).to_have_count(8)
    for head in heads.all():
        name, cell = head.locator("bdi").bounding_box(), head.bounding_box()
        assert name["x"] + name["width"] <= cell["x"] + cell["width"] + 1
    table = page.get_by_role("figure").filter(has_text="Cohen's d").get_by_role("table").bounding_box()
    assert table["x"] + table["width"] <= width


def test_on_a_phone_the_navigation_fades_where_it_goes_on(visit, tmp_path):
    page = visit(months(tmp_path), "view=map", width=375)
    views = page.get_by_role("navigation", name="Views")
    expect(views).to_have_css("mask-image", re.compile("linear-gradient"))
    views.evaluate("nav => nav.scrollTo({left: nav.scrollWidth})")
    assert views.evaluate("nav => nav.scrollLeft") > 0
    last = views.get_by_role("button").last.bounding_box()
    assert last["x"] + last["width"] <= 375 - 32  # clear of the fade at the end


def test_about_says_which_columns_are_left_out(visit, tmp_path):
    run = run_with(tmp_path, {"kind": ["a", "b"] * (N // 2), "<b>id</b>": [f"text {i}" for i in range(N)]})
    page = visit(run, "view=about")
    told = page.get_by_role("region", name="Columns left out").get_by_role("listitem")
    expect(told).to_have_text(["<b>id</b>: 240 different values, too few of them frequent"])


def test_names_from_right_to_left_stand_in_a_picture_where_the_page_has_them(visit, tmp_path):
    run = run_with(tmp_path, {"kind": ["a", "b"] * (N // 2)}, names=tuple(f"{ARABIC} {i}" for i in range(4)))
    page = visit(run, "view=compare", allowed=("blob:",))
    figure = page.get_by_role("figure").first
    names = figure.locator("th[scope=row] bdi")
    expect(names).to_have_count(4)
    boxes = [name.bounding_box() for name in names.all()]
    figure.get_by_role("button", name="Save picture").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG", exact=True).click()
    drawing = page.context.new_page()
    drawing.set_content(download.value.path().read_text(encoding="utf-8"))
    drawn = drawing.locator("text").filter(has_text=ARABIC).all()
    places = [text.bounding_box() for text in drawn]
    assert [text.get_attribute("direction") for text in drawn] == ["rtl"] * len(boxes)
    assert [place["width"] for place in places] == pytest.approx([box["width"] for box in boxes], abs=3)
    # the picture lies elsewhere, but all of it by as much
    heads = [at.get_by_text("corrected p").bounding_box()["x"] for at in (figure, drawing)]
    shifts = [place["x"] - box["x"] for place, box in zip(places, boxes, strict=True)]
    assert shifts == pytest.approx([heads[1] - heads[0]] * len(boxes), abs=3)


def test_mean_scores_have_two_decimals_and_effects_three(visit, tmp_path):
    page = visit(run_with(tmp_path, {"kind": ["a", "b"] * (N // 2)}), "view=compare")
    page.get_by_text("Mean score", exact=True).click()
    for row in page.get_by_role("table", name="Factors by kind").get_by_role("row").all()[1:]:
        *means, effect, _ = row.get_by_role("cell").all_inner_texts()
        assert len(means) == 3
        assert all(re.fullmatch(r"[−+]?\d\.\d\d", mean) for mean in means)
        assert re.fullmatch(r"\d\.\d{3}", effect)


def test_the_other_values_are_last_in_the_legend_and_grey(visit, tmp_path):
    cities = [f"city {i}" if i < 90 else "ab"[i % 2] for i in range(N)]
    page = visit(run_with(tmp_path, {"city": cities}), "view=map")
    page.get_by_role("combobox", name="Colour by").select_option("city")
    entries = page.get_by_role("list", name="Legend").get_by_role("listitem")
    expect(entries).to_have_text([re.compile("^a75"), re.compile("^b75"), "other (90 values)90"])
    grey = "rgb(165, 162, 153)"  # of what has no group
    for entry in entries.all()[:2]:
        expect(entry.locator(".dot")).not_to_have_css("background-color", grey)
    expect(entries.last.locator(".dot")).to_have_css("background-color", grey)


def test_long_heads_of_the_table_stay_in_their_columns(visit, tmp_path):
    paid = np.random.default_rng(3).lognormal(3, 1, N).tolist()
    names = ("How much do you agree that our team is quick", "total refund amount", LONG[:60], "last one")
    page = visit(run_with(tmp_path, dict.fromkeys(names, paid)), "view=texts")
    heads = page.get_by_role("grid").get_by_role("columnheader")
    expect(heads).to_have_count(8)
    page.get_by_role("columnheader", name=names[0]).get_by_role("button").click()
    for head in heads.all():
        box = head.bounding_box()
        for part in head.locator("bdi, span").all():
            inner = part.bounding_box()
            assert box["x"] - 1 <= inner["x"]
            assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
            assert inner["height"] < 40  # two lines
