"""The progress line: a bar on a terminal, else a plain line now and then; of calls also their pace and cost."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from goalspace.cli.calls import describe_calls, describe_pace, describe_totals

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from goalspace.llm.meter import Meter

_INTERVAL = 30.0  # seconds between plain lines
_WINDOW = 60.0  # seconds over which the time left is estimated
_BETWEEN = " · "
_LONG_BAR, _SHORT_BAR = 24, 10


@contextmanager
def show_progress() -> Iterator[ProgressLine]:
    """A progress line on the terminal that vanishes when done; plain lines where there is no terminal.

    If calls were made, a line says at the end what they cost.
    """
    from rich.console import Console

    from goalspace.llm.meter import metered

    console = Console(stderr=True)
    with metered() as meter:
        try:
            if console.is_terminal:
                with _make_bar(line := ProgressLine(meter), console) as line.bar:
                    yield line
            else:
                with _plain_lines(line := ProgressLine(meter)):
                    yield line
        finally:
            totals = describe_totals(meter)
            if totals and console.is_terminal:
                console.print(totals, markup=False, highlight=False)  # breaks lines between words
            elif totals:
                click.echo(totals, err=True)


def _make_bar(line: ProgressLine, console: Any) -> Bar:
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_BETWEEN.join(line.describe_step()), style="progress.elapsed")

    class Lines(Progress):
        def get_renderables(self) -> Iterable[Any]:
            bar.bar_width = _SHORT_BAR if line.is_calling else _LONG_BAR
            yield self.make_tasks_table(self.tasks)
            if line.is_calling:
                yield from map(Text, wrap(describe_calls(line.meter), console.width))

    bar = BarColumn(bar_width=_LONG_BAR)
    lines = Lines(
        SpinnerColumn(), TextColumn("{task.description}"), bar, Count(), console=console, transient=True
    )
    lines.add_task("starting", total=None)
    return lines


@contextmanager
def _plain_lines(line: ProgressLine) -> Iterator[None]:
    is_over = threading.Event()

    def show() -> None:
        while not is_over.wait(_INTERVAL):
            line.print()

    thread = threading.Thread(target=show, name="goalspace progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class ProgressLine:
    """The callback that shows progress.

    Parameters
    ----------
    meter
        Counts the calls.

    Attributes
    ----------
    bar
        Shows it on a terminal; None for plain lines: one when a step begins, others by `print`.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.bar: Bar | None = None
        self._what, self._done, self._total = "", 0, 0
        self._began = time.monotonic()
        self._before = (0, 0)  # calls, and attempts that failed, before this step
        self._n_replayed = 0
        self._samples: deque[tuple[float, int]] = deque()  # when how much was done
        self._shown: set[str] = set()
        self._last = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._before = what, now, self._counts()
            self._samples.clear()
            if (
                self.bar is not None
            ):  # a task of its own, because the total of one cannot become unknown again
                self.bar.remove_task(self.bar.tasks[0].id)
                self.bar.add_task(what, total=None)
        if self.meter.n_replayed != self._n_replayed:
            # stored replies come at once: they say nothing of the pace
            self._n_replayed = self.meter.n_replayed
            self._samples.clear()
        self._done, self._total = done, total
        self._samples.append((now, done))
        while now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        if self.bar is not None:
            if total > 1:
                self.bar.update(self.bar.tasks[0].id, completed=done, total=total)
        elif what not in self._shown:
            self._shown.add(what)
            click.echo(f"{what} …", err=True)

    def _counts(self) -> tuple[int, int]:
        return self.meter.n_calls, self.meter.retries.total()

    @property
    def is_calling(self) -> bool:
        """Whether calls are made in this step."""
        return self._counts() != self._before

    def describe_step(self) -> list[str]:
        """Return how much of the step is done, and the pace of calls or the time that it has taken."""
        count = [f"{self._done:,} of {self._total:,}"] if self._total > 1 else []
        if self.is_calling:
            return count + describe_pace(self.meter, self._seconds_left())
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return [*count, f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"]

    def _seconds_left(self) -> float | None:
        if len(self._samples) < 2:
            return None
        start, before = self._samples[0]
        speed = (self._done - before) / max(time.monotonic() - start, 1e-9)
        return (self._total - self._done) / speed if speed > 0 else None

    def print(self) -> None:
        """Print how far the step is, unless the last line said the same."""
        parts = self.describe_step() if self.is_calling else self.describe_step()[:-1]
        if self.is_calling:
            parts += describe_calls(self.meter)
        text = f"{self._what}: {_BETWEEN.join(parts)}"
        if parts and text != self._last:
            self._last = text
            click.echo(text, err=True)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar off the terminal, so that something else can be printed or asked."""
        if self.bar is None:
            yield
            return
        self.bar.stop()
        try:
            yield
        finally:
            self.bar.start()


def wrap(parts: list[str], width: int) -> list[str]:
    """Join the parts to as few lines of this width as hold them."""
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}{_BETWEEN}{part}" if lines[-1] else part
        if len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines
