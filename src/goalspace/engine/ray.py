"""The engine ``ray``: the processes of a Ray cluster (Moritz et al. 2018, arXiv 1712.05889)."""

from __future__ import annotations

import copy
import functools
import logging
import os
import pickle
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from goalspace import __version__
from goalspace.engine.protocol import Partition, Result
from goalspace.errors import GoalspaceError, InputError, require

_LOCAL = "local"  # for Ray, a cluster of this machine alone
_AHEAD = 2  # partitions per process: the next one waits there while one is computed
_PATIENCE = 10.0  # seconds
_held: dict[str, Callable[[Any], Any]] = {}  # of a worker: the function that it computes


class RayEngine:
    """Computes partitions in the processes of a Ray cluster, one per CPU, or per GPU where any is free.

    The cluster is the one at the address in the environment variable RAY_ADDRESS, or that of ``ray.init`` if it was called
    before. Otherwise, one is started on this machine, at the first use, that only this user can reach and that ends with the
    engine. A partition whose process or node dies is computed again by another one.

    Parameters
    ----------
    in_flight
        How many partitions are sent before a result is waited for; None for two per process.

    Raises
    ------
    InputError
        If nothing listens at the address.
    MissingDependency
        If Ray is not installed.
    """

    def __init__(self, *, in_flight: int | None = None) -> None:
        self.in_flight = in_flight
        self.address = os.environ.get("RAY_ADDRESS") or _LOCAL
        _check_reachable(self.address)
        _prepare_environment(self.address)
        self._ray: Any = require("ray", extra="ray")
        self._is_started = False

    def map(
        self, function: Callable[[Partition], Result], partitions: Sequence[Partition]
    ) -> Iterator[tuple[int, Result]]:
        """See `Engine.map`.

        Raises
        ------
        InputError
            If the cluster cannot be reached, or the function cannot be sent there.
        GoalspaceError
            If a partition ended several processes, or a node has another version of goalspace.
        """
        if not len(partitions):
            return
        self._connect()
        ray, sent = self._ray, self._send(function)
        # a process keeps the memory of a GPU, and with it the weights, only if it may compute more than one partition
        task = ray.remote(num_cpus=1, num_gpus=int(self._resource == "GPU"), max_calls=0)(_compute)
        partitions_left = iter(enumerate(partitions))
        waiting: dict[Any, int] = {}
        try:
            while True:
                for i, partition in islice(partitions_left, max(0, self._room() - len(waiting))):
                    # in a list, because Ray would load the function itself for every partition
                    waiting[task.remote([sent], __version__, partition)] = i
                if not waiting:
                    return
                for reference in ray.wait(list(waiting))[0]:
                    yield waiting.pop(reference), self._receive(reference)
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)

    def close(self) -> None:
        """End the processes, and the cluster if it was started for this engine."""
        if self._is_started:
            self._ray.shutdown()
            self._is_started = False

    def _connect(self) -> None:
        if self._ray.is_initialized():
            return
        try:
            self._ray.init(
                address=self.address,
                include_dashboard=False if self.address == _LOCAL else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (OSError, RuntimeError, ValueError, ImportError, self._ray.exceptions.RayError) as error:
            raise _not_there(self.address, error) from error
        self._is_started = True

    @functools.cached_property  # later, the GPUs may still be held by what was computed last
    def _resource(self) -> str:
        """What every process gets one of; GPUs that others hold, such as a server of a language model, do not count."""
        return "GPU" if self._ray.available_resources().get("GPU", 0) >= 1 else "CPU"

    def _room(self) -> int:
        # asked each time, because nodes come and go
        n_processes = max(1, int(self._ray.cluster_resources().get(self._resource, 0)))
        return self.in_flight or _AHEAD * n_processes

    def _send(self, function: Callable[[Any], Any]) -> Any:
        """Put the function where all workers find it."""
        try:
            return self._ray.put(function)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise InputError(
                f"The encoder cannot be sent to the workers of Ray ({_first_line(error.__cause__ or error)}): choose one that pickle "
                "can copy, or the engine local."
            ) from error

    def _receive(self, reference: Any) -> Any:
        """Return a copy of a result, whose memory would otherwise stay in Ray's object store, which is small."""
        errors = self._ray.exceptions
        try:
            return copy.deepcopy(self._ray.get(reference))
        except errors.RayTaskError as error:
            if isinstance(error.cause, GoalspaceError):
                raise type(error.cause)(f"On a worker of Ray: {error.cause}") from None
            if "failed to import on the worker" in str(error.cause):
                raise InputError(
                    f"goalspace is not installed on a node of the Ray cluster: install {__version__} on all of them."
                ) from error
            raise
        except errors.RayError as error:
            raise GoalspaceError(
                f"Ray gave up some texts because their process ended again and again ({type(error).__name__}): give each process "
                "more memory. What was computed before is kept in the run folder."
            ) from error


def _prepare_environment(address: str) -> None:
    """Set what Ray reads when it is imported and started, unless the user did.

    A cluster of this machine alone listens to the machine itself, and only to who knows a random token. The name of the setting
    for the former says where it is Ray's default.
    """
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # any line: it would print what happens to processes, among our output
    }
    if address == _LOCAL:
        settings |= {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def _check_reachable(address: str) -> None:
    """Raise an `InputError` if nothing listens at HOST:PORT, for which Ray would wait a quarter of an hour."""
    host, _, port = address.rpartition(":")
    if "://" not in address and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
        except (OSError, OverflowError) as error:
            raise _not_there(address, error) from error


def _not_there(address: str, error: BaseException) -> InputError:
    if address == _LOCAL:
        return InputError(f"Ray cannot be started on this machine ({_first_line(error)}).")
    return InputError(
        f"There is no Ray cluster at RAY_ADDRESS={address} ({_first_line(error)}): name that of a running one, or unset it to use "
        "this machine."
    )


def _compute(sent: Sequence[Any], version: str, partition: Any) -> Any:
    """Compute a partition on a worker, which loads the function once."""
    ray: Any = require("ray", extra="ray")
    key = sent[0].hex()
    if key not in _held:
        if version != __version__:
            raise GoalspaceError(
                f"goalspace {__version__} is installed here, and {version} where the command runs: install the same everywhere."
            )
        _held.clear()
        try:
            _held[key] = ray.get(sent[0])
        except ray.exceptions.RaySystemError as error:
            raise InputError(
                f"The encoder cannot be loaded here ({_first_line(error)}): install what it needs on every node."
            ) from None
    return _held[key](partition)


def _first_line(error: BaseException) -> str:
    why = str(getattr(error, "strerror", None) or error)
    return next(iter(why.strip().splitlines()), type(error).__name__)
