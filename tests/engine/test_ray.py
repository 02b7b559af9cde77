"""The engine ray: the results of local, whatever happens to its processes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goalspace import GoalspaceError, discover, embed, use_engine
from goalspace.engine.ray import RayEngine
from goalspace.errors import InputError
from llm_server import LLMServer, prompt_of

if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install '.[ray]'", allow_module_level=True)

CHUNK = 512
THINGS = ("parcel", "invoice", "router", "thermostat", "password", "refund", "screen", "contract", "battery")
FAULTS = ("is late again", "is wrong", "does not work", "was lost", "costs too much", "never came", "broke")
ARTEFACTS = (
    "proposals.jsonl",
    "links/vectors.safetensors",
    "links/text_vectors.npy",
    "factors.json",
    "factors.safetensors",
)


class Letters:
    """An encoder that counts letters and notes what it read on which node; a file ``kill`` ends one process that reads."""

    name, dim = "letters", 26

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver = os.getpid()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit vectors (n_texts, 26)."""
        if os.getpid() != self.driver:
            self._die_or_note(len(texts))
        counts = np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], dtype=np.float32)
        vectors: np.ndarray = (counts + 0.1) / np.linalg.norm(counts + 0.1, axis=1, keepdims=True)
        return vectors

    def _die_or_note(self, n_texts: int) -> None:
        import ray

        try:
            (self.folder / "kill").rename(self.folder / f"killed-{time.time_ns()}")
            os.kill(os.getpid(), signal.SIGKILL)
        except FileNotFoundError:
            pass
        note = {
            "n": n_texts,
            "node": ray.get_runtime_context().get_node_id(),
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }
        (self.folder / f"{time.time_ns()}.{os.getpid()}.json").write_text(json.dumps(note))
        time.sleep(0.02)  # so that the other node gets its share

    def take_notes(self) -> list[dict[str, Any]]:
        """Return the notes since the last call."""
        paths = sorted(self.folder.glob("*.json"))
        notes = [json.loads(path.read_text()) for path in paths]
        for path in paths:
            path.unlink()
        return notes


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    """A cluster of two nodes with a core each."""
    RayEngine()  # sets what Ray reads when it is imported
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the nodes do not know this file
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def cluster(two_nodes: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """This cluster, at RAY_ADDRESS."""
    monkeypatch.setenv("RAY_ADDRESS", two_nodes.address)
    return two_nodes


@pytest.fixture
def letters(tmp_path: Path) -> Letters:
    folder = tmp_path / "notes"
    folder.mkdir()
    return Letters(folder)


def make_texts(n: int) -> list[str]:
    """Texts of different lengths, all distinct."""
    return [f"My {THINGS[i % 9]} {FAULTS[i % 7]}{', order ' * (i % 3)} {i}." for i in range(n)]


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_64_and_65_partitions_on_two_nodes(cluster: Any, letters: Letters, tmp_path: Path) -> None:
    texts = make_texts(65 * CHUNK)
    local = embed(texts, encoder=letters, cache_dir=tmp_path / "local")
    for in_flight in (64, 65):
        with use_engine(RayEngine(in_flight=in_flight)):
            found = embed(texts, encoder=letters, cache_dir=tmp_path / str(in_flight))
        assert found.tobytes() == local.tobytes()
        assert read_folder(tmp_path / str(in_flight) / "vectors") == read_folder(
            tmp_path / "local" / "vectors"
        )
        notes = letters.take_notes()
        assert len(notes) == 65
        assert len({note["node"] for note in notes}) == 2
    with use_engine("ray"):
        first = embed(texts[: 64 * CHUNK], encoder=letters, cache_dir=tmp_path / "grown")
        assert len(letters.take_notes()) == 64
        grown = embed(texts, encoder=letters, cache_dir=tmp_path / "grown")
        assert len(letters.take_notes()) == 1
    assert grown.tobytes() == local.tobytes()
    assert first.tobytes() == local[: 64 * CHUNK].tobytes()


def answer(body: dict[str, Any]) -> str:
    prompt = prompt_of(body)
    if '"name"' in prompt:
        return json.dumps({"name": "a named group", "description": "Texts that go together."})
    text = prompt.split("----------")[1]
    found = [f"{word} trouble" for word in THINGS if word in text] + [word for word in FAULTS if word in text]
    return json.dumps({"analysis": "noted", "properties": [{"property": p, "quote": ""} for p in found]})


def test_a_process_killed_in_each_stage(
    cluster: Any, letters: Letters, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = make_texts(2 * CHUNK + 100)
    stages: list[str] = []

    def kill_in_next_stage(what: str, done: int, total: int) -> None:
        record = json.loads((tmp_path / "ray" / "run.json").read_text()) if stages else {"stages": {}}
        stage = f"after {len(record['stages'])} stages"
        if stage not in stages:
            stages.append(stage)
            (letters.folder / "kill").touch()

    with LLMServer(answer) as server:
        given: dict[str, Any] = {
            "goal": "what went wrong",
            "llm": server.spec,
            "encoder": letters,
            "n_factors": 4,
            "sample": 60,
        }
        local = discover(texts, **given, out=tmp_path / "local")
        n_calls = len(server.prompts())
        with use_engine("ray"):
            found = discover(texts, **given, out=tmp_path / "ray", progress=kill_in_next_stage)
        assert len(server.prompts()) == 2 * n_calls  # those of the local run, and as many
    assert len(list(letters.folder.glob("killed-*"))) == 3
    assert capfd.readouterr() == ("", "")  # Ray says nothing of it
    for name in ARTEFACTS:
        assert (found.path / name).read_bytes() == (local.path / name).read_bytes(), name


def test_gpus_are_used_where_any_is_free(cluster: Any, letters: Letters) -> None:
    node = cluster.add_node(num_cpus=1, num_gpus=1)
    try:
        with use_engine("ray"):
            embed(make_texts(4 * CHUNK), encoder=letters)
    finally:
        cluster.remove_node(node)
    assert [note["gpu"] for note in letters.take_notes()] == ["0"] * 4


class Failing(Letters):
    """An encoder that does not like what it reads."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        raise InputError("There is no folder /models/letters.")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> type[Letters]:
    """The class of an encoder in a module that only this process knows."""
    found = type("Letters", (Letters,), {"__module__": "elsewhere"})
    monkeypatch.setitem(sys.modules, "elsewhere", types.ModuleType("elsewhere"))
    monkeypatch.setattr("elsewhere.Letters", found, raising=False)
    return found


def test_mistakes_are_one_line(
    cluster: Any, letters: Letters, elsewhere: type[Letters], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with use_engine("ray"):
        with pytest.raises(InputError, match=r"^On a worker of Ray: There is no folder /models/letters\.$"):
            embed(["a"], encoder=Failing(tmp_path))
        with pytest.raises(
            InputError, match=r"^On a worker of Ray: The encoder cannot be loaded here \(.*elsewhere"
        ):
            embed(["a"], encoder=elsewhere(tmp_path))
        letters.lock = threading.Lock()  # type: ignore[attr-defined]
        with pytest.raises(InputError, match=r"^The encoder cannot be sent to the workers of Ray \(.*lock"):
            embed(["a"], encoder=letters)
        monkeypatch.setattr("goalspace.engine.ray.__version__", "0.0.1")
        with pytest.raises(
            GoalspaceError, match=r"^On a worker of Ray: goalspace .* 0\.0\.1 where the command runs"
        ):
            embed(["a"], encoder=Letters(tmp_path))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:99999", "nonsense"])
def test_a_cluster_that_is_not_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with (
        pytest.raises(InputError, match=rf"^There is no Ray cluster at RAY_ADDRESS={address} \("),
        use_engine("ray"),
    ):
        embed(["a"])


def test_the_cluster_file_of_the_documentation_is_one() -> None:
    import jsonschema
    import ray.autoscaler
    import yaml

    schema = json.loads(Path(ray.autoscaler.__path__[0], "ray-schema.json").read_text())
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    file = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    jsonschema.validate(file, schema)
    assert file["docker"]["image"].startswith(f"rayproject/ray:{ray.__version__}-")


def start(arguments: Sequence[object], mark: str) -> subprocess.Popen[str]:
    """Start a command; `mark` is in the environment of all processes that it starts."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "goalspace.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "GOALSPACE_MARK": mark},
    )


def find_marked(mark: str) -> list[str]:
    """Return the command lines of the processes with this mark.

    Without Ray's agents, which compute nothing and may notice only after a minute or two that their node is gone.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"GOALSPACE_MARK={mark}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:  # it has ended, or is somebody else's
            continue
    return [command for command in found if "Agent" not in command]


@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="this system does not list processes")
def test_an_interrupted_command_ends_its_processes_and_goes_on(tmp_path: Path) -> None:
    texts = make_texts(2 * CHUNK + 10)
    source = tmp_path / "texts.txt"
    source.write_text("\n".join(texts), encoding="utf-8")
    with LLMServer(answer) as server:
        local = discover(
            texts,
            goal="what went wrong",
            encoder="minilm",
            llm=server.spec,
            sample=40,
            n_factors=4,
            out=tmp_path / "local",
        )
        n_calls = len(server.prompts())
        arguments = [
            "discover",
            source,
            "--goal",
            "what went wrong",
            "--encoder",
            "minilm",
            "--engine",
            "ray",
        ]
        arguments += ["--llm", server.spec, "--sample", 40, "--factors", 4, "-o", tmp_path / "ray"]
        for signalled, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL), (None, 0)):
            with start(arguments, mark=str(tmp_path)) as process:
                assert process.stderr is not None
                said = []
                for line in process.stderr:
                    said.append(line)
                    if line.startswith("embedding") and signalled:
                        assert any("raylet" in command for command in find_marked(str(tmp_path)))
                        process.send_signal(signalled)
                assert process.wait() == status, said
            for _ in range(300):
                if not find_marked(str(tmp_path)):
                    break
                time.sleep(0.1)
            assert find_marked(str(tmp_path)) == []
            assert "ray" not in "".join(said).replace(str(tmp_path), "").lower()
        assert len(server.prompts()) == 2 * n_calls  # those of the local run, and as many
    for name in ARTEFACTS:
        assert (tmp_path / "ray" / name).read_bytes() == (local.path / name).read_bytes(), name
