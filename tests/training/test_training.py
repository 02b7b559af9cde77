from __future__ import annotations

import copy
import itertools
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import save_tiny_model
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder
from goalspace.encoders.sentence import SentenceEncoder
from goalspace.errors import InputError, MissingDependency
from goalspace.training import train
from goalspace.training.contrastive import Collator, embed
from goalspace.training.groups import group_pairs, split_groups
from goalspace.training.losses import info_nce, supervised_contrastive
from goalspace.training.negatives import HardBatches, Rivals, ShuffledBatches
from goalspace.training.pairs import Pairs
from goalspace.training.tuning import TrainedEncoder

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


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    pairs = make_pairs()
    folder = tmp_path_factory.mktemp("tiny")
    return SentenceEncoder(save_tiny_model(folder, "bert", [*pairs.texts, *pairs.properties]))


def test_training_is_quiet_repeatable_and_leaves_the_encoder_and_no_files(
    tiny: SentenceEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = make_pairs().texts[:5]
    before = tiny.encode(texts)
    small = Pairs(texts, make_pairs().properties, np.arange(5), np.arange(5))
    steps: list[tuple[int, int]] = []
    capfd.readouterr()
    again = [
        train(tiny, small, batch_size=2, seed=seed, report=lambda *step: steps.append(step))
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(again[0].encode(texts), again[1].encode(texts))
    assert again[0].name == again[1].name != again[2].name  # a name stands for the weights
    assert np.abs(again[0].encode(texts) - again[2].encode(texts)).max() > 1e-6
    assert np.abs(again[0].encode(texts) - before).max() > 1e-6
    np.testing.assert_array_equal(tiny.encode(texts), before)
    assert steps == [(1, 3), (2, 3), (3, 3)] * 3
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_pair_of_the_batch_is_not_a_negative() -> None:
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


def test_texts_that_share_a_property_are_not_negatives() -> None:
    torch = pytest.importorskip("torch")
    cosines = torch.tensor([[1.0, 0.6, 0.2, 0.1], [0.6, 1, 0.5, 0.3], [0.2, 0.5, 1, 0.4], [0.1, 0.3, 0.4, 1]])
    # the first three texts share a property in pairs: 0–1 and 1–2; the last has its own
    has = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]).bool()
    e = np.exp(cosines.double().numpy() / 0.5)

    def term(a: int, b: int, *negatives: int) -> float:
        return float(-np.log(e[a, b] / (e[a, b] + sum(e[a, n] for n in negatives))))

    expected = [term(0, 1, 2, 3), np.mean([term(1, 0, 3), term(1, 2, 3)]), term(2, 1, 0, 3)]
    assert supervised_contrastive(cosines, has, 0.5).item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert supervised_contrastive(cosines, torch.eye(4).bool(), 0.5).item() == 0


def test_a_batch_says_which_text_has_which_property(tiny: SentenceEncoder) -> None:
    collate = Collator(("late", "noisy", "great"), tiny.model.preprocess)
    batch = collate([{"text": "chair", "properties": [0, 2]}, {"text": "lamp", "properties": [2]}])
    assert batch["label"].tolist() == [[True, True], [False, True]]
    assert tiny.model.tokenizer.batch_decode(batch["property_input_ids"]) == ["late", "great"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_short_texts_are_read_without_the_padding_of_long_ones(tiny: SentenceEncoder, side: str) -> None:
    model = copy.deepcopy(tiny.model).eval()
    texts = ["late " * n for n in (9, 1, 30, 1, 9, 30)]
    alone = np.concatenate([embed(model, model.preprocess([text])).detach() for text in texts])
    model.tokenizer.padding_side = side
    widths: list[int] = []
    hook = model.register_forward_pre_hook(lambda _, given: widths.append(given[0]["input_ids"].shape[1]))
    found = embed(model, model.preprocess(texts), 2)
    hook.remove()
    assert widths == [1, 9, 30]
    np.testing.assert_allclose(found.detach(), alone, atol=1e-5)
    assert found.requires_grad


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


def test_the_split_by_property_holds_out_what_training_never_sees() -> None:
    groups = [{"text": str(n), "properties": [n % 17, 17 + n % 5]} for n in range(170)]
    groups += [{"text": f"single {n}", "properties": [22 + n // 4]} for n in range(80)]
    kept, held = split_groups(groups, held_out=0.2, seed=0, by="property")
    assert 30 <= len(held) <= 50 == round(0.2 * len(groups))
    assert len(kept) + len(held) == len(groups)
    seen = {name for row in kept for name in row["properties"]}
    unseen = {name for row in held for name in row["properties"]}
    assert seen.isdisjoint(unseen)
    assert len(unseen) >= 2
    assert {row["text"] for row in kept}.isdisjoint(row["text"] for row in held)
    assert split_groups(groups, held_out=0.2, seed=0, by="property") == (kept, held)
    assert split_groups(groups, held_out=0.2, seed=1, by="property") != (kept, held)
    # two properties of 20 texts each cannot be a tenth of the texts
    halves = [{"text": str(n), "properties": [n % 2]} for n in range(40)]
    assert split_groups(halves, held_out=0.1, seed=0, by="property") == (halves, [])


def test_labels_become_phrases_and_equal_strings_one() -> None:
    pairs = Pairs.of_labels(["a", "b", "a", "a"], ["write|poem", "fix|code", "write | poem", "sell|car"])
    assert pairs.texts == ("a", "b")
    assert pairs.properties == ("write poem", "fix code", "sell car")
    assert list(zip(pairs.text_index.tolist(), pairs.property_index.tolist(), strict=True)) == [
        (0, 0),
        (1, 1),
        (0, 2),
    ]
    assert len(Pairs.of_labels([], [])) == 0
    with pytest.raises(InputError, match=r"of the same length\. Got 2 and 1"):
        Pairs.of_labels(["a", "b"], ["x"])
    with pytest.raises(InputError, match="label of text 2 is empty"):
        Pairs.of_labels(["a", "b"], ["x", "|"])


# ---------------------------------------------------------------- batches


def make_tasks(n: int) -> tuple[list[str], list[dict[str, Any]]]:
    """Of 30 verbs and 30 nouns, `n` pairs with 1 to 4 texts each."""
    rng = np.random.default_rng(0)
    names = [f"v{c // 30} n{c % 30}" for c in rng.choice(900, n, replace=False)]
    rows = [{"text": f"{c} {i}", "properties": [c]} for c in range(n) for i in range(1 + c % 4)]
    return names, rows


def test_rivals_share_one_end() -> None:
    names = ["write poem", "Write a short essay", "translate poem", "fix bug", "write the poem", "poem", ""]
    rivals = Rivals(names)
    assert rivals.of(0) == ([1], [2, 5])
    assert rivals.of(1) == ([0, 4], [])
    assert rivals.of(3) == rivals.of(6) == ([], [])


def test_hard_batches_hold_two_texts_of_rivals() -> None:
    names, rows = make_tasks(200)
    rivals = Rivals(names)

    def share_with_rivals(batches: ShuffledBatches) -> float:
        """Share of the properties of a batch with a rival in it, on average."""
        shares = []
        for batch in batches:
            there = {rows[row]["properties"][0] for row in batch}
            shares.append(
                np.mean([not there.isdisjoint(itertools.chain(*rivals.of(name))) for name in there])
            )
        return float(np.mean(shares))

    hard = HardBatches(rows, names, batch_size=16, epochs=3)
    assert share_with_rivals(hard) > 0.9
    assert share_with_rivals(ShuffledBatches(len(rows), batch_size=16, epochs=3)) < 0.7
    sizes = np.bincount([row["properties"][0] for row in rows])
    for batch in hard:
        assert len(set(batch)) == len(batch) == 16
        names_of = [rows[row]["properties"][0] for row in batch]
        for name in names_of[:-1]:  # the last may be cut
            assert names_of.count(name) == min(2, sizes[name]) or name == names_of[-1]


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    names, rows = make_tasks(50)
    for make in (
        lambda **more: HardBatches(rows, names, batch_size=8, **more),
        lambda **more: ShuffledBatches(len(rows), batch_size=8, **more),
    ):
        three = list(make(epochs=3, seed=1))
        assert len(three) == len(make(epochs=3, seed=1)) == 3 * make().per_epoch
        n = len(three) // 3
        assert list(make(epochs=1, seed=1)) == three[:n] != three[n : 2 * n]
        assert list(make(epochs=3, seed=1)) == three
        assert list(make(epochs=1, seed=2)) != three[:n]


def test_frequent_properties_are_damped_in_hard_batches() -> None:
    names = [f"v{n} n{n}" for n in range(100)]
    rows = [{"text": str(n), "properties": [0]} for n in range(5000)]
    rows += [{"text": f"{c} {n}", "properties": [c]} for c in range(1, 100) for n in range(10)]
    batches = list(HardBatches(rows, names, batch_size=20, epochs=20))
    assert len(batches) == 20 * -(-(40 + 99 * 10) // 20)
    share = np.mean([any(row < 5000 for row in batch) for batch in batches])
    # drawn among ten of a hundred: (40 / 10) ** 0.75 = 2.8 times as often as any other
    assert 0.2 < share < 0.3


def test_few_properties_fill_a_hard_batch_with_more_texts() -> None:
    rows = [{"text": str(n), "properties": [n % 3]} for n in range(30)]
    for size, expected in ((18, 18), (64, 30)):
        for batch in HardBatches(rows, ["a b", "a c", "d"], batch_size=size):
            assert len(set(batch)) == len(batch) == expected
            counts = np.bincount([row % 3 for row in batch])
            assert counts.tolist() == [expected // 3] * 3


def test_pairs_that_point_nowhere_are_refused() -> None:
    with pytest.raises(InputError, match=r"'property_index' .* must be in \[0, 1\). Got 0 to 1"):
        Pairs(("a", "b"), ("x",), np.array([0, 1]), np.array([0, 1]))
    with pytest.raises(InputError, match="have the same length"):
        Pairs(("a", "b"), ("x",), np.array([0, 1]), np.array([0]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epochs": 0}, "'epochs'"),
        ({"temperature": 0.0}, "'temperature'"),
        ({"batch_size": 1}, "'batch_size'"),
        ({"held_out": 1.0}, "'held_out'"),
        ({"learning_rate": 0.0}, "'learning_rate'"),
        ({"rank": 0}, "'rank'"),
        ({"max_tokens": 3}, "'max_tokens'"),
        ({"tune": "adapters"}, "'tune' parameter of train must be one of full, heads, lora"),
        ({"split": "label"}, "'split'"),
    ],
)
def test_parameters_out_of_range_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        train("minilm", make_pairs(), **arguments)


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
