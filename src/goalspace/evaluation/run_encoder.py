"""A finished run as an encoder of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goalspace.errors import InputError

if TYPE_CHECKING:
    from goalspace.encoders.protocol import Encoder


RUN_PREFIX = "run:"


def find_encoder(spec: str, *, by_scores: bool) -> str | Encoder:
    """What `evaluate` is given for a spec: for run:FOLDER the factors of the run.

    A probe reads the scores of named factors; what compares whole texts does so in the space that they span.

    Raises
    ------
    InputError
        If no folder is named, or it holds no finished run.
    """
    from goalspace.run.folder import Run

    if not spec.startswith(RUN_PREFIX):
        return spec
    if spec == RUN_PREFIX:
        raise InputError(f"'{RUN_PREFIX}' names no folder: write {RUN_PREFIX}FOLDER, the folder of a run.")
    factors = Run.open(spec.removeprefix(RUN_PREFIX)).factors
    return factors if by_scores else factors.space
