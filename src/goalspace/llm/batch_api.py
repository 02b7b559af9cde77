"""The batch API of an endpoint: upload, create, look up, download; network failures are waited out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from goalspace.errors import LLMError
from goalspace.llm.attempts import Failure, attempt, find_failure
from goalspace.llm.batch_files import ENDPOINT, ID
from goalspace.llm.completion import Unreadable
from goalspace.llm.dispatch import Call, dispatch
from goalspace.llm.endpoint import MAX_DETAIL, describe, open_async, translate_errors
from goalspace.llm.meter import current_meter
from goalspace.llm.pace import Pace
from goalspace.text import to_line

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, OpenAI

    from goalspace.llm.limits import Limits

Found = TypeVar("Found")

MARK = "goalspace"  # key of the metadata that identify a batch
_FINAL = {"failed", "completed", "expired", "cancelled"}
_NO_API = {404, 405, 501}
_MAX_COUNT = 10_000_000
_MAX_PAGES = 50  # of the list of batches
_LIST_POLL = 0.5  # seconds between looks into it
_BYTES_PER_SECOND = 50_000  # of a slow line, for the deadline of a transfer


@dataclass(frozen=True)
class BatchState:
    """A batch as the endpoint describes it.

    Attributes
    ----------
    id
        Its name at the endpoint.
    status
        "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled", or
        something else.
    files
        Ids of the output file and the error file, as far as there are any.
    n_done
        Requests that were completed or failed.
    problem, problem_code
        Why the batch as a whole failed, and the code of that error; else empty.
    """

    id: str
    status: str
    files: tuple[str, ...]
    n_done: int
    problem: str
    problem_code: str

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _FINAL


class BatchApi:
    """Calls the batch API with the openai package.

    Each method waits out failures that may pass, as long as the patience lasts.

    Parameters
    ----------
    connect
        Opens the client; called once.
    model
        Name of the model, for messages.
    limits
        The patience and the deadline of calls.
    grace
        Seconds within which a batch may appear in the list after its creation was asked for.

    Raises
    ------
    LLMError
        By each method: if the endpoint has no batch API, refuses the call, or does not answer.
    """

    def __init__(self, connect: Callable[[], OpenAI], model: str, limits: Limits, *, grace: float) -> None:
        self._connect, self.model, self.limits, self.grace = connect, model, limits, grace
        self._client: OpenAI | None = None
        self._pace = Pace(limits)
        self._template: Any = None  # an HTTP response without content

    @property
    def address(self) -> str:
        """Base URL of the endpoint."""
        return str(self._opened().base_url).rstrip("/")

    def upload(self, content: bytes, name: str, note: Callable[[str], None]) -> None:
        """Upload a file of requests; `note` gets its id at once."""

        async def send(client: AsyncOpenAI) -> None:
            file = (name, content, "application/jsonl")
            raw = await client.files.with_raw_response.create(file=file, purpose="batch")
            note(_read_id(_read_object(raw.content).get("id")))

        self._run(send, n_bytes=len(content), makes=True)

    def create(
        self, file_id: str, mark: str, *, before: Callable[[], None], note: Callable[[BatchState], None]
    ) -> None:
        """Create a batch, once, whatever becomes of the answers.

        Parameters
        ----------
        file_id, mark
            Its file of requests, and its mark.
        before, note
            Called before the endpoint is asked, and with the batch as soon as it is known.
        """
        import openai

        asked = 0.0

        async def send(client: AsyncOpenAI) -> None:
            nonlocal asked
            # after a failure the batch may exist all the same
            state = await self._find(client, file_id, mark, asked) if asked else None
            if state is None:
                asked = time.time()
                before()
                try:
                    raw = await client.batches.with_raw_response.create(
                        input_file_id=file_id,
                        endpoint=ENDPOINT,
                        completion_window="24h",
                        metadata={MARK: mark},
                    )
                except openai.APIStatusError as error:
                    if error.status_code < 500 and error.status_code != 408:
                        asked = 0.0  # it was refused
                    raise
                state = _read_state(_read_object(raw.content))
            note(state)

        self._run(send, makes=True)

    def find(self, file_id: str, mark: str, asked: float) -> BatchState | None:
        """Return the batch with this file or mark, if there is one.

        Parameters
        ----------
        file_id, mark
            Its file of requests, and its mark.
        asked
            When its creation was asked for, in seconds since 1970.
        """
        return self._run(lambda client: self._find(client, file_id, mark, asked))

    async def _find(self, client: AsyncOpenAI, file_id: str, mark: str, asked: float) -> BatchState | None:
        import openai

        while True:
            try:
                if (found := await self._list(client, file_id, mark)) is not None:
                    return found
            except openai.APIStatusError as error:
                if error.status_code in _NO_API:
                    return None
                raise
            if not 0 <= time.time() - asked < self.grace:
                return None
            await asyncio.sleep(_LIST_POLL)

    async def _list(self, client: AsyncOpenAI, file_id: str, mark: str) -> BatchState | None:
        page: dict[str, Any] = {}
        for _ in range(_MAX_PAGES):
            raw = await client.batches.with_raw_response.list(limit=100, **page)
            body = _read_object(raw.content)
            entries = body.get("data")
            batches = [b for b in entries if isinstance(b, dict)] if isinstance(entries, list) else []
            for batch in batches:
                data = batch.get("metadata")
                if batch.get("input_file_id") == file_id or (
                    isinstance(data, dict) and data.get(MARK) == mark
                ):
                    return _read_state(batch)
            last = batches[-1].get("id") if batches else None
            if body.get("has_more") is not True or not isinstance(last, str) or last == page.get("after"):
                break
            page = {"after": last}
        return None

    def retrieve(self, batch_id: str) -> BatchState:
        """Return the state of a batch."""
        import openai

        async def send(client: AsyncOpenAI) -> BatchState:
            try:
                raw = await client.batches.with_raw_response.retrieve(batch_id)
            except openai.NotFoundError as error:
                raise LLMError(
                    f"{self.address} has no batch {batch_id}, in which calls of this run are paid: use the API key of "
                    f"the project that created it ({describe(error)}). To pay for the calls again, choose another folder."
                ) from error
            return _read_state(_read_object(raw.content))

        return self._run(send)

    def download(self, file_id: str, n_calls: int) -> bytes | None:
        """Return the content of a file with results of so many calls; None if the endpoint does not have it any more."""
        import openai

        async def send(client: AsyncOpenAI) -> bytes | None:
            try:
                raw = await client.files.with_raw_response.content(file_id)
            except openai.NotFoundError:
                return None
            response = raw.http_response
            self._template = type(response)(200, request=response.request)
            return raw.content

        return self._run(send, n_bytes=n_calls * 4096)

    def status_error(self, status: int, body: Any) -> APIStatusError:
        """Return the error that the openai package would raise for such an answer to a single call."""
        import openai

        assert self._template is not None  # the answer comes from a file
        response = type(self._template)(status, request=self._template.request)
        inner = body.get("error", body) if isinstance(body, dict) else body
        return openai.APIStatusError(f"Error code: {status} - {body}", response=response, body=inner)

    def _opened(self) -> OpenAI:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _run(
        self, action: Callable[[AsyncOpenAI], Awaitable[Found]], *, n_bytes: int = 0, makes: bool = False
    ) -> Found:
        """Do something with a client, and again after failures that may pass.

        The first Ctrl-C lets it end, so that what was made at the endpoint is noted.
        """
        opened, meter = self._opened(), current_meter()
        deadline = self.limits.deadline + n_bytes / _BYTES_PER_SECOND

        @asynccontextmanager
        async def client() -> AsyncIterator[Call[Found]]:
            async with open_async(opened) as found:
                yield lambda _: attempt(
                    partial(self._try, action, found, deadline, makes),
                    self._pace,
                    f"{self.address} (model '{self.model}')",
                    meter,
                )

        with translate_errors(self.address, self.model, client=opened):
            ((_, result),) = dispatch(client, (0,), lambda: 1)
        return result

    async def _try(
        self,
        action: Callable[[AsyncOpenAI], Awaitable[Found]],
        client: AsyncOpenAI,
        deadline: float,
        makes: bool,
    ) -> Found:
        import openai

        try:
            async with asyncio.timeout(deadline):
                result = await action(client)
        except (openai.OpenAIError, TimeoutError, Unreadable) as error:
            if makes and getattr(error, "status_code", None) in _NO_API:
                raise LLMError(
                    f"{self.address} has no batch API ({describe(error)}): leave out --batch."
                ) from error
            failure: Failure | None = find_failure(error, deadline)
            if failure is None:
                raise
            raise failure from error
        self._pace.note_reply()
        return result


def _read_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in an answer."""
    try:
        value = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        begin = to_line(content[:4096].decode("utf-8", "replace"), MAX_DETAIL)
        raise Unreadable(f"an answer that is no JSON object: {begin}" if begin else "an empty answer")
    return value


def _read_id(value: Any) -> str:
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Unreadable(f"an answer without a valid id: {to_line(str(value)[:4096], MAX_DETAIL)}")
    return value


def _read_state(body: dict[str, Any]) -> BatchState:
    files = tuple(
        _read_id(body[name]) for name in ("output_file_id", "error_file_id") if body.get(name) is not None
    )
    errors = body.get("errors")
    listed = errors.get("data") if isinstance(errors, dict) else None
    first = next((e for e in listed if isinstance(e, dict)), {}) if isinstance(listed, list) else {}
    counts = body.get("request_counts")
    return BatchState(
        _read_id(body.get("id")),
        str(body.get("status"))[:40],
        files,
        sum(_count(counts, name) for name in ("completed", "failed")),
        to_line(str(first.get("message") or first.get("code") or "")[:4096], MAX_DETAIL).rstrip("."),
        str(first.get("code") or "")[:80],
    )


def _count(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT
    return value if is_count and isinstance(value, int) else 0
