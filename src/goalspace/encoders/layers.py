"""The layers of BERT (Devlin et al. 2018, arXiv 1810.04805), in NumPy or torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from goalspace.encoders.backend import Array, Weights

# (2, dim): added to the embeddings of all tokens of the first or of the second segment
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
# (dim,), in adapters only: added to the embedding of [unused0], the token for a line break, which the tokeniser drops
LINE_BREAK = "embeddings.line_break"
LINE_BREAK_ID = 1

_HEADS, _EPS = 12, 1e-12


class Hidden(NamedTuple):
    """Texts on their way through the layers."""

    states: Array  # (n_texts, longest, dim)
    attention_mask: Array  # (n_texts, longest), false for padding

    def take(self, rows: Sequence[int]) -> Hidden:
        """Return some rows, which may repeat."""
        return Hidden(self.states[rows], self.attention_mask[rows])


class Prefix(NamedTuple):
    """Keys and values that the tokens of texts attend to beside their own, as if they stood before the texts."""

    layers: Sequence[tuple[Array, Array]]  # for each layer, keys and values (n_texts, longest, dim)
    attention_mask: Array  # (n_texts, longest), false for padding

    def take(self, rows: Sequence[int]) -> Prefix:
        """Return some rows, which may repeat."""
        return Prefix([(keys[rows], values[rows]) for keys, values in self.layers], self.attention_mask[rows])


def embed_inputs(ids: Array, attention_mask: Array, weights: Weights, *, segment: int = 0) -> Hidden:
    """Look up the vectors of tokens and add those of their positions and of the segment, BERT's 0 or 1."""
    x = weights["embeddings.word_embeddings.weight"][ids] + weights[TOKEN_TYPES][segment]
    if LINE_BREAK in weights:
        x = x + (ids == LINE_BREAK_ID)[..., None] * weights[LINE_BREAK]
    x = x + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
    return Hidden(_norm("embeddings", x, weights), attention_mask)


def run_layers(
    hidden: Hidden, weights: Weights, layers: Iterable[int], *, prefix: Prefix | None = None
) -> Hidden:
    """Run some layers; with a prefix for every text, which has a pair for each of them, its tokens attend to it too."""
    mask = hidden.attention_mask
    if prefix is not None:
        mask = weights.backend.concatenate((prefix.attention_mask, mask))
    x = hidden.states
    for number, layer in enumerate(layers):
        x, _ = _run_layer(x, _drop_full(mask), weights, layer, prefix and prefix.layers[number])
    return Hidden(x, hidden.attention_mask)


def make_prefix(hidden: Hidden, weights: Weights, layers: Iterable[int]) -> Prefix:
    """Run some layers and keep what other texts can attend to in each of them."""
    x, pairs = hidden.states, []
    for layer in layers:
        x, pair = _run_layer(x, _drop_full(hidden.attention_mask), weights, layer)
        pairs.append(pair)
    return Prefix(pairs, hidden.attention_mask)


def _drop_full(mask: Array) -> Array | None:
    """Return the mask, or None if there is no padding, which is faster."""
    return None if bool(mask.all()) else mask


def _run_layer(
    x: Array,
    mask: Array | None,
    weights: Weights,
    layer: int,
    before: tuple[Array, Array] | None = None,
) -> tuple[Array, tuple[Array, Array]]:
    """Return the output of a layer, and its own keys and values; `mask` also covers the keys `before` the texts."""
    backend, name = weights.backend, f"encoder.layer.{layer}"

    def linear(part: str, x: Array) -> Array:
        return backend.linear(x, weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"])

    query, key, value = (linear(f"attention.self.{part}", x) for part in ("query", "key", "value"))
    keys, values = key, value
    if before is not None:
        keys, values = backend.concatenate((before[0], key)), backend.concatenate((before[1], value))
    mixed = backend.attend(query, keys, values, mask, _HEADS)
    x = _norm(f"{name}.attention.output", x + linear("attention.output.dense", mixed), weights)
    inner = backend.gelu(linear("intermediate.dense", x))
    return _norm(f"{name}.output", x + linear("output.dense", inner), weights), (key, value)


def _norm(name: str, x: Array, weights: Weights) -> Array:
    name = f"{name}.LayerNorm"
    return weights.backend.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], _EPS)
