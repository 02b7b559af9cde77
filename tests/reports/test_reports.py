"""Reports: one dict, three renderers, hostile texts, real Chromium."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

import factories
from explorer_page import visitor
from goalspace import reports
from goalspace.factors.hierarchy import Layer
from goalspace.reports import crosstabs, stages
from goalspace.reports.columns import Column, read_columns
from goalspace.reports.inline import MAX_CHARACTERS, MAX_TEXT_LENGTH, MAX_TEXTS
from goalspace.reports.summary import summarise
from goalspace.run.folder import Run

HOSTILE = (
    "<script>window.owned = 1</script> & more",
    "</script><script>window.owned = 2</script>",
    "<!-- <script> --!> <img src=x onerror='window.owned = 3'> <style>body{display:none}</style>",
    "{{ 7 * 7 }} {% raw %} ${window.owned = 4} javascript:window.owned=5",
    "هذا النص مكتوب من اليمين إلى اليسار. \u202eevil\u202c نهاية",
    "这是一个没有空格的中文文本。" * 40,
    "x" * 10_000,
    "\x1b[31mred\x1b[0m \x00 \ud800 [bold]markup[/bold] :smile: `code` | pipe | [a](http://b.example) @user",
    '" onmouseover="window.owned = 6" \' autofocus',
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return factories.helpdesk_run(tmp_path_factory.mktemp("helpdesk"))


def hostile_run(path: Path) -> Run:
    texts = [f"{text} {i}" for i in range(4) for text in HOSTILE]
    labels = [HOSTILE[i % 3] for i in range(len(texts))]
    corpus = factories.make_corpus(
        texts, {HOSTILE[1]: labels, "month": [f"2024-0{1 + i % 4}" for i in range(len(texts))]}
    )
    factors = factories.make_factors(
        corpus,
        [i % len(HOSTILE) for i in range(len(texts))],
        HOSTILE,
        properties=[[text, f"{text}{text}"] for text in HOSTILE],
        negative_poles={0: HOSTILE[2]},
        hierarchy=[Layer((HOSTILE[0], HOSTILE[4]), np.arange(len(HOSTILE)) % 2)],
    )
    return factories.make_run(path, corpus, factors, goal=HOSTILE[0])


def shaped_run(path: Path, shape: str) -> Run:
    """Runs at the edges of what a report must hold."""
    if shape == "hostile":
        return hostile_run(path)
    if shape == "one factor":
        corpus = factories.make_corpus([f"Text number {i}." for i in range(5)])
        return factories.make_run(path, corpus, factories.make_factors(corpus, [0] * 5, ["Only one"]))
    if shape == "nothing dominant":
        corpus = factories.make_corpus([f"Text number {i}." for i in range(30)], {"kind": ["a", "b"] * 15})
        factors = factories.make_factors(corpus, [-1] * 30, ["Weak", "Weaker"], n_evidence=0)
        return factories.make_run(path, corpus, factors)
    # sixty factors, long names without a place to break, a wide table with marked cells at its far end
    dominant = np.random.default_rng(0).integers(0, 60, 600)
    days, teams = [f"2024-03-{1 + i % 20:02d}" for i in range(600)], [f"team {i % 18}" for i in dominant]
    corpus = factories.make_corpus(
        [f"Text number {i}. It says little." for i in range(600)], {"day": days, "team": teams}
    )
    names = [f"Factor{'_with_a_very_long_name' * (i % 8)} {i}" for i in range(60)]
    return factories.make_run(path, corpus, factories.make_factors(corpus, dominant, names))


def inlined(page: str) -> dict[str, Any]:
    """The data in a page."""
    found = re.search(r'<script type="application/json" id="goalspace-data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


SHAPES = ("hostile", "one factor", "nothing dominant", "sixty factors")


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of a shape, made once."""
    return cache(lambda shape: shaped_run(tmp_path_factory.mktemp("shaped"), shape))


# ---------------------------------------------------------------- one plain dict


@pytest.mark.parametrize("shape", SHAPES)
def test_summary_is_json_and_every_renderer_takes_it_back_from_json(shaped, shape):
    run = shaped(shape)
    summary = summarise(run)
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert again == summary
    assert reports.render_html(run, again) == reports.render_html(run)
    assert reports.render_markdown(again) == reports.render_markdown(summary)
    assert printed(again, 80) == printed(summary, 80)


def test_summary_describes_the_factors_of_the_run(run):
    summary = summarise(run)
    dominant = run.factors.dominant
    assert [f["name"] for f in summary["factors"]] == list(run.factors.names)
    assert [f["n_texts"] for f in summary["factors"]] == [int((dominant == i).sum()) for i in range(4)]
    assert summary["undescribed"]["n"] == int((dominant < 0).sum())
    assert sum(f["n_texts"] for f in summary["factors"]) + summary["undescribed"]["n"] == len(run.corpus)
    assert summary["factors"][3]["poles"] == ["Rude support", "Friendly support"]
    first = summary["factors"][0]["evidence"][0]
    text = run.corpus.texts[run.corpus.ids.index(first["text_id"])]
    assert first["before"] + first["sentence"] + first["after"] == text
    assert first["sentence"].startswith("The parcel arrived")
    assert {name for name, _ in first["about"]} == {"product", "month"}


def test_evidence_shows_a_shared_sentence_once_and_counts_the_rest(tmp_path):
    corpus = factories.make_corpus([f"The same letter. Sent by {i}." for i in range(9)])
    factors = factories.make_factors(corpus, [0] * 9, ["Letters"], n_evidence=9)
    card = summarise(factories.make_run(tmp_path, corpus, factors))["factors"][0]
    assert [(e["sentence"], e["n_same"]) for e in card["evidence"]] == [("The same letter.", 8)]


def test_the_page_holds_every_text_or_says_that_it_holds_a_sample(run, tmp_path):
    data = inlined(reports.render_html(run))
    assert data["summary"]["n_shown"] == data["summary"]["n_texts"] == len(data["texts"]) == len(run.corpus)
    assert [text["text"] for text in data["texts"]] == list(run.corpus.texts)
    n = MAX_TEXTS + 1000
    corpus = factories.make_corpus([f"Text {i}." for i in range(n)])
    factors = factories.make_factors(corpus, np.arange(n) % 3, "ABC")
    many = inlined(reports.render_html(factories.make_run(tmp_path, corpus, factors)))
    assert many["summary"]["n_texts"] == n
    assert many["summary"]["n_shown"] == len(many["texts"]) == MAX_TEXTS
    rows = [text["row"] for text in many["texts"]]
    assert rows == sorted(set(rows))
    assert {item["row"] for factor in many["summary"]["factors"] for item in factor["evidence"]} <= set(rows)
    assert len(base64.b64decode(many["map"])) == 14 * len(rows)
    assert len(base64.b64decode(many["scores"])) == 2 * 3 * len(rows)


def test_long_texts_leave_room_for_fewer_and_are_cut(tmp_path):
    longest = MAX_TEXT_LENGTH
    corpus = factories.make_corpus([f"{i} " + "word " * (longest // 4) for i in range(2000)])
    factors = factories.make_factors(corpus, np.arange(2000) % 2, "AB")
    data = inlined(reports.render_html(factories.make_run(tmp_path, corpus, factors)))
    assert data["summary"]["cut"] == longest
    assert len(data["texts"]) == MAX_CHARACTERS // longest
    assert all(text["cut"] and len(text["text"]) == longest for text in data["texts"])


def test_hierarchy_is_a_tree_that_keeps_factors_outside_every_group(run, tmp_path):
    layers = (
        Layer(("Left", "Right"), np.array([0, 1, 0, -1])),
        Layer(("Top",), np.array([0, 0, -1])),
    )
    changed = factories.make_run(tmp_path, run.corpus, replace(run.factors, hierarchy=layers))
    assert summarise(changed)["hierarchy"] == [
        {
            "name": "Top",
            "children": [
                {"name": "Left", "children": [{"factor": 0}, {"factor": 2}]},
                {"name": "Right", "children": [{"factor": 1}]},
            ],
        },
        {"factor": 3},
    ]


# ---------------------------------------------------------------- metadata and numbers


def columns(**metadata: list[Any]) -> dict[str, Column]:
    return {column.name: column for column in read_columns(metadata)}


def test_crosstab_counts_shares_and_residuals():
    (column,) = columns(kind=["a"] * 20 + ["b"] * 20 + [None] * 5).values()
    dominant = np.array([0] * 16 + [-1] * 4 + [0] * 6 + [1] * 14 + [1] * 5)
    table = crosstabs.crosstab(column, dominant, 2)
    assert (table["n"], table["n_missing"]) == (40, 5)
    assert [value["n"] for value in table["values"]] == [20, 20]
    assert [row["factor"] for row in table["rows"]] == [0, 1, -1]
    first, second, none = table["rows"]
    assert [cell["n"] for cell in first["cells"]] == [16, 6]
    assert [cell["share"] for cell in first["cells"]] == [0.8, 0.3]
    assert first["share"] == 22 / 40
    # expected 11, spread sqrt(11 (1 - 22/40) (1 - 20/40)) = 1.573
    assert [cell["residual"] for cell in first["cells"]] == [3.18, -3.18]
    assert [cell["mark"] for cell in first["cells"]] == [1, -1]
    assert [cell["n"] for cell in second["cells"]] == [0, 14]
    assert [cell["mark"] for cell in none["cells"]] == [0, 0]  # 4 texts against 2 expected is too few


def test_crosstab_finds_no_difference_where_there_is_none():
    (column,) = columns(kind=["a", "a", "b", "b"] * 50).values()
    table = crosstabs.crosstab(column, np.array([0, 1] * 100), 2)
    assert table["n_marked"] == 0
    assert table["association"] == 0
    assert {cell["residual"] for row in table["rows"] for cell in row["cells"]} == {0}


def test_columns_are_groups_or_periods_and_nothing_else():
    n = 60
    found = columns(
        ticket=[f"T{i}" for i in range(n)],
        constant=["same"] * n,
        tags=[["a"], ["b"]] * (n // 2),
        rating=[5, 1, 10] * (n // 3),
        weekday=["Wed", "Mon", "Fri"] * (n // 3),
        tier=["free", "free", "paid"] * (n // 3),
        day=[f"2024-{1 + i % 3:02d}-{1 + i % 28:02d}T08:00:00Z" for i in range(n)],
        year=[2019, 2022] * (n // 2),
        price=[float(i) + 0.5 for i in range(n)],
        sparse=["a", None, float("nan"), "", "b", "NaN"] * (n // 6),
    )
    assert set(found) == {"rating", "weekday", "tier", "day", "year", "sparse"}
    assert found["rating"].labels == ("1", "5", "10")
    assert found["weekday"].labels == ("Mon", "Wed", "Fri")
    assert found["tier"].labels == ("free", "paid")
    assert (found["day"].unit, found["day"].labels) == ("month", ("2024-01", "2024-02", "2024-03"))
    assert (found["year"].unit, found["year"].labels) == ("year", ("2019", "2020", "2021", "2022"))
    assert (found["sparse"].codes >= 0).sum() == 2 * n // 6


def test_trend_leaves_a_gap_where_a_month_has_no_texts():
    metadata = columns(month=["2024-01", "2024-01", "2024-03", "2024-03"])
    trend = crosstabs.trend(metadata.values(), np.array([0, 1, 0, 0]), 2)
    assert trend is not None
    assert trend["periods"] == ["2024-01", "2024-02", "2024-03"]
    assert trend["shares"] == [[0.5, None, 1.0], [0.5, None, 0.0]]


def test_at_most_six_tables_the_most_telling_first(run, tmp_path):
    rng = np.random.default_rng(7)
    n = len(run.corpus)
    noise = {f"noise {i}": rng.choice(["a", "b", "c"], n).tolist() for i in range(8)}
    telling = {"topic": [str(topic) for topic in run.factors.dominant]}
    corpus = replace(run.corpus, metadata={**noise, **telling})
    summary = summarise(factories.make_run(tmp_path, corpus, run.factors))
    assert summary["n_columns"] == 9
    assert len(summary["crosstabs"]) == 6
    assert summary["crosstabs"][0]["column"] == "topic"
    assert {finding["column"] for finding in summary["findings"]} == {"topic"}


def test_findings_allow_for_the_number_of_cells_compared():
    (column,) = columns(kind=["a"] * 20 + ["b"] * 20).values()
    table = crosstabs.crosstab(column, np.array([0] * 16 + [1] * 4 + [0] * 6 + [1] * 14), 2)  # residual 3.18
    assert [f["factor"] for f in crosstabs.findings([table], n_compared=4)] == [0, 1]
    assert crosstabs.findings([table], n_compared=100) == []


def test_findings_name_the_planted_difference(run):
    (finding,) = [f for f in summarise(run)["findings"] if f["column"] == "product"]
    assert (finding["factor"], finding["value"]) == (1, "phone")
    assert finding["share"] > 2 * finding["overall"]


def test_stages_and_quality_are_described_in_sentences(run):
    record = json.loads(json.dumps(run.record))
    record["stages"]["propose"]["result"].update(coverage=0.98, n_quotes=850, n_quotes_dropped=7)
    told = {stage["stage"]: stage["line"] for stage in stages.stages(record)}
    assert told["corpus"] == "240 rows read, 240 different texts; no exact duplicates"
    assert "98% of the texts have at least one; 850 quotes kept, 7 dropped" in told["propose"]
    (recall, _) = stages.quality(record)["sentences"]
    assert "for 200 texts, each held out once, 41% are among the ten" in recall  # cross-validation
    trained = record["stages"]["link"]["result"]
    trained.update(recipe="sentence+lexical, whitened properties, beside the encoder", agreement=0.614)
    told = {stage["stage"]: stage["line"] for stage in stages.stages(record)}
    assert "character n-grams, with whitened properties, combined with the unchanged" in told["link"]
    assert told["link"].endswith("held-out texts are alike where their properties are: correlation 0.61")
    trained["untrained_agreement"] = 0.47
    told = {stage["stage"]: stage["line"] for stage in stages.stages(record)}
    assert told["link"].endswith("correlation 0.61 (untrained 0.47)")
    assert stages.quality(record)["measures"][0]["name"] == "agreement"
    assert "is 0.61 (untrained encoder: 0.47)" in stages.quality(record)["sentences"][0]
    record["stages"]["propose"]["result"].update(n_quotes=0, n_quotes_dropped=0)
    told = {stage["stage"]: stage["line"] for stage in stages.stages(record)}
    assert "quote" not in told["propose"]
    assert "English" not in told["link"]
    trained.update(share_foreign=0.751, encoder="minilm")
    told = {stage["stage"]: stage["line"] for stage in stages.stages(record)}
    assert "; 75% of the texts do not look English, all that the encoder minilm knows" in told["link"]
    record["stages"]["link"]["result"].update(recipe="untrained")
    assert "Training did not improve" in stages.quality(record)["sentences"][-1]
    record["stages"]["link"]["result"] = {"recipe": "untrained", "recall_at_10": None, "auc": float("nan")}
    assert "also chose the properties" in stages.quality(record)["sentences"][0]
    record["stages"]["link"]["result"]["too_few"] = "only 9 texts"
    assert "too few texts" in stages.quality(record)["sentences"][0]
    assert stages.stages({"stages": {"factor": {}}})[0]["line"] == "0 factors"


def test_a_sample_is_told_with_what_its_last_texts_brought():
    counts = {"100": 214, "30": 90, "150": 251}, {"30": 90, "100": 12, "150": 1}
    result = {"n_texts": 2000, "properties_by_read": counts[0], "new_by_read": counts[1]}
    record = {"stages": {"propose": {"result": result}}}
    assert (
        "150 of 2,000 texts read, of which the last 50 brought 1 new property"
        in (stages.stages(record)[0]["line"])
    )
    assert stages.reading(record) == [[30, 90, 90], [100, 214, 12], [150, 251, 1]]
    result["properties_by_read"] = {"x": 1, "9" * 5000: 2, "100": 3}  # of a record that was tampered with
    assert stages.reading(record) == [[100, 3, 12]]
    assert stages.reading({"stages": {}}) == []


def test_settings_hold_no_secret_and_no_folder_of_the_user():
    arguments = {
        "api_key": "sk-1", "source": "/home/me/secret project/mail.csv", "llm": "gguf:/home/me/model.gguf",
        "base_url": "https://me:pw@host/v1", "encoder": "org/model", "seed": 0, "n_factors": None,
    }  # fmt: skip
    settings = stages.settings({"stages": {"propose": {"arguments": arguments}}})
    assert {s["name"]: s["value"] for s in settings} == {
        "source": "mail.csv", "llm": "gguf:model.gguf", "base_url": "https://host/v1", "encoder": "org/model",
        "seed": "0", "n_factors": "default",
    }  # fmt: skip


# ---------------------------------------------------------------- terminal and Markdown


def printed(summary: dict[str, Any], width: int, **options: Any) -> str:
    out = io.StringIO()
    Console(width=width, file=out, **options).print(
        reports.render_terminal(summary, path="runs/mail/report.html")
    )
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_cuts_no_text(tmp_path, width):
    corpus = factories.make_corpus([f"Text {i}." for i in range(40)])
    names = ["A factor whose name goes on for quite a while", "短い名前" * 4, "Unbreakable" * 5]
    properties = [["the very first property, which is long as well", "second property", "third"]] * 3
    factors = factories.make_factors(corpus, np.arange(40) % 3, names, properties=properties)
    text = printed(summarise(factories.make_run(tmp_path, corpus, factors)), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    words = re.sub(r"\s", "", text)
    for sought in (
        "what makes customers unhappy",
        "runs/mail/report.html",
        "Properties",
        "proposer offline",
        "12 s",
    ):
        assert re.sub(r"\s", "", sought) in words
    shown = set(re.findall(r"\w+", text))
    assert {"second", "property", "third", "quite", "while"} <= shown
    assert text.count("Unbreakable") >= 3  # folded over lines, none lost


def test_terminal_obeys_nothing_in_a_text(shaped):
    plain = printed(summarise(shaped("hostile")), 100)
    assert "[bold]markup[/bold]" in re.sub(r"\s", "", plain)
    coloured = printed(summarise(shaped("hostile")), 100, force_terminal=True, color_system="standard")
    assert "\x1b[31mred" not in coloured
    assert "\u202e" not in coloured


def test_terminal_has_colour_unless_it_is_not_wanted(run, monkeypatch):
    summary = summarise(run)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[36m" in printed(summary, 80, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in printed(summary, 80, force_terminal=True, color_system="standard")
    assert "\x1b" not in printed(summary, 80)


def test_markdown_shows_hostile_texts_as_text(shaped):
    summary = summarise(shaped("hostile"))
    tokens = (
        MarkdownIt("commonmark", {"html": True, "linkify": False})
        .enable("table")
        .parse(reports.render_markdown(summary))
    )
    inline = [child for token in tokens for child in token.children or ()]
    assert not [
        token
        for token in [*tokens, *inline]
        if token.type in {"html_block", "html_inline", "fence", "code_block"}
    ]
    assert not [token for token in inline if token.type in {"link_open", "image", "code_inline"}]
    texts = "\n".join(token.content for token in inline if token.type == "text")
    assert HOSTILE[0] in texts
    assert HOSTILE[1] in texts
    titles = [
        tokens[i + 1].content
        for i, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == "h3"
    ]
    assert len(titles) == len(HOSTILE)


def test_markdown_tables_have_as_many_cells_as_columns(run, shaped):
    for summary in (summarise(run), summarise(shaped("hostile"))):
        tokens = MarkdownIt("commonmark").enable("table").parse(reports.render_markdown(summary))
        tables, rows = [], []
        for token in tokens:
            if token.type == "table_open":
                rows = []
            elif token.type == "tr_open":
                rows.append(0)
            elif token.type in {"td_open", "th_open"}:
                rows[-1] += 1
            elif token.type == "table_close":
                tables.append(rows)
        assert len(tables) == 2 + len(summary["crosstabs"])
        assert all(len(set(rows)) == 1 for rows in tables)
        assert len(tables[0]) == 1 + len(summary["factors"]) + bool(summary["undescribed"]["n"])


# ---------------------------------------------------------------- HTML, as text


def test_report_writes_both_files_into_the_run_folder(run, tmp_path):
    page = run.path / "report.html"
    assert reports.report(run) == page
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    markdown = page.with_suffix(".md").read_text(encoding="utf-8")
    assert markdown.startswith("# what makes customers unhappy")
    assert reports.report(run, path=tmp_path / "other" / "page.html").with_suffix(".md").exists()
    assert not [*run.path.rglob(".*.tmp"), *tmp_path.rglob(".*.tmp")]


def test_report_is_the_same_bytes_each_time(run):
    first = reports.report(run).read_bytes()
    assert reports.report(run).read_bytes() == first


def test_html_holds_no_hostile_markup_and_no_address_to_load(shaped):
    page = reports.render_html(shaped("hostile"))
    assert len(re.findall(r"<script\b", page)) == 2
    assert len(re.findall(r"</script", page)) == 2
    data = page[page.index('id="goalspace-data">') :]
    data = data[: data.index("</script")]
    assert "<" not in data
    assert ">" not in data.removeprefix('id="goalspace-data">')
    assert not re.search(
        r"<(?:iframe|object|embed|base)\b|\bsrc\s*=\s*[\"']?http", page[: page.index("<style>")]
    )
    assert "default-src 'none'" in page
    assert "unsafe" not in page[: page.index("<style>")]


# ---------------------------------------------------------------- HTML, in a browser


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open the report of a run from file://; nothing may fail and nothing may be asked of the network."""
    with visitor(browser) as visit:
        yield lambda run, **options: visit(
            reports.report(run, path=tmp_path / "page.html").as_uri(), allowed=(), **options
        )


def test_hostile_texts_are_shown_and_not_run(visit, shaped):
    page = visit(shaped("hostile"))
    page.get_by_text(HOSTILE[0]).first.wait_for()
    for view in range(1, 8):
        page.keyboard.press(str(view))
        page.wait_for_timeout(50)
        assert page.evaluate("window.owned") is None
    assert page.locator("iframe, object, #app script").count() == 0


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_page_never_scrolls_sideways(visit, shaped, shape, width):
    page = visit(shaped(shape), width=width)
    page.locator("#app *").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_the_page_says_where_else_to_look(visit, run):
    page = visit(run, java_script_enabled=False)
    assert "report.md" in page.locator("body").inner_text()
