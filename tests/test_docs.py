"""The documentation is true: its Python runs, its commands parse, its links and file names lead somewhere."""

from __future__ import annotations

import csv
import doctest
import importlib
import re
import runpy
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

import goalspace
from goalspace.cli import main
from goalspace.run import discover

ROOT = Path(__file__).parents[1]
SRC = Path(goalspace.__file__).parent
# docs/decisions/ tells of the past: its commands need not run today
FOLDERS = ("", "docs/", "docs/instructions/", "examples/")
PAGES = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}*.md"))
EVERY_PAGE = sorted([*PAGES, *ROOT.glob("docs/decisions/*.md")])
RUN = "runs/helpdesk-what-makes-customers-unhappy"  # what the README's first command makes


def tokens(path: Path) -> list[Token]:
    found = []
    for token in MarkdownIt().enable("table").parse(path.read_text("utf-8")):
        found += [token, *(token.children or ())]
    return found


def python_blocks(path: Path) -> list[str]:
    return [t.content for t in tokens(path) if t.type == "fence" and t.info.split()[:1] == ["python"]]


def commands(path: Path) -> list[str]:
    """Every command line of goalspace on a page, in blocks and inside sentences."""
    lines: list[str] = []
    for token in tokens(path):
        if token.type == "code_inline":
            lines.append(token.content)
        elif token.type == "code_block" or (token.type == "fence" and token.info in ("sh", "bash")):
            lines += token.content.replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|\||;|\s#\s", line)]
    return [part for part in parts if re.match(r"goalspace\s", part)]


COMMANDS = {line for path in PAGES if path.name != "CHANGELOG.md" for line in commands(path)}


@pytest.fixture(scope="module")
def beside_a_run(tmp_path_factory):
    """A folder with a part of the examples, and a run of the first where the README says."""
    folder = tmp_path_factory.mktemp("docs")
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[:61]
    (folder / "examples").mkdir()
    with (folder / "examples" / "helpdesk.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    instructions = (ROOT / "examples" / "instructions.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "examples" / "instructions.jsonl").write_text("".join(instructions[:60]), "utf-8")
    discover(
        folder / "examples" / "helpdesk.csv",
        goal="what makes customers unhappy",
        out=folder / RUN,
        tune="none",
        n_factors=4,
    )
    return folder


@pytest.mark.parametrize(
    "path", [path for path in PAGES if python_blocks(path)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_python_blocks_run(path, beside_a_run, monkeypatch):
    """In order, in one namespace; blocks with >>> must also print what they say."""
    monkeypatch.chdir(beside_a_run)
    names: dict[str, object] = {}
    for number, block in enumerate(python_blocks(path), 1):
        name = f"{path.name}, Python block {number}"
        if block.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(block, names, name, str(path), 0)
            results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
            assert (results.attempted > 0, results.failed) == (True, 0)
        else:
            exec(compile(block, name, "exec"), names)


def test_readme_shows_the_factors_that_it_says(beside_a_run, monkeypatch):
    monkeypatch.chdir(beside_a_run)
    names: dict[str, object] = {}
    exec(python_blocks(ROOT / "README.md")[0], names)
    factors, new = names["factors"], names["new"]
    assert np.shape(new) == (1, len(factors.names))
    assert factors.scores.shape == (len(names["run"].corpus.ids), len(factors.names))
    np.testing.assert_allclose(factors.scores.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(factors.scores.var(axis=0), 1, atol=1e-3)


MODULES = sorted(
    ".".join(("goalspace", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")
    for path in SRC.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert (results.attempted > 0, results.failed) == (True, 0)


@pytest.mark.parametrize("line", sorted(COMMANDS))
def test_command_parses(line):
    """Verbs, options and arguments exist; files need not."""
    _, verb, *arguments = shlex.split(line)
    group = click.Context(main, info_name="goalspace", **main.context_settings)
    try:
        if verb.startswith("-"):
            main.make_context("goalspace", [verb])
        elif verb not in main.commands:
            pytest.fail(f"there is no verb '{verb}'")
        elif arguments:  # else a sentence that names the verb
            main.commands[verb].make_context(verb, arguments, parent=group)
    except click.exceptions.Exit:  # --help and --version
        return
    except click.UsageError as error:
        pytest.fail(f"{line}: {error.format_message()}")


def test_readme_has_the_two_commands():
    lines = "\n".join(t.content for t in tokens(ROOT / "README.md") if t.type == "fence")
    assert (
        'pip install . && goalspace discover examples/helpdesk.csv --goal "what makes customers unhappy"'
        in lines
    )
    assert "pip install '.[dev]' && pytest" in lines


FACTOR = re.compile(r" *\d+  (?P<name>\S.*?)  +[█▏▎▍▌▋▊▉]+ +(?P<share>[\d.]+)%  (?P<properties>\S.*)")


def factors_in(text: str) -> list[dict[str, str]]:
    """The rows of the table of factors in a printed summary."""
    return [row.groupdict() for line in text.splitlines() if (row := FACTOR.fullmatch(line))]


def agree(row: dict[str, str], other: dict[str, str]) -> bool:
    """Whether two rows are the same factor, found on two processors."""
    shared = set(row["properties"].split(", ")) & set(other["properties"].split(", "))
    near = abs(float(row["share"]) - float(other["share"])) <= 3
    return near and (row["name"] == other["name"] or bool(shared))


def test_shown_output_is_that_of_the_command(tmp_path):
    """Processors round differently, which changes names, figures and the small factors, but not the wording."""
    make = runpy.run_path(str(ROOT / "docs" / "make_output.py"))
    readme, page = (make["shown"](path) for path in make["PAGES"])
    assert readme == make["excerpt"](page)
    printed = make["output"](tmp_path)
    found = factors_in(printed)
    assert [row["name"] for row in factors_in(readme) if not any(agree(row, other) for other in found)] == []
    matched = [row for row in factors_in(page) if any(agree(row, other) for other in found)]
    assert len(matched) >= 2 / 3 * len(found) > 5

    def wording(text: str) -> list[str]:
        rest = "\n".join(line for line in text.splitlines() if not FACTOR.fullmatch(line))
        return re.sub(r"“.*?”|[<\d.]+ (?:h|min|s)\b|[\d.,%]+", "", rest).split()

    assert wording(page) == wording(printed), "run: python docs/make_output.py"


def test_command_reference_is_up_to_date():
    make = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))
    assert make["PAGE"].read_text("utf-8") == make["reference"](), "run: make docs"


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    links = [
        str(link)
        for t in tokens(path)
        if (link := t.attrGet("href") or t.attrGet("src")) and "://" not in str(link)
    ]
    files = [link.partition("#")[0] for link in links]
    assert [file for file in files if file and not (path.parent / file).exists()] == []


def test_contributing_says_in_few_rows_where_a_line_belongs():
    """Every package has its row, and every place that is named exists."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = page.partition("## Where does a line belong?")[2].partition("## Style")[0]
    rows = re.findall(r"^\| .+ \| (.+) \|$", table, flags=re.M)[1:]
    assert len(rows) <= 25
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert {name for name in named if not ((SRC / name).exists() or (ROOT / name).exists())} == set()
    assert {path.parent.name for path in SRC.glob("*/__init__.py")} <= named


def test_decisions_that_the_code_cites_exist():
    cited = {
        name
        for path in SRC.rglob("*.py")
        for name in re.findall(r"docs/decisions/[\w-]+\.md", path.read_text("utf-8"))
    }
    assert {name for name in cited if not (ROOT / name).exists()} == set()
