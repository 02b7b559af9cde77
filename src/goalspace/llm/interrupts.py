"""Ctrl-C while calls are made: the first one starts no more of them, the second one ends everything."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

_log = logging.getLogger(__name__)

GRACE = 10.0  # seconds that calls in flight get after an interruption


class Interrupts:
    """Catches the first Ctrl-C within a `with` block, whatever the block is doing; the second one raises as usual.

    A handler that others installed, such as that of `asyncio.run`, is called, too. Outside of the main thread, which gets
    the signals, nothing is caught.

    Parameters
    ----------
    first
        Called at the first Ctrl-C, in the main thread. If None, the block gets 10 seconds to end by itself, then it is
        interrupted.

    Attributes
    ----------
    n
        How often Ctrl-C was pressed.
    """

    def __init__(self, first: Callable[[], None] | None = None) -> None:
        self.n = 0
        self._first = first or self._allow_some_time
        self._previous: Any = None
        self._error: BaseException | None = None  # what the handler of others raised
        self._timer: threading.Timer | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        if _is_main_thread():
            self._previous = signal.getsignal(signal.SIGINT)
            if callable(self._previous):  # not if the signal is ignored, or handled outside of Python
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            if self._timer.is_alive():  # the second Ctrl-C may have come before its start
                self._timer.join()
        self._is_over = True
        # a generator may be closed in another thread, or after somebody else has installed a handler
        if _is_main_thread() and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: Any) -> None:
        if self._is_over:
            self._previous(number, frame)
            return
        if self.n:
            self.n += 1
            raise KeyboardInterrupt
        if self._previous is not signal.default_int_handler:
            try:
                self._previous(number, frame)
            except BaseException as error:
                self._error = error
        self.note()

    def note(self) -> None:
        """Count a Ctrl-C that arrived as a KeyboardInterrupt; raise it unless it is the first."""
        self.n += 1
        if self.n > 1:
            raise KeyboardInterrupt
        self._first()

    def reraise(self) -> None:
        """Raise the interruption, or what the handler of others raised, if there was one."""
        if self.n:
            raise self._error or KeyboardInterrupt

    def _allow_some_time(self) -> None:
        _log.warning(
            "stopping after the call in progress, in %.0f s at most; Ctrl-C again stops at once", GRACE
        )
        main = threading.main_thread().ident
        assert main is not None
        # a real signal, because it also ends a system call that blocks
        self._timer = threading.Timer(GRACE, signal.pthread_kill, (main, signal.SIGINT))
        self._timer.daemon = True
        self._timer.start()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
