"""A training's state in a folder, from which the same call goes on after it was killed."""

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

_MARK = "goalspace.json"  # written last: a checkpoint that has it is whole
_WEIGHTS, _BEST = "weights.safetensors", "best.safetensors"

Weights = Mapping[str, "torch.Tensor"]


class State(NamedTuple):
    """What a training knows besides the trainer's own state."""

    losses: list[tuple[int, float]]  # step and loss of the held-out texts
    best: Weights | None  # the weights with the lowest; None when nothing was held out


class Checkpoints:
    """The folder of one training: its two newest checkpoints, or its result.

    Parameters
    ----------
    folder
        Made when something is saved.
    call
        Identifies the arguments of the training.

    Raises
    ------
    InputError
        If the folder is a file, or holds the state of another training.
    """

    def __init__(self, folder: Path, call: str) -> None:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is no folder: name one in which training may save its state.")
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
        """The newest whole checkpoint; what a kill left half-written is removed."""
        whole = []
        for path in self.folder.glob("checkpoint-*"):
            if (path / _MARK).is_file():
                whole.append(path)
            else:
                shutil.rmtree(path)
        return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def is_due(self) -> bool:
        """Whether the last checkpoint is so old that another should be saved."""
        return time.monotonic() - self._saved_at >= SECONDS

    def complete(self, step: int, state: State) -> None:
        """Add what a training knows to the trainer's checkpoint, which is whole then."""
        path = self.folder / f"checkpoint-{step}"
        if state.best is not None:
            save_weights(state.best, path / _BEST)
        write_json(path / _MARK, {"call": self.call, "losses": state.losses})
        self._saved_at = time.monotonic()

    def read(self, path: Path) -> State:
        """Read what `complete` added."""
        best = load_weights(path / _BEST) if (path / _BEST).is_file() else None
        return State([(step, loss) for step, loss in read_json(path / _MARK)["losses"]], best)

    def finish(self, weights: Weights, losses: Sequence[tuple[int, float]]) -> None:
        """Keep the result instead of the checkpoints."""
        save_weights(weights, self.folder / _WEIGHTS)
        write_json(self.folder / _MARK, {"call": self.call, "losses": list(losses)})
        for path in self.folder.glob("checkpoint-*"):
            shutil.rmtree(path)

    def result(self) -> State | None:
        """What `finish` kept, if the training came to its end."""
        if not (self.folder / _MARK).is_file():
            return None
        losses = [(step, loss) for step, loss in read_json(self.folder / _MARK)["losses"]]
        return State(losses, load_weights(self.folder / _WEIGHTS))


def trained_weights(model: Any) -> dict[str, torch.Tensor]:
    """Copy the weights that training changes, by name."""
    return {
        name: weights.detach().cpu().clone().contiguous()
        for name, weights in model.named_parameters()
        if weights.requires_grad
    }


def put_weights(model: Any, weights: Weights) -> None:
    """Give a model the weights that `trained_weights` took from it."""
    import torch

    with torch.no_grad():
        for name, target in model.named_parameters():
            if target.requires_grad:
                target.copy_(weights[name])


def save_trained(model: Any, folder: Path) -> None:
    """Write the weights that training changes into a checkpoint."""
    save_weights(trained_weights(model), folder / _WEIGHTS)


def load_trained(model: Any, folder: Path) -> None:
    """Read what `save_trained` wrote."""
    put_weights(model, load_weights(folder / _WEIGHTS))


def save_weights(weights: Weights, path: Path) -> None:
    """Write a safetensors file, whole or not at all."""
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file(dict(weights), temporary)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file onto the processor."""
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = load_file(path)
    return found
