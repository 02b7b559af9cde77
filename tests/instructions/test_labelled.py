"""goalspace explore on the folder of goalspace label: real commands, a real server, real files."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from explorer_page import chromium, visitor
from explorer_server import ExplorerServer
from goalspace.cli import main
from goalspace.errors import InputError
from goalspace.explorer import explore
from goalspace.instructions.labelled import LabelledRun
from goalspace.reports.contract import Summary
from goalspace.reports.contract_details import Comparison, Why

THINGS = ("rain", "the sea", "an old clock", "my dog", "snow", "trains")
ASKED = (
    *((f"Write a poem about {thing}.", "verse") for thing in THINGS),
    *((f"Compose a poem on {thing}.", "verse") for thing in THINGS[:3]),
    *((f"Translate the sentence about {thing} into French.", "french") for thing in THINGS),
    *((f"What is the capital of {place}?", None) for place in ("Peru", "Chad", "Laos", "Fiji")),
    ("Sort these numbers: 3, 1, 2.", "rare"),
    ("Summarize the article <script>alert(1)</script></script> in one line.", "rare"),
    ("Write a poem about rain.", "again"),  # an equal instruction is a row of its own
    ("Qwrtz plmkn.", "no task"),
)
NONE = len(ASKED) - 1


def goalspace(*words: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A file of instructions, labels of it, a selection and demonstrations."""
    root = tmp_path_factory.mktemp("instructions")
    file = root / "asked.jsonl"
    rows = [
        {
            "key": f"k{at}",
            "instruction": text,
            "source": source,
            "turns": 1 + at % 3,
            "tags": ["a"],
            "task": "?",
        }
        for at, (text, source) in enumerate(ASKED)
    ]
    rows.insert(3, {"key": "empty", "instruction": "", "source": None, "turns": 1, "tags": [], "task": "?"})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    goalspace("label", file, "-o", root / "labels")
    goalspace("select", file, "--budget", "5", "--field", "instruction", "-o", root / "selected")
    queries = ("--query", "Write a sonnet about autumn.", "--query", "What is the capital of Norway?")
    goalspace("retrieve", file, *queries, "--k", "2", "-o", root / "shown")
    return SimpleNamespace(
        file=file, labels=root / "labels", selected=root / "selected", shown=root / "shown"
    )


@pytest.fixture(scope="module")
def server(made):
    with ExplorerServer(
        made.labels, "--selection", str(made.selected), "--demonstrations", str(made.shown)
    ) as served:
        yield served


def test_answers_keep_the_contract(server):
    def checked(path, form):
        return TypeAdapter(form).validate_json(server.ask(path).body, strict=True, extra="forbid")

    summary = checked("/api/summary", Summary)
    assert summary["kind"] == "instructions"
    assert summary["left_out"]
    for column in range(len(summary["columns"])):
        assert checked(f"/api/compare?column={column}", Comparison)["groups"]
    assert any(checked(f"/api/texts/{row}", Why)["selected"] for row in range(summary["n_texts"]))


def ids(server, query):
    return [hit["id"] for hit in server.post("/api/texts", {"limit": 100, **query})["hits"]]


def column(server, name):
    columns = server.get("/api/summary")["columns"]
    at = [c["name"] for c in columns].index(name)
    return at, columns[at]["values"]


# ---------------------------------------------------------------- what label writes


def test_label_keeps_the_instructions_with_their_fields(made):
    table = pq.read_table(made.labels / "instructions.parquet").to_pydict()
    assert table["text"] == [text for text, _ in ASKED]
    assert table["id"] == [f"k{at}" for at in range(len(ASKED))]
    assert table["source"] == [source for _, source in ASKED]
    assert "tags" not in table, "only texts and numbers go along"
    assert (made.labels / "labelled.jsonl").is_file()


def test_fields_of_mixed_kinds_become_texts(tmp_path):
    file = tmp_path / "mixed.jsonl"
    marks = [1, "two", None, True, 0.5]
    lines = [
        json.dumps({"instruction": f"Write a poem about {thing}.", "mark": mark})
        for thing, mark in zip(THINGS, marks, strict=False)
    ]
    file.write_text("\n".join(lines), "utf-8")
    goalspace("label", file, "-o", tmp_path / "labels")
    table = pq.read_table(tmp_path / "labels" / "instructions.parquet").to_pydict()
    assert table["mark"] == ["1", "two", None, "True", "0.5"]


# ---------------------------------------------------------------- tasks as factors


def test_the_summary_is_of_instructions(server):
    summary = server.get("/api/summary")
    assert summary["kind"] == "instructions"
    assert summary["able"] == {"edit": False, "meaning": True, "fullTexts": True, "compareRuns": False}
    assert (summary["n_texts"], summary["n_rows"]) == (len(ASKED), len(ASKED))
    assert summary["goal"] == "which tasks are in asked.jsonl"
    assert "“\u2068write|poem\u2069”" in summary["headline"]
    assert "Instruction Embedding" in summary["citations"][0]["text"]
    assert [stage["name"] for stage in summary["stages"]] == ["Labels", "Map"]
    assert "1 row without an instruction left out" in summary["stages"][0]["facts"]
    assert not any("group is" in line for line in summary["findings"]), "a group follows from the task"


def test_factors_are_the_tasks_of_the_labels(made, server):
    labels = pq.read_table(made.labels / "labels.parquet").to_pydict()
    factors = server.get("/api/summary")["factors"]
    told = {factor["name"]: factor for factor in factors}
    for task in ("write|poem", "translate|sentence", "what|knowledge"):
        assert told[task]["n_texts"] == labels["task"].count(task)
        assert told[task]["share"] == pytest.approx(labels["task"].count(task) / len(ASKED))
    assert factors[0]["name"] == "write|poem", "the most frequent comes first"
    assert sum(factor["n_texts"] for factor in factors) == len(ASKED) - 1
    assert all(0 < factor["tc"] <= 1 + 1e-6 for factor in factors)
    wordings = {p["name"]: p["n_texts"] for p in told["write|poem"]["properties"]}
    assert wordings == {"write|poem": 7, "compose|poem": 3}
    for factor in factors:
        assert all(labels["id"].index(item["id"]) == item["row"] for item in factor["evidence"])
    shown = {item["sentence"] for item in told["translate|sentence"]["evidence"]}
    assert shown <= {text for text, source in ASKED if source == "french"}


def test_instructions_lie_where_the_labels_put_them(made, server):
    labels = pq.read_table(made.labels / "labels.parquet").to_pydict()
    names = [factor["name"] for factor in server.get("/api/summary")["factors"]]
    n, body = len(ASKED), server.ask("/api/map").body
    x, y = (np.frombuffer(body, "<f4", n, 4 * n * i) for i in (0, 1))
    dominant = np.frombuffer(body, "<i2", n, 8 * n)
    assert np.isfinite([x, y]).all()
    assert dominant[NONE] == -1
    for row in range(n - 1):
        group = f"{labels['group'][row]}: rarer tasks"
        assert names[dominant[row]] in (labels["task"][row], group)
    poems, french = (np.array([s == source for _, s in ASKED]) for source in ("verse", "french"))
    places = np.stack([x, y], axis=1)
    apart = np.linalg.norm(places[poems].mean(axis=0) - places[french].mean(axis=0))
    spread = np.linalg.norm(places[french] - places[french].mean(axis=0), axis=1).mean()
    assert apart > spread, "tasks lie apart on the map"


def test_groups_of_tasks_are_the_hierarchy(server):
    summary = server.get("/api/summary")
    names = [factor["name"] for factor in summary["factors"]]
    groups = {branch["name"]: [names[k] for k in branch["children"]] for branch in summary["hierarchy"]}
    assert "write|poem" in groups["Write"]
    assert groups["Translate"] == ["translate|sentence"]
    assert sorted(k for branch in summary["hierarchy"] for k in branch["children"]) == list(range(len(names)))


def test_rare_tasks_are_one_factor_a_group(tmp_path):
    file = tmp_path / "rare.txt"
    nouns = ("poem", "letter", "song", "speech", "tweet")
    rows = [f"Write a {noun} about rain." for noun in nouns] + ["Write a story.", "Write a story now."]
    file.write_text("\n".join(rows), "utf-8")
    goalspace("label", file, "-o", tmp_path / "labels")
    run = LabelledRun.open(tmp_path / "labels")
    assert run.factors.names == ("write|story", "Write: rarer tasks")
    assert np.bincount(run.factors.dominant).tolist() == [2, 5]
    assert run.factors.descriptions[1].startswith("5 tasks of the group Write: write|letter, write|poem")
    assert run.factors.hierarchy == (), "one group is no hierarchy"


def test_instructions_are_searched_by_words_and_by_meaning(server):
    assert set(ids(server, {"search": "capital"})) == {
        f"k{at}" for at, (t, _) in enumerate(ASKED) if "capital" in t
    }
    best = ids(server, {"search": "compose verses", "by": "meaning", "limit": 5})
    assert all(
        "poem" in dict(zip([f"k{i}" for i in range(len(ASKED))], ASKED, strict=True))[id][0] for id in best
    )


def test_why_names_the_task_and_the_wording(server):
    row = next(at for at, (text, _) in enumerate(ASKED) if text.startswith("Compose"))
    told = server.get(f"/api/texts/{row}")
    names = [factor["name"] for factor in server.get("/api/summary")["factors"]]
    assert names[told["dominant"]] == "write|poem"
    assert [p["name"] for p in told["properties"] if p["proposed"]] == ["compose|poem"]
    assert told["metadata"]["task_"] == "write|poem", "the file has a field of that name"
    assert told["metadata"]["task"] == "?"
    assert told["n_copies"] == 1


def test_texts_are_not_markup(server):
    row = next(at for at, (text, _) in enumerate(ASKED) if "<script>" in text)
    assert server.get(f"/api/texts/{row}")["text"] == ASKED[row][0]
    report = server.ask("/api/export/report.html").body.decode()
    assert "<script>alert" not in report


# ---------------------------------------------------------------- selection and demonstrations


def test_the_selection_is_a_column_and_a_reason(made, server):
    chosen = pq.read_table(made.selected / "selection.parquet").to_pydict()
    assert chosen["rank"] == [1, 2, 3, 4, 5]
    assert sum(chosen["stands_for"]) == len(ASKED)
    at, values = column(server, "selected")
    found = ids(server, {"columns": [{"column": at, "values": [values.index("selected")]}]})
    assert sorted(found) == sorted(chosen["id"])
    codes = np.frombuffer(server.ask(f"/api/columns/{at}").body, "<i2")
    assert (codes == values.index("selected")).sum() == 5
    row = int(chosen["id"][1][1:])
    said = {item["name"]: item["value"] for item in server.get(f"/api/texts/{row}")["selected"]}
    assert said["Selection"].startswith("number 2 of 5, stands for ")
    other = next(at for at in range(len(ASKED)) if f"k{at}" not in chosen["id"])
    said = {item["name"]: item["value"] for item in server.get(f"/api/texts/{other}")["selected"]}
    assert said["Selection"] == "left out"
    compared = server.get(f"/api/compare?column={at}")
    assert {group["name"]: group["n"] for group in compared["groups"]} == {
        "selected": 5,
        "left out": len(ASKED) - 5,
    }


def test_demonstrations_are_a_column_and_a_reason(made, server):
    lines = (made.shown / "demonstrations.jsonl").read_text("utf-8").splitlines()
    shown = {hit["index"] for line in lines for hit in json.loads(line)["demonstrations"]}
    at, values = column(server, "demonstration")
    found = ids(server, {"columns": [{"column": at, "values": [values.index("shown")]}]})
    assert sorted(found) == sorted(f"k{row}" for row in shown)
    said = {item["name"]: item["value"] for item in server.get(f"/api/texts/{min(shown)}")["selected"]}
    assert re.fullmatch(
        r"shown for [12] of 2 queries, nearest: “.*” \(cosine 0\.\d\d\)", said["Demonstration"]
    )
    said = {item["name"]: item["value"] for item in server.get(f"/api/texts/{NONE}")["selected"]}
    assert said["Demonstration"] == "shown for none of 2 queries"


def test_the_report_holds_what_was_chosen(server):
    report = server.ask("/api/export/report.html").body.decode()
    data = re.search(r'<script type="application/json" id="goalspace-data">(.*?)</script>', report, re.DOTALL)
    assert data is not None
    inlined = json.loads(data[1])
    assert inlined["summary"]["kind"] == "instructions"
    assert len(base64.b64decode(inlined["map"])) == 14 * len(ASKED)
    assert [item["name"] for item in inlined["texts"][0]["selected"]] == ["Selection", "Demonstration"]


def test_tables_call_the_strength_of_a_task_what_it_is(server):
    header = server.ask("/api/export/factors.csv").body.decode().splitlines()[0]
    assert '"likeness"' in header
    assert "nats" not in header
    rows = server.get("/api/export/texts.json")
    assert [row["dominant"] or None for row in rows][NONE] is None
    assert rows[0]["dominant"] == "write|poem"


def test_a_selection_in_the_same_folder_is_found(made, tmp_path):
    folder = shutil.copytree(made.labels, tmp_path / "labels")
    for path in made.selected.glob("selection.*"):
        shutil.copy(path, folder)
    run = LabelledRun.open(folder)
    assert [item["name"] for item in run.chosen(0)] == ["Selection"]
    assert "selected" in run.corpus.metadata
    assert "demonstration" not in run.corpus.metadata


def test_a_selection_of_other_instructions_is_refused_where_it_was_named(made, tmp_path):
    table = pq.read_table(made.selected / "selection.parquet").to_pydict()
    table["instruction"][2] = "Something else."
    from goalspace.tables.writing import write_table

    folder = shutil.copytree(made.labels, tmp_path / "labels")
    write_table(folder / "selection", table)
    assert LabelledRun.open(folder).chosen(0) == []
    with pytest.raises(InputError, match=r"selection\.parquet was made from other instructions"):
        LabelledRun.open(folder, selection=folder)


def test_demonstrations_of_another_pool_are_refused(made, tmp_path):
    pool = tmp_path / "pool.txt"
    pool.write_text("\n".join(f"Name a bird number {at}." for at in range(len(ASKED))), "utf-8")
    goalspace("retrieve", pool, "--query", "Name an owl.", "-o", tmp_path / "shown")
    with pytest.raises(InputError, match="a different pool"):
        LabelledRun.open(made.labels, demonstrations=tmp_path / "shown")


# ---------------------------------------------------------------- opening again, and what is refused


def test_opening_again_gives_the_same_and_makes_nothing(made):
    first = LabelledRun.open(made.labels)
    said = []
    again = LabelledRun.open(made.labels, progress=lambda *step: said.append(step))
    assert said == []
    np.testing.assert_array_equal(again.factors.scores, first.factors.scores)
    np.testing.assert_array_equal(again.factors.map, first.factors.map)
    np.testing.assert_array_equal(again.links.text_vectors, first.links.text_vectors)
    assert again.factors.evidence == first.factors.evidence


def test_opening_again_loads_no_torch(made):
    LabelledRun.open(made.labels)
    program = (
        "import sys; from goalspace.instructions.labelled import LabelledRun; "
        f"print(LabelledRun.open({str(made.labels)!r}).factors.dim, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "False"


def test_other_labels_are_laid_out_anew(tmp_path):
    file, folder = tmp_path / "few.txt", tmp_path / "labels"
    for noun in ("poem", "song"):
        file.write_text("\n".join(f"Write a {noun} about {thing}." for thing in THINGS), "utf-8")
        goalspace("label", file, "-o", folder)
        assert LabelledRun.open(folder).factors.names == (f"write|{noun}",)


def test_tasks_are_not_edited(made):
    said = goalspace("explore", made.labels, "--edit", "--no-browser", code=2)
    assert (
        said
        == f"goalspace: {made.labels} contains labelled instructions, which cannot be edited: leave out --edit.\n"
    )


def test_python_refuses_edits_of_tasks_too(made):
    run = LabelledRun.open(made.labels)
    with pytest.raises(InputError, match="labelled instructions, which cannot be edited"):
        explore(run, edit=True, browser=False)


def test_the_strength_of_a_task_is_the_mean_cosine_with_its_centre(made):
    run = LabelledRun.open(made.labels)
    factors, vectors = run.factors, run.links.text_vectors
    assert factors.strength_unit == "cosine"
    own = vectors[factors.dominant == 0]
    centre = own.mean(axis=0)
    cosines = own @ centre / np.linalg.norm(centre) / np.linalg.norm(own, axis=1)
    assert factors.strength[0] == pytest.approx(cosines.mean(), abs=1e-5)


def test_the_page_of_tasks_refuses_edits(server):
    answer = server.ask("/api/edits", {"do": "hide", "factor": 0, "hidden": True})
    assert answer.status == 403


def test_a_folder_of_an_older_label_says_what_to_do(made, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    shutil.copy(made.labels / "labels.parquet", folder)
    said = goalspace("explore", folder, "--no-browser", code=2)
    assert "Run it again" in said
    assert said.count("\n") == 1


def test_instructions_without_tasks_are_nothing_to_explore(tmp_path):
    file = tmp_path / "none.txt"
    file.write_text("Qwrtz plmkn.\nXkcd vbnm.\n", "utf-8")
    goalspace("label", file, "-o", tmp_path / "labels")
    with pytest.raises(InputError, match="nothing to explore"):
        LabelledRun.open(tmp_path / "labels")


@pytest.mark.parametrize("option", ["--selection", "--demonstrations"])
def test_choices_are_of_instructions_only(made, tmp_path, option):
    said = goalspace("explore", tmp_path, option, made.selected, "--no-browser", code=2)
    assert f"{option} is about instructions" in said


@pytest.mark.parametrize(("option", "verb"), [("--selection", "select"), ("--demonstrations", "retrieve")])
def test_a_folder_without_the_choice_says_how_to_make_it(made, tmp_path, option, verb):
    said = goalspace("explore", made.labels, option, tmp_path, "--no-browser", code=2)
    assert f"Create it with: goalspace {verb}" in said


# ---------------------------------------------------------------- the page


@pytest.fixture
def page(server):
    with chromium() as browser, visitor(browser) as visit:
        yield lambda where: visit(f"{server.url}#{where}")


def test_the_page_speaks_of_tasks_and_instructions(page):
    expect = pytest.importorskip("playwright.sync_api").expect
    shown = page("view=factors&factor=0")
    places = shown.get_by_role("navigation").get_by_role("button")
    expect(places).to_have_count(6)  # the page may still be loading
    assert [name.partition("\n")[0] for name in places.all_inner_texts()] == [
        *("Map", "Tasks", "Instructions", "Compare", "Export", "About")
    ]
    card = shown.get_by_role("article", name="write|poem")
    expect(card.get_by_text("mean cosine")).to_be_visible()
    expect(card.get_by_role("region", name="Wordings")).to_contain_text("compose|poem")
    expect(card).to_contain_text("Write a poem about the sea.")
    shown = page(f"view=texts&text={NONE}&query=%7B%22search%22%3A%22Qwrtz%22%7D")
    panel = shown.get_by_role("region", name="Why: instruction")
    expect(panel.locator("header")).to_contain_text("no task")
    expect(shown.locator(".cell-factor")).to_contain_text("no task")


def test_the_map_is_coloured_and_filtered_by_the_selection(page):
    expect = pytest.importorskip("playwright.sync_api").expect
    shown = page("view=map&colour=column:0")
    legend = shown.get_by_role("button", name=re.compile("^selected"))
    expect(legend).to_contain_text("5")
    legend.click()
    expect(shown.get_by_text(f"5 of {len(ASKED)} instructions")).to_be_visible()


def test_an_instruction_says_whether_it_was_chosen(page, made):
    expect = pytest.importorskip("playwright.sync_api").expect
    chosen = pq.read_table(made.selected / "selection.parquet").to_pydict()["id"]
    shown = page(f"view=texts&text={chosen[0].removeprefix('k')}")
    why = shown.get_by_role("region", name=f"Why: instruction {chosen[0]}")
    expect(why.get_by_role("heading", name="How it was selected")).to_be_visible()
    expect(why).to_contain_text("number 1 of 5, stands for")
    expect(why).to_contain_text("Demonstration")
