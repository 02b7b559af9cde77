from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from goalspace.encoders.minilm import FOLDERS, MiniLM
from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder, is_multilingual
from goalspace.encoders.surface import N_SURFACE, SURFACE_NAMES, LexicalFeatures, surface_features
from goalspace.errors import GoalspaceError, InputError, LLMError
from llm_server import EMBEDDINGS, Answer, LLMServer, failure

TEXTS = [
    "The parcel came two weeks late.",
    "My delivery was delayed by a fortnight.",
    "How do I bake sourdough bread?",
    "Les colis arrivent toujours en retard, c'est pénible.",
    "中文和 English mixed, Ünïcode too 😀",
    "word " * 600,
    "A" * 3000,
    " ",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return get_encoder()


@pytest.fixture(scope="module")
def vectors(encoder: Encoder) -> np.ndarray:
    return encoder.encode(TEXTS)


def test_importing_and_naming_an_encoder_loads_no_torch() -> None:
    code = (
        "import sys; from goalspace.encoders import get_encoder; import goalspace.encoders.surface;"
        "e = get_encoder(); f = get_encoder('http://127.0.0.1:1/v1#m'); assert e.dim == 384;"
        "assert not {'torch', 'transformers', 'sentence_transformers', 'sklearn', 'openai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_minilm_returns_unit_float32_rows(vectors: np.ndarray) -> None:
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_minilm_sees_meaning(vectors: np.ndarray) -> None:
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


def test_minilm_is_what_sentence_transformers_computes(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("a local model asks the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    reference = get_encoder(str(MiniLM().folder))
    assert reference.dim == 384
    np.testing.assert_allclose(vectors, reference.encode(TEXTS), atol=1e-6)
    assert capfd.readouterr() == ("", "")


def test_the_same_texts_give_the_same_bits(encoder: Encoder, vectors: np.ndarray) -> None:
    np.testing.assert_array_equal(encoder.encode(TEXTS), vectors)


def test_batch_neighbours_change_the_last_bits_only(encoder: Encoder, vectors: np.ndarray) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, vectors, atol=1e-6)


def test_minilm_reads_256_tokens(encoder: Encoder, vectors: np.ndarray) -> None:
    # 254 words and the two marks at the ends
    np.testing.assert_allclose(encoder.encode(["word " * 254])[0], vectors[5], atol=1e-6)
    assert np.abs(encoder.encode(["word " * 253])[0] - vectors[5]).max() > 1e-5


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_a_lone_surrogate_is_encoded(encoder: Encoder) -> None:
    assert np.isfinite(encoder.encode(["caf\ud800"])).all()


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / FOLDERS[0]
    shutil.copytree(MiniLM().folder, folder)
    (folder.parent / "__init__.py").touch()
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(1000)
        file.write(b"changed")
    # in another process, as this one has checked the weights already
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from goalspace import get_encoder; get_encoder('minilm').folder"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(r"GoalspaceError: .*not the published .* pip install --force-reinstall", done.stderr)


@pytest.mark.parametrize("spec", ["", "minilm2", "st:", "openai:", "no/such", "/no/such/folder"])
def test_an_unknown_spec_lists_the_forms(spec: str) -> None:
    with pytest.raises(InputError, match=r"minilm.*st:NAME_OR_PATH.*openai:MODEL"):
        get_encoder(spec)


def test_a_folder_is_not_taken_for_the_multilingual_encoder() -> None:
    assert is_multilingual("multilingual")
    assert is_multilingual("multilingual@0123abcd[tone]")
    assert not is_multilingual("multilingual-mpnet")


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(InputError, match="no folder /no/such/folder"):
        get_encoder("st:/no/such/folder")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"No sentence-transformers model .* '{tmp_path}'"):
        get_encoder(str(tmp_path)).encode(["a"])


class Lengths:
    """A custom encoder: the length of the text, and one."""

    name = "lengths"
    dim = 2

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.sizes.append(len(texts))
        return np.array([[len(text), 1.0] for text in texts])


def test_a_custom_encoder_is_returned_as_it_is() -> None:
    own = Lengths()
    assert get_encoder(own) is own


def test_what_an_object_lacks_to_be_an_encoder_is_reported() -> None:
    with pytest.raises(InputError, match="dict has no name and no dim and no encode"):
        get_encoder({})  # type: ignore[arg-type]


def test_chunks_join_in_order_and_report_progress() -> None:
    own, done = Lengths(), []
    vectors = encode_in_chunks(own, ["a" * n for n in range(7)], size=3, advance=done.append)
    np.testing.assert_array_equal(vectors[:, 0], range(7))
    assert vectors.dtype == np.float32
    assert (own.sizes, done) == ([3, 3, 1], [3, 3, 1])
    assert encode_in_chunks(own, []).shape == (0, 2)


def test_what_an_encoder_returns_is_checked() -> None:
    own = Lengths()
    own.encode = lambda texts: np.zeros((len(texts), 3))  # type: ignore[method-assign]
    with pytest.raises(GoalspaceError, match=r"shape \(2, 2\). Got \(2, 3\)"):
        encode_in_chunks(own, ["a", "b"])
    own.encode = lambda texts: np.array([[1, np.nan] if text == "b" else [0, 1] for text in texts])  # type: ignore[method-assign]
    with pytest.raises(GoalspaceError, match="'lengths' gave text 4 "):
        encode_in_chunks(own, ["a", "a", "a", "b"], size=2)


@pytest.mark.parametrize("texts", ["one text", ["a", None]])
def test_anything_but_a_sequence_of_strings_is_refused(texts: object) -> None:
    with pytest.raises(InputError, match="sequence of strings"):
        encode_in_chunks(Lengths(), texts)  # type: ignore[arg-type]


def test_an_endpoint_is_asked_in_batches() -> None:
    texts = [f"text {n}" for n in range(300)]
    with LLMServer(embed=lambda text: [float(text.split()[1]), 3.0, 4.0]) as server:
        remote = get_encoder(server.spec)
        vectors = remote.encode(texts)
        assert sorted(len(body["input"]) for body in server.bodies(EMBEDDINGS)) == [44, 128, 128]
        assert remote.dim == 3
        assert remote.name == server.spec
    expected = np.array([[n, 3.0, 4.0] for n in range(300)])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert vectors.dtype == np.float32


def test_the_dim_of_an_endpoint_is_known_before_the_first_text() -> None:
    with LLMServer(embed=lambda text: [1.0, 2.0]) as server:
        remote = get_encoder(server.spec)
        assert remote.encode([]).shape == (0, 2)
        assert remote.dim == 2
        assert len(server.bodies(EMBEDDINGS)) == 1


class ShortServer(LLMServer):
    """Refuses a request of more than 100 characters, as an endpoint with a small context does."""

    def answer(
        self, path: str, body: dict[str, object], headers: dict[str, str], method: str = "POST"
    ) -> Answer:
        inputs = body.get("input", [])
        assert isinstance(inputs, list)
        if sum(map(len, inputs)) > 100:
            return failure(400, "This model's maximum context length is 100 tokens.")
        assert all(inputs), "endpoints refuse an empty input"
        return super().answer(path, body, headers, method)


def test_what_is_too_long_for_an_endpoint_is_cut_and_counted() -> None:
    texts = ["a" * 60, "b" * 350, "", "c" * 100, "d" * 101]
    with ShortServer(embed=lambda text: [float(len(text)), 1.0]) as server:
        remote = get_encoder(server.spec)
        vectors = remote.encode(texts)
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 1], [60, 87, 1, 100, 50], rtol=1e-5)
    assert remote.n_cut == 2  # type: ignore[attr-defined]


def test_an_endpoint_that_answers_nonsense_is_refused() -> None:
    with (
        LLMServer(embed=lambda text: [1.0] * len(text)) as server,
        pytest.raises(LLMError, match="vectors of several lengths"),
    ):
        get_encoder(server.spec).encode(["a", "bb"])
    with (
        LLMServer(embed=lambda text: [float("nan")]) as server,
        pytest.raises(LLMError, match="not finite"),
    ):
        get_encoder(server.spec).encode(["a"])


def test_an_unknown_model_is_answered_with_those_there_are() -> None:
    with (
        LLMServer(models=("small", "large")) as server,
        pytest.raises(LLMError, match=r"no model 'tiny'.*large, small"),
    ):
        get_encoder(f"{server.url}#tiny").encode(["a"])


def feature(text: str, name: str) -> float:
    return float(surface_features([text])[0, SURFACE_NAMES.index(name)])


def test_surface_features_are_what_their_names_say() -> None:
    assert len(set(SURFACE_NAMES)) == N_SURFACE
    text = "ANNA:\nHello, Bob!\n\n  (waves) 12%\n- one\n2. two"
    assert feature(text, "log_characters") == pytest.approx(np.log1p(len(text)))
    assert feature(text, "log_lines") == pytest.approx(np.log(7))
    assert feature(text, "blank_lines") == pytest.approx(1 / 6)
    assert feature(text, "log_commas") == pytest.approx(np.log1p(100 / len(text)))
    assert feature(text, "log_money_and_percent") == pytest.approx(np.log1p(100 / len(text)))
    assert feature(text, "digits") == pytest.approx(3 / len(text))
    assert feature(text, "all_caps_words") == pytest.approx(1 / 9)
    assert feature(text, "lines_opening_upper_case") == pytest.approx(2 / 6)
    assert feature(text, "lines_opening_space") == pytest.approx(1 / 6)
    assert feature(text, "lines_ending_exclamation_mark") == pytest.approx(1 / 6)
    assert feature(text, "lines_ending_colon") == pytest.approx(1 / 6)
    assert feature(text, "header_lines") == pytest.approx(1 / 6)
    assert feature(text, "speaker_lines") == pytest.approx(1 / 6)
    assert feature(text, "list_lines") == pytest.approx(2 / 6)
    assert feature("a a b a", "type_token_ratio") == pytest.approx(0.5)
    assert feature("see https://a.b or www.c.d now", "links") == pytest.approx(2 / 5)
    assert feature("ok 😀☀", "log_emoji") == pytest.approx(np.log(41))
    assert feature("¿Qué?", "log_inverted_marks") == pytest.approx(np.log(21))
    assert feature("One two. Three four five six!", "log_sentence_length") == pytest.approx(np.log(4))


def test_surface_features_are_finite_for_any_text() -> None:
    texts = ["", " ", "\n\n", "\ud800", "\x00", "…", "a" * 100_000, "\n" * 50_000, "A:\r\nb\r\n"]
    features = surface_features(texts)
    assert features.shape == (len(texts), N_SURFACE)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert surface_features([]).shape == (0, N_SURFACE)


def test_surface_features_do_not_depend_on_the_other_texts() -> None:
    np.testing.assert_array_equal(surface_features(TEXTS)[2:3], surface_features(TEXTS[2:3]))


def words(rng: np.random.Generator, letters: str, n: int) -> str:
    return " ".join("".join(rng.choice(list(letters), 5)) for _ in range(n))


def test_lexical_features_distinguish_alphabets() -> None:
    rng = np.random.default_rng(0)
    texts = [words(rng, "abcde" if n % 2 else "vwxyz", 20) for n in range(60)]
    lexical = LexicalFeatures.fit(texts[:40], dim=5)
    assert (lexical.idf.shape, lexical.components.shape) == ((8192,), (5, 8192))
    vectors = lexical.transform(texts[40:])
    assert vectors.shape == (20, 5)
    assert vectors.dtype == np.float32
    cosines = vectors @ vectors.T
    same = np.equal.outer(np.arange(20) % 2, np.arange(20) % 2)
    assert cosines[same].min() > cosines[~same].max()


def test_lexical_features_are_a_function_of_the_texts_and_the_seed() -> None:
    rng = np.random.default_rng(0)
    texts = [words(rng, "abcdefgh", 8) for _ in range(50)]
    fitted = LexicalFeatures.fit(texts, dim=4, seed=3, n_fit=30)
    again = LexicalFeatures.fit(texts, dim=4, seed=3, n_fit=30)
    np.testing.assert_array_equal(fitted.components, again.components)
    other = LexicalFeatures.fit(texts, dim=4, seed=4, n_fit=30)
    assert np.abs(fitted.idf - other.idf).max() > 0.1
    restored = LexicalFeatures(fitted.idf.copy(), fitted.components.copy())
    np.testing.assert_array_equal(restored.transform(texts), fitted.transform(texts))


@pytest.mark.parametrize(("n_texts", "dim"), [(1, 1), (2, 1), (5, 4), (30, 20)])
def test_lexical_features_of_a_tiny_corpus_are_fewer(n_texts: int, dim: int) -> None:
    rng = np.random.default_rng(0)
    texts = [words(rng, "abcdefgh", 8) for _ in range(n_texts)]
    lexical = LexicalFeatures.fit(texts, dim=20)
    assert lexical.dim == dim
    assert np.isfinite(lexical.transform([*texts, "", "unseen"])).all()


@pytest.mark.parametrize("n_texts", [300, 8200])  # decomposed whole, and by its largest values alone
def test_lexical_features_are_the_exact_decomposition(n_texts: int) -> None:
    """Columns are orthogonal, as left singular vectors are, and none left out is longer; nothing is drawn."""
    rng = np.random.default_rng(0)
    texts = [words(rng, "abcdefgh", 3) for _ in range(n_texts)]
    lexical = LexicalFeatures.fit(texts, dim=6, seed=0)
    np.testing.assert_allclose(
        lexical.components, LexicalFeatures.fit(texts, dim=6, seed=1).components, atol=1e-3
    )
    np.testing.assert_allclose(lexical.components @ lexical.components.T, np.eye(6), atol=1e-3)
    vectors = lexical.transform(texts)
    lengths = np.linalg.norm(vectors, axis=0)
    assert (np.diff(lengths) <= 1e-3).all()
    np.testing.assert_allclose((vectors / lengths).T @ (vectors / lengths), np.eye(6), atol=2e-3)
    more = LexicalFeatures.fit(texts, dim=12).transform(texts)
    assert np.linalg.norm(more[:, 6:], axis=0).max() <= lengths.min() + 1e-3


@pytest.mark.parametrize("text", ["the same", " "])
def test_lexical_features_of_equal_texts_are_one_number(text: str) -> None:
    lexical = LexicalFeatures.fit([text] * 30, dim=20)
    assert lexical.dim == 1
    assert np.ptp(lexical.transform([text] * 30)) == 0
