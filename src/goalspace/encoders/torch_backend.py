"""The backend on GPUs and in training: torch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from goalspace.encoders.backend import Batch

if TYPE_CHECKING:
    import torch


BATCH_TOKENS = 65536


@functools.cache
def find_device() -> str:
    """Return the torch name of the fastest device of this machine."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def from_numpy(array: np.ndarray) -> torch.Tensor:
    """See `Backend.from_numpy`."""
    import torch

    return torch.from_numpy(array).to(find_device())


def to_numpy(array: torch.Tensor) -> np.ndarray:
    """See `Backend.to_numpy`."""
    return array.cpu().numpy()


def run(
    embed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], batches: Iterable[Batch], out: np.ndarray
) -> None:
    """See `Backend.run`."""
    import torch

    with torch.inference_mode():
        for rows, ids, attention_mask in batches:
            out[rows] = to_numpy(embed(from_numpy(ids), from_numpy(attention_mask)))


def concatenate(arrays: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """See `Backend.concatenate`."""
    import torch

    return torch.cat(arrays, dim=1)


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """See `Backend.linear`."""
    from torch.nn import functional

    return functional.linear(x, weight, bias)


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """See `Backend.layer_norm`."""
    from torch.nn import functional

    return functional.layer_norm(x, (x.shape[-1],), weight, bias, eps)


def gelu(x: torch.Tensor) -> torch.Tensor:
    """See `Backend.gelu`."""
    from torch.nn import functional

    return functional.gelu(x)


def attend(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None, n_heads: int
) -> torch.Tensor:
    """See `Backend.attend`."""
    import torch
    from torch.nn import functional

    def split(x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], n_heads, -1).transpose(1, 2).float()

    with torch.autocast(query.device.type, enabled=False):  # in half precision its gradient is slow on CPUs
        mixed = functional.scaled_dot_product_attention(
            split(query),
            split(keys),
            split(values),
            attn_mask=None if mask is None else mask[:, None, None, :],
        )
    return mixed.transpose(1, 2).flatten(2)


def mean_pool(states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """See `Backend.mean_pool`."""
    from torch.nn import functional

    return functional.normalize((states.float() * attention_mask[..., None]).sum(dim=1), dim=1)
