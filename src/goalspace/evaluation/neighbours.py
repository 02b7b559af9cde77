"""Nearest-neighbour tasks: predicting the next item or the next action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from goalspace.estimate import Estimate
from goalspace.evaluation.episodes import State

# Numbers of neighbours among which the recommendation chooses, and the ranks that it reports
NEIGHBOURS = (1, 5, 20, 60, 180, 360, 720, 1024)
RANKS = (1, 5, 10, 20, 50)
_CHOSEN_BY = 20  # the rank whose hits choose the number of neighbours
_HELD_OUT = 0.2  # of the training texts, the last ones, on which it is chosen
_CHUNK = 1024  # texts whose similarities with all training texts are in memory at a time
_NEVER = np.iinfo(np.int64).max  # the rank of an item that no training text has
_EQUAL = 1e-6  # similarities that differ by less are the same


@dataclass(frozen=True)
class Recommendation:
    """Is the item that comes next among those that followed on the nearest texts?

    Hit@k of Instruct-LF (arXiv 2502.15147, section 4): the items of the n nearest training texts, by cosine,
    are ranked by how often they followed. Equal counts are ranked by popularity in the whole training set,
    then by first appearance, never by spelling. The n with the most hits among the first 20 on the last 20 %
    of the training texts is taken, the smallest of equal ones.

    A wanted item that no training text has cannot be hit: ``reachable`` metrics leave such cases out.
    """

    name: str
    train: tuple[str, ...]
    items: tuple[tuple[str, ...], ...]  # of the training texts
    test: tuple[str, ...]
    wanted: tuple[str, ...]
    setting: str = "ours"
    rows: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)  # the training texts, to fit a run on

    metrics = tuple(f"Hit@{k}" for k in RANKS)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The training texts, then the test texts."""
        return self.train + self.test

    @property
    def reachable(self) -> np.ndarray:
        """Which wanted items some training text has, (n_test,) bool."""
        known = {item for items in self.items for item in items}
        return np.array([item in known for item in self.wanted])

    @property
    def size(self) -> str:
        """The size of the task in words."""
        n_items = len({item for items in self.items for item in items})
        return (
            f"{len(self.train):,} training texts with {n_items:,} items, {len(self.test):,} test texts, "
            f"{int(self.reachable.sum()):,} of whose items are among them"
        )

    @property
    def how(self) -> str:
        """The setting in words."""
        return (
            "items counted over the nearest texts by cosine, ties by popularity; the number of texts is chosen "
            "on the last 20 % of the training texts; ± s.e. over test texts"
        )

    def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
        """Score (n_texts, dim) vectors; Hit@k over all cases, and over the reachable ones."""
        n_train = len(self.train)
        train, test = normalize_rows(vectors[:n_train]), normalize_rows(vectors[n_train:])
        n_near = self._choose(train)
        ranks = _ranks(train, self.items, test, self.wanted, (n_near,))[n_near]
        return {**self._hits(ranks), "neighbours": Estimate(float(n_near), 0.0)}

    def by_popularity(self) -> dict[str, Estimate]:
        """Scores of the baseline that always recommends the most frequent items."""
        same = np.zeros((len(self.texts), 1), dtype=np.float32)
        n_train = len(self.train)
        return self._hits(
            _ranks(same[:n_train], self.items, same[n_train:], self.wanted, (n_train,))[n_train]
        )

    def _hits(self, ranks: np.ndarray) -> dict[str, Estimate]:
        kept = ranks[self.reachable]
        hits = {f"Hit@{k}": Estimate.of(ranks < k) for k in RANKS}
        return hits | ({f"Hit@{k} reachable": Estimate.of(kept < k) for k in RANKS} if len(kept) else {})

    def _choose(self, train: np.ndarray) -> int:
        first = int(len(train) * (1 - _HELD_OUT))
        cases = [(row, item) for row in range(first, len(train)) for item in self.items[row]]
        numbers = tuple(n for n in NEIGHBOURS if n <= first)
        if not cases or not numbers:
            return min(NEIGHBOURS[1], len(train))
        rows, wanted = zip(*cases, strict=True)
        ranks = _ranks(train[:first], self.items[:first], train[list(rows)], wanted, numbers)
        return max(numbers, key=lambda n: (int((ranks[n] < _CHOSEN_BY).sum()), -n))


@dataclass(frozen=True)
class NextAction:
    """Is the action taken in a state that of the nearest known state?

    The text-world task of Instruct-LF (arXiv 2502.15147, section 4): the action of the nearest training
    text by cosine; of equally near ones, the most frequent. Test texts come in named groups; a group's standard
    error is that over its episodes, whose states are alike.
    """

    name: str
    train: tuple[str, ...]
    actions: tuple[str, ...]
    groups: Mapping[str, TestStates]
    setting: str = "ours"
    rows: tuple[Mapping[str, Any], ...] = field(
        default=(), repr=False
    )  # the training states, to fit a run on

    @classmethod
    def of(
        cls,
        name: str,
        train: Sequence[State],
        groups: Mapping[str, Sequence[State]],
        ids: Sequence[str],
        more: Sequence[Mapping[str, Any]] = (),
    ) -> Self:
        """Make the task of states; `ids` are those of the training states, `more` what else their rows hold."""
        tests = {
            name: TestStates(
                tuple(state.text for state in states),
                tuple(state.action for state in states),
                tuple(state.episode for state in states),
            )
            for name, states in groups.items()
        }
        rows = tuple(
            {"id": id, "text": state.text, "action": state.action, "episode": state.episode, **extra}
            for id, state, extra in zip(ids, train, more or [{}] * len(ids), strict=True)
        )
        return cls(
            name,
            tuple(state.text for state in train),
            tuple(state.action for state in train),
            tests,
            rows=rows,
        )

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The training texts, then those of the groups."""
        return self.train + tuple(text for group in self.groups.values() for text in group.texts)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The groups: the share of right actions in each."""
        return tuple(self.groups)

    @property
    def size(self) -> str:
        """The size of the task in words."""
        tests = ", ".join(
            f"{len(group.texts):,} {name} of {n:,} episode{'s' * (n != 1)}"
            for name, group in self.groups.items()
            for n in [len(set(group.episodes))]
        )
        return f"{len(self.train):,} training states with {len(set(self.actions)):,} actions; test states: {tests}"

    @property
    def how(self) -> str:
        """The setting in words."""
        return "action of the nearest training state by cosine; share of right ones ± s.e. over episodes"

    def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
        """Score (n_texts, dim) vectors; group → share of right actions."""
        scaled = normalize_rows(vectors)
        known, codes = np.unique(np.array(self.actions), return_inverse=True)
        frequency = np.bincount(codes)[codes]
        train, start = scaled[: len(self.train)], len(self.train)
        scores = {}
        for name, group in self.groups.items():
            queries = scaled[start : start + len(group.texts)]
            start += len(group.texts)
            nearest = _nearest(train, queries, frequency)
            right = known[codes[nearest]] == np.array(group.actions)
            scores[name] = _over_episodes(right, group.episodes)
        return scores

    def by_frequency(self) -> dict[str, Estimate]:
        """Scores of the baseline that always predicts the most frequent action."""
        most_frequent = Counter(self.actions).most_common(1)[0][0]  # of equally frequent ones the first
        return {
            name: _over_episodes(np.array(group.actions) == most_frequent, group.episodes)
            for name, group in self.groups.items()
        }


@dataclass(frozen=True)
class TestStates:
    """States of episodes that were held out, with the action taken in each and the episode it comes from."""

    __test__ = False  # no test case of pytest

    texts: tuple[str, ...]
    actions: tuple[str, ...]
    episodes: tuple[str, ...]


def _ranks(
    train: np.ndarray,
    items: Sequence[Sequence[str]],
    queries: np.ndarray,
    wanted: Sequence[str],
    numbers: Sequence[int],
) -> dict[int, np.ndarray]:
    """The rank of the wanted item, from 0, per number of neighbours; `_NEVER` where it is unknown."""
    names = list(dict.fromkeys(item for own in items for item in own))
    index_of = {item: i for i, item in enumerate(names)}
    owner = np.repeat(np.arange(len(items)), [len(own) for own in items])
    flat = np.array([index_of[item] for own in items for item in own], dtype=np.int64)
    starts = np.searchsorted(owner, np.arange(len(items) + 1))
    popularity = np.bincount(flat, minlength=len(names))
    order = np.argsort(-popularity, kind="stable")  # popularity, then first appearance
    tie = np.empty(len(names))
    tie[order] = np.arange(len(names)) / max(len(names), 1)
    ranks = {n: np.full(len(wanted), _NEVER, dtype=np.int64) for n in numbers}
    near = _by_similarity(train, queries, max(numbers))
    for row, item in enumerate(wanted):
        if item not in index_of:
            continue
        for n in numbers:
            own = np.concatenate([flat[starts[i] : starts[i + 1]] for i in near[row, :n]])
            value = np.bincount(own, minlength=len(names)) - tie
            ranks[n][row] = int((value > value[index_of[item]]).sum())
    return ranks


def _by_similarity(train: np.ndarray, queries: np.ndarray, n: int) -> np.ndarray:
    """The n nearest training texts of each query, nearest first (n_queries, n)."""
    nearest = []
    for start in range(0, len(queries), _CHUNK):
        similarity = queries[start : start + _CHUNK] @ train.T
        nearest.append(np.argsort(-similarity, axis=1, kind="stable")[:, :n])
    return np.concatenate(nearest)


def _nearest(train: np.ndarray, queries: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """The nearest training text of each query; of equally near ones, that with the most frequent action."""
    nearest = []
    for start in range(0, len(queries), _CHUNK):
        similarity = queries[start : start + _CHUNK] @ train.T
        best = similarity >= similarity.max(axis=1, keepdims=True) - _EQUAL
        nearest.append(np.where(best, frequency, -1).argmax(axis=1))
    return np.concatenate(nearest)


def _over_episodes(right: np.ndarray, episodes: Sequence[str]) -> Estimate:
    """The share of right answers, and its standard error where an episode's answers go together."""
    mean = float(right.mean())
    codes = np.unique(np.array(episodes), return_inverse=True)[1]
    sums = np.bincount(codes, weights=right - mean)
    n_episodes = len(sums)
    spread = float(np.sqrt((sums**2).sum())) / len(right)
    return Estimate(mean, spread * np.sqrt(n_episodes / (n_episodes - 1)) if n_episodes > 1 else 0.0)


def normalize_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale every row of (n, dim) to length 1; a row of zeros stays."""
    from sklearn.preprocessing import normalize

    return np.asarray(normalize(vectors))
