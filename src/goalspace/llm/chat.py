"""One chat client, over the openai package, for every OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from goalspace.errors import LLMError
from goalspace.llm.endpoint import (
    MAX_DETAIL,
    TIMEOUT,
    TOO_LONG,
    connect,
    describe,
    find_endpoint,
    translate_errors,
)
from goalspace.llm.protocol import Reply, collect
from goalspace.text import to_line

if TYPE_CHECKING:
    from openai import OpenAI, OpenAIError


_log = logging.getLogger(__name__)

_CONCURRENCY = 8

# Parameters that an endpoint may reject, in the order in which error messages are searched for them.
_REFUSABLE = {
    "response_format": re.compile(r"response_format|schema|json_object|grammar|structured output"),
    "max_tokens": re.compile(r"\bmax_tokens\b"),
    "temperature": re.compile(r"\btemperature\b"),
    "seed": re.compile(r"\bseed\b"),
}
_DECLINED = {"content_filter", "content_policy_violation", "invalid_prompt"}

_SCHEMA_IN_WORDS = (
    "{prompt}\n\nAnswer with one JSON object and nothing else. It follows this JSON schema:\n{schema}"
)


def api_llm(spec: str, *, concurrency: int | None = None, timeout: float = TIMEOUT) -> ChatLLM:
    """Make the LLM of ``openai:MODEL``, ``ollama:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL``.

    Parameters
    ----------
    spec
        One of these forms.
    concurrency
        Number of concurrent calls; 8 by default.
    timeout
        Seconds to wait for one reply.
    """
    endpoint = find_endpoint(spec)
    opener = partial(connect, endpoint, timeout=timeout)
    return ChatLLM(endpoint.name, endpoint.model, opener, concurrency=concurrency or _CONCURRENCY)


class ChatLLM:
    """A model behind an OpenAI-compatible endpoint.

    Requests use temperature 0, seed 0 and, with a schema, strict JSON-schema output. Parameters that the endpoint
    rejects are omitted from then on; if JSON-schema output is rejected, the prompt describes the schema.

    Parameters
    ----------
    name
        Identifies the model in the log of calls.
    model
        Its name at the endpoint.
    connect
        Opens the client; called on the first prompt, so that a replayed run needs no endpoint.
    concurrency
        Number of concurrent calls.
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
        concurrency: int,
        longest_string: int | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.concurrency = concurrency
        self.longest_string = longest_string
        self._connect = connect
        self._refused: set[str] = set()
        # whether calls with (True) or without (False) a schema have succeeded
        self._answered: set[bool] = set()

    @cached_property
    def _client(self) -> OpenAI:
        return self._connect()

    def complete(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> list[Reply]:
        """Return the replies in the order of `prompts`."""
        return collect(self.stream(prompts, schema=schema, max_tokens=max_tokens))

    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply) as replies arrive.

        Raises
        ------
        LLMError
            If a call fails permanently. No further call is started then; calls in flight are finished and yielded
            first, so that a caller who stores replies loses none.
        """
        ask = partial(self._ask, schema=schema, max_tokens=max_tokens)
        waiting = iter(range(len(prompts)))
        if (schema is not None) not in self._answered:
            # alone, so that a wrong key or a rejected parameter costs one call instead of one per worker
            for first in islice(waiting, 1):
                yield first, ask(prompts[first])
                self._answered.add(schema is not None)
        running: dict[Future[Reply], int] = {}
        failure: BaseException | None = None
        with ThreadPoolExecutor(self.concurrency) as pool:
            while True:
                for position in islice(waiting, self.concurrency - len(running)):
                    running[pool.submit(ask, prompts[position])] = position
                if not running:
                    break
                for call in wait(running, return_when=FIRST_COMPLETED).done:
                    position = running.pop(call)
                    if error := call.exception():
                        failure, waiting = failure or error, iter(range(0))
                    else:
                        yield position, call.result()
        if failure:
            raise failure

    def _ask(self, prompt: str, *, schema: dict[str, Any] | None, max_tokens: int) -> Reply:
        import openai

        started = time.monotonic()
        address = str(self._client.base_url).rstrip("/")
        with translate_errors(address, self.model, client=self._client):
            while True:
                request = self._request(prompt, schema, max_tokens)
                try:
                    answer = self._client.chat.completions.create(**request)
                    break
                except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                    if error.code in _DECLINED:  # concerns only this text, not the run
                        return Reply(describe(error), 0, 0, seconds=time.monotonic() - started)
                    if not self._learn(error, request):
                        raise
        choices = getattr(answer, "choices", None)
        if not choices:
            raise LLMError(
                f"{address} does not behave like an OpenAI-compatible endpoint (model '{self.model}'): "
                f"{to_line(str(getattr(answer, 'error', None) or answer), MAX_DETAIL)}. Does its address end in /v1?"
            )
        message, usage = choices[0].message, answer.usage
        text = message.content or getattr(message, "refusal", None) or ""
        return Reply(
            text.encode("utf-8", "replace").decode(),  # a lone surrogate cannot be stored
            usage.prompt_tokens if usage else 0,
            usage.completion_tokens if usage else 0,
            seconds=time.monotonic() - started,
        )

    def _request(self, prompt: str, schema: dict[str, Any] | None, max_tokens: int) -> dict[str, Any]:
        refused = self._refused.copy()
        request: dict[str, Any] = {"model": self.model}
        request["max_completion_tokens" if "max_tokens" in refused else "max_tokens"] = max_tokens
        request |= {name: 0 for name in ("temperature", "seed") if name not in refused}
        if schema is not None:
            if "json_schema" not in refused:
                limited = _limit(schema, self.longest_string) if self.longest_string else schema
                form = {"name": "reply", "strict": True, "schema": limited}
                request["response_format"] = {"type": "json_schema", "json_schema": form}
            else:
                prompt = _SCHEMA_IN_WORDS.format(prompt=prompt, schema=json.dumps(schema, ensure_ascii=False))
                if "json_object" not in refused:
                    request["response_format"] = {"type": "json_object"}
        return request | {"messages": [{"role": "user", "content": prompt}]}

    def _learn(self, error: OpenAIError, request: dict[str, Any]) -> bool:
        """Record the part of `request` that the endpoint rejected; return False if the error has another cause."""
        text = str(error).lower()
        if TOO_LONG.search(text):
            return False
        param = getattr(error, "param", None)
        named = (
            [param] if param in _REFUSABLE else [n for n, words in _REFUSABLE.items() if words.search(text)]
        )
        for name in named:
            if name in request:
                refused = request[name]["type"] if name == "response_format" else name
                if refused not in self._refused:
                    self._refused.add(refused)
                    _log.warning(
                        "%s rejects %s, which is omitted from now on: %s", self.name, refused, describe(error)
                    )
                return True
        return False


def _limit(schema: Any, longest: int) -> Any:
    """Return the schema with a `maxLength` for every string without one."""
    if isinstance(schema, list):
        return [_limit(part, longest) for part in schema]
    if not isinstance(schema, dict):
        return schema
    limited = {name: _limit(part, longest) for name, part in schema.items()}
    return {"maxLength": longest, **limited} if schema.get("type") == "string" else limited
