"""The engine ``local``: this process, one partition after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from goalspace.engine.protocol import Partition, Result


class LocalEngine:
    """Computes partitions in this process; a function may use all cores itself."""

    def map(
        self, function: Callable[[Partition], Result], partitions: Sequence[Partition]
    ) -> Iterator[tuple[int, Result]]:
        """See `Engine.map`."""
        for i, partition in enumerate(partitions):
            yield i, function(partition)

    def close(self) -> None:
        """Do nothing: nothing was started."""
