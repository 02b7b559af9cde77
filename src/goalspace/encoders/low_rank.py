"""Low-rank adapters of MiniLM: extracted from a tuned model, saved in a small file, merged into the weights."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from goalspace.errors import InputError
from goalspace.files import atomic_path, digest


class Adapter(NamedTuple):
    """For every tuned weight W (n_out, n_in) the factors of W + down @ up, and a description.

    `whole` has the weights that are replaced: small ones, and those that the base model does not have.
    """

    factors: Mapping[str, tuple[np.ndarray, np.ndarray]]  # (n_out, rank) and (rank, n_in), float16
    about: Mapping[str, str]
    whole: Mapping[str, np.ndarray] = MappingProxyType({})


def extract(base: Mapping[str, np.ndarray], tuned: Mapping[str, np.ndarray], *, rank: int) -> Adapter:
    """Approximate the change of weights in training by low-rank matrices (truncated SVD, Eckart & Young 1936).

    Parameters
    ----------
    base, tuned
        Weights by name, before and after training; only the matrices of the encoder layers are compared.
    rank
        Rank of every matrix.
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

    arrays = {f"{name}.whole": np.ascontiguousarray(array) for name, array in adapter.whole.items()}
    for name, (down, up) in adapter.factors.items():
        arrays[f"{name}.down"] = np.ascontiguousarray(down)
        arrays[f"{name}.up"] = np.ascontiguousarray(up)
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={"about": json.dumps(dict(adapter.about), sort_keys=True)})


def load(path: Path) -> Adapter:
    """Read an adapter written by `save`.

    Raises
    ------
    InputError
        If the file is missing or not an adapter.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        factors = {
            name.removesuffix(".down"): (array, arrays[f"{name.removesuffix('.down')}.up"])
            for name, array in arrays.items()
            if name.endswith(".down")
        }
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{path} is not an adapter of an encoder: {error}.") from error
    if not factors:
        raise InputError(f"{path} is not an adapter of an encoder: it holds no low-rank matrices.")
    whole = {name.removesuffix(".whole"): array for name, array in arrays.items() if name.endswith(".whole")}
    return Adapter(factors, about, whole)


@functools.cache
def load_or_shipped(path: Path | None, shipped: str) -> Adapter:
    """Load an adapter once per process: that of the path or, without one, the named file of the package."""
    if path is not None:
        return load(path)
    with resources.as_file(resources.files("goalspace") / "data" / shipped) as own:
        return load(own)


def fingerprint(adapter: Adapter) -> str:
    """Return eight hex digits that identify an adapter."""
    low = (array for name in sorted(adapter.factors) for array in adapter.factors[name])
    return digest(*low, *(adapter.whole[name] for name in sorted(adapter.whole)))[:8]


def merge(weights: Mapping[str, np.ndarray], adapter: Adapter) -> dict[str, np.ndarray]:
    """Return the weights with the adapter added; `weights` is not modified.

    Raises
    ------
    InputError
        If the adapter belongs to another model.
    """
    merged = dict(weights)
    for name, (down, up) in adapter.factors.items():
        change = down.astype(np.float32) @ up.astype(np.float32)
        if name not in weights or weights[name].shape != change.shape:
            raise InputError(
                f"The adapter changes '{name}', which does not exist in this shape in all-MiniLM-L6-v2."
            )
        merged[name] = weights[name] + change
    return {**merged, **{name: array.astype(np.float32) for name, array in adapter.whole.items()}}
