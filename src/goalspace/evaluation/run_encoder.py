"""A finished run as an encoder for evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goalspace.errors import InputError

if TYPE_CHECKING:
    from goalspace.encoders.protocol import Encoder


RUN_PREFIX = "run:"


def find_encoder(spec: str, *, by_scores: bool) -> str | Encoder:
    """Resolve an encoder spec: run:FOLDER gives the factors of the run, others are returned unchanged.

    Probes use the factor scores; tasks that compare whole texts use the space that the factors span.

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
