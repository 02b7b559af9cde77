"""The encoder of instructions: tasks lie together whatever the topic, and the adapter is safe and its own."""

from __future__ import annotations

import numpy as np
import pytest

from goalspace.encoders import low_rank
from goalspace.encoders.minilm import load_arrays
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError

PAIRS = (
    ("Tell me a joke.", "I could use a laugh.", "Tell me a recipe."),
    ("Write a poem about the sea.", "Put autumn leaves into verse.", "Write a report about the sea."),
    ("Translate this sentence into French.", "How do you say that in Spanish?", "Shorten this sentence."),
)


def cosines(encoder: str, *texts: str) -> np.ndarray:
    vectors = get_encoder(encoder).encode(texts)
    return vectors @ vectors.T


@pytest.mark.parametrize(("asked", "same", "other"), PAIRS)
def test_the_task_counts_and_not_the_words(asked, same, other):
    found = cosines("task", asked, same, other)
    assert found[0, 1] > found[0, 2]
    plain = cosines("minilm", asked, same, other)
    assert found[0, 1] - found[0, 2] > plain[0, 1] - plain[0, 2]


def test_vectors_have_length_one_and_do_not_depend_on_the_batch():
    encoder = get_encoder("task")
    texts = [
        "Write a poem.",
        "x",
        "",
        "Fix this.\n" + "word " * 5000 + "\nWhat is wrong?",
        "\ud800 half a pair",
    ]
    together = encoder.encode(texts)
    assert together.shape == (5, encoder.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.vstack([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_of_a_long_instruction_both_ends_are_read():
    middle = "The committee met again and again. " * 300
    first, last, neither = get_encoder("task").encode(
        [f"Translate this into French. {middle}", f"{middle} Translate this into French.", middle]
    )
    asked = get_encoder("task").encode(["Translate this into French."])[0]
    assert first @ asked > neither @ asked
    assert last @ asked > neither @ asked


def test_a_change_of_low_rank_comes_back(tmp_path):
    weights = load_arrays()
    name = "encoder.layer.0.attention.self.query.weight"
    rng = np.random.default_rng(0)
    change = rng.normal(size=(384, 2)) @ rng.normal(size=(2, 384)) * 0.01
    adapter = low_rank.extract(weights, {**weights, name: weights[name] + change}, rank=2)
    low_rank.save(adapter, tmp_path / "own.safetensors")
    loaded = low_rank.load(tmp_path / "own.safetensors")
    merged = low_rank.merge(weights, loaded)[name]
    np.testing.assert_allclose(merged - weights[name], change, atol=1e-3)
    encoder = get_encoder(f"task:{tmp_path / 'own.safetensors'}")
    assert encoder.name != get_encoder("task").name
    again = get_encoder(encoder.name)
    np.testing.assert_array_equal(again.encode(["Write a poem."]), encoder.encode(["Write a poem."]))
    assert encoder.encode(["Write a poem."]).shape == (1, 384)


def test_files_that_are_not_an_adapter_are_refused(tmp_path):
    (tmp_path / "text.safetensors").write_bytes(b"no tensors here")
    for path in (tmp_path / "text.safetensors", tmp_path / "missing.safetensors"):
        with pytest.raises(InputError, match="adapter"):
            get_encoder(f"task:{path}").encode(["Write a poem."])


def test_the_name_opens_the_same_encoder_and_no_other():
    name = get_encoder("task").name
    assert get_encoder(name).name == name
    with pytest.raises(InputError, match="make it again"):
        get_encoder("task@00000000").encode(["Write a poem."])
