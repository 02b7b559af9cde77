"""An encoder whose vectors are centred, whitened and normalised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder
from goalspace.files import digest
from goalspace.vectors.geometry import Whitening, normalize


class WhitenedEncoder:
    """An encoder whose vectors are centred, whitened and normalised.

    Parameters
    ----------
    encoder
        The encoder of the texts.
    whitening
        Fitted on vectors of the encoder.
    """

    def __init__(self, encoder: Encoder, whitening: Whitening) -> None:
        self.encoder = encoder
        self.whitening = whitening

    @classmethod
    def fit(cls, encoder: str | Encoder, texts: Sequence[str], *, dim: int = 256) -> Self:
        """Fit the whitening to at most `dim` dimensions on a sample of texts; about 10 · dim texts are enough."""
        base = get_encoder(encoder)
        vectors = encode_in_chunks(base, texts)
        return cls(base, Whitening.fit(vectors, min(dim, base.dim)))

    @property
    def name(self) -> str:
        """The encoder's name and a digest of the whitening."""
        mark = digest(self.whitening.mean, self.whitening.components)[:8]
        return f"{self.encoder.name} whitened:{self.dim}-{mark}"

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self.whitening.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32 unit vectors."""
        return normalize(self.whitening.apply(self.encoder.encode(texts)))
