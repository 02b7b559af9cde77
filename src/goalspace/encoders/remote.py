"""Embeddings from any OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goalspace.errors import LLMError
from goalspace.llm.attempts import Failure, attempt, find_failure
from goalspace.llm.completion import Unreadable
from goalspace.llm.dispatch import Call, dispatch
from goalspace.llm.embeddings import Embeddings, WrongVectors, is_too_much, read_embeddings
from goalspace.llm.endpoint import TIMEOUT, connect, find_endpoint, open_async, translate_errors
from goalspace.llm.governor import Governor
from goalspace.llm.limits import Limits
from goalspace.llm.meter import Meter, current_meter
from goalspace.llm.pricing import estimate_tokens, most_tokens
from goalspace.llm.spending import open_ledger

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


class _TooMuch(Exception):
    """The request has too many texts, or too long ones."""


class RemoteEncoder:
    """A model behind an OpenAI-compatible ``/embeddings`` endpoint.

    A text that is too long for the endpoint is halved until it fits, and counted in `n_cut`. Nothing is sent
    before the first use of `dim` or `encode`.

    Parameters
    ----------
    spec
        ``openai:MODEL``, ``ollama:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL``.
    limits
        How fast and how long it may be called, and what the calls may cost. A call, which has many texts, may take 300
        seconds unless its `deadline` is set.
    ledger_path
        The file that keeps count of the cost.

    Raises
    ------
    InputError
        If the spec is wrong, or if there is a budget and the price of the model is not known; at the first call, if its key is
        missing.
    """

    batch = 128  # texts per request

    def __init__(self, spec: str, *, limits: Limits | None = None, ledger_path: Path | None = None) -> None:
        self.spec = spec
        self.endpoint = find_endpoint(spec)
        self.n_cut = 0
        limits = limits or Limits()
        if limits.deadline == Limits.deadline:
            limits = replace(limits, deadline=TIMEOUT)
        self._governor = Governor(limits, open_ledger(ledger_path, limits, self.endpoint))
        self._meter = Meter()
        self._dim: int | None = None
        self._client: OpenAI | None = None

    @property
    def name(self) -> str:
        """Name of the model, with its address unless that follows from the spec."""
        return self.endpoint.name

    @property
    def dim(self) -> int:
        """Dimension of the vectors, known after the first reply."""
        if self._dim is None:
            self.encode(["dimension"])
        assert self._dim is not None
        return self._dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors, with 128 texts per request and several requests at a time.

        Parameters
        ----------
        texts
            Any number of texts.

        Returns
        -------
        (n_texts, dim) float32.

        Raises
        ------
        LLMError
            If the endpoint fails or its reply does not match the request.
        CapReached
            If the next request could cost more than is left.
        """
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        batches = [texts[start : start + self.batch] for start in range(0, len(texts), self.batch)]
        found = dict(self.stream(batches))
        return np.concatenate([found[i] for i in range(len(batches))])

    def stream(self, batches: Sequence[Sequence[str]]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (position in `batches`, unit vectors of its texts) as replies arrive.

        Raises
        ------
        LLMError, CapReached, KeyboardInterrupt
            As `encode`. No further request is sent then; those in flight are finished and yielded first.
        """
        if not len(batches):
            return
        self._meter = current_meter()
        if self._client is None:
            self._client = connect(self.endpoint, timeout=self._governor.limits.deadline)

        def width() -> int:
            # alone at first, so that a wrong key costs one request instead of one per worker
            return self._governor.pace.width if self._dim is not None else 1

        @asynccontextmanager
        async def opened() -> AsyncIterator[Call[np.ndarray]]:
            assert self._client is not None
            async with open_async(self._client) as client:
                yield lambda i: self._encode(client, batches[i])

        try:
            yield from dispatch(opened, range(len(batches)), width)
        finally:
            if self._governor.ledger:
                self._governor.ledger.close()

    async def _encode(self, client: AsyncOpenAI, texts: Sequence[str]) -> np.ndarray:
        # endpoints reject empty inputs, and a lone surrogate cannot be encoded as UTF-8
        clean = [text.encode(errors="replace").decode() or " " for text in texts]
        with translate_errors(self.endpoint.address, self.endpoint.model, client=self._client):
            vectors = await self._embed(client, clean)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        normalized: np.ndarray = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        return normalized

    async def _embed(self, client: AsyncOpenAI, batch: list[str], *, is_cut: bool = False) -> np.ndarray:
        """Request the vectors of a batch, in halves if it has too many texts, and of the beginning of a long text."""
        where = f"{self.endpoint.address} (model '{self.endpoint.model}')"
        try:
            return await attempt(partial(self._send, client, batch), self._governor.pace, where, self._meter)
        except Failure as failure:
            raise LLMError(f"{where} {failure}, again and again, though it answers other calls.") from failure
        except _TooMuch:
            pass
        half = len(batch) // 2
        if half:
            return np.concatenate([await self._embed(client, part) for part in (batch[:half], batch[half:])])
        self.n_cut += not is_cut
        return await self._embed(client, [batch[0][: len(batch[0]) // 2]], is_cut=True)

    async def _send(self, client: AsyncOpenAI, batch: list[str]) -> np.ndarray:
        """Send one request.

        Raises
        ------
        Failure
            If the same request may succeed later.
        """
        import openai

        try:
            found = await self._governor.send(
                partial(self._post, client, batch),
                prompt_tokens=sum(map(most_tokens, batch)),
                completion_tokens=0,
                expected_tokens=sum(map(estimate_tokens, batch)),
            )
        except (openai.OpenAIError, TimeoutError, Unreadable) as error:
            if is_too_much(error, len(batch)) and (len(batch) > 1 or len(batch[0]) > 1):
                self._governor.pace.note_reply()
                raise _TooMuch from error
            if failure := find_failure(error, self._governor.limits.deadline):
                raise failure from error
            raise
        self._governor.pace.note_reply()
        return found.vectors

    async def _post(self, client: AsyncOpenAI, batch: list[str]) -> Embeddings:
        raw = await client.embeddings.with_raw_response.create(
            model=self.endpoint.model, input=batch, encoding_format="float"
        )
        try:
            found = read_embeddings(raw.content, len(batch))
            self._dim = self._dim or found.vectors.shape[1]
            if found.vectors.shape[1] != self._dim:
                raise WrongVectors("sent vectors of several lengths")
        except WrongVectors as error:
            raise LLMError(f"{self.endpoint.address} {error} (model '{self.endpoint.model}').") from None
        return found
