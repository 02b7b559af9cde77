"""A finished run as an encoder for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from goalspace.encoders.registry import get_encoder, takes_goal
from goalspace.errors import InputError

if TYPE_CHECKING:
    from goalspace.encoders.protocol import Encoder


RUN_PREFIX = "run:"


def find_encoder(
    spec: str, *, by_scores: bool, goal: str | None = None, named: Sequence[str] = ()
) -> str | Encoder:
    """Resolve an encoder spec: run:FOLDER gives the factors of the run, others are returned unchanged.

    Probes use the factor scores; tasks that compare whole texts use the space that the factors span. The goal is for
    the encoders that take one. `named` are all specs that the user names: texts are sent to the endpoint of a run only if
    its address is among them.

    Raises
    ------
    InputError
        If no folder is named, it holds no finished run, or the encoder of the run cannot be used.
    """
    from goalspace.run.folder import Run

    if not spec.startswith(RUN_PREFIX):
        return get_encoder(spec, goal=goal) if goal is not None and takes_goal(spec) else spec
    if spec == RUN_PREFIX:
        raise InputError(f"'{RUN_PREFIX}' names no folder: write {RUN_PREFIX}FOLDER, the folder of a run.")
    run = Run.open(spec.removeprefix(RUN_PREFIX))
    run.named = tuple(named)
    # fails now if it cannot be used, and not after other encoders were measured
    get_encoder(run.links.encoder)
    factors = run.factors
    return factors if by_scores else factors.space
