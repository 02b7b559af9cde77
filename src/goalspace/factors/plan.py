"""What a language model would be sent to name the factors of a run, before anything is sent."""

from __future__ import annotations

from dataclasses import replace

from goalspace.corpus import Corpus
from goalspace.factors.fitting import CANDIDATE_NUMBERS
from goalspace.factors.naming import NAME_TOKENS
from goalspace.llm.address import is_endpoint
from goalspace.llm.endpoint import find_endpoint
from goalspace.llm.limits import Limits
from goalspace.proposals.plan import CallPlan, make_plan
from goalspace.text import plural

_TYPICAL = (500, 40)  # tokens of the prompt and of the reply for a factor
_MOST = (4000, NAME_TOKENS)


def plan_names(
    corpus: Corpus,
    *,
    goal: str,
    llm: object,
    n_factors: int | None = None,
    limits: Limits | None = None,
    redact: bool = False,
    **_: object,
) -> CallPlan | None:
    """Plan the calls of `factor` that name the factors; return None unless the model is behind an endpoint."""
    if not isinstance(llm, str) or not is_endpoint(llm):
        return None
    n_calls = n_factors or max(CANDIDATE_NUMBERS)
    what = f"properties and sentences of up to {plural(n_calls, 'factor')}"
    typical, most = ((n_calls * prompt, n_calls * reply) for prompt, reply in (_TYPICAL, _MOST))
    plan = make_plan(find_endpoint(llm), what, n_calls, typical, most, limits or Limits())
    return replace(plan, is_masked=redact)
