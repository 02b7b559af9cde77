from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from goalspace.encoders import Encoder, get_encoder
from goalspace.errors import InputError, MissingDependency
from goalspace.training import Pairs, train
from goalspace.training.contrastive import Collator, TrainedEncoder, group_pairs, info_nce, split_groups

THINGS = ("chair", "phone", "lamp", "shirt", "book", "clock", "kettle", "tent", "piano", "boat")
# what no sentence encoder can know: the properties have made-up names
FAULTS = {
    "broken": "zorvex",
    "late": "quilbat",
    "great": "mondril",
    "too small": "flenko",
    "noisy": "draspit",
}


def make_pairs() -> Pairs:
    """50 texts with 2 properties each."""
    texts = tuple(f"The {thing} I ordered is {fault}." for thing in THINGS for fault in FAULTS)
    properties = (*FAULTS.values(), *THINGS)
    n_faults = len(FAULTS)
    index = np.arange(len(texts), dtype=np.int32)
    return Pairs(
        texts,
        properties,
        np.repeat(index, 2),
        np.stack([index % n_faults, n_faults + index // n_faults], axis=1).ravel().astype(np.int32),
    )


@pytest.fixture(scope="module")
def trained() -> TrainedEncoder:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    found = train("minilm", make_pairs(), epochs=3, batch_size=16, learning_rate=2e-4)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002
    return found


def rank(encoder: Encoder) -> float:
    """Share of texts whose fault is the nearest of the five."""
    pairs = make_pairs()
    cosines = encoder.encode(pairs.texts) @ encoder.encode(tuple(FAULTS.values())).T
    return float((cosines.argmax(axis=1) == np.arange(len(pairs.texts)) % len(FAULTS)).mean())


def test_training_teaches_names_that_no_encoder_knows(trained: TrainedEncoder) -> None:
    assert rank(get_encoder()) < 0.5
    assert rank(trained) > 0.8


def test_the_held_out_loss_is_measured_and_falls(trained: TrainedEncoder) -> None:
    steps, losses = zip(*trained.losses, strict=True)
    assert steps[0] == 0
    assert list(steps) == sorted(set(steps))
    assert min(losses) < 0.7 * losses[0]


def test_saved_is_loaded_with_the_same_vectors(trained: TrainedEncoder, tmp_path: Path) -> None:
    texts = make_pairs().texts[:5]
    trained.save(tmp_path / "model")
    loaded = get_encoder(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.encode(texts), trained.encode(texts))
    assert loaded.dim == trained.dim == 384


def test_training_is_quiet_repeatable_and_leaves_the_encoder_and_no_files(
    trained: TrainedEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = make_pairs().texts[:5]
    before = trained.encode(texts)
    small = Pairs(texts, make_pairs().properties, np.arange(5), np.arange(5))
    steps: list[tuple[int, int]] = []
    again = [
        train(trained, small, batch_size=2, seed=seed, report=lambda *step: steps.append(step)).encode(texts)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(again[0], again[1])
    assert np.abs(again[0] - again[2]).max() > 1e-6
    assert np.abs(again[0] - before).max() > 1e-6
    np.testing.assert_array_equal(trained.encode(texts), before)
    assert steps == [(1, 3), (2, 3), (3, 3)] * 3
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_pair_of_the_batch_is_no_negative() -> None:
    torch = pytest.importorskip("torch")
    cosines = torch.tensor([[0.9, 0.8, 0.1], [0.3, 0.7, 0.2]])
    has = torch.tensor([[True, True, False], [False, True, False]])
    scores = np.exp(cosines.double().numpy() / 0.5)
    expected = [
        -np.log(scores[0, 0] / (scores[0, 0] + scores[0, 2])),
        -np.log(scores[0, 1] / (scores[0, 1] + scores[0, 2])),
        -np.log(scores[1, 1] / (scores[1, 1] + scores[1, 0] + scores[1, 2])),
    ]
    assert info_nce(cosines, has, 0.5).item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_text_without_negatives_has_no_loss_and_no_gradient() -> None:
    torch = pytest.importorskip("torch")
    cosines = torch.tensor([[0.9, 0.8]], requires_grad=True)
    loss = info_nce(cosines, torch.tensor([[True, True]]), 0.05)
    loss.backward()
    assert loss.item() == 0
    assert cosines.grad.tolist() == [[0, 0]]


def test_a_batch_says_which_text_has_which_property() -> None:
    model = get_encoder(str(get_encoder().folder)).model  # type: ignore[attr-defined]
    collate = Collator(("slow", "loud", "cheap"), model)
    batch = collate([{"text": "a", "properties": [0, 2]}, {"text": "b", "properties": [2]}])
    assert batch["label"].tolist() == [[True, True], [False, True]]
    assert model.tokenizer.batch_decode(batch["property_input_ids"], skip_special_tokens=True) == [
        "slow",
        "cheap",
    ]


def test_equal_strings_are_one_text_and_one_property() -> None:
    pairs = Pairs(("a", "b", "a"), ("x", "y", "x"), np.array([0, 1, 2, 2]), np.array([0, 2, 1, 2]))
    assert group_pairs(pairs) == [
        {"text": "a", "properties": [0, 1]},
        {"text": "b", "properties": [0]},
    ]


def test_the_split_is_by_text() -> None:
    groups = [{"text": str(n), "properties": [n % 3]} for n in range(50)]
    kept, held = split_groups(groups, held_out=0.1, seed=0)
    assert (len(kept), len(held)) == (45, 5)
    assert {row["text"] for row in kept}.isdisjoint(row["text"] for row in held)
    assert split_groups(groups, held_out=0.1, seed=0) == (kept, held)
    assert split_groups(groups, held_out=0.1, seed=1) != (kept, held)
    assert split_groups(groups, held_out=0, seed=0) == (groups, [])
    assert split_groups(groups[:19], held_out=0.5, seed=0) == (groups[:19], [])


def test_pairs_that_point_nowhere_are_refused() -> None:
    with pytest.raises(InputError, match=r"'property_index' .* must be in \[0, 1\). Got 0 to 1"):
        Pairs(("a", "b"), ("x",), np.array([0, 1]), np.array([0, 1]))
    with pytest.raises(InputError, match="of one length"):
        Pairs(("a", "b"), ("x",), np.array([0, 1]), np.array([0]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epochs": 0}, "'epochs'"),
        ({"temperature": 0.0}, "'temperature'"),
        ({"batch_size": 1}, "'batch_size'"),
        ({"held_out": 1.0}, "'held_out'"),
        ({"learning_rate": 0.0}, "'learning_rate'"),
    ],
)
def test_parameters_out_of_range_are_refused(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        train("minilm", make_pairs(), **arguments)  # type: ignore[arg-type]


def test_nothing_to_tell_apart_is_refused() -> None:
    with pytest.raises(InputError, match="at least two texts and two properties"):
        train("minilm", Pairs(("a", "b"), ("x", "x"), np.array([0, 1]), np.array([0, 1])))


def test_an_endpoint_cannot_be_trained() -> None:
    with pytest.raises(InputError, match="cannot be fine-tuned"):
        train("http://127.0.0.1:1/v1#model", make_pairs())


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependency, match=r"goalspace\[tune\]"):
        train("minilm", make_pairs())
