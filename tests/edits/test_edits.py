"""Edits of factors: what follows from each, undo, redo, the log, and replay after a refit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer_server import ExplorerServer
from factories import TOPICS
from goalspace.edits.apply import apply
from goalspace.edits.checks import check
from goalspace.edits.log import Entry, replay
from goalspace.encoders.registry import get_encoder
from goalspace.errors import GoalspaceError, InputError
from goalspace.factors import Factors
from goalspace.reports import report
from goalspace.reports.agreement import agreement
from goalspace.reports.summary import summarise
from goalspace.reports.view import View, factor
from goalspace.run import discover, redo
from goalspace.run.folder import Run

MORE = ("nobody answers", "long wait", "money is owed", "staff unfriendly")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four factors of four properties and twelve texts each."""
    root = tmp_path_factory.mktemp("edits")
    texts, lines = [], []
    for i in range(48):
        name, text, properties = TOPICS[i % 4]
        own = properties[i // 4 % 2]
        texts.append(f"{text.format(n=i)} {own.capitalize()}.")
        lines.append(json.dumps({"id": str(i), "properties": [own, name.lower(), MORE[i % 4]]}) + "\n")
    (root / "properties.jsonl").write_text("".join(lines))
    recorded = f"recorded:{root / 'properties.jsonl'}"
    discover(texts, goal="why are they unhappy", out=root / "run", n_factors=4, llm=recorded)
    return root / "run"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="module")
def make(finished: Path) -> Callable[..., Factors]:
    """Make edits to the fitted factors, each checked first."""
    run = Run.open(finished)
    encoder = get_encoder(run.links.encoder)
    edit_context = run.edit_context(lambda: encoder)

    def make(*edits: dict[str, Any]) -> Factors:
        factors = run.factors
        for edit in edits:
            factors = apply(edit_context, factors, check(factors, edit))
        check_consistent(run, factors)
        return factors

    return make


@pytest.fixture(scope="module")
def fitted(finished: Path) -> Factors:
    return Run.open(finished).factors


def check_consistent(run: Run, factors: Factors) -> None:
    """Everything that the fit promises of factors holds of edited ones."""
    vectors, n_factors, n_properties = run.links.text_vectors, factors.dim, len(factors.vocabulary)
    assert len(set(factors.names)) == n_factors == len(factors.poles) == len(factors.evidence)
    assert factors.loadings.shape == (n_factors, n_properties)
    assert len(factors.assignment) == len(factors.property_counts) == n_properties
    assert factors.links.property_vectors.shape == (n_properties, factors.links.dim)
    assert set(factors.assignment.tolist()) - {-1} == set(range(n_factors))
    np.testing.assert_allclose(vectors @ factors.directions.T - factors.offset, factors.scores, atol=2e-3)
    np.testing.assert_allclose(factors.scores.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(factors.scores.std(axis=0), 1, atol=1e-3)
    strengths = vectors @ factors.links.property_vectors.T
    by_hand = np.corrcoef(factors.scores.T, strengths.T)[:n_factors, n_factors:]
    np.testing.assert_allclose(factors.loadings, by_hand, atol=2e-3)
    projections = (vectors - factors.centre) @ factors.prototypes.T
    projections[:, np.isin(factors.owners, factors.hidden)] = -np.inf
    best = factors.owners[projections.argmax(axis=1)]
    best[projections.max(axis=1) <= 1e-6] = -1
    best[list(factors.not_relevant)] = -1
    assert factors.dominant.tolist() == best.tolist()
    assert (factors.tc > 0).all()
    for k, items in enumerate(factors.evidence):
        for item in items:
            row = run.corpus.ids.index(item.text_id)
            assert item.score == pytest.approx(float(factors.scores[row, k]), abs=1e-4)
    for layer in factors.hierarchy[:1]:
        assert len(layer.assignment) == n_factors


def same(left: Factors, right: Factors, *, but: tuple[str, ...] = ()) -> None:
    """Two sets of factors are equal to the bit."""
    for field in fields(Factors):
        if field.name in ("links", "stats", *but):
            continue
        mine, theirs = getattr(left, field.name), getattr(right, field.name)
        if isinstance(mine, np.ndarray):
            assert np.array_equal(mine, theirs), field.name
        elif field.name != "hierarchy":
            assert mine == theirs, field.name
    assert np.array_equal(left.links.property_vectors, right.links.property_vectors)


# ---------------------------------------------------------------- what follows from an edit


def test_a_new_name_changes_the_name_only(make, fitted):
    edited = make({"do": "rename", "factor": 1, "name": "  Late \n parcels ", "description": "They wait."})
    assert edited.names[1] == "Late parcels"
    assert edited.descriptions[1] == "They wait."
    same(fitted, edited, but=("names", "descriptions", "hierarchy"))
    with pytest.raises(InputError, match="already is a factor"):
        make({"do": "rename", "factor": 0, "name": fitted.names[2]})


def test_a_name_keeps_the_joiners_that_words_and_emoji_are_made_with(make):
    sentence = "می\u200cخواهم 👩\u200d👩\u200d👧"
    edited = make(
        {"do": "rename", "factor": 1, "name": f"{sentence}\u202e\x07", "description": f"\ufeff{sentence}"}
    )
    assert edited.names[1] == sentence
    assert edited.descriptions[1] == sentence


def test_merged_factors_hold_the_properties_and_texts_of_both(make, fitted):
    edited = make({"do": "merge", "factors": [3, 1], "name": "both"})
    assert edited.dim == fitted.dim - 1
    assert edited.names == tuple("both" if i == 1 else n for i, n in enumerate(fitted.names) if i != 3)
    assert set(np.flatnonzero(edited.assignment == 1)) == set(
        np.flatnonzero(np.isin(fitted.assignment, [1, 3]))
    )
    kept = [0, 2]
    np.testing.assert_array_equal(edited.dominant == 1, np.isin(fitted.dominant, [1, 3]))
    for name in ("scores", "loadings", "directions", "tc"):
        old, new = getattr(fitted, name), getattr(edited, name)
        np.testing.assert_array_equal(new[:, [0, 2]] if name == "scores" else new[[0, 2]],
                                      old[:, kept] if name == "scores" else old[kept])  # fmt: skip
    before = np.isin(fitted.dominant, [1, 3])
    assert (edited.dominant[before] == 1).mean() > 0.7
    assert edited.evidence[0] == fitted.evidence[0]


def test_a_split_shares_out_the_properties_of_the_factor(make, fitted):
    split = 1
    edited = make({"do": "split", "factor": split, "into": 2})
    assert edited.dim == fitted.dim + 1
    parts = np.isin(edited.assignment, [split, split + 1])
    assert (parts == (fitted.assignment == split)).all()
    others = [k for k in range(fitted.dim) if k != split]
    moved = [k + (k > split) for k in others]
    np.testing.assert_array_equal(edited.scores[:, moved], fitted.scores[:, others])
    assert [edited.names[k] for k in moved] == [fitted.names[k] for k in others]
    assert abs(np.corrcoef(edited.scores[:, split], edited.scores[:, split + 1])[0, 1]) < 0.95


def test_a_hidden_factor_is_not_dominant_in_any_text(make, fitted):
    edited = make({"do": "hide", "factor": 0, "hidden": True})
    assert edited.hidden == (0,)
    assert not (edited.dominant == 0).any()
    elsewhere = fitted.dominant != 0
    assert (edited.dominant[elsewhere] == fitted.dominant[elsewhere]).all()
    same(
        fitted,
        make({"do": "hide", "factor": 0, "hidden": True}, {"do": "hide", "factor": 0, "hidden": False}),
    )
    assert not (edited.assign(["my parcel is late"]) == 0).any()
    with pytest.raises(InputError, match="last factor"):
        make(*({"do": "hide", "factor": k, "hidden": True} for k in range(fitted.dim)))


def test_moving_a_property_pulls_both_factors(make, fitted):
    name = fitted.properties[0][0].name
    at = fitted.vocabulary.index(name)
    edited = make({"do": "move", "property": name, "to": 2})
    assert edited.assignment[at] == 2
    assert name in [member.name for member in edited.properties[2]]
    assert edited.loadings[2, at] > fitted.loadings[2, at]
    assert edited.loadings[0, at] < fitted.loadings[0, at]
    np.testing.assert_array_equal(edited.scores[:, [1, 3]], fitted.scores[:, [1, 3]])
    alone = make({"do": "move", "property": name, "to": None})
    assert alone.assignment[at] == -1
    np.testing.assert_array_equal(alone.scores[:, 1:], fitted.scores[:, 1:])


def test_an_added_property_is_linked_to_every_text(make, fitted, finished):
    edited = make({"do": "add", "property": "  Landlord  pays!", "to": 1})
    assert edited.vocabulary == (*fitted.vocabulary, "landlord pays")
    vector = Run.open(finished).links.encode_properties(["landlord pays"])[0]
    np.testing.assert_allclose(edited.links.property_vectors[-1], vector, atol=1e-6)
    assert edited.assignment[-1] == 1
    assert edited.property_counts[-1] == 0
    with pytest.raises(InputError, match="already is a property"):
        make({"do": "add", "property": fitted.vocabulary[0], "to": 1})


def test_a_removed_property_is_gone_everywhere(make, fitted):
    name = fitted.properties[1][0].name
    edited = make({"do": "remove", "property": name})
    assert name not in edited.vocabulary
    assert name not in [member.name for members in edited.properties for member in members]
    assert name not in edited.poles[1]
    np.testing.assert_array_equal(edited.scores[:, [0, 2, 3]], fitted.scores[:, [0, 2, 3]])


def test_names_follow_the_properties_unless_someone_gave_them(make, fitted):
    k = 0
    central = [member.name for member in fitted.properties[k]][: len(fitted.properties[k]) // 2]
    away = [{"do": "move", "property": name, "to": None} for name in central]
    assert make(*away).names[k] != fitted.names[k]
    named = make({"do": "rename", "factor": k, "name": "Mine"}, *away)
    assert named.names[k] == "Mine"
    assert named.poles[k] != fitted.poles[k] or named.descriptions[k] != fitted.descriptions[k]


def test_a_factor_keeps_one_property_at_least(make, fitted):
    names = [member.name for member in fitted.properties[0]]
    with pytest.raises(InputError, match="only property"):
        make(*({"do": "remove", "property": name} for name in names))


@pytest.mark.parametrize(
    "edit",
    [
        None,
        [],
        {},
        {"do": "delete"},
        {"do": "rename", "factor": 0},
        {"do": "rename", "factor": 0, "name": ""},
        {"do": "rename", "factor": 0, "name": "x" * 121},
        {"do": "rename", "factor": 0, "name": ["x"]},
        {"do": "rename", "factor": 0, "name": " \u200d\u200c "},
        {"do": "rename", "factor": 0, "name": "x", "description": "x" * 401},
        {"do": "rename", "factor": True, "name": "x"},
        {"do": "rename", "factor": 99, "name": "x"},
        {"do": "merge", "factors": [1]},
        {"do": "merge", "factors": [1, 1]},
        {"do": "merge", "factors": [1, {}]},
        {"do": "split", "factor": 0, "into": 1},
        {"do": "split", "factor": 0, "into": 13},
        {"do": "split", "factor": 0, "into": 10**9},
        {"do": "hide", "factor": 0, "hidden": 1},
        {"do": "move", "property": "no such thing", "to": 0},
        {"do": "move", "property": "no such thing"},
        {"do": "add", "property": "!!!", "to": 0},
        {"do": "add", "property": "fine", "to": None},
        {"do": "remove", "property": {}},
    ],
)
def test_invalid_edits_are_refused_in_one_line(make, edit):
    with pytest.raises(InputError) as caught:
        make(edit)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- the log


EDITS: tuple[dict[str, Any], ...] = (
    {"do": "rename", "factor": 0, "name": "</script><b>first"},
    {"do": "merge", "factors": [1, 2]},
    {"do": "split", "factor": 0, "into": 2},
    {"do": "hide", "factor": 3, "hidden": True},
    {"do": "add", "property": "landlord pays", "to": 1},
)


@pytest.fixture
def server(folder: Path) -> Iterator[ExplorerServer]:
    with ExplorerServer(folder, "--edit") as running:
        yield running


def test_edits_are_kept_undone_and_redone_to_the_bit(server, folder, fitted):
    states = [Run.open(folder).factors]
    first = server.get("/api/summary")
    assert first["able"]["edit"]
    for edit in EDITS:
        told = server.post("/api/edits", edit)
        states.append(Run.open(folder).factors)
        assert [factor["name"] for factor in told["factors"]] == list(states[-1].names)
    assert [edit["do"] for edit in told["edits"]["done"]] == [edit["do"] for edit in EDITS]
    assert told["edits"]["done"][0]["said"] == (
        f"“\u2068{fitted.names[0]}\u2069” renamed to “\u2068</script><b>first\u2069”."
    )
    for state in states[-2::-1]:
        undone = server.post("/api/undo", {})
        same(Run.open(folder).factors, state)
    left = {"done": [], "undone": len(EDITS), "lost": [], "lines": 2 * len(EDITS)}
    assert undone == {**first, "edits": left, "moved": [[k] for k in range(fitted.dim)]}
    same(Run.open(folder).factors, fitted)
    assert server.ask("/api/undo", {}).status == 409
    for state in states[1:]:
        again = server.post("/api/redo", {})
        same(Run.open(folder).factors, state)
    assert again == {**told, "edits": {**told["edits"], "lines": 3 * len(EDITS)}}
    assert server.ask("/api/redo", {}).status == 409
    lines = [json.loads(line) for line in (folder / "edits.jsonl").read_text().splitlines()]
    assert len(lines) == 3 * len(EDITS)
    assert [line["edit"]["do"] for line in lines if "edit" in line] == [edit["do"] for edit in EDITS]
    same(Factors.load(folder, Run.open(folder).links), fitted)  # the fit itself is never written to


def test_a_new_edit_forgets_what_was_undone(server):
    server.post("/api/edits", EDITS[0])
    server.post("/api/undo", {})
    told = server.post("/api/edits", {"do": "rename", "factor": 1, "name": "other"})
    assert told["edits"]["undone"] == 0
    assert server.ask("/api/redo", {}).status == 409


def test_edits_outlive_the_server_and_are_undone_by_another(server, folder, fitted):
    for edit in EDITS[:3]:
        server.post("/api/edits", edit)
    edited = Run.open(folder).factors
    server.stop()
    with ExplorerServer(folder, "--edit") as again:
        assert len(again.get("/api/summary")["edits"]["done"]) == 3
        told = again.post("/api/undo", {})
        assert len(told["edits"]["done"]) == 2
        again.post("/api/redo", {})
        same(Run.open(folder).factors, edited)
        for _ in range(3):
            again.post("/api/undo", {})
        same(Run.open(folder).factors, fitted)


def test_the_answer_to_an_edit_says_what_became_of_every_factor(server):
    merged = server.post("/api/edits", {"do": "merge", "factors": [2, 0]})
    assert merged["moved"] == [[0], [1], [0], [2]]
    split = server.post("/api/edits", {"do": "split", "factor": 0, "into": 2})
    assert split["moved"] == [[0, 1], [2], [3]]
    assert server.post("/api/undo", {})["moved"] == [[0], [0], [1], [2]]
    assert server.post("/api/undo", {})["moved"] == [[0, 2], [1], [3]]
    assert server.post("/api/redo", {})["moved"] == merged["moved"]
    assert server.post("/api/redo", {})["moved"] == split["moved"]
    hidden = server.post("/api/edits", {"do": "hide", "factor": 3, "hidden": True})
    assert hidden["moved"] == [[0], [1], [2], [3]]
    at = hidden["edits"]["lines"]
    assert server.get("/api/summary?seen=0") == {**hidden, "moved": [[0, 1], [2], [0, 1], [3]]}
    assert server.get(f"/api/summary?seen={at}") == {**hidden, "moved": [[0], [1], [2], [3]]}
    for seen in (at + 1, -1, "x"):
        assert server.ask(f"/api/summary?seen={seen}").status == 400


def test_undo_by_another_server_says_what_became_of_every_factor(server, folder):
    server.post("/api/edits", EDITS[1])
    server.stop()
    with ExplorerServer(folder, "--edit") as again:
        assert again.post("/api/undo", {})["moved"] == [[0], [1, 2], [3]]
        assert again.ask("/api/summary?seen=0").status == 400  # before its time


def test_an_edit_of_factors_that_have_changed_since_is_refused(server, fitted):
    first = server.get("/api/summary")["edits"]["lines"]
    server.post("/api/edits", {"do": "merge", "factors": [0, 1], "seen": first})
    late = {"do": "rename", "factor": 2, "name": "mine", "seen": first}
    for path, body in (("/api/edits", late), ("/api/undo", {"seen": first}), ("/api/redo", {"seen": first})):
        answer = server.ask(path, body)
        assert answer.status == 409
        assert "changed in the meantime" in answer.json()["error"]
        assert "\n" not in answer.json()["error"]
    now = server.get("/api/summary")
    assert [edit["do"] for edit in now["edits"]["done"]] == ["merge"]
    told = server.post("/api/edits", {**late, "factor": 1, "seen": now["edits"]["lines"]})
    assert told["factors"][1]["name"] == "mine"
    assert "seen" not in told["edits"]["done"][-1]


def test_an_edit_that_fails_leaves_no_line(server, folder):
    for edit in ({"do": "rename", "factor": 99, "name": "x"}, {"do": "nothing"}, []):
        assert server.ask("/api/edits", edit).status == 400
    assert not (folder / "edits.jsonl").exists()


def test_the_page_does_not_write_over_another_process(server, folder):
    server.post("/api/edits", EDITS[0])
    redo(Run.open(folder), "factor", {"n_factors": 3})
    answer = server.ask("/api/edits", EDITS[3])
    assert answer.status == 409
    assert "changed by another process" in answer.json()["error"]


def edit_run(folder: Path, *edits: dict[str, Any]) -> Run:
    """Make edits as the explorer does, without a server."""
    from goalspace.explorer.editor import Editor

    encoder = get_encoder(Run.open(folder).links.encoder)
    editor = Editor(Run.open(folder), lambda: encoder)
    for edit in edits:
        editor.do(edit)
    return editor.run


def test_edited_is_loaded_and_needs_neither_torch_nor_a_fit(folder):
    held = edit_run(folder, *EDITS).factors
    same(Run.open(folder).factors, held)
    code = (
        "import sys; from goalspace import Run; run = Run.open(sys.argv[1]);"
        "assert 'landlord pays' in run.factors.vocabulary; assert run.edits.done;"
        "loaded = [m for m in ('torch', 'transformers', 'openai', 'sklearn') if m in sys.modules];"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_refit_makes_the_edits_again(folder):
    edited = edit_run(folder, *EDITS)
    done = subprocess.run(
        [sys.executable, "-m", "goalspace.cli", "factor", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Not applied" not in done.stdout
    again = Run.open(folder)
    assert again.factors.names == edited.factors.names
    np.testing.assert_allclose(again.factors.scores, edited.factors.scores, atol=1e-4)
    told = summarise(again)
    assert [edit["do"] for edit in told["edits"]["done"]] == [edit["do"] for edit in EDITS]
    markdown = report(again).with_suffix(".md").read_text(encoding="utf-8")
    assert "## Manual corrections" in markdown
    assert "landlord pays" in markdown


def test_what_a_refit_cannot_take_is_reported_and_kept_in_the_log(folder, fitted):
    edit_run(
        folder,
        {"do": "rename", "factor": 0, "name": "first"},
        {"do": "hide", "factor": 1, "hidden": True},
        {"do": "remove", "property": fitted.properties[2][0].name},
    )
    before = (folder / "edits.jsonl").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "goalspace.cli", "factor", str(folder), "--factors", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = Run.open(folder)
    lost = [line for line in done.stdout.splitlines() if line.startswith("Not applied: ")]
    assert lost == list(run.edits.lost)
    assert len(lost) == 1
    assert "hidden" in lost[0]
    assert (folder / "edits.jsonl").read_bytes() == before
    assert len(run.edits.done) == 3
    assert run.factors.names == ("first",)
    assert fitted.properties[2][0].name not in run.factors.vocabulary
    assert "Not applied" in report(run).with_suffix(".md").read_text()


def test_a_factor_is_found_again_by_its_properties(folder):
    run = edit_run(folder, {"do": "rename", "factor": 2, "name": "mine"})
    entry = run.edits.done[0]
    old_name, properties = entry.anchors[2]
    moved = Entry(
        {**entry.edit, "factor": 0}, entry.sentence, {0: ("a name that nobody has", properties)}, entry.when
    )
    factors, lost = replay(run.edit_context(), run.fitted, [moved])
    assert lost == ()
    assert factors.names[2] == "mine"
    gone = Entry(
        {**entry.edit, "factor": 0},
        entry.sentence,
        {0: ("a name that nobody has", ("nothing", "like it"))},
        "",
    )
    factors, lost = replay(run.edit_context(), run.fitted, [gone])
    assert factors.names[2] == old_name
    assert "a name that nobody has" in lost[0]


def test_nothing_is_compared_by_a_hidden_factor(folder):
    run = edit_run(folder, {"do": "hide", "factor": 0, "hidden": True})
    view = View(run, summarise(run), [], np.arange(len(run.corpus)), ())
    cards = [factor(view, k, all_properties=True) for k in range(run.factors.dim)]
    assert all(0 not in [other["factor"] for other in card["related"]] for card in cards)
    assert sorted(match["factor"] for match in agreement(view, run)["matches"]) == [1, 2, 3]
    assert view.coordinates.shape[1] == run.factors.dim - 1


def test_a_log_changed_by_hand_is_noticed(folder):
    edit_run(folder, EDITS[0], EDITS[3])
    log = folder / "edits.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0])
    with pytest.raises(InputError, match="goalspace factor"):
        _ = Run.open(folder).factors
    redo(Run.open(folder), "factor", {})
    assert Run.open(folder).factors.hidden == ()
    elsewhere = {**json.loads(lines[1]), "of": {}}
    for broken in ("{", "[]\n", '{"edit": 5}\n', '{"undo": true}\n' * 3, json.dumps(elsewhere)):
        log.write_text(lines[0] + broken)
        with pytest.raises(InputError, match=r"edits.jsonl, line [234]"):
            _ = Run.open(folder).edits


def test_a_log_whose_last_line_was_taken_out_can_be_added_to(folder):
    edit_run(folder, EDITS[0])
    log = folder / "edits.jsonl"
    log.write_text(log.read_text().rstrip("\n"))
    redo(Run.open(folder), "factor", {})
    edit_run(folder, EDITS[3])
    assert len(Run.open(folder).edits.done) == 2


def test_an_empty_log_holds_no_edit_and_a_line_ends_at_a_line_feed_only(folder):
    log = folder / "edits.jsonl"
    log.write_text("")
    assert Run.open(folder).edits.done == ()
    edit_run(folder, EDITS[0])
    log.write_text(log.read_text().replace('"said": "', '"said": "a\u2028b '))
    assert Run.open(folder).edits.done[0].sentence.startswith("a\u2028b ")


def test_half_written_edits_do_not_count(folder):
    edit_run(folder, EDITS[0])
    (folder / "edited" / "edited.json").unlink()
    with pytest.raises(InputError, match="goalspace factor"):
        _ = Run.open(folder).factors


def test_two_editors_do_not_write_at_once(folder):
    from goalspace.explorer.editor import Editor
    from goalspace.run.record import locked

    editor = Editor(Run.open(folder), lambda: get_encoder(Run.open(folder).links.encoder))
    with locked(folder), pytest.raises(GoalspaceError, match="Another process"):
        editor.do(EDITS[0])
