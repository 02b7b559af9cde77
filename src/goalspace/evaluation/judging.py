"""Judging: a language model rates the factors of a run, and says which of two runs describes a text better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.llm import call_cache, get_llm
from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM
from goalspace.llm.structured import Calls, ask, json_values
from goalspace.progress import Progress
from goalspace.text import to_line

if TYPE_CHECKING:
    from goalspace.factors import Factors
    from goalspace.run.folder import Run


Read = TypeVar("Read")

_PROPERTIES = 8  # of a factor that the judge sees
_SENTENCES = 3
_FACTORS = 2  # that describe a text
_TEXT = 4000  # characters of a text that the judge sees
_REASON = 300  # characters that are kept
_MAX_TOKENS = 2000  # an answer takes about a hundred; the rest is for reasoning models

_RATING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "relevance": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
        "informativeness": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
    },
    "required": ["reason", "relevance", "informativeness"],
    "additionalProperties": False,
}
_CHOICE: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "better": {"type": "integer", "enum": [0, 1, 2]}},
    "required": ["reason", "better"],
    "additionalProperties": False,
}


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
        """Factors for which no answer could be parsed."""
        return self.n_factors - len(self.ratings)

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
            "calls": vars(self.calls),
        }


def judge(
    run: Run,
    *,
    llm: str | LLM,
    against: Run | None = None,
    sample: int = 50,
    seed: int = 0,
    progress: Progress | None = None,
) -> Judgement:
    """Let a language model judge a run as people do in Instruct-LF (arXiv 2502.15147, human evaluation).

    Every factor is rated for relevance to the goal and informativeness, from 1 to 5 with a reason. Against another
    run, the judge sees sampled texts with both runs' descriptions and prefers one or neither. It is asked in both
    orders, so that position bias cancels. A reply that cannot be parsed is requested once more; if that fails too, it
    is excluded from the means and counted.

    Parameters
    ----------
    run
        A finished run. Every call is stored in its llm.sqlite and replayed from there.
    llm
        The judge (see `get_llm`); a model other than the one that made the run is less biased towards it.
    against
        A run of the same goal that has texts in common with `run`.
    sample
        Number of texts on which the runs are compared.
    seed
        Seed of the sample.
    progress
        Called with (current step, items done, items in total).

    Raises
    ------
    InputError
        If `sample` is below 1, or the runs have other goals or no text in common.
    LLMError
        If the endpoint fails; replies received so far are cached and not requested again.
    """
    if sample < 1:
        raise InputError(f"The 'sample' parameter of judge must be at least 1. Got {sample} instead.")
    pairs = [] if against is None else _common_texts(run, against, sample, seed)
    model = get_llm(llm, cache=call_cache(run.path))
    calls = Calls()
    ratings = _rate(run, model, calls, progress)
    preference = None if against is None else _compare(run, against, pairs, model, calls, progress)
    return Judgement(model.name, run.goal, tuple(ratings), len(run.factors.shown), preference, calls)


def _rate(run: Run, model: LLM, calls: Calls, progress: Progress | None) -> list[Rating]:
    factors = run.factors
    rows = {text_id: i for i, text_id in enumerate(run.corpus.ids)}
    template = Template.load("judge_factor")
    prompts = []
    for k in factors.shown:
        sentences = [
            run.corpus.texts[rows[e.text_id]][e.start : e.end] for e in factors.evidence[k] if e.pole > 0
        ]
        prompts.append(
            template.fill(
                goal=run.goal,
                name=factors.names[k],
                description=factors.descriptions[k],
                properties=_listed(_strongest(factors, k)),
                evidence=_listed(sentences[:_SENTENCES]),
            )
        )
    answers = _ask(model, prompts, _RATING, _read_rating, calls, "rating the factors", progress)
    return [
        Rating(factors.names[k], *answer)
        for k, answer in zip(factors.shown, answers, strict=True)
        if answer is not None
    ]


def _compare(
    run: Run,
    against: Run,
    pairs: Sequence[tuple[int, int]],
    model: LLM,
    calls: Calls,
    progress: Progress | None,
) -> Preference:
    template = Template.load("judge_pair")
    prompts = []
    for own, other in pairs:
        text = run.corpus.texts[own]
        cut = text if len(text) <= _TEXT else text[:_TEXT].rsplit(None, 1)[0] + " […]"
        both = _describe(run.factors, own), _describe(against.factors, other)
        for first, second in (both, both[::-1]):
            prompts.append(template.fill(goal=run.goal, text=cut, first=first, second=second))
    answers = _ask(model, prompts, _CHOICE, _read_choice, calls, "comparing the runs", progress)
    choices = []
    for (own, _), as_first, as_second in zip(pairs, answers[::2], answers[1::2], strict=True):
        if as_first is None or as_second is None:
            continue
        (better, reason), (better_second, reason_second) = as_first, as_second
        choices.append(
            Choice(
                run.corpus.ids[own],
                {1: 1, 2: -1}.get(better, 0),
                {2: 1, 1: -1}.get(better_second, 0),
                (reason, reason_second),
            )
        )
    return Preference(str(against.path), tuple(choices), len(pairs), len(pairs) - len(choices))


def _common_texts(run: Run, against: Run, sample: int, seed: int) -> list[tuple[int, int]]:
    """Pairs of row numbers of sampled texts that both runs have."""
    if run.path.resolve() == against.path.resolve():
        raise InputError(f"{run.path} cannot be compared with itself: name another run with --against.")
    if run.goal != against.goal:
        raise InputError(
            f'{run.path} and {against.path} have other goals ("{run.goal}", "{against.goal}"): compare runs of one goal.'
        )
    index_of = {text: i for i, text in enumerate(against.corpus.texts)}
    common = [(i, index_of[text]) for i, text in enumerate(run.corpus.texts) if text in index_of]
    if not common:
        raise InputError(
            f"{run.path} and {against.path} have no text in common: compare runs of the same texts."
        )
    if len(common) <= sample:
        return common
    chosen = np.random.default_rng(seed).choice(len(common), size=sample, replace=False)
    return [common[i] for i in np.sort(chosen)]


def _describe(factors: Factors, row: int) -> str:
    """What a run says of a text: its dominant factor and the next ones by score, with their properties."""
    dominant = int(factors.dominant[row])
    order = sorted(factors.shown, key=lambda k: (k != dominant, -factors.scores[row, k]))
    lines = [f"{factors.names[k]} ({', '.join(_strongest(factors, k)[:4])})" for k in order[:_FACTORS]]
    return _listed(lines)


def _strongest(factors: Factors, k: int) -> list[str]:
    return [member.name for member in factors.properties[k] if member.weight > 0][:_PROPERTIES]


def _listed(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _ask(
    model: LLM,
    prompts: Sequence[str],
    schema: dict[str, Any],
    read: Callable[[Mapping[str, Any]], Read | None],
    calls: Calls,
    what: str,
    progress: Progress | None,
) -> list[Read | None]:
    def parse(reply: str) -> Read | None:
        answers = (read(value) for value in json_values(reply) if isinstance(value, dict))
        return next((answer for answer in answers if answer is not None), None)

    return ask(
        model,
        prompts,
        schema=schema,
        parse=parse,
        max_tokens=_MAX_TOKENS,
        calls=calls,
        progress=partial(progress, what) if progress else None,
    )


def _read_rating(value: Mapping[str, Any]) -> tuple[int, int, str] | None:
    relevance, informativeness = (
        _whole(value.get(name), range(1, 6)) for name in ("relevance", "informativeness")
    )
    if relevance is None or informativeness is None:
        return None
    return relevance, informativeness, _reason(value)


def _read_choice(value: Mapping[str, Any]) -> tuple[int, str] | None:
    better = _whole(value.get("better"), range(3))
    return None if better is None else (better, _reason(value))


def _whole(value: Any, allowed: range) -> int | None:
    """A number as models write it, 4, 4.0 or "4", if it is one of those allowed."""
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:  # no number, or one of thousands of digits
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value not in allowed:
        return None
    return int(value)


def _reason(value: Mapping[str, Any]) -> str:
    reason = value.get("reason")
    return to_line(reason, _REASON) if isinstance(reason, str) else ""


def _as_dict(value: Estimate | None) -> dict[str, float] | None:
    return None if value is None else value._asdict()
