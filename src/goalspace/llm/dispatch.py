"""Concurrent calls in an event loop of their own, whose results are taken from ordinary code."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any, TypeVar

from goalspace.llm.interrupts import GRACE, Interrupts
from goalspace.llm.protocol import StopCalls
from goalspace.text import plural

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Call = Callable[[int], Awaitable[Result]]


def dispatch(
    opened: Callable[[], AbstractAsyncContextManager[Call[Result]]],
    positions: Sequence[int],
    width: Callable[[], int],
) -> Iterator[tuple[int, Result]]:
    """Yield (position, result of its call) as results arrive.

    After a failure no call is started; those in flight are finished and yielded, then the failure is raised. The same holds
    after Ctrl-C and after `StopCalls` was thrown in, for at most 10 seconds; a second Ctrl-C ends all calls at once.

    Parameters
    ----------
    opened
        Opens what the calls share, inside the event loop, and returns the call of a position.
    positions
        What to call.
    width
        Returns how many calls may be in flight at the moment.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, when the results of the calls in flight were yielded.
    """
    worker = _Worker(opened, positions, width)
    thread = threading.Thread(target=worker.run, name="goalspace calls", daemon=True)
    with Interrupts(partial(worker.stop, "; Ctrl-C again stops at once")) as interrupts:
        thread.start()
        try:
            while (found := _next_result(worker, interrupts)) is not None:
                try:
                    yield found
                except StopCalls:
                    if interrupts.n > 1:
                        return
                    worker.stop()
                worker.note_taken()
        finally:
            worker.cancel()
            thread.join()
    interrupts.reraise()
    if worker.failure is not None:
        raise worker.failure


def _next_result(worker: _Worker, interrupts: Interrupts) -> Any:
    while True:
        try:
            return worker.results.get()
        except KeyboardInterrupt:  # not from our handler, or the second one
            if interrupts.n > 1:
                raise
            interrupts.note()


class _Worker:
    """Runs the calls; `results` ends with None.

    A call counts as in flight until the next result is asked for: only then was its own stored. So a process that is killed
    loses no more replies than it has calls at a time.
    """

    def __init__(self, opened: Any, positions: Sequence[int], width: Callable[[], int]) -> None:
        self.opened, self.positions, self.width = opened, positions, width
        self.results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._main: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._is_stopped = self._has_limit = False
        self._n_waiting = 0  # results that were not taken yet
        self._changed = asyncio.Event()  # a call has ended, or its result was taken

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._work())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.failure = self.failure or error
        finally:
            self.results.put(None)

    def stop(self, hint: str = "") -> None:
        """Start no more calls, and give those in flight some seconds; the hint ends the message."""
        self._from_outside(partial(self._stop, hint))

    def note_taken(self) -> None:
        """Make room for another call."""
        self._from_outside(self._take)

    def _take(self) -> None:
        self._n_waiting -= 1
        self._changed.set()

    def cancel(self) -> None:
        """End everything; does nothing if the calls have ended."""
        self._from_outside(lambda: self._main and self._main.cancel())

    def _from_outside(self, action: Callable[[], Any]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(action)

    def _stop(self, hint: str) -> None:
        self._is_stopped = True
        self._changed.set()
        if self._has_limit:
            return
        self._has_limit = True
        if self._running:
            in_flight = plural(len(self._running), "call")
            _log.warning("stopping: waiting up to %.0f s for %s in flight%s", GRACE, in_flight, hint)
        self._loop.call_later(GRACE, lambda: [task.cancel() for task in self._running])

    async def _work(self) -> None:
        self._main = asyncio.current_task()
        waiting = iter(self.positions)
        async with self.opened() as call:
            try:
                while True:
                    self._changed.clear()
                    while not self._is_stopped and self._n_open < max(self.width(), 1):
                        position = next(waiting, None)
                        if position is None:
                            self._is_stopped = True
                            break
                        task = asyncio.create_task(self._make(call, position))
                        self._running.add(task)
                        task.add_done_callback(self._end)
                    if self._is_stopped and not self._running:
                        break
                    await self._changed.wait()
            except asyncio.CancelledError:
                running = list(self._running)
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                raise

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._changed.set()

    @property
    def _n_open(self) -> int:
        return len(self._running) + self._n_waiting

    async def _make(self, call: Call[Any], position: int) -> None:
        try:
            found = await call(position)
            self._n_waiting += 1
            self.results.put((position, found))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.failure, self._is_stopped = self.failure or error, True
