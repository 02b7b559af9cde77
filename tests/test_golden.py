"""The cases in tests/golden, to which the tests of the page (web/tests) hold its own code for the same tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
from explorer_server import ExplorerServer
from goalspace import reports
from goalspace.corpus import Corpus
from goalspace.edits.apply import successors
from goalspace.explorer.highlight import excerpt, fold, words_of
from goalspace.reports.compare import _corrected, compare  # private, as compare takes no p-values
from goalspace.reports.page_columns import PageColumn
from goalspace.reports.view import View
from goalspace.run.folder import Run

FOLDER = Path(__file__).parent / "golden"


def read_golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def named(cases: Sequence[dict[str, Any]]) -> Any:
    """The cases as parameters, with their names as ids."""
    return [pytest.param(case, id=case.get("name", "")) for case in cases]


SEARCH = read_golden("search_folding")
STATISTICS = read_golden("statistics")
RENUMBERING = read_golden("renumbering")["cases"]


# ---------------------------------------------------------------- search


@pytest.mark.parametrize("case", named(SEARCH["folded"]))
def test_texts_are_folded(case):
    assert fold(case["text"]) == case["folded"]
    assert fold(case["folded"]) == case["folded"]


@pytest.mark.parametrize("case", named(SEARCH["terms"]))
def test_a_search_is_split_into_words_and_phrases(case):
    assert words_of(case["search"]) == case["terms"]


def bracketed(text: str, marks: Sequence[tuple[int, int]]) -> str:
    """The text with its marks, in UTF-16 units, as ⟦brackets⟧; adjacent and repeated ones are one."""
    units = text.encode("utf-16-le")
    shown, position = "", 0
    for start, end in marks:
        if start < position:
            continue
        before, inside = units[2 * position : 2 * start], units[2 * start : 2 * end]
        shown += f"{before.decode('utf-16-le')}⟦{inside.decode('utf-16-le')}⟧"
        position = end
    return (shown + units[2 * position :].decode("utf-16-le")).replace("⟧⟦", "")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], set[str]]]:
    """A function from a search to the texts that the explorer finds, of those of all cases."""
    texts = tuple(dict.fromkeys(case["text"] for case in SEARCH["matches"]))
    corpus = Corpus(tuple(map(str, range(len(texts)))), texts, np.ones(len(texts), dtype=np.int64))
    factors = factories.make_factors(corpus, [0] * len(texts), ["All"], n_evidence=0)
    run = factories.make_run(tmp_path_factory.mktemp("search"), corpus, factors)
    with ExplorerServer(run.path) as server:
        yield lambda words: {texts[row] for row in server.post("/api/texts", {"search": words})["rows"]}


@pytest.mark.parametrize("case", SEARCH["matches"], ids=lambda case: f"{case['search']} in {case['text']}")
def test_a_search_finds_and_marks(search, case):
    assert (case["text"] in search(case["search"])) == case["found"]
    assert bracketed(*excerpt(case["text"], words_of(case["search"]))) == case["marked"]


# ---------------------------------------------------------------- statistics


@pytest.fixture(scope="module")
def helpdesk(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return factories.helpdesk_run(tmp_path_factory.mktemp("helpdesk"))


def view_of(path: Path, run: Run, a: Sequence[float], b: Sequence[float]) -> View:
    """The run with the values of two groups of a column on its first factor; all other texts are in a third."""
    n_texts, values = len(run.corpus), [*a, *b]
    scores = np.zeros((n_texts, run.factors.dim))
    scores[: len(values), 0] = values
    codes = np.full(n_texts, 2, dtype=np.int16)
    codes[: len(values)] = [0] * len(a) + [1] * len(b)
    run = factories.make_run(path, run.corpus, replace(run.factors, scores=scores))
    column = PageColumn("group", "category", ("a", "b", "rest"), codes, "group")
    return View(run, reports.summarise(run), (column,), np.arange(n_texts))


@pytest.mark.parametrize("case", named(STATISTICS["differences"]))
def test_two_groups_are_compared(tmp_path, helpdesk, case):
    view = view_of(tmp_path, helpdesk, case["a"], case["b"])
    (test, *_) = compare(view, 0, a=0, b=1)["pair"]["tests"]
    for name in ("effect", "low", "high"):
        assert test[name] == pytest.approx(case[name], rel=1e-6, abs=5.1e-5), name  # rounded to four digits
    assert test["p"] == pytest.approx(case["p"], rel=1e-6)


@pytest.mark.parametrize("case", named(STATISTICS["corrections"]))
def test_p_values_are_corrected(case):
    p = np.array([np.nan if value is None else value for value in case["p"]], dtype=np.float64)
    assert _corrected(p, ()).tolist() == pytest.approx(case["q"], rel=1e-6, abs=0)


# ---------------------------------------------------------------- renumbering


@pytest.mark.parametrize("case", named([case for case in RENUMBERING if "edit" in case]))
def test_an_edit_renumbers_factors(case):
    assert successors(case["edit"], case["n_before"], case["n_after"]) == case["moved"]
