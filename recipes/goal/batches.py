"""Batches of the goal corpus: whole domains, in pairs that share an aspect, under several goals each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from goalspace.language.detection import share_foreign
from recipes.goal.corpus import Domain, Entry

_GENERAL = 0.3  # share of goals that are worded as in the bank, for texts of any kind
# Share of domains drawn from those in other languages, which are a tenth of all: with an English partner they show
# that the language is no answer where the goal does not ask for it.
_FOREIGN = 0.3
_IS_FOREIGN = 0.5  # share of its texts from which a domain counts as such


class Item(NamedTuple):
    """A text under a goal, with the properties that answer it."""

    row: int  # of the text in the batch
    goal: str
    properties: frozenset[str]
    group: tuple[str, str]  # domain and aspect


class Batch(NamedTuple):
    """Texts, items, and all properties of the texts under any goal: those of other goals are hard negatives."""

    texts: list[str]
    items: list[Item]
    properties: list[str]


class Sampler:
    """Draws batches.

    The domains come in pairs with a goal of the same aspect, so that texts about different things share an answer.
    Every text occurs under several goals, so that its vectors must differ.

    Parameters
    ----------
    domains
        Those to train on.
    bank
        By aspect; its questions serve as further wordings.
    seed
        Seed of all choices.
    """

    def __init__(self, domains: Sequence[Domain], bank: Mapping[str, Entry], *, seed: int) -> None:
        self.domains = list(domains)
        self.bank = bank
        self.rng = random.Random(seed)
        self.queue: list[Domain] = []
        self.foreign = [
            domain for domain in domains if share_foreign([text.text for text in domain.texts]) > _IS_FOREIGN
        ]
        self.of_aspect: dict[str, list[Domain]] = {}
        for domain in domains:
            for aspect in domain.goals:
                self.of_aspect.setdefault(aspect, []).append(domain)

    def draw(self, *, n_domains: int, n_goals: int) -> Batch:
        """Draw a batch of at most `n_domains` domains, under at most `n_goals` goals each."""
        chosen: list[tuple[Domain, str]] = []
        while len(chosen) < n_domains:
            domain = self._next()
            aspect = self.rng.choice(sorted(domain.goals))
            others = [other for other in self.of_aspect[aspect] if other is not domain]
            chosen += [(each, aspect) for each in (domain, *self.rng.sample(others, min(1, len(others))))]
        rows: dict[str, int] = {}
        names: dict[str, None] = {}
        items: list[Item] = []
        for domain, aspect in chosen[:n_domains]:
            others = sorted(set(domain.goals) - {aspect})
            aspects = [aspect, *self.rng.sample(others, min(n_goals - 1, len(others)))]
            for text in domain.texts:
                row = rows.setdefault(text.text, len(rows))
                names.update((name, None) for listed in text.properties.values() for name in listed)
                items += self._items(domain, row, text.properties, aspects)
        return Batch(list(rows), items, list(names))

    def _next(self) -> Domain:
        if self.foreign and self.rng.random() < _FOREIGN:
            return self.rng.choice(self.foreign)
        if not self.queue:
            self.queue = self.rng.sample(self.domains, len(self.domains))
        return self.queue.pop()

    def _items(
        self, domain: Domain, row: int, properties: Mapping[str, Sequence[str]], aspects: Sequence[str]
    ) -> Iterator[Item]:
        for aspect in aspects:
            yield Item(row, self._word(domain, aspect), frozenset(properties[aspect]), (domain.name, aspect))

    def _word(self, domain: Domain, aspect: str) -> str:
        if aspect in self.bank and self.rng.random() < _GENERAL:
            return self.rng.choice(self.bank[aspect].questions)
        return self.rng.choice(list(domain.goals[aspect]))
