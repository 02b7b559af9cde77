"""Batches of the goal corpus: whole domains, in pairs that share an aspect, under several goals each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from goalspace.encoders.goal import NOT_RELEVANT
from goalspace.language.detection import share_foreign
from recipes.goal.corpus import Domain, Entry

_GENERAL = 0.3  # share of goals that are worded as in the bank, for texts of any kind
_N_LANGUAGES = 5  # properties such as "written in German" that are in every batch, see `Batch`
_PARAPHRASED = 0.2  # share of properties, among those with paraphrases, that are replaced by one
# Share of domains drawn from those in other languages, which are a sixth of all: with an English partner they show
# that the language is no answer where the goal does not ask for it.
_FOREIGN = 0.3
_IS_FOREIGN = 0.5  # share of its texts from which a domain counts as such


class Item(NamedTuple):
    """A text under a goal, with the properties that answer it, or only `NOT_RELEVANT`."""

    row: int  # of the text in the batch
    goal: str
    properties: frozenset[str]
    group: tuple[str, str]  # domain and aspect


class Batch(NamedTuple):
    """Texts, items, and all properties of the texts: those under other goals are hard negatives.

    `NOT_RELEVANT` is among them, and so are the commonest languages: the language of a text is plain to see, and would
    hide what the goal asks for where texts in several languages meet.

    `shown` has the words in which each of the properties is encoded: its own, or a paraphrase of the bank.
    """

    texts: list[str]
    items: list[Item]
    properties: list[str]
    shown: list[str]


class Sampler:
    """Draws batches.

    The domains come in pairs with a goal of the same aspect, so that texts about different things share an answer.
    Every text occurs under several goals, so that its vectors must differ.

    Parameters
    ----------
    domains
        Those to train on.
    bank
        By aspect; its questions serve as further wordings, and its paraphrases as other words of properties.
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
        self.paraphrases = {  # by aspect, since the same words may mean something else in answer to another goal
            (aspect, names[0]): names[1:] for aspect, entry in bank.items() for names in entry.properties
        }
        counts = Counter(
            name
            for domain in domains
            for text in domain.texts
            for name in text.properties.get("language", ())
        )
        self.always = [NOT_RELEVANT, *(name for name, _ in counts.most_common(_N_LANGUAGES))]
        self.of_aspect: dict[str, list[Domain]] = {}
        for domain in domains:
            for aspect in domain.goals:
                self.of_aspect.setdefault(aspect, []).append(domain)

    def draw(self, *, n_domains: int, n_goals: int) -> Batch:
        """Draw a batch of at most `n_domains` domains, under at most `n_goals` goals each."""
        chosen: dict[str, tuple[Domain, str]] = {}
        while len(chosen) < min(n_domains, len(self.domains)):
            domain = self._next()
            if domain.name in chosen:
                continue
            aspect = self.rng.choice(sorted(domain.goals))
            chosen[domain.name] = domain, aspect
            others = [other for other in self.of_aspect[aspect] if other.name not in chosen]
            for other in self.rng.sample(others, min(1, len(others))):
                chosen[other.name] = other, aspect
        rows: dict[str, int] = {}
        shown = {name: name for name in self.always}
        items: list[Item] = []
        for domain, aspect in list(chosen.values())[:n_domains]:
            others = sorted(set(domain.goals) - {aspect})
            aspects = [aspect, *self.rng.sample(others, min(n_goals - 1, len(others)))]
            for text in domain.texts:
                row = rows.setdefault(text.text, len(rows))
                for key, names in text.properties.items():
                    for name in names:  # the same words in the whole batch, or it would be its own negative
                        shown.setdefault(name, self._paraphrase(key, name))
                items += self._items(domain, row, text.properties, aspects)
        return Batch(list(rows), items, list(shown), list(shown.values()))

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
            answers = frozenset(properties[aspect] or [NOT_RELEVANT])
            yield Item(row, self._word(domain, aspect), answers, (domain.name, aspect))

    def _paraphrase(self, aspect: str, name: str) -> str:
        others = self.paraphrases.get((aspect, name))
        return self.rng.choice(others) if others and self.rng.random() < _PARAPHRASED else name

    def _word(self, domain: Domain, aspect: str) -> str:
        if aspect in self.bank and self.rng.random() < _GENERAL:
            return self.rng.choice(self.bank[aspect].questions)
        return self.rng.choice(list(domain.goals[aspect]))
