"""Structured replies: prompts are sent, replies parsed, and failures tried a second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from goalspace.errors import CapReached, LLMError
from goalspace.llm.meter import current_meter
from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM, PROMPT_TOO_LONG, Reply, stream
from goalspace.llm.reading import is_plain_json, why_unread
from goalspace.text import count_reasons, to_line

Answer = TypeVar("Answer")

_KEPT = 300  # characters kept of an unparsed reply
_SHOWN = 80  # characters of it in a message
_FIRST = 20  # replies after which a series is given up if most of them cannot be parsed
STOP_SHARE = 0.6
_NO_REPLY = "no reply"


@dataclass
class Calls:
    """Counts of the calls of a model and of their tokens.

    Attributes
    ----------
    n, n_replayed
        Number of replies, and how many of them came from the cache.
    prompt_tokens, completion_tokens
        As counted by the endpoint.
    unparsed, unread
        Replies, truncated, that could not be parsed in the second attempt either; why, with their numbers.
    problems
        Why prompts got no reply, though others did, with their numbers.
    too_long, failed
        Prompts that do not fit into the context of the model, and others without a reply: they are not sent again.
    cap
        Why calls ended before all prompts were sent: a limit of cost was reached; else empty.
    stop_share
        Share of the first 20 or more replies from which a series of calls is given up if they cannot be parsed.
    wanted
        What a reply must hold, for the reason why one could not be parsed.
    retry_unread
        Whether prompts are sent again whose stored replies, to both attempts, cannot be parsed.
    """

    n: int = 0
    n_replayed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unparsed: list[str] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    too_long: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    cap: str = ""
    stop_share: float = STOP_SHARE
    wanted: str = "answer"
    retry_unread: bool = False

    def note_too_long(self, n_unanswered: int) -> None:
        """Count, among the reasons, texts without an answer that have no other one: they are too long for the model."""
        if n_unanswered == 0:  # at a cap, texts without an answer do not count as read
            self.unread.clear()
        n_too_long = max(n_unanswered - self.unread.total(), 0)
        for counts in (self.unread, current_meter().unread):
            counts += Counter({"too long": n_too_long})  # in place

    def as_stats(self) -> dict[str, Any]:
        """Return the counts recorded by a stage."""
        return {
            "n_calls": self.n,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            **({"problems": dict(self.problems)} if self.problems else {}),
            **({"unread": dict(+self.unread)} if self.unread.total() else {}),
            **({"cap": self.cap} if self.cap else {}),
        }


def ask(
    llm: LLM,
    prompts: Sequence[str],
    *,
    schema: dict[str, Any] | None,
    parse: Callable[[str], Answer | None],
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer | None]:
    """Send every prompt, and once more with a reminder if the reply cannot be parsed.

    Parameters
    ----------
    llm
        The language model.
    prompts
        One prompt per answer.
    schema
        JSON schema that the replies must follow, or None for free text.
    parse
        Returns the answer in a reply, or None if there is none.
    max_tokens
        Maximum length of a reply, in tokens of the model.
    calls
        Counts the calls.
    progress
        Called with (replies to the first attempt, prompts).

    Returns
    -------
    list
        The answers in the order of `prompts`; None if neither reply could be parsed.
    """
    answers = ask_once(
        llm, prompts, schema=schema, parse=parse, max_tokens=max_tokens, calls=calls, progress=progress
    )
    return ask_again(llm, prompts, answers, schema=schema, parse=parse, max_tokens=max_tokens, calls=calls)


def ask_once(
    llm: LLM,
    prompts: Sequence[str],
    *,
    schema: dict[str, Any] | None,
    parse: Callable[[str], Answer | None],
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer | None]:
    """Make only the first attempt of `ask`, for callers that use another prompt in the second one."""
    answers: list[Answer | None] = [None] * len(prompts)
    meter = current_meter()
    first, reasons, done = "", Counter[str](), 0
    with closing(_replies(llm, prompts, schema, max_tokens, calls)) as replies:
        for i, reply in replies:
            answers[i] = answer = parse(reply.text)
            done += 1
            if answer:
                meter.n_repaired += schema is not None and not is_plain_json(reply.text)
            elif not reply.problem and not (reply.cached and calls.retry_unread):
                reason = why_unread(reply.text, calls.wanted)
                begin = to_line(reply.text, _SHOWN)
                first = first or (f"begins {begin!r}" if begin else "is empty")
                reasons[reason] += 1
                meter.pending[reason] += 1
            if done >= _FIRST and reasons.total() > calls.stop_share * done:
                raise LLMError(
                    f"{reasons.total()} of the first {done} replies of {llm.name} could not be read "
                    f"({count_reasons(reasons)}); the first one {first}. Choose a larger model, or one that follows a "
                    "schema. If the trouble was with the endpoint, discover and propose ask again with --retry-unread."
                )
            if progress:
                progress(done, len(prompts))
    return answers


def ask_again(
    llm: LLM,
    prompts: Sequence[str],
    answers: Sequence[Answer | None],
    *,
    schema: dict[str, Any] | None,
    parse: Callable[[str], Answer | None],
    max_tokens: int,
    calls: Calls,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer | None]:
    """Make only the second attempt of `ask`, with a reminder: fill in missing `answers`, and record unparsed replies.

    With `Calls.retry_unread`, the second attempt is made again if its stored reply cannot be parsed.
    """
    reminder = Template.load("again")
    answers = list(answers)
    missing = [i for i, answer in enumerate(answers) if answer is None and prompts[i] not in calls.too_long]
    n_failed = sum(prompts[i] in calls.failed for i in missing)
    missing = [i for i in missing if prompts[i] not in calls.failed] if not calls.cap else []
    meter = current_meter()
    meter.pending.clear()
    reminded = [reminder.fill(prompt=prompts[i]) for i in missing]
    unread: dict[int, Reply] = {}

    def read(llm: LLM, positions: Sequence[int]) -> None:
        sent = [reminded[position] for position in positions]
        with closing(_replies(llm, sent, schema, max_tokens, calls)) as replies:
            for done, (number, reply) in enumerate(replies, 1):
                position = positions[number]
                answers[missing[position]] = answer = parse(reply.text)
                unread.pop(position, None)
                if answer is not None:
                    meter.n_repaired += 1
                elif reply.problem == PROMPT_TOO_LONG:
                    calls.too_long.add(prompts[missing[position]])
                else:
                    unread[position] = reply
                if progress:
                    progress(done, len(positions))

    read(llm, range(len(missing)))
    stored = sorted(position for position, reply in unread.items() if reply.cached)
    renewed: Callable[[], LLM] | None = getattr(llm, "renewed", None)
    if calls.retry_unread and renewed is not None and stored and not calls.cap:
        read(renewed(), stored)
    ordered = [reply for _, reply in sorted(unread.items())]  # replies arrive in any order
    calls.unparsed += [to_line(reply.text, _KEPT) for reply in ordered]
    reasons = Counter(
        _NO_REPLY if reply.problem else why_unread(reply.text, calls.wanted) for reply in ordered
    ) + Counter({_NO_REPLY: n_failed})
    calls.unread += reasons
    meter.unread += reasons
    return answers


def _replies(
    llm: LLM, prompts: Sequence[str], schema: dict[str, Any] | None, max_tokens: int, calls: Calls
) -> Generator[tuple[int, Reply]]:
    meter = current_meter()
    with meter.timed(), closing(stream(llm, prompts, schema=schema, max_tokens=max_tokens)) as replies:
        try:
            for i, reply in replies:
                if reply.problem == PROMPT_TOO_LONG:
                    calls.too_long.add(prompts[i])
                elif reply.problem:
                    calls.problems[reply.problem] += 1
                    calls.failed.add(prompts[i])
                calls.n += 1
                calls.n_replayed += reply.cached
                calls.prompt_tokens += reply.prompt_tokens
                calls.completion_tokens += reply.completion_tokens
                meter.note_reply(is_replayed=reply.cached)
                yield i, reply
        except CapReached as error:
            calls.cap = str(error)
