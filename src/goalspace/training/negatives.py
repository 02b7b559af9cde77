"""Composition of batches: shuffled texts, or texts of rival properties, which share a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from goalspace.training.groups import rows_of

# Texts per property in a batch: the smallest number that gives a pair of texts.
PER_PROPERTY = 2

# A frequent property is drawn more often than a rare one, but less than in proportion to its texts: the count is
# capped at _MAX_COUNT and raised to _DAMPING, as in word2vec (Mikolov et al. 2013, arXiv 1310.4546, section 2.2).
_MAX_COUNT = 40
_DAMPING = 0.75
_SAME_FIRST, _SAME_LAST = 2, 1  # rivals added to a drawn property


class ShuffledBatches:
    """Every row once per epoch, in a new order: an iterable of lists of rows over all epochs.

    The order of an epoch depends only on the seed and the epoch, so that a resumed training sees the same batches
    as an uninterrupted one.
    """

    drop_last = False  # required by data loaders

    def __init__(self, n_rows: int, *, batch_size: int, epochs: int = 1, seed: int = 0) -> None:
        self.n_rows = n_rows
        self.batch_size = batch_size
        self.epochs = epochs
        self.seed = seed

    @property
    def per_epoch(self) -> int:
        """Number of batches."""
        return -(-self.n_rows // self.batch_size)

    def __len__(self) -> int:
        return self.epochs * self.per_epoch

    def __iter__(self) -> Iterator[list[int]]:
        for epoch in range(self.epochs):
            yield from self._epoch(np.random.default_rng((self.seed, epoch)))

    def _epoch(self, rng: np.random.Generator) -> Iterator[list[int]]:
        order = rng.permutation(self.n_rows).tolist()
        for start in range(0, self.n_rows, self.batch_size):
            yield order[start : start + self.batch_size]


class HardBatches(ShuffledBatches):
    """Batches of drawn properties together with their rivals, with up to two texts each.

    The rivals of "write poem" are the properties that are hard to distinguish from it: "write essay", with the same
    first word, and "translate poem", with the same last word. No row occurs twice in a batch. The number of batches
    in an epoch is such that every text occurs about once, counting at most 40 texts per property.

    Parameters
    ----------
    groups
        Rows with their "properties", positions in `names`.
    names
        The properties.
    batch_size
        Rows per batch; fewer only if there are fewer rows.
    epochs, seed
        As in `ShuffledBatches`.
    """

    def __init__(
        self,
        groups: Sequence[Mapping[str, Any]],
        names: Sequence[str],
        *,
        batch_size: int,
        epochs: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(len(groups), batch_size=batch_size, epochs=epochs, seed=seed)
        members_of = rows_of(groups)
        self._members = [members_of[name] for name in sorted(members_of)]
        self._rivals = Rivals([names[name] for name in sorted(members_of)])
        counts = np.array([min(len(rows), _MAX_COUNT) for rows in self._members])
        self._shown = min(int(counts.sum()), self.n_rows)
        self._weights = counts**_DAMPING

    @property
    def per_epoch(self) -> int:
        """Number of batches."""
        return -(-self._shown // self.batch_size)

    def _epoch(self, rng: np.random.Generator) -> Iterator[list[int]]:
        for _ in range(self.per_epoch):
            yield self._compose(rng)

    def _compose(self, rng: np.random.Generator) -> list[int]:
        rows: dict[int, None] = {}
        size = min(self.batch_size, self.n_rows)
        # usually one pass; with few properties, each adds two more texts per pass
        while len(rows) < size:
            seen: set[int] = set()
            for drawn in self._draw(rng):
                for name in (drawn, *self._rivals.draw(rng, drawn)):
                    if name not in seen:
                        seen.add(name)
                        free = [row for row in self._members[name] if row not in rows]
                        rows.update(dict.fromkeys(_some(rng, free, PER_PROPERTY)))
                if len(rows) >= size:
                    break
        return list(rows)[:size]

    def _draw(self, rng: np.random.Generator) -> list[int]:
        """Return all properties in weighted random order (Efraimidis & Spirakis 2006, algorithm A)."""
        keys = rng.exponential(size=len(self._weights)) / self._weights
        return [int(name) for name in np.argsort(keys)]


class Rivals:
    """Finds the properties that share either the first or the last word with a given one, but not both.

    Parameters
    ----------
    names
        Properties such as "write poem", with the verb first and its object last. Case is ignored.
    """

    def __init__(self, names: Sequence[str]) -> None:
        words = [name.casefold().split() or [""] for name in names]
        self._ends = [(parts[0], parts[-1]) for parts in words]
        self._with: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
        for position, ends in enumerate(self._ends):
            for groups, word in zip(self._with, ends, strict=True):
                groups.setdefault(word, []).append(position)

    def of(self, position: int) -> tuple[list[int], list[int]]:
        """Return the properties that share only the first word with that at `position`, and those that share only the last."""
        ends = self._ends[position]
        first, last = (
            [other for other in self._with[side][ends[side]] if self._ends[other][1 - side] != ends[1 - side]]
            for side in (0, 1)
        )
        return first, last

    def draw(self, rng: np.random.Generator, position: int) -> list[int]:
        """Draw some rivals of the property at `position`."""
        first, last = self.of(position)
        return _some(rng, first, _SAME_FIRST) + _some(rng, last, _SAME_LAST)


def _some(rng: np.random.Generator, items: Sequence[int], n: int) -> list[int]:
    """Draw `n` items, or all if there are fewer."""
    chosen = rng.choice(len(items), min(n, len(items)), replace=False) if items else ()
    return [items[int(i)] for i in chosen]
