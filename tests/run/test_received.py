"""A run folder from somebody else: no key and no text goes to an address that only the folder names."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from explorer_server import ExplorerServer
from goalspace.cli import main
from goalspace.curation.demonstrations import Demonstrations
from goalspace.errors import InputError, UnnamedEndpoint
from goalspace.files import read_json, write_json
from goalspace.links import Links
from goalspace.run import discover, redo
from goalspace.run.folder import Run
from llm_server import CHAT, EMBEDDINGS, LLMServer

KEYS = {"GOALSPACE_API_KEY": "sk-own-4f9c2a71d0", "OPENAI_API_KEY": "sk-openai-77b1e09c"}
TEXTS = [
    f"The {thing} {trouble} on day {day}."
    for thing in ("kettle", "router", "bill", "thermostat")
    for trouble in ("broke", "is late", "cannot be returned")
    for day in range(3)
]
FOREIGN = (
    "http://127.0.0.1:{port}/v1#model",
    "http://localhost:{port}/v1#model",
    "http://127.0.0.1:{port}/v1/#model",
    "http://127.1:{port}/v1#model",
    "http://[::ffff:127.0.0.1]:{port}/v1#model",
    "https://127.0.0.1:{port}/v1#model",
)


@dataclass
class Received:
    """A run, and the servers whose addresses it names."""

    folder: Path
    llm: LLMServer
    encoder: LLMServer

    @property
    def n_requests(self) -> int:
        return len(self.llm.requests) + len(self.encoder.requests)

    def refused(self, done: Result, option: str, spec: str) -> None:
        """Check that a verb ended with one line that names the address and the option, before any request."""
        lines = [line for line in done.stderr.splitlines() if not line.endswith("…")]
        assert done.exit_code == 2, done.output
        assert len(lines) == 1, lines
        assert f"names the endpoint {spec.partition('#')[0]}, which you have not named" in lines[0]
        assert f"repeat --{option} {spec} to send texts there" in lines[0]
        assert self.n_requests == 0


def make_vector(text: str) -> list[float]:
    words = np.zeros(24)
    for word in text.lower().split():
        words[zlib.crc32(word.encode()) % 24] += 1
    return list(words + 0.01)


def answer(body: dict[str, Any]) -> str:
    prompt = str(body["messages"][0]["content"])
    if '"name"' in prompt:
        return json.dumps({"name": "a named group", "description": "Texts that go together."})
    text = prompt.split("----------")[1].lower()
    found = [f"about a {word}" for word in ("kettle", "router", "bill", "thermostat") if word in text]
    found += [f"it {word}" for word in ("broke", "late", "returned") if word in text]
    return json.dumps({"analysis": "", "properties": [{"property": p, "quote": ""} for p in found]})


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LLMServer, LLMServer]]:
    with LLMServer(answer) as llm, LLMServer(embed=make_vector) as encoder:
        yield llm, encoder


@pytest.fixture(scope="module")
def original(servers: tuple[LLMServer, LLMServer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "run"
    llm, encoder = servers
    discover(TEXTS, goal="what is wrong", out=path, llm=llm.spec, encoder=encoder.spec, n_factors=3)
    return path


@pytest.fixture
def received(
    original: Path,
    servers: tuple[LLMServer, LLMServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Received:
    """A copy of the run on a machine with keys, without the stored replies and vectors."""
    for name in [n for n in os.environ if n.startswith(("OPENAI_", "GOALSPACE_", "OLLAMA_"))]:
        monkeypatch.delenv(name)
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    folder = tmp_path / "received"
    shutil.copytree(original, folder)
    (folder / "llm.sqlite").unlink()
    shutil.rmtree(folder / "vectors")
    for server in servers:
        server.requests.clear()
    return Received(folder, *servers)


def verb(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def keys_sent(server: LLMServer) -> set[str]:
    return {headers["authorization"].removeprefix("Bearer ") for _, _, headers in server.requests}


def write_specs(folder: Path, encoder: str | None, llm: str | None) -> None:
    """Write other specs into run.json and links.json."""
    record, about = read_json(folder / "run.json"), read_json(folder / "links" / "links.json")
    for stage in record["stages"].values():
        for name, spec in (("encoder", encoder), ("llm", llm)):
            if name in stage["arguments"]:
                stage["arguments"][name] = spec
    write_json(folder / "run.json", record)
    write_json(folder / "links" / "links.json", {**about, "encoder": encoder})


# ---------------------------------------------------------------------------------- verbs


def test_opening_reporting_and_exporting_send_nothing(received: Received, tmp_path: Path) -> None:
    assert verb("report", received.folder).exit_code == 0
    assert verb("export", received.folder, "-o", tmp_path / "tables").exit_code == 0
    run = Run.open(received.folder)
    assert run.factors.dim == len(run.factors.names) > 0
    assert received.n_requests == 0


def test_every_verb_asks_for_the_endpoint_by_name(received: Received, tmp_path: Path) -> None:
    run, llm, encoder = received.folder, received.llm.spec, received.encoder.spec
    before = (run / "run.json").read_bytes()
    data = tmp_path / "labelled.jsonl"
    data.write_text("".join(json.dumps({"text": t, "label": t.split()[1]}) + "\n" for t in TEXTS))
    received.refused(verb("propose", run), "llm", llm)
    received.refused(verb("propose", run, "--encoder", encoder), "llm", llm)
    received.refused(verb("propose", run, "--llm", llm), "encoder", encoder)
    received.refused(verb("link", run), "encoder", encoder)
    received.refused(verb("link", run, "--tune", "none", "--seed", "1"), "encoder", encoder)
    received.refused(verb("factor", run), "llm", llm)
    received.refused(verb("factor", run, "--encoder", encoder), "llm", llm)
    received.refused(verb("factor", run, "--llm", llm), "encoder", encoder)
    received.refused(verb("evaluate", "--run", run), "encoder", encoder)
    for task in ("grouping", "categorisation"):
        of_run = ("--encoder", f"run:{run}", "--task", task, "--data", data)
        received.refused(verb("evaluate", *of_run), "encoder", encoder)
    assert verb("embed", data, "--encoder", f"run:{run}", "-o", tmp_path / "v.npy").exit_code == 2
    assert received.n_requests == 0
    assert (run / "run.json").read_bytes() == before


def test_a_new_run_into_the_folder_trusts_only_what_it_names(received: Received, tmp_path: Path) -> None:
    """The stages before are skipped as done, but the links name an endpoint of their own."""
    other, llm = received.encoder.spec.replace("127.0.0.1", "localhost"), received.llm.spec
    about = read_json(received.folder / "links" / "links.json")
    write_json(received.folder / "links" / "links.json", {**about, "encoder": other})
    named = {"llm": llm, "encoder": received.encoder.spec}
    with pytest.raises(UnnamedEndpoint, match="localhost"):
        discover(TEXTS, goal="what is wrong", out=received.folder, n_factors=2, **named)
    assert received.n_requests == 0


def test_what_the_user_names_again_is_called_with_the_key(received: Received) -> None:
    named = ("--llm", received.llm.spec, "--encoder", received.encoder.spec)
    done = verb("factor", received.folder, "--factors", "2", *named)
    assert done.exit_code == 0, done.output
    assert keys_sent(received.llm) == keys_sent(received.encoder) == {KEYS["GOALSPACE_API_KEY"]}
    assert verb("propose", received.folder, *named).exit_code == 0
    assert verb("link", received.folder, *named[2:]).exit_code == 0
    assert verb("factor", received.folder, *named).exit_code == 0
    assert verb("evaluate", "--run", received.folder, *named[2:]).exit_code == 0


def test_an_address_is_named_by_any_of_its_models(received: Received) -> None:
    """The LLM and the encoder of one server: naming one names the address of both."""
    write_specs(received.folder, received.encoder.spec, f"{received.encoder.url}#llm")
    received.encoder.models = ("model", "llm")
    received.encoder.chat = answer
    done = verb("propose", received.folder, "--encoder", received.encoder.spec)
    assert done.exit_code == 0, done.output
    assert received.encoder.bodies(CHAT)


def test_an_encoder_that_the_run_was_not_linked_with_is_refused(received: Received) -> None:
    done = verb("factor", received.folder, "--llm", received.llm.spec, "--encoder", "minilm")
    assert done.exit_code == 2
    assert "was linked with the encoder" in done.stderr
    moved = received.encoder.spec.replace("127.0.0.1", "localhost")
    run = Run.open(received.folder, encoder=moved)
    assert run.factors.encode(["The kettle broke."]).shape == (1, run.factors.dim)


# ---------------------------------------------------------------------------------- Python


@pytest.mark.parametrize("form", FOREIGN)
def test_whatever_its_form_a_foreign_address_gets_nothing(received: Received, form: str) -> None:
    port = received.encoder.url.rpartition(":")[2].removesuffix("/v1")
    spec = form.format(port=port)
    write_specs(received.folder, spec, spec)
    run = Run.open(received.folder)
    uses: tuple[Callable[[], object], ...] = (
        lambda: run.factors.encode(["new"]),
        lambda: run.factors.assign(["new"]),
        lambda: run.factors.space.encode(["new"]),
        lambda: run.links.encode_properties(["new"]),
        lambda: Links.load(received.folder / "links").encode(["new"]),
        lambda: run.edit_context().encoder(),
        lambda: redo(run, "propose", {}),
        lambda: redo(run, "link", {}),
        lambda: redo(run, "factor", {"n_factors": 2}),
    )
    for use in uses:
        with pytest.raises(UnnamedEndpoint, match=r"pass (encoder|llm)="):
            use()
    assert received.n_requests == 0


@pytest.mark.parametrize("spec", ["ollama:model", "http://evil.example/v1#m;$(id)", "http://a\x1b[2Jb/v1#m"])
def test_hostile_names_are_quoted_or_refused(received: Received, spec: str) -> None:
    write_specs(received.folder, spec, spec)
    with pytest.raises(InputError) as caught:
        Run.open(received.folder).factors.encode(["new"])
    assert "\x1b" not in str(caught.value)
    assert "--encoder http://evil.example/v1#m;$(id)" not in str(caught.value)


def test_the_environment_names_addresses_too(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own key goes with an address of the environment; GOALSPACE_API_KEY only to GOALSPACE_BASE_URL."""
    monkeypatch.setenv("OPENAI_BASE_URL", received.encoder.url)
    Run.open(received.folder).links.encode_properties(["new"])
    assert keys_sent(received.encoder) == {KEYS["OPENAI_API_KEY"]}
    received.encoder.requests.clear()
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("OLLAMA_HOST", received.encoder.url.removesuffix("/v1"))
    Run.open(received.folder).links.encode_properties(["new"])
    assert keys_sent(received.encoder) == {"none"}
    received.encoder.requests.clear()
    monkeypatch.delenv("OLLAMA_HOST")
    monkeypatch.setenv("GOALSPACE_BASE_URL", received.encoder.url)
    Run.open(received.folder).links.encode_properties(["new"])
    assert keys_sent(received.encoder) == {KEYS["GOALSPACE_API_KEY"]}


def test_a_path_beside_that_of_the_environment_is_foreign(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways give each customer a path, so the same host is not the same recipient."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{received.encoder.url}/mine")
    monkeypatch.setenv("GOALSPACE_BASE_URL", f"{received.encoder.url}/mine")
    with pytest.raises(UnnamedEndpoint):
        Run.open(received.folder).factors.encode(["new"])
    assert received.n_requests == 0


def test_a_model_that_only_the_run_names_is_not_downloaded(received: Received) -> None:
    write_specs(received.folder, "st:somebody/else", None)
    with pytest.raises(InputError, match="repeat --encoder st:somebody/else to download it"):
        Run.open(received.folder).links.encode_properties(["new"])
    done = verb("factor", received.folder)
    assert done.exit_code == 2
    assert "st:somebody/else" in done.stderr


def test_an_index_from_somebody_else_is_no_different(received: Received, tmp_path: Path) -> None:
    Demonstrations.build(TEXTS, encoder=received.encoder.spec, folder=tmp_path / "index")
    received.encoder.requests.clear()
    index = Demonstrations.open(tmp_path / "index")
    assert received.encoder.spec in repr(index)
    with pytest.raises(UnnamedEndpoint, match="The index names the endpoint"):
        index.retrieve(["The kettle broke."], 1)
    assert received.n_requests == 0


# ---------------------------------------------------------------------------------- the explorer


def test_the_explorer_calls_no_endpoint_that_only_the_run_names(received: Received) -> None:
    with ExplorerServer(received.folder, "--edit") as server:
        summary = server.get("/api/summary")
        assert summary["able"]["meaning"]
        assert server.post("/api/texts", {"search": "kettle", "by": "words"})["total"] == 9
        server.get("/api/texts/0")
        adding = {"do": "add", "property": "nobody answers", "to": 0}
        for path, body in (
            ("/api/texts", {"search": "kettle", "by": "meaning"}),
            ("/api/export/texts.csv", {"search": "kettle", "by": "meaning"}),
            ("/api/edits", adding),
            ("/api/edits", {"do": "merge", "factors": [0, 1]}),
        ):
            refused = server.ask(path, body)
            assert refused.status == 400
            assert f"repeat --encoder {received.encoder.spec}" in refused.json()["error"]
    assert received.n_requests == 0
    assert not (received.folder / "edits.jsonl").exists()


def test_the_explorer_calls_the_endpoint_that_the_user_names(received: Received) -> None:
    with ExplorerServer(received.folder, "--edit", "--encoder", received.encoder.spec) as server:
        assert server.post("/api/texts", {"search": "kettle", "by": "words"})["total"] == 9
        assert received.n_requests == 0
        assert server.post("/api/texts", {"search": "kettle", "by": "meaning"})["total"] > 0
        assert keys_sent(received.encoder) == {KEYS["GOALSPACE_API_KEY"]}
        for name in ("nobody answers", "nobody calls back"):
            server.post("/api/edits", {"do": "add", "property": name, "to": 0})
    log = (received.folder / "edits.jsonl").read_bytes()
    received.encoder.requests.clear()
    with ExplorerServer(received.folder, "--edit") as server:  # undoing repeats the first edit, which encodes
        refused = server.ask("/api/undo", {})
        assert refused.status == 400
        assert "repeat --encoder" in refused.json()["error"]
    assert (received.folder / "edits.jsonl").read_bytes() == log
    assert received.encoder.bodies(EMBEDDINGS) == []
