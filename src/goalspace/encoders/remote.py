"""Embeddings from any OpenAI-compatible endpoint."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from goalspace.errors import LLMError
from goalspace.llm.endpoint import TOO_LONG, describe, find_endpoint, open_client, translate_errors

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import Embedding


_BATCH = 128
_CONNECTIONS = 4
_TOO_MANY = re.compile(r"max\w* \d+ tokens")  # OpenAI's limit for a whole request


class RemoteEncoder:
    """A model behind an OpenAI-compatible ``/embeddings`` endpoint.

    A text that is too long for the endpoint is halved until it fits, and counted in `n_cut`. Nothing is sent
    before the first use of `dim` or `encode`.

    Parameters
    ----------
    spec
        ``openai:MODEL``, ``ollama:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL``.

    Raises
    ------
    InputError
        If the spec is wrong or its key is missing.
    """

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.endpoint = find_endpoint(spec)
        self.n_cut = 0
        self._dim: int | None = None
        self._client: OpenAI | None = None
        self._lock = threading.Lock()

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
        """Turn texts into unit vectors, with 128 texts per request and 4 requests at a time.

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
        """
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        if self._client is None:
            self._client, _ = open_client(self.spec)
        # endpoints reject empty inputs, and a lone surrogate cannot be encoded as UTF-8
        clean = [text.encode(errors="replace").decode() or " " for text in texts]
        batches = [clean[start : start + _BATCH] for start in range(0, len(clean), _BATCH)]
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            vectors = np.concatenate(list(pool.map(self._embed, batches)))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        normalized: np.ndarray = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        return normalized

    def _embed(self, batch: list[str]) -> np.ndarray:
        vectors = self._request(batch)
        if vectors is not None:
            return vectors
        if len(batch) > 1:
            half = len(batch) // 2
            return np.concatenate([self._embed(batch[:half]), self._embed(batch[half:])])
        text = batch[0]
        while vectors is None:
            text = text[: len(text) // 2]
            vectors = self._request([text])
        with self._lock:
            self.n_cut += 1
        return vectors

    def _request(self, batch: list[str]) -> np.ndarray | None:
        """Request one batch; return None if the endpoint reports that it is too long and it can be shortened."""
        import openai

        assert self._client is not None
        with translate_errors(self.endpoint.address, self.endpoint.model, client=self._client):
            try:
                reply = self._client.embeddings.create(
                    model=self.endpoint.model, input=batch, encoding_format="float"
                )
            except openai.APIStatusError as error:
                words = describe(error).lower()
                is_too_long = TOO_LONG.search(words) or _TOO_MANY.search(words)
                if is_too_long and (len(batch) > 1 or len(batch[0]) > 1):
                    return None
                raise
        return self._read(reply.data, len(batch))

    def _read(self, data: list[Embedding], n_texts: int) -> np.ndarray:
        rows = sorted(data or [], key=lambda row: row.index)
        lengths = {len(row.embedding) for row in rows}
        with self._lock:
            self._dim = self._dim or (lengths.pop() if len(lengths) == 1 else 0)
        if [row.index for row in rows] != list(range(n_texts)) or lengths - {self._dim} or not self._dim:
            raise LLMError(
                f"{self.endpoint.address} answered {n_texts} texts with {len(rows)} vectors, "
                f"or with vectors of several lengths (model '{self.endpoint.model}')."
            )
        vectors = np.array([row.embedding for row in rows], dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise LLMError(
                f"{self.endpoint.address} sent a vector that is not finite (model '{self.endpoint.model}')."
            )
        return vectors
