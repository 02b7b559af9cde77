"""Low-rank changes of MiniLM's weights: made from a tuned model, kept in a small file, added when it is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from goalspace.errors import InputError
from goalspace.files import atomic_path, digest

if TYPE_CHECKING:
    import torch


class Adapter(NamedTuple):
    """For every changed weight W (n_out, n_in) the factors of its change: W + down @ up; and what it is."""

    factors: Mapping[str, tuple[np.ndarray, np.ndarray]]  # (n_out, rank) and (rank, n_in), float16
    about: Mapping[str, str]


def extract(base: Mapping[str, np.ndarray], tuned: Mapping[str, np.ndarray], *, rank: int) -> Adapter:
    """Approximate what training changed by matrices of low rank (truncated SVD, Eckart & Young 1936).

    Parameters
    ----------
    base, tuned
        Weights by name, before and after training; those of the base that are matrices of the encoder's
        layers are compared, the others must not have been trained.
    rank
        The same for all matrices.
    """
    factors = {}
    for name, before in base.items():
        if before.ndim != 2 or not name.startswith("encoder.layer."):
            continue
        left, values, right = np.linalg.svd(tuned[name] - before, full_matrices=False)
        root = np.sqrt(values[:rank])
        factors[name] = (
            (left[:, :rank] * root).astype(np.float16),
            (root[:, None] * right[:rank]).astype(np.float16),
        )
    return Adapter(factors, {})


def save(adapter: Adapter, path: Path) -> None:
    """Write a safetensors file, with `about` in its header."""
    from safetensors.numpy import save_file

    arrays = {}
    for name, (down, up) in adapter.factors.items():
        arrays[f"{name}.down"] = np.ascontiguousarray(down)
        arrays[f"{name}.up"] = np.ascontiguousarray(up)
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={"about": json.dumps(dict(adapter.about), sort_keys=True)})


def load(path: Path) -> Adapter:
    """Read what `save` wrote.

    Raises
    ------
    InputError
        If the file is missing or no adapter.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            names = [name.removesuffix(".down") for name in file.keys() if name.endswith(".down")]  # noqa: SIM118
            factors = {
                name: (file.get_tensor(f"{name}.down"), file.get_tensor(f"{name}.up")) for name in names
            }
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is no adapter of the encoder 'task': {error}.") from error
    if not factors:
        raise InputError(f"{path} is no adapter of the encoder 'task': it holds no low-rank matrices.")
    return Adapter(factors, about)


def fingerprint(adapter: Adapter) -> str:
    """Eight characters that tell adapters apart."""
    return digest(*(array for name in sorted(adapter.factors) for array in adapter.factors[name]))[:8]


def merge(weights: Mapping[str, torch.Tensor], adapter: Adapter) -> dict[str, torch.Tensor]:
    """Add the changes to the weights, which stay as they are.

    Raises
    ------
    InputError
        If the adapter belongs to another model.
    """
    import torch

    merged = dict(weights)
    for name, (down, up) in adapter.factors.items():
        change = torch.from_numpy(down.astype(np.float32) @ up.astype(np.float32))
        if name not in weights or weights[name].shape != change.shape:
            raise InputError(f"The adapter changes '{name}', which all-MiniLM-L6-v2 has not in this shape.")
        merged[name] = weights[name] + change.to(weights[name].device)
    return merged
