"""Batches of the goal corpus: texts under two goals each, in domains that share an aspect in pairs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from recipes.goal.corpus import Domain, Entry

_DOMAINS, _GOALS, _TEXTS = 4, 2, 12  # per batch: domains, goals of a domain, texts of a domain
_GENERAL = 0.3  # share of goals that are worded as in the bank, for texts of any kind
_PARAPHRASED = 0.2  # share of properties, among those with paraphrases, that are replaced by one


class Item(NamedTuple):
    """A text under a goal, with the properties that answer it."""

    goal: str
    text: str
    properties: frozenset[str]
    group: tuple[str, str]  # domain and aspect


class Batch(NamedTuple):
    """Items, and all properties of their texts under any goal: those of other goals are hard negatives.

    `shown` has the words in which each of `properties` is encoded: its own or a paraphrase.
    """

    items: list[Item]
    properties: list[str]
    shown: list[str]


class Sampler:
    """Draws batches of 96 items.

    A text occurs under two goals, so that its vectors must differ. The domains come in pairs with a goal of the
    same aspect, so that texts about different things share an answer.
    """

    def __init__(self, domains: Sequence[Domain], bank: Mapping[str, Entry], *, seed: int) -> None:
        self.domains = domains
        self.bank = bank
        self.rng = random.Random(seed)
        self.of_aspect: dict[str, list[Domain]] = {}
        for domain in domains:
            for aspect in domain.goals:
                self.of_aspect.setdefault(aspect, []).append(domain)
        self.paraphrases = {  # by aspect, since the same words may mean something else in answer to another goal
            (aspect, names[0]): names[1:] for aspect, entry in bank.items() for names in entry.properties
        }

    def __len__(self) -> int:
        """Batches in which every text is drawn once under each goal, on average."""
        n_pairs = sum(len(domain.goals) * len(domain.texts) for domain in self.domains)
        return n_pairs // (_DOMAINS * _GOALS * _TEXTS)

    def draw(self, n_batches: int) -> Iterator[Batch]:
        """Yield batches; every domain comes up equally often as the first of a pair."""
        queue: list[Domain] = []
        for _ in range(n_batches):
            chosen: list[tuple[Domain, str]] = []
            while len(chosen) < _DOMAINS:
                if not queue:
                    queue = self.rng.sample(list(self.domains), len(self.domains))
                domain = queue.pop()
                aspect = self.rng.choice(sorted(domain.goals))
                others = [other for other in self.of_aspect[aspect] if other is not domain]
                chosen += [(each, aspect) for each in (domain, *self.rng.sample(others, min(1, len(others))))]
            yield self._batch(chosen[:_DOMAINS])

    def _batch(self, chosen: Sequence[tuple[Domain, str]]) -> Batch:
        items: list[Item] = []
        shown: dict[str, str] = {}
        for domain, shared in chosen:
            others = sorted(set(domain.goals) - {shared})
            aspects = [shared, *self.rng.sample(others, min(_GOALS - 1, len(others)))]
            texts = self.rng.sample(list(domain.texts), min(_TEXTS, len(domain.texts)))
            for text in texts:
                for aspect, names in text.properties.items():
                    for (
                        name
                    ) in names:  # the same words in the whole batch, or a property would be its own negative
                        shown.setdefault(name, self._paraphrase(aspect, name))
                items += [
                    Item(
                        self._wording(domain, aspect),
                        text.text,
                        frozenset(text.properties[aspect]),
                        (domain.name, aspect),
                    )
                    for aspect in aspects
                ]
        return Batch(items, list(shown), list(shown.values()))

    def _paraphrase(self, aspect: str, name: str) -> str:
        others = self.paraphrases.get((aspect, name))
        return self.rng.choice(others) if others and self.rng.random() < _PARAPHRASED else name

    def _wording(self, domain: Domain, aspect: str) -> str:
        if aspect in self.bank and self.rng.random() < _GENERAL:
            return self.rng.choice(self.bank[aspect].questions)
        return self.rng.choice(list(domain.goals[aspect]))
