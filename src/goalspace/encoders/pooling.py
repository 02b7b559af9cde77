"""Pooling of the hidden states of a language model to one vector per text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from goalspace.errors import InputError

if TYPE_CHECKING:
    import torch


Tokens = Literal["last", "mean", "first"]

# name → tokens and layers, as in the paper's code (github.com/Yiwei98/instruction-embedding-benchmark)
_NAMED: dict[str, tuple[Tokens, tuple[int, ...]]] = {
    "last": ("last", (-1,)),
    "last-2": ("last", (-2, -1)),
    "mean": ("mean", (-1,)),
    "cls": ("first", (-1,)),
}


@dataclass(frozen=True)
class Pooling:
    """The hidden states averaged to the vector of a text: the layers and tokens.

    Attributes
    ----------
    tokens
        ``last`` or ``first`` token other than padding, or the ``mean`` over all of them.
    layers
        As in `hidden_states` of transformers: 0 is the token embedding, i the output of layer i, the last one
        after the model's final normalisation; negative numbers count from the end.
    """

    tokens: Tokens
    layers: tuple[int, ...]

    @classmethod
    def named(cls, name: str, layers: Sequence[int] | None = None) -> Self:
        """Make the pooling ``last``, ``last-2``, ``mean`` or ``cls``, optionally with other layers.

        Raises
        ------
        InputError
            If the name is unknown, or `layers` is empty or contains anything but integers.
        """
        if name not in _NAMED:
            raise InputError(
                f"The 'pooling' parameter of PromptedEncoder must be one of {', '.join(_NAMED)}. "
                f"Got {name!r} instead."
            )
        tokens, usual = _NAMED[name]
        if layers is None:
            return cls(tokens, usual)
        if not layers or not all(isinstance(layer, int) for layer in layers):
            raise InputError(
                "The 'layers' parameter of PromptedEncoder must be a non-empty list of integers. "
                f"Got {layers!r} instead."
            )
        return cls(tokens, tuple(layers))

    def __str__(self) -> str:
        return f"{self.tokens}@{','.join(map(str, self.layers))}"

    def resolve(self, n_layers: int) -> list[int]:
        """Return the layers counted from 0, for a model with `n_layers` layers.

        Raises
        ------
        InputError
            If the model has fewer layers.
        """
        wrong = [layer for layer in self.layers if not -n_layers - 1 <= layer <= n_layers]
        if wrong:
            raise InputError(
                f"The 'layers' parameter of PromptedEncoder must be from {-n_layers - 1} to {n_layers} for "
                f"this model. Got {wrong[0]} instead."
            )
        return [layer if layer >= 0 else n_layers + 1 + layer for layer in self.layers]


def pool_tokens(states: torch.Tensor, mask: torch.Tensor, tokens: Tokens) -> torch.Tensor:
    """Pool the states of each text's tokens to one vector; padding may be on either side.

    Parameters
    ----------
    states
        (n_texts, length, dim).
    mask
        (n_texts, length), 1 for a token, 0 for padding; every text has at least one token.
    tokens
        ``last``, ``first`` or ``mean``.

    Returns
    -------
    (n_texts, dim) float32.
    """
    import torch

    real = mask.bool()
    if tokens == "mean":
        total = (states.float() * real[..., None]).sum(dim=1)
        return total / real.sum(dim=1, keepdim=True)
    positions = torch.arange(mask.shape[1], device=mask.device)
    if tokens == "last":
        at = torch.where(real, positions, -1).amax(dim=1)
    else:
        at = torch.where(real, positions, mask.shape[1]).amin(dim=1)
    return states[torch.arange(len(states), device=states.device), at].float()
