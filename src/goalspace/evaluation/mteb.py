"""Adapter that lets mteb evaluate goalspace encoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder
from goalspace.errors import require


class MtebEncoder:
    """Lets `mteb.evaluate` run any encoder: ``mteb.evaluate(MtebEncoder("minilm"), tasks)``.

    It implements the EncoderProtocol of mteb 2 structurally, so mteb is imported only when it asks for the model's
    metadata. A task's prompts and prompt types are ignored: our encoders take the plain text.

    Parameters
    ----------
    encoder
        A spec of `get_encoder`, or an encoder.
    revision
        The revision of the model that mteb records.

    Raises
    ------
    InputError
        If the spec is unknown.
    """

    def __init__(
        self,
        encoder: str | Encoder = "minilm",
        revision: str | None = None,
        *,
        device: str | None = None,  # part of the protocol; our encoders find theirs
        **_: Any,
    ) -> None:
        self.encoder = get_encoder(encoder)
        self.revision = revision or "no_revision_available"

    @property
    def mteb_model_meta(self) -> Any:
        """mteb's ModelMeta: name, length of the vectors, cosine.

        Raises
        ------
        MissingDependency
            If mteb is not installed.
        """
        meta = require("mteb.models.model_meta", extra="mteb")
        return meta.ModelMeta.create_empty(
            {
                "name": f"goalspace/{self.encoder.name.replace('/', '-')}",  # it wants organisation/model
                "revision": self.revision,
                "embed_dim": self.encoder.dim,
                "similarity_fn_name": meta.ScoringFunction.COSINE,
            }
        )

    def encode(self, inputs: Iterable[Mapping[str, Sequence[str]]], **_: Any) -> np.ndarray:
        """Encode the ``text`` of batches in their order, (n_texts, dim) float32."""
        return encode_in_chunks(self.encoder, [text for batch in inputs for text in batch["text"]])

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of every vector with every other: a tensor (n1, n2)."""
        return _unit(embeddings1) @ _unit(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine of the vectors row by row: a tensor (n,)."""
        return (_unit(embeddings1) * _unit(embeddings2)).sum(dim=-1)


def _unit(vectors: Any) -> Any:
    import torch

    matrix = torch.as_tensor(vectors, dtype=torch.float32)
    return torch.nn.functional.normalize(matrix[None] if matrix.ndim == 1 else matrix, dim=-1)
