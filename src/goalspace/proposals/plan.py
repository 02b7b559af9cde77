"""What a language model would be sent for a run, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from goalspace.corpus import Corpus
from goalspace.encoders.remote import RemoteEncoder
from goalspace.llm.address import is_endpoint, is_this_machine
from goalspace.llm.endpoint import Endpoint, find_endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.pace import CONCURRENCY
from goalspace.llm.pricing import Prices, estimate_tokens, most_tokens
from goalspace.llm.prompts import Template
from goalspace.proposals.from_llm import ANALYSIS_TOKENS, REPLY_TOKENS
from goalspace.proposals.sample import TEXT_TOKENS, draw_rows, truncate
from goalspace.text import plural

_TYPICAL_TOKENS = 180  # of the reply for one text
_SECONDS = 3.0  # of a typical call


@dataclass(frozen=True)
class CallPlan:
    """Calls of a run before they are made.

    Attributes
    ----------
    address, model
        The endpoint, and the name of the model there.
    what
        What is sent.
    n_calls
        Calls, without second attempts; at most, if they are for names.
    prompt_tokens, completion_tokens
        Estimates.
    most_prompt_tokens, most_completion_tokens
        Upper bounds, without second attempts.
    cost, most_cost
        Likewise in US dollars; None if the price is not known.
    seconds
        Estimate, with the limits given.
    concurrency
        Calls at a time.
    is_batch
        Whether they go through the batch API, within a day.
    is_encoder
        Whether the model turns texts into vectors, and does not get the goal.
    is_masked
        Whether private data is masked in what is sent.
    apart
        Calls that are not counted.
    lacks_key
        Whether the endpoint needs an API key that is not set.
    """

    address: str
    model: str
    what: str
    n_calls: int
    prompt_tokens: int
    completion_tokens: int
    most_prompt_tokens: int
    most_completion_tokens: int
    cost: float | None
    most_cost: float | None
    seconds: float
    concurrency: int
    is_batch: bool = False
    is_encoder: bool = False
    is_masked: bool = False
    apart: str = "second attempts"
    lacks_key: bool = False

    @property
    def is_local(self) -> bool:
        """Whether the texts stay on this machine."""
        return is_this_machine(self.address)


def plan_calls(
    corpus: Corpus,
    *,
    goal: str,
    llm: object,
    sample: int | None = None,
    prompting: str = "single",
    texts_per_call: int = 1,
    text_tokens: int = TEXT_TOKENS,
    seed: int = 0,
    limits: Limits | None = None,
    redact: bool = False,
    **_: object,
) -> CallPlan | None:
    """Plan the calls of `propose` with these arguments; return None unless the model is behind an endpoint."""
    if not isinstance(llm, str) or not is_endpoint(llm):
        return None
    endpoint, limits = find_endpoint(llm), limits or Limits()
    texts = [truncate(corpus.texts[row], text_tokens, "end") for row in draw_rows(len(corpus), sample, seed)]
    names = ("analyse", "propose_from_analysis") if prompting == "chained" else ("propose",)
    frames = [Template.load(name).text + goal for name in names]
    n_rounds = -(-len(texts) // texts_per_call)
    n_calls = len(names) * n_rounds
    prompt = n_rounds * sum(map(estimate_tokens, frames)) + len(names) * sum(map(estimate_tokens, texts))
    most_prompt = n_rounds * sum(map(most_tokens, frames)) + len(names) * sum(map(most_tokens, texts))
    most_reply = len(texts) * (REPLY_TOKENS + ANALYSIS_TOKENS * (len(names) - 1))
    reply = len(texts) * _TYPICAL_TOKENS
    plan = make_plan(
        endpoint,
        _name_texts(len(texts), corpus.text_column),
        n_calls,
        (prompt, reply),
        (most_prompt, most_reply),
        limits,
    )
    return replace(plan, is_masked=redact, apart="second attempts and the names of factors")


def plan_vectors(
    texts: Sequence[str], *, encoder: object, column: str | None = None, limits: Limits | None = None
) -> CallPlan | None:
    """Plan the calls that turn texts into vectors; return None unless the encoder is behind an endpoint."""
    if not isinstance(encoder, str) or not is_endpoint(encoder):
        return None
    tokens, most = (sum(map(count, texts)) for count in (estimate_tokens, most_tokens))
    n_calls = -(-len(texts) // RemoteEncoder.batch)
    plan = make_plan(
        find_endpoint(encoder),
        _name_texts(len(texts), column),
        n_calls,
        (tokens, 0),
        (most, 0),
        replace(limits or Limits(), batch=False),
    )
    return replace(plan, is_encoder=True)


def plan_prompts(
    prompts: Sequence[str],
    *,
    what: str,
    llm: object,
    reply_tokens: tuple[int, int],
    limits: Limits | None = None,
    redact: bool = False,
) -> CallPlan | None:
    """Plan the calls of these prompts; return None unless the model is behind an endpoint.

    Parameters
    ----------
    prompts, what
        What is sent, and what it is in words.
    llm, limits, redact
        As given to what sends them.
    reply_tokens
        Tokens of a typical reply, and of the longest one.
    """
    if not isinstance(llm, str) or not is_endpoint(llm):
        return None
    typical, most = (
        (sum(map(count, prompts)), len(prompts) * reply)
        for count, reply in zip((estimate_tokens, most_tokens), reply_tokens, strict=True)
    )
    plan = make_plan(find_endpoint(llm), what, len(prompts), typical, most, limits or Limits())
    return replace(plan, is_masked=redact)


def _name_texts(n: int, column: str | None) -> str:
    return f"the column '{column}' of {plural(n, 'text')}" if column else plural(n, "text")


def make_plan(
    endpoint: Endpoint,
    what: str,
    n_calls: int,
    typical: tuple[int, int],
    most: tuple[int, int],
    limits: Limits,
) -> CallPlan:
    """Make the plan of so many calls, given their tokens, of all prompts and of all replies."""
    prices = Prices(endpoint.model, endpoint.address, limits.prices, limits.batch)
    concurrency = limits.concurrency or CONCURRENCY
    rate = min(
        concurrency / _SECONDS,
        (limits.rpm or float("inf")) / 60,
        (limits.tpm or float("inf")) / 60 * n_calls / max(typical[0] + most[1], 1),
    )
    return CallPlan(
        endpoint.address,
        endpoint.model,
        what,
        n_calls,
        *typical,
        *most,
        prices.cost(*typical),
        prices.cost(*most),
        n_calls / rate,
        concurrency,
        limits.batch,
        lacks_key=not endpoint.key,
    )
