"""The contract of page and server: what is generated from it, and whether the server keeps it."""

from __future__ import annotations

import base64
import json
import re
import runpy
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import Any, NotRequired, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from pydantic import TypeAdapter

from conftest import ROOT
from explorer_server import ExplorerServer
from goalspace.edits import contract as edits
from goalspace.edits.checks import _FIELDS  # no public function tells which fields an edit may have
from goalspace.explorer import contract as requests
from goalspace.explorer.downloads import FILES, WRITERS
from goalspace.factors.hierarchy import Layer
from goalspace.reports import contract
from goalspace.reports import contract_details as details
from goalspace.reports.summary import summarise
from goalspace.reports.view import View, summary
from goalspace.run.folder import Run


def checked(body: bytes, form: type | UnionType) -> Any:
    """The JSON in a body, once it has exactly the fields and types of the contract."""
    return TypeAdapter(form).validate_json(body, strict=True, extra="forbid")


def test_the_types_of_the_page_are_generated_from_the_contract():
    make = runpy.run_path(str(ROOT / "web" / "make_contract.py"))
    assert make["TARGET"].read_bytes() == make["contract"]().encode(), "run: make contract"


# ---------------------------------------------------------------- answers


@pytest.fixture(scope="module")
def folder(explorer_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the two runs, of which the first is edited."""
    return Path(shutil.copytree(explorer_runs, tmp_path_factory.mktemp("contract") / "runs"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ExplorerServer]:
    with ExplorerServer(folder / "why", "--edit") as running:
        yield running


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/api/summary", contract.Summary),
        ("/api/summary?seen=0", requests.Changed),
        ("/api/properties", contract.Layer),
        ("/api/factors/0", contract.Factor),
        ("/api/texts/0", details.Why),
        ("/api/texts/60", details.Why),
        ("/api/compare?column=0", details.Comparison),
        ("/api/compare?column=1", details.Comparison),
        ("/api/compare?column=2", details.Comparison),
        ("/api/compare?column=0&a=0&b=1", details.Comparison),
        ("/api/over-time?column=1", details.OverTime),
        ("/api/runs/where", details.Agreement),
    ],
)
def test_answers_keep_the_contract(server, path, form):
    answer = server.ask(path)
    assert answer.status == 200
    assert checked(answer.body, form)


def test_the_run_has_a_part_of_every_kind(server):
    """Otherwise the test above would check lists that are empty."""
    whole = server.get("/api/summary")
    assert {column["kind"] for column in whole["columns"]} == set(get_args(contract.ColumnKind))
    for name in ("factors", "hierarchy", "runs", "quality", "stages", "findings", "citations"):
        assert whole[name], name
    assert whole["trend"]
    assert all(factor["evidence"] and factor["related"] for factor in whole["factors"])
    agreement = server.get("/api/runs/where")
    assert agreement["matches"]
    assert agreement["moved"]


def test_report_html_keeps_the_contract(server):
    page = server.ask("/api/export/report.html").body.decode()
    data = re.search(r'<script type="application/json" id="goalspace-data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    inlined = checked(data[1].encode(), details.Inlined)
    assert all(text["near"] for text in inlined["texts"])
    n_shown = inlined["summary"]["n_shown"]
    assert len(base64.b64decode(inlined["map"])) == (4 + 4 + 2 + 4) * n_shown
    assert len(base64.b64decode(inlined["scores"])) == 2 * len(inlined["summary"]["factors"]) * n_shown


def test_factors_outside_all_groups_are_no_groups(explorer_runs):
    run = Run.open(explorer_runs / "why")
    layer = Layer(("left", "right"), np.array([0, 1, -1, *[0] * (run.factors.dim - 3)]))
    edited = run.with_factors(replace(run.factors, hierarchy=(layer,)))
    view = View(edited, summarise(edited), (), np.arange(len(run.corpus), dtype=np.int32))
    able: contract.Capabilities = {"edit": False, "meaning": False, "fullTexts": True, "compareRuns": False}
    assert summary(view, capabilities=able)["hierarchy"] == [
        {"name": "left", "children": [0, *range(3, run.factors.dim)]},
        {"name": "right", "children": [1]},
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/nothing", None, 404),
        ("/api/texts", {"rows": "all"}, 400),
        ("/api/edits", {"do": "hide", "factor": 0, "hidden": True, "seen": -1}, 409),
    ],
)
def test_failures_keep_the_contract(server, path, body, status):
    answer = server.ask(path, body)
    assert answer.status == status
    assert checked(answer.body, requests.ErrorMessage)["error"]


# ---------------------------------------------------------------- requests

FULL_QUERY: requests.Query = {
    "search": "router",
    "by": "words",
    "rows": list(range(60)),
    "factors": [{"factor": 0, "low": -9, "high": None}],
    "dominant": list(range(-1, 9)),
    "columns": [{"column": 0, "values": list(range(-1, 5))}, {"column": 2, "low": 0, "high": 99}],
    "sort": {"by": "factor", "at": 0, "down": True},
    "offset": 0,
    "limit": 10,
}


def test_a_query_with_every_field_is_answered(server):
    assert set(FULL_QUERY) == set(requests.Query.__annotations__)
    checked(json.dumps(FULL_QUERY).encode(), requests.Query)
    answer = checked(server.ask("/api/texts", FULL_QUERY).body, requests.Hits)
    assert answer["hits"]
    assert all(hit["marks"] for hit in answer["hits"])
    checked(server.ask("/api/texts", {"search": "slow", "by": "meaning"}).body, requests.Hits)


@pytest.mark.parametrize(
    "query",
    [
        *(
            {name: {}}
            for name in ("search", "by", "rows", "factors", "dominant", "columns", "offset", "limit")
        ),
        {"sort": []},
        *({"sort": {"by": "factor", "at": 0, "down": True, name: {}}} for name in ("by", "at")),
        *({"factors": [{"factor": 0, "low": 0, "high": 0, name: {}}]} for name in ("factor", "low", "high")),
        *({"columns": [{"column": 2, name: {}}]} for name in ("column", "low", "high")),
        {"columns": [{"column": 0, "values": {}}]},
    ],
    ids=json.dumps,
)
def test_every_field_of_a_query_is_read(server, query):
    """A value that it cannot have is refused."""
    assert server.ask("/api/texts", query).status == 400


def test_edits_have_the_fields_of_the_contract():
    fields = {}  # kind of edit → its fields, and whether they must be there
    for edit in get_args(edits.Edit):
        hints = get_type_hints(edit, include_extras=True)
        (kind,) = get_args(hints.pop("do"))
        fields[kind] = {name: get_origin(hint) is not NotRequired for name, hint in hints.items()}
    assert fields == {
        kind: {name: needed for name, (needed, _) in of.items()} for kind, of in _FIELDS.items()
    }
    done = get_type_hints(edits.DoneEdit)
    assert set(get_args(done["do"])) == fields.keys()
    assert done.keys() == {"do", "said"}.union(*fields.values())


def test_files_have_the_names_of_the_contract():
    tables, formats = get_args(requests.ExportedTable), get_args(requests.ExportedFormat)
    assert set(FILES) == {f"{table}.{kind}" for table in tables for kind in formats}
    assert set(WRITERS) == set(formats)


def test_edits_keep_the_contract(server):
    """Every kind of edit, undone and redone; the last test, as it changes the factors."""
    properties = server.get("/api/factors/0")["properties"]
    every: list[edits.Edit] = [
        {"do": "rename", "factor": 0, "name": "A name", "description": "What it says."},
        {"do": "merge", "factors": [0, 1], "name": "Both"},
        {"do": "split", "factor": 0, "into": 2},
        {"do": "hide", "factor": 2, "hidden": True},
        {"do": "move", "property": properties[0]["name"], "to": None},
        {"do": "add", "property": "waits for an answer", "to": 1},
        {"do": "remove", "property": properties[1]["name"]},
    ]
    for edit in every:
        seen: requests.Seen = {"seen": server.get("/api/summary")["edits"]["lines"]}
        body = json.dumps({**edit, **seen}).encode()
        changed = checked(server.ask("/api/edits", body).body, requests.Changed)
        checked(json.dumps(edit).encode(), edits.Edit)
        assert edit.items() <= changed["edits"]["done"][-1].items()
        for step in ("undo", "redo"):
            seen = {"seen": changed["edits"]["lines"]}
            changed = checked(server.ask(f"/api/{step}", seen).body, requests.Changed)
    assert {edit["do"] for edit in every} == _FIELDS.keys()
