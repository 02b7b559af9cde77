"""What `pip install goalspace` without extras can do: everything but PIE, sentence-transformers models and fine-tuning."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

# what only the extras install
ABSENT = (
    "torch",
    "transformers",
    "sentence_transformers",
    "accelerate",
    "datasets",
    "peft",
    "gguf",
    "huggingface_hub",
    "ray",
)
_CODE = f"""
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from goalspace.cli import main
main()
"""


def goalspace(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command where the packages of the extras cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", _CODE, *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    things = ("parcel", "invoice", "router", "thermostat", "password", "refund")
    faults = ("is late again", "is wrong", "does not work", "was lost", "costs too much")
    path.write_text("\n".join(f"My {thing} {fault}." for thing in things for fault in faults))
    return path


def test_no_package_needs_torch() -> None:
    wanted = [Requirement(line) for line in requires("goalspace") or []]
    base = {each.name for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})}
    heavy = {"torch", "transformers", "sentence-transformers"}
    seen: set[str] = set()
    while base - seen:
        name = min(base - seen)
        seen.add(name)
        needs = [Requirement(line) for line in requires(name) or []]
        base |= {each.name for each in needs if each.marker is None or each.marker.evaluate({"extra": ""})}
    assert not heavy & seen


def test_a_run_without_an_llm(texts: Path, tmp_path: Path) -> None:
    done = goalspace("discover", texts, "--goal", "what is wrong", "--factors", 3, "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize("encoder", ["minilm", "task"])
def test_built_in_encoders(texts: Path, tmp_path: Path, encoder: str) -> None:
    done = goalspace("embed", texts, "--encoder", encoder, "-o", tmp_path / "vectors.npy")
    assert done.returncode == 0, done.stderr


def test_labels_of_instructions(tmp_path: Path) -> None:
    path = tmp_path / "instructions.jsonl"
    path.write_text("".join(json.dumps({"instruction": f"Write a poem about {n}."}) + "\n" for n in range(9)))
    done = goalspace("label", path, "-o", tmp_path / "labels")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("encoder", "extra"), [("smollm2", "pie"), ("FOLDER", "sentence-transformers")], ids=["pie", "folder"]
)
def test_what_is_missing_is_named_with_its_extra(
    texts: Path, tmp_path: Path, encoder: str, extra: str
) -> None:
    spec = tmp_path if encoder == "FOLDER" else encoder
    done = goalspace("embed", texts, "--encoder", spec, "-o", tmp_path / "vectors.npy")
    assert done.returncode == 2
    assert f"pip install 'goalspace[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "vectors.npy").exists()
