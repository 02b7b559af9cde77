"""What a judge says: ratings of factors, and the preference between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from goalspace.estimate import Estimate
from goalspace.llm.structured import Calls


@dataclass(frozen=True)
class Rating:
    """The judge's ratings of a factor, from 1 to 5."""

    factor: str
    relevance: int
    informativeness: int
    reason: str


@dataclass(frozen=True)
class Choice:
    """The preferred run for a text, asked in both orders: 1 for the run, -1 for the other, 0 for neither."""

    text_id: str
    run_first: int
    run_second: int
    reasons: tuple[str, str]

    @property
    def share(self) -> float:
        """The run's share of the preference, from 0 to 1; half where the order decided."""
        return (2 + self.run_first + self.run_second) / 4


@dataclass(frozen=True)
class Preference:
    """The choices on all sampled texts.

    Attributes
    ----------
    choices
        Texts of which both answers could be parsed.
    n_asked, n_unparsed
        Texts asked about, and those of which an answer could not be parsed.
    """

    against: str
    choices: tuple[Choice, ...]
    n_asked: int
    n_unparsed: int

    @property
    def share(self) -> Estimate | None:
        """The run's share of the preference over the texts; 0.5 if the runs are equally good."""
        return Estimate.of([choice.share for choice in self.choices]) if self.choices else None

    @property
    def first(self) -> Estimate | None:
        """Share of the decided answers that chose the first description; 0.5 if the judge has no position bias."""
        chosen = [c.run_first > 0 for c in self.choices if c.run_first]
        chosen += [c.run_second < 0 for c in self.choices if c.run_second]
        return Estimate.of(chosen) if chosen else None

    @property
    def n_won(self) -> int:
        """Texts on which the run is preferred over both orders."""
        return sum(choice.share > 0.5 for choice in self.choices)

    @property
    def n_lost(self) -> int:
        """Texts on which the other run is preferred over both orders."""
        return sum(choice.share < 0.5 for choice in self.choices)


@dataclass(frozen=True)
class Judgement:
    """Ratings of a run's factors, and the preference between it and another run if there is one."""

    judge: str
    goal: str
    ratings: tuple[Rating, ...]
    n_factors: int
    preference: Preference | None
    calls: Calls

    @property
    def n_unparsed(self) -> int:
        """Factors for which no answer could be parsed; 0 after a cap, as some were not asked about."""
        return 0 if self.calls.cap else self.n_factors - len(self.ratings)

    @property
    def relevance(self) -> Estimate | None:
        """Mean over the rated factors and its standard error."""
        return Estimate.of([rating.relevance for rating in self.ratings]) if self.ratings else None

    @property
    def informativeness(self) -> Estimate | None:
        """Mean over the rated factors and its standard error."""
        return Estimate.of([rating.informativeness for rating in self.ratings]) if self.ratings else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values, with every rating and choice and its reason."""
        preference = self.preference
        return {
            "judge": self.judge,
            "goal": self.goal,
            "relevance": _as_dict(self.relevance),
            "informativeness": _as_dict(self.informativeness),
            "n_factors": self.n_factors,
            "n_unparsed": self.n_unparsed,
            "ratings": [vars(rating) for rating in self.ratings],
            "preference": None
            if preference is None
            else {
                "against": preference.against,
                "share": _as_dict(preference.share),
                "first": _as_dict(preference.first),
                "n_won": preference.n_won,
                "n_lost": preference.n_lost,
                "n_asked": preference.n_asked,
                "n_unparsed": preference.n_unparsed,
                "choices": [{**vars(choice), "share": choice.share} for choice in preference.choices],
            },
            "calls": {
                **self.calls.as_stats(),
                "n_replayed": self.calls.n_replayed,
                "unparsed": self.calls.unparsed,
            },
        }


def _as_dict(value: Estimate | None) -> dict[str, float] | None:
    return None if value is None else value._asdict()
