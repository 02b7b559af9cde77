"""Progress: the type of progress callbacks, and the one that shows nothing."""

from __future__ import annotations

from collections.abc import Callable

# called with what is being done, how much of it is done, and how much there is in all
Progress = Callable[[str, int, int], None]


def ignore_progress(what: str, done: int, total: int) -> None:
    """Show nothing: what stands for a callback that is not given."""
