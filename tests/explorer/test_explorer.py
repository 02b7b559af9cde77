"""The explorer's server: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import ROOT
from explorer_server import ExplorerServer
from goalspace.reports.page_columns import read_columns
from goalspace.run import discover
from goalspace.run.folder import Run
from goalspace.vectors.geometry import normalize

HOSTILE = (
    "<script>alert(1)</script> </script> <!-- broken -- the router is broken",
    '=HYPERLINK("http://evil.example") the router is broken again',
    "هذا الموجّه معطل منذ ثلاثة أيام ولا أحد يجيب على الهاتف",
    "路由器坏了，没有人接电话。已经三天了。",
    "Ärger mit dem Café-Röuter: naïve Éléonore wartet 🛠️ seit Tagen. Nichts geht. " + "Wort " * 2000,
    "ticket '; DROP TABLE texts; -- $word0 \" % _ \\ the router is broken",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs over the same texts, beside a folder that is none."""
    root = tmp_path_factory.mktemp("explorer")
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[::7][:54]
    rows += [
        {
            "ticket_id": f"<b>{i}</b>",
            "message": text,
            "product": "Home router",
            "month": "2026-01",
            "tier": "</td>",
        }
        for i, text in enumerate(HOSTILE)
    ]
    rows.append({**rows[0], "ticket_id": "copy", "month": "2020-01"})
    for i, row in enumerate(rows):
        row["minutes"] = "" if i == 3 else str(i * 7 % 23 + i)
    table = root / "tickets.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (root / "runs" / "notes").mkdir(parents=True)
    (root / "runs" / "notes" / "run.json").write_text("{", encoding="utf-8")
    for name, goal, n_factors in (
        ("why", "what makes customers unhappy", 5),
        ("where", "which device is it", 3),
    ):
        discover(table, goal=goal, out=root / "runs" / name, n_factors=n_factors, text="message")
    return root / "runs"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ExplorerServer]:
    with ExplorerServer(folder / "why") as running:
        yield running


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return Run.open(folder / "why")


@pytest.fixture(scope="module")
def summary(server: ExplorerServer) -> Any:
    return server.get("/api/summary")


# ---------------------------------------------------------------- who is answered


def test_only_the_loopback_address_is_listened_on(server):
    assert server.url.startswith("http://127.0.0.1:")
    port = int(server.host.partition(":")[2])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    places = {
        fields[1] for fields in listening if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port
    }
    assert places == {f"0100007F:{port:04X}"}
    everywhere = Path("/proc/net/tcp6").read_text()
    assert f":{port:04X} 00000000000000000000000000000000:0000 0A" not in everywhere


@pytest.mark.parametrize(
    "path", ["/api/summary", "/api/map", "/api/texts/0", "/api/export/texts.csv", "/api/nothing"]
)
@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
def test_nothing_is_revealed_without_the_token(server, path, token):
    given = None if token is None else token.encode("utf-8").decode("latin-1")
    answer = server.ask(path, headers={"X-Goalspace-Token": given})
    assert answer.status == 403
    assert answer.json()["error"].count("\n") == 0
    assert server.ask(f"{path}?token=wrong", headers={"X-Goalspace-Token": None}).status == 403


def test_a_download_may_carry_the_token_in_its_address(server):
    assert server.ask(f"/api/summary?token={server.token}", headers={"X-Goalspace-Token": None}).status == 200


def test_the_browser_is_started_with_an_address_that_works_once(folder, tmp_path, monkeypatch):
    told = tmp_path / "address"
    script = tmp_path / "browser.sh"
    script.write_text(f'#!/bin/sh\necho "$1" > {told}\n', "utf-8")
    script.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    starting = ExplorerServer(folder / "why")
    starting.command.remove("--no-browser")
    with starting as running:
        running.ask("/")  # answered once the browser was started
        door = urlsplit(told.read_text("utf-8").strip())
        assert door.netloc == running.host
        assert running.token not in door.path + door.query
        bare = {"X-Goalspace-Token": None}
        assert running.ask("/open/", headers=bare).status != 303
        assert running.ask(f"{door.path}x", headers=bare).status == 403
        first, second = (running.ask(door.path, headers=bare) for _ in range(2))
        assert (first.status, first.headers["location"]) == (303, f"/?token={running.token}")
        assert second.status == 403
        assert "works only once" in second.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": None},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_are_refused_whatever_token_they_send(server, headers):
    answer = server.ask("/api/summary", headers=headers)
    assert answer.status in (400, 403)
    assert b"router" not in answer.body


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_page_itself_is_answered(server, name):
    host = f"{name}:{server.host.partition(':')[2]}"
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert server.ask("/api/summary", headers=headers).status == 200


@pytest.mark.parametrize("path", ["/", "/api/summary", "/api/export/texts.csv", "/nothing"])
def test_every_answer_tells_the_browser_to_be_careful(server, path):
    headers = server.ask(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_the_page_is_served_and_nothing_around_it(server):
    page = server.ask("/", headers={"X-Goalspace-Token": None})
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert b"<script>" not in page.body  # none inline
    assert (
        server.ask("/app.js")
        .headers["content-type"]
        .startswith(("text/javascript", "application/javascript"))
    )
    for path in (
        "/../use.css",
        "/..%2fuse.css",
        "/%2e%2e/use.css",
        "//etc/passwd",
        "/app.js/",
        "/a%00b",
    ):
        assert server.ask(path).status == 404, path


def test_bodies_are_json_of_a_bounded_size(server):
    assert server.ask("/api/texts", b"{", headers={}).json()["error"] == "The request is not JSON."
    assert server.ask("/api/texts", b"[" * 100_000).status == 400
    assert server.ask("/api/texts", [1]).status == 400
    assert server.ask("/api/texts", {}, headers={"Content-Type": "text/plain"}).status == 400
    assert server.ask("/api/texts", b" " * 4_000_001).status == 413
    assert server.ask("/api/texts", method="GET").status in (404, 405)
    assert server.ask("/api/summary", {}).status in (404, 405)


def test_reading_only_unless_told_otherwise(server, folder):
    for path, body in (
        ("/api/edits", {"do": "rename", "factor": 0, "name": "x"}),
        ("/api/undo", {}),
        ("/api/redo", {}),
    ):
        answer = server.ask(path, body)
        assert answer.status == 403
        assert "--edit" in answer.json()["error"]
    assert not (folder / "why" / "edits.jsonl").exists()


# ---------------------------------------------------------------- what is answered


def test_the_summary_describes_the_run(summary, run):
    assert summary["goal"] == run.goal
    assert summary["n_texts"] == summary["n_shown"] == len(run.corpus)
    assert summary["n_rows"] == int(run.corpus.counts.sum()) > len(run.corpus)
    assert [factor["name"] for factor in summary["factors"]] == list(run.factors.names)
    assert sum(factor["n_texts"] for factor in summary["factors"]) == int((run.factors.dominant >= 0).sum())
    assert summary["able"] == {"edit": False, "meaning": True, "fullTexts": True, "compareRuns": True}
    kinds = {column["name"]: column["kind"] for column in summary["columns"]}
    assert kinds == {"product": "category", "month": "time", "tier": "category", "minutes": "number"}
    assert summary["trend"]["column"] == "month"
    assert all(len(factor["trend"]) == len(summary["trend"]["periods"]) for factor in summary["factors"])
    for factor in summary["factors"]:
        assert {other["factor"] for other in factor["related"]} == set(range(run.factors.dim)) - {
            factor["index"]
        }
        for item in factor["evidence"]:
            assert item["sentence"][:20] in run.corpus.texts[item["row"]].replace("\n", " ")


def test_the_map_is_columns_of_numbers(server, run):
    content = server.ask("/api/map").body
    n = len(run.corpus)
    assert len(content) == 14 * n
    x, y = (np.frombuffer(content, "<f4", n, 4 * n * i) for i in (0, 1))
    np.testing.assert_allclose(np.stack([x, y], axis=1), run.factors.map, atol=1e-6)
    assert np.frombuffer(content, "<i2", n, 8 * n).tolist() == run.factors.dominant.tolist()
    assert np.frombuffer(content, "<i4", n, 10 * n).tolist() == list(range(n))
    scores = np.frombuffer(server.ask("/api/scores/1").body, "<f4")
    np.testing.assert_array_equal(scores, run.factors.scores[:, 1])


def test_columns_are_codes_or_numbers(server, run, summary):
    names = [column["name"] for column in summary["columns"]]
    codes = np.frombuffer(server.ask(f"/api/columns/{names.index('product')}").body, "<i2")
    labels = summary["columns"][names.index("product")]["values"]
    assert [labels[code] for code in codes] == list(run.corpus.metadata["product"])
    minutes = np.frombuffer(server.ask(f"/api/columns/{names.index('minutes')}").body, "<f4")
    assert np.flatnonzero(np.isnan(minutes)).tolist() == [3]
    assert summary["columns"][names.index("minutes")]["high"] == np.nanmax(minutes)


def test_numbers_that_count_seconds_are_dates():
    day = 86_400
    seconds = [1_700_000_000 + 10 * day * i for i in range(30)]
    shown = {
        column.name: column
        for column in read_columns(
            {
                "created_at": [1000 * value for value in seconds],
                "date": [*seconds[:29], None],
                "amount": seconds,
                "date of birth": [12.5 * i for i in range(30)],
            }
        )
    }
    assert shown["created_at"].kind == shown["date"].kind == "time"
    assert shown["created_at"].format_value(0) == "2023-Q4"
    assert shown["date"].format_value(29) is None
    assert shown["amount"].kind == shown["date of birth"].kind == "number"
    assert shown["amount"].format_value(0) == "1,700,000,000"


def test_numbers_keep_their_digits():
    (paid,) = read_columns({"paid": [1.02 + i for i in range(30)]})
    assert (paid.about()["low"], paid.format_value(1)) == (1.02, "2.02")
    (account,) = read_columns({"account": [16_777_217 + i for i in range(30)]})
    assert (account.about()["low"], account.format_value(0)) == (16_777_217, "16,777,217")


def test_properties_are_a_layer_of_the_map(server, run):
    layer = server.get("/api/properties")
    assert layer["names"] == list(run.factors.vocabulary)
    assert layer["factor"] == run.factors.assignment.tolist()
    assert all(0 <= place <= 1 for axis in "xy" for place in layer[axis])
    whole = server.get("/api/factors/0")
    assert [p["name"] for p in whole["properties"]] == [m.name for m in run.factors.properties[0]]


def found(server: ExplorerServer, **query: Any) -> Any:
    return server.post("/api/texts", query)


def test_words_are_found_case_and_accents_aside(server, run):
    assert found(server, search="")["total"] == len(run.corpus)
    routers = found(server, search="ROUTER broken")
    texts = [run.corpus.texts[row].lower() for row in routers["rows"]]
    assert texts
    assert all("router" in text and "broken" in text for text in texts)
    assert found(server, search="cafe-router naive ELEONORE")["total"] == 1
    assert found(server, search='"router is broken"')["total"] == 3
    assert found(server, search='"broken router is"')["total"] == 0
    assert found(server, search="路由器")["total"] == 1
    assert found(server, search="معطل")["total"] == 1


def test_matches_are_marked_as_a_browser_counts(server):
    hit = found(server, search="tagen 'naïve'".replace("'", ""))["hits"][0]
    units = hit["text"].encode("utf-16-le")
    marked = {units[2 * a : 2 * b].decode("utf-16-le") for a, b in hit["marks"]}
    assert marked == {"naïve", "Tagen"}  # the tools before it are two units each
    assert len(hit["text"]) <= 303


@pytest.mark.parametrize(
    "search",
    [
        "'; DROP TABLE texts; --",
        "$word0",
        "%",
        "_",
        "\\",
        '"',
        "\0",
        "\ud800",
        "a" * 1000,
        " ".join("ab" * 50),
    ],
)
def test_hostile_searches_are_words(server, run, search):
    assert found(server, search=search)["total"] <= len(run.corpus)
    assert found(server, search="")["total"] == len(run.corpus)


def test_meaning_is_found_without_its_words(server, run):
    answer = found(server, search="nobody picks up when I call", by="meaning", limit=5)
    assert answer["total"] >= 5
    relevance = [hit["relevance"] for hit in answer["hits"]]
    assert relevance == sorted(relevance, reverse=True)
    by_hand = run.links.text_vectors @ run.links.encode_properties(["nobody picks up when I call"])[0]
    assert answer["hits"][0]["row"] == int(by_hand.argmax())


def test_filters_and_orders(server, run, summary):
    names = [column["name"] for column in summary["columns"]]
    product, minutes = names.index("product"), names.index("minutes")
    scores, dominant = run.factors.scores, run.factors.dominant
    answer = found(
        server,
        factors=[{"factor": 1, "low": 0.5, "high": None}],
        sort={"by": "factor", "at": 1, "down": True},
    )
    expected = np.flatnonzero(scores[:, 1] >= 0.5)
    assert answer["rows"] == expected[np.argsort(-scores[expected, 1], kind="stable")].tolist()
    assert found(server, dominant=[0, -1])["rows"] == np.flatnonzero(np.isin(dominant, [0, -1])).tolist()
    assert found(server, rows=[5, 2, 9])["rows"] == [2, 5, 9]
    router = summary["columns"][product]["values"].index("Home router")
    answer = found(server, columns=[{"column": product, "values": [router]}], search="router")
    assert {run.corpus.metadata["product"][row] for row in answer["rows"]} == {"Home router"}
    ordered = found(
        server,
        columns=[{"column": minutes, "low": 10, "high": 40}],
        sort={"by": "column", "at": minutes, "down": False},
    )
    values = [float(run.corpus.metadata["minutes"][row]) for row in ordered["rows"]]
    assert values == sorted(values)
    assert min(values) >= 10
    assert max(values) <= 40
    longest = found(server, sort={"by": "length", "down": True}, limit=1)["hits"][0]
    assert len(run.corpus.texts[longest["row"]]) == max(map(len, run.corpus.texts))
    last = found(server, offset=len(run.corpus) - 2, limit=10)
    assert len(last["hits"]) == 2
    assert last["rows"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"by": "magic"},
        {"search": 5},
        {"search": "a" * 1001},
        {"rows": "0"},
        {"rows": [-1]},
        {"rows": [10**9]},
        {"rows": [0.5]},
        {"rows": [True]},
        {"dominant": [99]},
        {"factors": [{"factor": 99, "low": 0, "high": 1}]},
        {"factors": [{"factor": 0, "low": "0; DROP TABLE texts"}]},
        {"factors": {"factor": 0}},
        {"factors": [{}] * 65},
        {"columns": [{"column": "product"}]},
        {"sort": {"by": "row; DROP TABLE texts"}},
        {"sort": {"by": "factor", "at": -1}},
        {"sort": ["id"]},
        {"limit": 201},
        {"offset": -1},
    ],
)
def test_bad_queries_are_reported_in_one_line(server, query):
    answer = server.ask("/api/texts", query)
    assert answer.status == 400
    assert 0 < len(answer.json()["error"]) < 200
    assert "\n" not in answer.json()["error"]


def test_queries_that_the_page_restores_from_addresses_are_accepted(server, run, summary):
    golden = json.loads((ROOT / "tests" / "golden" / "address.json").read_text("utf-8"))
    assert golden["run"]["factors"] <= run.factors.dim
    for column, expected in zip(summary["columns"], golden["run"]["columns"], strict=True):
        assert column["kind"] == expected["kind"]
        assert len(column["values"]) >= expected["values"]
    for case in golden["cases"]:
        answer = server.ask("/api/texts", case["state"]["query"])
        assert answer.status == 200, (case["name"], answer.body)


@pytest.mark.parametrize(
    "path",
    ["/api/texts/999", "/api/texts/-1", "/api/texts/x", "/api/factors/99", "/api/scores/99", "/api/columns/99",
     "/api/texts/99999999999999999999", "/api/runs/notes", "/api/runs/..%2fwhy", "/api/export/texts.exe",
     "/api/export/..%2f..%2frun.json"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(server, path):
    answer = server.ask(path)
    assert answer.status == 404
    assert answer.json()["error"]


def test_a_text_says_why_it_scores(server, run):
    row = int(run.factors.scores[:, 0].argmax())
    told = server.get(f"/api/texts/{row}")
    assert told["text"] == run.corpus.texts[row]
    assert told["metadata"]["product"] == run.corpus.metadata["product"][row]
    weights = [abs(reason["weight"]) for reason in told["factors"]]
    assert weights == sorted(weights, reverse=True)
    assert told["factors"][0]["factor"] == int(np.abs(run.factors.scores[row]).argmax())
    for reason in told["properties"]:
        link = (
            run.links.text_vectors[row]
            @ run.links.property_vectors[run.factors.vocabulary.index(reason["name"])]
        )
        assert reason["weight"] == pytest.approx(float(link), abs=2e-3)
    assert any(reason["proposed"] for reason in told["properties"])
    proposed = next(reason for reason in told["properties"] if reason["proposed"])
    assert proposed["end"] > proposed["start"]
    places = normalize(run.factors.space.encode(run.corpus.texts))
    cosines = places @ places[row]
    expected = [other for other in np.argsort(-cosines).tolist() if other != row][:5]
    assert [near["row"] for near in told["near"]] == expected
    assert [near["r"] for near in told["near"]] == pytest.approx(cosines[expected].tolist(), abs=2e-3)


def test_copies_of_a_text_are_reported(server):
    told = server.get("/api/texts/0")
    assert told["n_copies"] == 2
    assert told["duplicates"] == ["copy"]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_texts_come_back_as_they_are(server, run, number):
    row = run.corpus.ids.index(f"<b>{number}</b>")
    told = server.get(f"/api/texts/{row}")
    assert told["text"] == run.corpus.texts[row]
    assert told["id"] == f"<b>{number}</b>"
    n_units = len(told["text"].encode("utf-16-le")) // 2
    assert all(
        0 <= reason["start"] <= reason["end"] <= n_units for reason in told["factors"] + told["properties"]
    )


def test_groups_are_compared(server, run, summary):
    product = [column["name"] for column in summary["columns"]].index("product")
    told = server.get(f"/api/compare?column={product}")
    codes = np.frombuffer(server.ask(f"/api/columns/{product}").body, "<i2")
    for k in range(run.factors.dim):
        for group, count in enumerate(told["groups"]):
            own = codes == group
            assert count["n"] == own.sum()
            assert told["means"][k][group] == pytest.approx(run.factors.scores[own, k].mean(), abs=1e-3)
            assert told["shares"][k][group] == pytest.approx(
                (run.factors.dominant[own] == k).mean(), abs=1e-4
            )
    assert [test["factor"] for test in told["tests"]] == list(range(run.factors.dim))
    assert all(test["p"] <= test["q"] <= 1 for test in told["tests"])
    pair = server.get(f"/api/compare?column={product}&a=0&b=1")["pair"]
    back = server.get(f"/api/compare?column={product}&a=1&b=0")["pair"]
    for one, other in zip(pair["tests"], back["tests"], strict=True):
        assert one["effect"] == pytest.approx(-other["effect"])
        assert one["low"] < one["effect"] < one["high"]
        assert one["p"] == pytest.approx(other["p"])
    for query in (
        f"column={product}&a=0",
        f"column={product}&a=0&b=0",
        f"column={product}&a=0&b=99",
        "column=x",
        "",
    ):
        assert server.ask(f"/api/compare?{query}").status == 400
    for query in ("", "column=99", f"column={product}"):  # the product is no time
        assert server.ask(f"/api/over-time?{query}").status == 400
    minutes = [column["name"] for column in summary["columns"]].index("minutes")
    quarters = server.get(f"/api/compare?column={minutes}")
    assert len(quarters["groups"]) == 4
    assert sum(group["n"] for group in quarters["groups"]) == len(run.corpus) - 1


def test_another_run_over_the_same_texts_stands_beside(server, folder, run, summary):
    assert [other["name"] for other in summary["runs"]] == ["where"]
    told = server.get("/api/runs/where")
    other = Run.open(folder / "where")
    assert told["n_common"] == len(run.corpus)
    assert (
        np.array(told["r"]).shape == np.array(told["overlap"]).shape == (run.factors.dim, other.factors.dim)
    )
    assert told["r"][0][0] == pytest.approx(
        np.corrcoef(run.factors.scores[:, 0], other.factors.scores[:, 0])[0, 1], abs=1e-3
    )
    assert len({match["other"] for match in told["matches"]}) == len(told["matches"])
    matched = {match["factor"]: match["other"] for match in told["matches"]}
    assert told["n_moved"] == len(told["moved"])
    for text in told["moved"]:
        assert text["from"] == run.factors.dominant[text["row"]]
        assert text["to"] != matched[text["from"]]


@pytest.mark.parametrize("table", ["texts", "factors", "properties", "evidence"])
def test_tables_are_the_same_in_every_format(server, table):
    answers = {kind: server.ask(f"/api/export/{table}.{kind}") for kind in ("csv", "parquet", "json")}
    assert {answer.headers["content-disposition"] for answer in answers.values()} == {
        f'attachment; filename="{table}.{kind}"' for kind in answers
    }
    rows = {
        "csv": list(csv.DictReader(io.StringIO(answers["csv"].body.decode("utf-8"), newline=""))),
        "parquet": pq.read_table(io.BytesIO(answers["parquet"].body)).to_pylist(),
        "json": answers["json"].json(),
    }
    assert len(rows["csv"]) == len(rows["parquet"]) == len(rows["json"]) > 0
    assert list(rows["csv"][0]) == list(rows["parquet"][0]) == list(rows["json"][0])


def test_what_was_found_is_exported_and_formulas_are_harmless(server, run):
    answer = server.ask("/api/export/texts.csv", {"search": "hyperlink"})
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8"), newline="")))
    assert len(rows) == 1
    assert rows[0]["text"].startswith("'=HYPERLINK")
    copies = server.ask("/api/export/texts.json", {"rows": [0]}).json()
    assert [row["id"] for row in copies] == [run.corpus.ids[0], "copy"]
    assert [row["month"] for row in copies] == [run.corpus.metadata["month"][0], "2020-01"]
    assert server.ask("/api/export/texts.json", {"search": "no such word at all"}).json() == []
    assert server.ask("/api/export/texts.json", {"rows": "all"}).status == 400
    few = server.ask("/api/export/evidence.json", {"rows": [0, 1, 2]}).json()
    assert {row["id"] for row in few} <= set(run.corpus.ids[:3])


def test_the_report_is_one_file_with_the_data(server, run):
    page = server.ask(f"/api/export/report.html?token={server.token}", headers={"X-Goalspace-Token": None})
    assert page.headers["content-type"].startswith("text/html")
    data = page.body.decode("utf-8").split('id="goalspace-data">')[1].split("</script>")[0]
    inlined = json.loads(data)
    assert [text["text"][:100] for text in inlined["texts"]] == [text[:100] for text in run.corpus.texts]
    assert len(inlined["comparisons"]) == len(inlined["columns"]) == 4
    assert "alert(1)" in data
    assert "<" not in data


# ---------------------------------------------------------------- begin and end


def test_ctrl_c_ends_it_cleanly(folder):
    with ExplorerServer(folder / "where") as running:
        assert running.ask("/api/summary").status == 200
        status, said = running.stop()
    assert status == 0
    assert "Traceback" not in said


def test_what_cannot_be_served_is_reported_in_one_line(folder, server):
    port = server.host.partition(":")[2]
    cases = [((folder / "why", "--port", port), f"Port {port}"), ((folder / "missing",), "no run.json")]
    for (run, *options), words in cases:
        with pytest.raises(AssertionError) as caught, ExplorerServer(run, *options):
            pass
        message = str(caught.value).strip()
        assert words in message
        assert "\n" not in message
