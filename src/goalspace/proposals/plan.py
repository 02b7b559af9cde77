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
from goalspace.proposals.rounds import MIN_NEW
from goalspace.proposals.sample import ROUND, TEXT_TOKENS, UNTIL_KNOWN, Sample, count_read, truncate
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
    ends
        What may end the calls before all of them are made; empty if nothing does.
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
    ends: str = ""
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
    sample: Sample = None,
    min_new: int = MIN_NEW,
    prompting: str = "single",
    texts_per_call: int = 1,
    text_tokens: int = TEXT_TOKENS,
    limits: Limits | None = None,
    redact: bool = False,
    **_: object,
) -> CallPlan | None:
    """Plan the calls of `propose` with these arguments; return None unless the model is behind an endpoint."""
    if not isinstance(llm, str) or not is_endpoint(llm):
        return None
    endpoint, limits = find_endpoint(llm), limits or Limits()
    n_texts = count_read(len(corpus), sample)
    texts = [truncate(text, text_tokens, "end") for text in corpus.texts]
    # which texts are chosen is not known before they are encoded
    tokens = round(sum(map(estimate_tokens, texts)) * n_texts / max(len(texts), 1))
    most_tokens_of_texts = sum(sorted(map(most_tokens, texts))[len(texts) - n_texts :])
    names = ("analyse", "propose_from_analysis") if prompting == "chained" else ("propose",)
    frames = [Template.load(name).text + goal for name in names]
    in_rounds = sample == UNTIL_KNOWN
    n_groups = sum(
        -(-size // texts_per_call) for size in (_sizes_of_rounds(n_texts) if in_rounds else [n_texts])
    )
    n_calls = len(names) * n_groups
    prompt = n_groups * sum(map(estimate_tokens, frames)) + len(names) * tokens
    most_prompt = n_groups * sum(map(most_tokens, frames)) + len(names) * most_tokens_of_texts
    most_reply = n_texts * (REPLY_TOKENS + ANALYSIS_TOKENS * (len(names) - 1))
    reply = n_texts * _TYPICAL_TOKENS
    plan = make_plan(
        endpoint,
        _name_texts(n_texts, corpus.text_column, at_most=in_rounds),
        n_calls,
        (prompt, reply),
        (most_prompt, most_reply),
        limits,
    )
    ends = (
        f"{ROUND} texts at a time, until these bring fewer than {min_new} new properties" if in_rounds else ""
    )
    return replace(plan, is_masked=redact, apart="second attempts and the names of factors", ends=ends)


def _sizes_of_rounds(n_texts: int) -> list[int]:
    return [min(ROUND, n_texts - start) for start in range(0, n_texts, ROUND)]


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


def _name_texts(n: int, column: str | None, *, at_most: bool = False) -> str:
    texts = f"{'at most ' * at_most}{plural(n, 'text')}"
    return f"the column '{column}' of {texts}" if column else texts


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
