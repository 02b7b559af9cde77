"""Checkpoints: the state of a training in a folder, from which an interrupted call resumes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from goalspace.errors import InputError
from goalspace.files import atomic_path, read_json, write_json

if TYPE_CHECKING:
    import torch


SECONDS = 300.0  # between two checkpoints

_MARK = "goalspace.json"  # written last, so a checkpoint with this file is complete
_WEIGHTS, _BEST = "weights.safetensors", "best.safetensors"

Weights = Mapping[str, "torch.Tensor"]


class State(NamedTuple):
    """The state of a training besides that of the trainer."""

    losses: list[tuple[int, float]]  # step and loss of the held-out texts
    best: Weights | None  # the weights with the lowest loss; None if nothing was held out


class Checkpoints:
    """The folder of one training: its two newest checkpoints, or its result.

    Parameters
    ----------
    folder
        Created on the first save.
    call
        Identifies the arguments of the training.

    Raises
    ------
    InputError
        If the folder is a file, or holds the state of another training.
    """

    def __init__(self, folder: Path, call: str) -> None:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is not a folder: name a folder in which training can save its state.")
        self.folder = folder
        self.call = call
        self._saved_at = time.monotonic()
        for mark in (folder / _MARK, *folder.glob(f"checkpoint-*/{_MARK}")):
            if mark.is_file() and read_json(mark)["call"] != call:
                raise InputError(
                    f"{folder} holds a training on other texts or with other settings: name another folder, or "
                    "remove that one."
                )

    def latest(self) -> Path | None:
        """Return the newest complete checkpoint, and remove incomplete ones."""
        whole = []
        for path in self.folder.glob("checkpoint-*"):
            if (path / _MARK).is_file():
                whole.append(path)
            else:
                shutil.rmtree(path)
        return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def is_due(self) -> bool:
        """Return whether the last checkpoint is old enough to save another."""
        return time.monotonic() - self._saved_at >= SECONDS

    def complete(self, step: int, state: State) -> None:
        """Add the state to the trainer's checkpoint, which completes it."""
        path = self.folder / f"checkpoint-{step}"
        if state.best is not None:
            save_weights(state.best, path / _BEST)
        write_json(path / _MARK, {"call": self.call, "losses": state.losses})
        self._saved_at = time.monotonic()

    def read(self, path: Path) -> State:
        """Read the state added by `complete`."""
        best = load_weights(path / _BEST) if (path / _BEST).is_file() else None
        return State([(step, loss) for step, loss in read_json(path / _MARK)["losses"]], best)

    def finish(self, weights: Weights, losses: Sequence[tuple[int, float]]) -> None:
        """Keep the result instead of the checkpoints."""
        save_weights(weights, self.folder / _WEIGHTS)
        write_json(self.folder / _MARK, {"call": self.call, "losses": list(losses)})
        for path in self.folder.glob("checkpoint-*"):
            shutil.rmtree(path)

    def result(self) -> State | None:
        """Return the result written by `finish`, None if the training is not finished."""
        if not (self.folder / _MARK).is_file():
            return None
        losses = [(step, loss) for step, loss in read_json(self.folder / _MARK)["losses"]]
        return State(losses, load_weights(self.folder / _WEIGHTS))


def trained_weights(model: Any) -> dict[str, torch.Tensor]:
    """Return copies of the trainable weights, by name."""
    return {
        name: weights.detach().cpu().clone().contiguous()
        for name, weights in model.named_parameters()
        if weights.requires_grad
    }


def put_weights(model: Any, weights: Weights) -> None:
    """Load weights copied by `trained_weights` into the model."""
    import torch

    with torch.no_grad():
        for name, target in model.named_parameters():
            if target.requires_grad:
                target.copy_(weights[name])


def save_trained(model: Any, folder: Path) -> None:
    """Write the trainable weights to a checkpoint."""
    save_weights(trained_weights(model), folder / _WEIGHTS)


def load_trained(model: Any, folder: Path) -> None:
    """Load weights written by `save_trained` into the model."""
    put_weights(model, load_weights(folder / _WEIGHTS))


def save_weights(weights: Weights, path: Path) -> None:
    """Write a safetensors file, atomically."""
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file(dict(weights), temporary)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file into CPU memory."""
    from safetensors.torch import load_file

    weights: dict[str, torch.Tensor] = load_file(path)
    return weights
