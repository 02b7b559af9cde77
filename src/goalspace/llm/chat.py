"""One chat client, over the openai package, for every OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goalspace.errors import CapReached
from goalspace.llm.attempts import Failure, attempt, find_failure
from goalspace.llm.completion import Completion, Unreadable, read_completion
from goalspace.llm.dialect import Dialect, is_declined
from goalspace.llm.dispatch import Call, dispatch
from goalspace.llm.endpoint import (
    connect,
    describe,
    find_endpoint,
    is_too_long,
    open_async,
    translate_errors,
)
from goalspace.llm.governor import Governor
from goalspace.llm.limits import Limits
from goalspace.llm.meter import Meter, current_meter
from goalspace.llm.pricing import Prices, estimate_tokens, most_tokens
from goalspace.llm.protocol import PROMPT_TOO_LONG, Reply, StreamingLLM
from goalspace.llm.spending import Ledger, open_ledger

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


MAX_LENGTH = 4  # how many times as long as asked for a reply may become that was cut


def api_llm(spec: str, *, limits: Limits | None = None, ledger_path: Path | None = None) -> ChatLLM:
    """Make the LLM of ``openai:MODEL``, ``ollama:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL``.

    Parameters
    ----------
    spec
        One of these forms.
    limits
        How fast and how long it may be called, and what the calls may cost.
    ledger_path
        The file that keeps count of the cost.
    """
    endpoint = find_endpoint(spec)
    limits = limits or Limits()
    prices = Prices(endpoint.model, endpoint.address, limits.prices)
    ledger = open_ledger(ledger_path, limits, endpoint)
    opener = partial(connect, endpoint, timeout=limits.deadline)
    return ChatLLM(endpoint.name, endpoint.model, opener, limits=limits, ledger=ledger, prices=prices)


class _TooLong(Exception):
    """The prompt and the reply do not fit into the context of the model."""


class ChatLLM(StreamingLLM):
    """A model behind an OpenAI-compatible endpoint.

    Its requests are those of `Dialect`.

    Parameters
    ----------
    name
        Identifies the model in the log of calls.
    model
        Its name at the endpoint.
    connect
        Opens the client; called on the first prompt, so that a replayed run needs no endpoint.
    limits
        How fast and how long it may be called.
    ledger
        Keeps count of what the calls cost, and a cap; None for a model that costs nothing.
    prices
        The prices of the model, to show what calls cost; None if they are not known.
    longest_string
        Maximum length of strings in replies that follow a schema, for endpoints that enforce it, because small
        models repeat themselves until they run out of tokens. None sends the schema unchanged; not every endpoint
        supports limits.
    """

    def __init__(
        self,
        name: str,
        model: str,
        connect: Callable[[], OpenAI],
        *,
        limits: Limits,
        ledger: Ledger | None = None,
        prices: Prices | None = None,
        longest_string: int | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.limits = limits
        self.ledger = ledger
        self.prices = prices
        self.dialect = Dialect(name, model, longest_string=longest_string)
        self.connect = connect
        self._client: OpenAI | None = None
        self._governor = Governor(limits, ledger)
        self._pace = self._governor.pace
        self._meter = Meter()
        # whether calls with (True) or without (False) a schema have succeeded
        self._answered: set[bool] = set()

    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply) as replies arrive.

        A prompt whose call fails again and again, while others are answered, gets an empty reply that names the problem.

        Raises
        ------
        LLMError
            If the endpoint fails for good, or sends no reply for as long as the patience lasts. No further call is started
            then; calls in flight are finished and yielded first, so that a caller who stores replies loses none.
        CapReached
            Likewise, if the next call could cost more than is left.
        KeyboardInterrupt
            Likewise, after Ctrl-C.
        """
        if not len(prompts):
            return
        self._meter = current_meter()
        if self.ledger and self.limits.is_capped:
            self._meter.ledger = self.ledger
        if self._client is None:
            self._price(1, 1)  # a file of prices that cannot be read is found before the first call
            self._client = self.connect()
        is_structured = schema is not None

        def width() -> int:
            # alone at first, so that a wrong key or a rejected parameter costs one call instead of one per worker
            return self._pace.width if is_structured in self._answered else 1

        @asynccontextmanager
        async def opened() -> AsyncIterator[Call[Reply]]:
            assert self._client is not None
            async with open_async(self._client) as client:
                yield lambda i: self._ask(client, prompts[i], schema=schema, max_tokens=max_tokens)

        try:
            yield from dispatch(opened, range(len(prompts)), width)
        finally:
            if self.ledger:
                self.ledger.close()

    async def _ask(
        self, client: AsyncOpenAI, prompt: str, *, schema: dict[str, Any] | None, max_tokens: int
    ) -> Reply:
        """Make one call, and make it again until it succeeds or there is no hope."""
        started = time.monotonic()
        address = str(client.base_url).rstrip("/")
        where, length = f"{address} (model '{self.model}')", max_tokens
        answers: list[Completion] = []
        with translate_errors(address, self.model, client=self._client):
            try:
                while not answers or (answers[-1].is_cut and length < MAX_LENGTH * max_tokens):
                    length *= 2 if answers else 1  # a reply that was cut is not a whole one
                    send = partial(self._send, client, prompt, schema, length)
                    answers.append(await attempt(send, self._pace, where, self._meter))
            except Failure as failure:
                if not answers:
                    return Reply("", 0, 0, seconds=time.monotonic() - started, problem=str(failure))
            except _TooLong:
                if not answers:
                    return Reply("", 0, 0, seconds=time.monotonic() - started, problem=PROMPT_TOO_LONG)
            except CapReached:
                if not answers:  # a reply that was cut is better than none
                    raise
        self._answered.add(schema is not None)
        return Reply(
            answers[-1].text,
            sum(answer.prompt_tokens or 0 for answer in answers),
            sum(answer.completion_tokens or 0 for answer in answers),
            seconds=time.monotonic() - started,
        )

    async def _send(
        self, client: AsyncOpenAI, prompt: str, schema: dict[str, Any] | None, max_tokens: int
    ) -> Completion:
        """Send one request, without the parameters that the endpoint rejects.

        Raises
        ------
        Failure
            If the same request may succeed later.
        """
        import openai

        while True:
            request = self.dialect.request(prompt, schema, max_tokens)
            sent = request["messages"][0]["content"]
            try:
                answer = await self._governor.send(
                    partial(_post, client, request),
                    prompt_tokens=most_tokens(sent + json.dumps(schema)),
                    completion_tokens=max_tokens,
                    expected_tokens=estimate_tokens(sent) + max_tokens,
                )
            except (openai.OpenAIError, TimeoutError, Unreadable) as error:
                if failure := find_failure(error, self.limits.deadline):
                    raise failure from error
                if is_declined(error):
                    answer = Completion(describe(error), 0, 0)  # concerns only this text, not the run
                elif self.dialect.learn(error, request):
                    continue
                elif is_too_long(error):
                    self._pace.note_reply()
                    raise _TooLong from error
                else:
                    raise
            else:
                self._note_cost(sent, answer)
            self._pace.note_reply()
            return answer

    def _note_cost(self, prompt: str, answer: Completion) -> None:
        prompt_tokens, reply_tokens = answer.prompt_tokens, answer.completion_tokens
        is_estimate = prompt_tokens is None or reply_tokens is None
        if prompt_tokens is None or reply_tokens is None:
            prompt_tokens, reply_tokens = estimate_tokens(prompt), estimate_tokens(answer.text)
        usd = self._price(prompt_tokens, reply_tokens, answer.cached_tokens)
        self._meter.note_cost(usd, prompt_tokens + reply_tokens, is_estimate=is_estimate)

    def _price(self, *tokens: int) -> float | None:
        return None if self.prices is None else self.prices.cost(*tokens)


async def _post(client: AsyncOpenAI, request: dict[str, Any]) -> Completion:
    # the SDK checks its own arguments against their types, which takes longer than sending them, but not an extra body
    raw = await client.chat.completions.with_raw_response.create(
        model=request["model"], messages=(), extra_body=request
    )
    return read_completion(raw.content)
