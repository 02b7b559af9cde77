"""What each kind of tuning trains, and training that is killed and goes on: small models with random weights."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import save_tiny_model
from goalspace.encoders.prompted import PromptedEncoder, find_template
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError, MissingDependency
from goalspace.training import train
from goalspace.training.contrastive import embed
from goalspace.training.pairs import Pairs
from goalspace.training.tuning import TrainedPrompted, make_student

VERBS = ("write", "fix", "sell", "draw", "read")
NOUNS = ("poem", "essay", "code", "map", "plan")
FORMS = ("please {v} a {n} now", "kindly {v} the {n}", "could you {v} one {n} for me today", "{n} : {v} it")
TEXTS = [form.format(v=v, n=n) for v in VERBS for n in NOUNS for form in FORMS]
LABELS = [f"{v}|{n}" for v in VERBS for n in NOUNS for _ in FORMS]
PAIRS = Pairs.of_labels(TEXTS, LABELS)
USUAL: dict[str, Any] = {
    "hard_negatives": True,
    "between_texts": True,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "held_out": 0.2,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    words = [*TEXTS, find_template().text]
    return {kind: str(save_tiny_model(root / kind, kind, words)) for kind in ("bert", "llama", "gpt2")}


def precision(vectors: np.ndarray) -> float:
    """Share of texts whose nearest other text has the same label."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    labels = np.array(LABELS)
    return float((labels[cosines.argmax(axis=1)] == labels).mean())


@pytest.mark.parametrize(
    ("tune", "rate", "epochs"), [("full", 1e-3, 10), ("lora", 0.02, 6), ("heads", 0.03, 10)]
)
def test_every_method_learns_and_is_loaded_as_it_was_trained(
    folders: dict[str, str], tmp_path: Path, tune: Any, rate: float, epochs: int
) -> None:
    base = get_encoder(folders["bert"])
    before = base.encode(TEXTS)
    more = {**USUAL, "learning_rate": rate, "batch_size": 32, "dropout": False}
    trained = train(base, PAIRS, tune=tune, epochs=epochs, **more)
    vectors = trained.encode(TEXTS)
    losses = [loss for _, loss in trained.losses]
    assert min(losses) < 0.7 * losses[0]
    assert precision(vectors) > precision(before) + 0.1
    np.testing.assert_array_equal(base.encode(TEXTS), before)
    trained.save(tmp_path / "model")
    np.testing.assert_array_equal(get_encoder(str(tmp_path / "model")).encode(TEXTS), vectors)
    tensors = trained.model.state_dict()  # type: ignore[union-attr]
    old = base.model.state_dict()  # type: ignore[attr-defined]
    changed = {name for name in old if not np.array_equal(tensors[name], old[name])}
    if tune == "full":
        assert any("LayerNorm" in name for name in changed)
    elif tune == "heads":
        assert not changed
        assert set(tensors) - set(old) == {"2.linear.weight"}
    else:
        assert set(tensors) == set(old)
        assert changed
        assert all(name.endswith("weight") and "LayerNorm" not in name for name in changed)
        assert not any("embeddings" in name for name in changed)


def test_lora_trains_matrices_of_the_rank_that_is_asked_for(folders: dict[str, str]) -> None:
    base = get_encoder(folders["bert"])
    student = make_student(base, "lora", rank=2, max_tokens=None, strings=[])
    names = [name for name, weights in student.model.named_parameters() if weights.requires_grad]
    assert names
    assert all(".lora_A." in name or ".lora_B." in name for name in names)
    trained = train(base, PAIRS, tune="lora", rank=2, **{**USUAL, "held_out": 0})
    new, old = trained.model.state_dict(), base.model.state_dict()  # type: ignore[union-attr,attr-defined]
    ranks = {
        int(np.linalg.matrix_rank((new[name] - old[name]).double().numpy(), tol=1e-4))
        for name in old
        if name.endswith("dense.weight")
    }
    assert max(ranks) == 2


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("llama", {}),
        ("gpt2", {"pooling": "last"}),
        ("gpt2", {"pooling": "mean"}),
        ("bert", {"pooling": "mean", "template": "The task of {x} is:"}),
    ],
)
def test_a_language_model_is_trained_as_it_encodes(
    folders: dict[str, str], tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    base = PromptedEncoder(folders[kind], **settings)
    texts = [*TEXTS[:9], " ".join(TEXTS)]
    before = base.encode(texts)
    student = make_student(base, "lora", rank=2, max_tokens=None, strings=[])
    found = embed(student.model.eval(), student.tokenize(texts), 4)
    np.testing.assert_allclose(found.detach(), before, atol=1e-5)

    trained = train(base, PAIRS, tune="lora", max_tokens=16, epochs=2, **USUAL)
    assert isinstance(trained, TrainedPrompted)
    losses = [loss for _, loss in trained.losses]
    assert min(losses) < losses[0]
    vectors = trained.encode(texts)
    np.testing.assert_array_equal(base.encode(texts), before)
    assert np.abs(vectors - before).max() > 1e-2
    assert trained.max_tokens == base.max_tokens
    trained.save(tmp_path / "model")
    loaded = PromptedEncoder(tmp_path / "model", **settings)
    np.testing.assert_array_equal(loaded.encode(texts), vectors)
    if not settings:
        np.testing.assert_array_equal(get_encoder(f"pie:{tmp_path / 'model'}").encode(texts), vectors)
    assert base.name in trained.name != base.name


def test_texts_are_cut_in_training_only(folders: dict[str, str]) -> None:
    for base in (get_encoder(folders["bert"]), get_encoder(f"pie:{folders['llama']}")):
        student = make_student(base, "full", rank=1, max_tokens=5, strings=[])
        short, long = student.tokenize(["write"])["input_ids"], student.tokenize(["write " * 60])["input_ids"]
        assert long.shape[1] - short.shape[1] == 4
        texts = ["write " * 60, "write " * 5]
        cosine, _ = student.finish("cut", []).encode(texts) @ base.encode(texts).T
        assert cosine[0] == pytest.approx(1, abs=1e-5)
        assert cosine[1] < 1 - 1e-5


def test_dropout_can_be_left_out(folders: dict[str, str]) -> None:
    """Two seeds differ by dropout alone where every batch holds all texts."""
    few = Pairs.of_labels(TEXTS[::4], LABELS[::4])
    settings: dict[str, Any] = {"batch_size": 32, "epochs": 2, "held_out": 0}
    vectors = [
        train(folders["bert"], few, seed=seed, dropout=dropout, **settings).encode(TEXTS)
        for dropout in (False, True)
        for seed in (0, 1)
    ]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-4)
    assert np.abs(vectors[2] - vectors[3]).max() > 1e-3


KILLED = """
import json, os, signal, sys
from pathlib import Path
from goalspace.training import Pairs, checkpoints, train

checkpoints.SECONDS = 0
given = json.load(sys.stdin)

def kill(step, n_steps):
    if step == given["kill_at"]:
        os.kill(os.getpid(), signal.SIGKILL)

pairs = Pairs.of_labels(given["texts"], given["labels"])
train(given["encoder"], pairs, checkpoints=Path(given["folder"]), report=kill, **given["settings"])
"""


def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(
    folders: dict[str, str], tmp_path: Path
) -> None:
    settings = {**USUAL, "tune": "lora", "epochs": 3, "split": "property", "learning_rate": 1e-3}
    folder = tmp_path / "state"
    given = {
        "kill_at": 7,
        "texts": TEXTS,
        "labels": LABELS,
        "encoder": folders["bert"],
        "folder": str(folder),
        "settings": settings,
    }
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], input=json.dumps(given), text=True, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-5", "checkpoint-6"]
    assert not list(folder.rglob("training_args.bin"))
    (folder / "checkpoint-7").mkdir()  # as if the kill had come while it was written
    (folder / "checkpoint-7" / "optimizer.pt").write_bytes(b"half")

    with pytest.raises(InputError, match="holds a training on other texts or with other settings"):
        train(folders["bert"], PAIRS, checkpoints=folder, **{**settings, "seed": 1})
    steps: list[int] = []
    resumed = train(
        folders["bert"], PAIRS, checkpoints=folder, report=lambda step, _: steps.append(step), **settings
    )
    whole = train(folders["bert"], PAIRS, **settings)
    assert steps[0] == 7
    assert resumed.losses == whole.losses
    assert whole.losses[-1][0] > 7
    assert resumed.name == whole.name
    np.testing.assert_array_equal(resumed.encode(TEXTS), whole.encode(TEXTS))

    # what came to its end is given at once
    assert sorted(path.name for path in folder.iterdir()) == ["goalspace.json", "weights.safetensors"]
    steps.clear()
    again = train(
        folders["bert"], PAIRS, checkpoints=folder, report=lambda step, _: steps.append(step), **settings
    )
    assert steps == []
    assert again.losses == whole.losses
    np.testing.assert_array_equal(again.encode(TEXTS), whole.encode(TEXTS))


def test_what_a_method_cannot_train_is_reported(
    folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="cannot be tuned with heads: use lora or full"):
        train(f"pie:{folders['llama']}", PAIRS, tune="heads")
    with pytest.raises(InputError, match="cannot be fine-tuned as int8"):
        train(PromptedEncoder(folders["llama"], dtype="int8"), PAIRS, tune="lora")
    with pytest.raises(InputError, match="is not a folder"):
        train(folders["bert"], PAIRS, checkpoints=Path(__file__))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingDependency, match=r"goalspace\[tune\]"):
        train(folders["bert"], PAIRS, tune="lora")
