"""Judging: a language model rates the factors of a run, and says which of two runs describes a text better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from goalspace.errors import CapReached, InputError
from goalspace.evaluation.judgement import Choice, Judgement, Preference, Rating
from goalspace.llm import call_cache, get_llm
from goalspace.llm.limits import Limits
from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM
from goalspace.llm.reading import json_objects, to_whole
from goalspace.llm.redaction import RedactedLLM, Redactor, passage_for
from goalspace.llm.structured import Calls, ask
from goalspace.progress import Progress
from goalspace.proposals.plan import CallPlan, plan_prompts
from goalspace.text import plural, to_line

if TYPE_CHECKING:
    from goalspace.factors import Factors
    from goalspace.run.folder import Run


Read = TypeVar("Read")

_PROPERTIES = 8  # of a factor that the judge sees
_SENTENCES = 3
_FACTORS = 2  # that describe a text
_TEXT = 4000  # characters of a text that the judge sees
_REASON = 300  # characters that are kept
_TYPICAL_TOKENS = 100  # of an answer
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


def judge(
    run: Run,
    *,
    llm: str | LLM,
    against: Run | None = None,
    sample: int = 50,
    seed: int = 0,
    limits: Limits | None = None,
    redact: bool = False,
    announce: Callable[[Sequence[CallPlan]], None] | None = None,
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
    limits
        What the calls may cost, with all others of the run, and how fast they may go. If the cost reaches its limit, the
        replies received by then count.
    redact
        Mask private data for the judge (see `propose`); a run that does so always does.
    announce
        Called with what endpoints would be sent, perhaps nothing, before it is.
    progress
        Called with (current step, items done, items in total).

    Raises
    ------
    InputError
        If `sample` is below 1, or the runs have other goals or no text in common.
    LLMError
        If the endpoint fails; replies received so far are cached and not requested again.
    CapReached
        If the cost reaches its limit before the first reply.
    """
    if sample < 1:
        raise InputError(f"The 'sample' parameter of judge must be at least 1. Got {sample} instead.")
    pairs = [] if against is None else _common_texts(run, against, sample, seed)
    redact = redact or run.is_redacted or (against is not None and against.is_redacted)
    redactor = Redactor(run.path) if redact else None
    model = get_llm(llm, cache=call_cache(run.path), limits=limits, redactor=redactor)
    if announce:
        plain = model.llm if isinstance(model, RedactedLLM) else model  # a plan writes no placeholders
        what = f"properties and sentences of {plural(len(run.factors.shown), 'factor')}"
        plan = plan_prompts(
            [*_factor_prompts(run, plain), *_pair_prompts(run, against, pairs, plain)],
            what=f"{what}, and {plural(len(pairs), 'text')}" if pairs else what,
            llm=llm,
            reply_tokens=(_TYPICAL_TOKENS, _MAX_TOKENS),
            limits=limits,
            redact=redact,
        )
        announce([] if plan is None else [plan])
    calls = Calls()
    ratings = _rate(run, model, calls, progress)
    preference = None if against is None else _compare(run, against, pairs, model, calls, progress)
    if calls.cap and not calls.n:
        raise CapReached(f"{calls.cap} Nothing was judged: run the same command with a larger limit.")
    return Judgement(model.name, run.goal, tuple(ratings), len(run.factors.shown), preference, calls)


def _factor_prompts(run: Run, model: LLM) -> list[str]:
    factors = run.factors
    rows = {text_id: i for i, text_id in enumerate(run.corpus.ids)}
    template = Template.load("judge_factor")
    prompts = []
    for k in factors.shown:
        along = [e for e in factors.evidence[k] if e.pole > 0][:_SENTENCES]
        sentences = [passage_for(model, run.corpus.texts[rows[e.text_id]], e.start, e.end) for e in along]
        prompts.append(
            template.fill(
                goal=run.goal,
                name=factors.names[k],
                description=factors.descriptions[k],
                properties=_listed(_strongest(factors, k)),
                evidence=_listed(sentences),
            )
        )
    return prompts


def _rate(run: Run, model: LLM, calls: Calls, progress: Progress | None) -> list[Rating]:
    factors, prompts = run.factors, _factor_prompts(run, model)
    answers = _ask(model, prompts, _RATING, _read_rating, calls, "rating the factors", progress)
    return [
        Rating(factors.names[k], *answer)
        for k, answer in zip(factors.shown, answers, strict=True)
        if answer is not None
    ]


def _pair_prompts(run: Run, against: Run | None, pairs: Sequence[tuple[int, int]], model: LLM) -> list[str]:
    if against is None:
        return []
    template = Template.load("judge_pair")
    prompts = []
    for own, other in pairs:
        text = run.corpus.texts[own]
        end = len(text) if len(text) <= _TEXT else len(text[:_TEXT].rsplit(None, 1)[0])
        cut = passage_for(model, text, 0, end) + (" […]" if end < len(text) else "")
        both = _describe(run.factors, own), _describe(against.factors, other)
        for first, second in (both, both[::-1]):
            prompts.append(template.fill(goal=run.goal, text=cut, first=first, second=second))
    return prompts


def _compare(
    run: Run,
    against: Run,
    pairs: Sequence[tuple[int, int]],
    model: LLM,
    calls: Calls,
    progress: Progress | None,
) -> Preference:
    if calls.cap:  # nothing was asked
        return Preference(str(against.path), (), 0, 0)
    prompts = _pair_prompts(run, against, pairs, model)
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
    n_asked = len(choices) if calls.cap else len(pairs)
    return Preference(str(against.path), tuple(choices), n_asked, n_asked - len(choices))


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
        answers = (read(value) for value in reversed(json_objects(reply)))  # the last one: models draft first
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
    """A whole number if it is one of those allowed."""
    number = to_whole(value)
    return number if number in allowed else None


def _reason(value: Mapping[str, Any]) -> str:
    reason = value.get("reason")
    return to_line(reason, _REASON) if isinstance(reason, str) else ""
