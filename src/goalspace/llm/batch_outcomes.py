"""What becomes of the calls of a batch: replies, problems, and what is asked for again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from goalspace.errors import LLMError
from goalspace.llm.attempts import find_failure
from goalspace.llm.batch_api import BatchApi, BatchState
from goalspace.llm.batch_files import Result
from goalspace.llm.batch_log import Batch, Call, Outcome
from goalspace.llm.chat import MAX_LENGTH
from goalspace.llm.completion import Completion, Unreadable, read_completion
from goalspace.llm.dialect import Dialect, is_declined
from goalspace.llm.endpoint import NO_MONEY, describe, is_too_long, translate_errors
from goalspace.llm.meter import Meter
from goalspace.llm.pricing import Prices
from goalspace.llm.protocol import PROMPT_TOO_LONG, Reply

MAX_FAILURES = 3  # of a call, after which it costs its text
_QUEUE_FULL = re.compile(r"enqueued token|token_limit_exceeded")
_FATAL = re.compile(
    rf"{NO_MONEY.pattern}|model_not_found|(invalid|mismatched)_model|model.*(not exist|not found|not supported)"
)


def judge(
    result: Result, batch: Batch, *, dialect: Dialect, api: BatchApi
) -> tuple[Outcome, LLMError | None]:
    """Return what becomes of a call, and what ends the run, if anything does; as for an ordinary call.

    Parameters
    ----------
    result
        What came back for the call.
    batch
        Its batch.
    dialect
        Learns what the endpoint rejects.
    api
        The endpoint.
    """
    if result.status == 0:
        return Outcome("failed", Completion(result.problem, None, None), is_billed=False), None
    if result.status == 200:
        try:
            answer = read_completion(json.dumps(result.body).encode())
        except Unreadable as error:
            return Outcome("failed", Completion(_clean(f"sent {error}"), None, None), is_billed=True), None
        return Outcome("answered", answer, is_billed=True), None
    refusal = api.status_error(result.status, result.body)
    words = Completion(_clean(describe(refusal)), 0, 0)
    if (failure := find_failure(refusal, api.limits.deadline)) is not None:
        return Outcome("failed", Completion(_clean(str(failure)), None, None), is_billed=False), None
    if is_declined(refusal):
        return Outcome("answered", words, is_billed=False), None
    if dialect.learn(refusal, dict(batch.parameters)):
        return Outcome(None, words, is_billed=False), None
    if is_too_long(refusal):
        return Outcome("too long", Completion(PROMPT_TOO_LONG, None, None), is_billed=False), None
    try:
        with translate_errors(api.address, api.model):
            raise refusal
    except LLMError as fatal:
        return Outcome(None, words, is_billed=False), fatal


def _clean(words: str) -> str:
    """Return the words without lone surrogates, which cannot be stored."""
    return words.encode("utf-8", "replace").decode()


def decide(calls: Sequence[Call], max_tokens: int) -> Reply | int | None:
    """Return the reply to a prompt, or else how long the next one may be; None if its call is in a batch."""
    if not calls:
        return max_tokens
    last, answer = calls[-1], last_answer(calls)
    if last.state == "open":
        return None
    lengths = [call.largest.asked_tokens for call in calls if call.state == "answered"]
    is_whole = answer is not None and not (last.answer.is_cut and lengths[-1] < MAX_LENGTH * max_tokens)
    if last.state == "answered" and is_whole:
        return answer
    n_failed = sum(call.state == "failed" for call in calls)
    if last.state == "too long" or n_failed >= MAX_FAILURES:
        seconds = sum(call.seconds for call in calls)
        return answer or Reply("", 0, 0, seconds=seconds, problem=last.answer.text)
    return 2 * lengths[-1] if lengths else max_tokens


def last_answer(calls: Sequence[Call]) -> Reply | None:
    """Return the last reply among the calls for a prompt, with the tokens of all; None if there is none."""
    answers = [call.answer for call in calls if call.state == "answered"]
    if not answers:
        return None
    return Reply(
        answers[-1].text,
        sum(answer.prompt_tokens or 0 for answer in answers),
        sum(answer.completion_tokens or 0 for answer in answers),
        seconds=sum(call.seconds for call in calls),
    )


def judge_failed(state: BatchState, n_failed: int) -> Literal["full", "fatal", "passing"]:
    """Say why a batch failed as a whole, the last of so many: a full queue, what does not pass, or what may."""
    words = f"{state.problem_code} {state.problem}".lower()
    if _QUEUE_FULL.search(words):
        return "full"
    return "fatal" if n_failed >= MAX_FAILURES or _FATAL.search(words) else "passing"


def count_costs(billed: Iterable[tuple[Call, Completion]], prices: Prices, meter: Meter) -> None:
    """Count what calls cost; one whose tokens the endpoint did not count as the largest possible, like the ledger."""
    for call, answer in billed:
        tokens = (answer.prompt_tokens, answer.completion_tokens)
        prompt, completion = tokens
        if prompt is None or completion is None:
            prompt, completion = call.largest.prompt_tokens, call.largest.completion_tokens
        usd = prices.cost(prompt, completion, answer.cached_tokens)
        meter.note_cost(usd, prompt + completion, is_estimate=None in tokens)
