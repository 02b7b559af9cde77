"""The Engine protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Partition = TypeVar("Partition")
Result = TypeVar("Result")


class Engine(Protocol):
    """What computes a function of many partitions, such as the vectors of texts, 512 at a time."""

    def map(
        self, function: Callable[[Partition], Result], partitions: Sequence[Partition]
    ) -> Iterator[tuple[int, Result]]:
        """Yield the position of every partition and the function's result, in any order, as they arrive."""
        ...

    def close(self) -> None:
        """End what the engine started."""
        ...
