"""Where large tasks are computed: in this process, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from goalspace.engine.local import LocalEngine
from goalspace.engine.protocol import Engine
from goalspace.errors import InputError

__all__ = ["Engine", "current_engine", "use_engine"]

_current: ContextVar[Engine] = ContextVar("engine")


@contextmanager
def use_engine(engine: str | Engine) -> Iterator[Engine]:
    """Let texts that are encoded within the block be encoded by an engine; the results are the same.

    Parameters
    ----------
    engine
        ``local``: this process, as without this function. ``ray``: a Ray cluster (extra ``ray``), which is found as Ray programs
        find it (see `RayEngine`). Or an engine, which is closed at the end of the block.

    Raises
    ------
    InputError
        If there is no such engine, or no cluster at RAY_ADDRESS.
    MissingDependency
        If Ray is not installed.
    """
    chosen = _find_engine(engine)
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)
        chosen.close()


def current_engine() -> Engine:
    """Return the engine of the innermost `use_engine`; ``local`` if there is none."""
    return _current.get(None) or LocalEngine()


def _find_engine(engine: str | Engine) -> Engine:
    if not isinstance(engine, str):
        return engine
    if engine == "local":
        return LocalEngine()
    if engine == "ray":
        from goalspace.engine.ray import RayEngine

        return RayEngine()
    raise InputError(
        f"The 'engine' parameter of use_engine must be local, ray or an engine. Got {engine!r} instead."
    )
