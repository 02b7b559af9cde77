"""Text features in named blocks of equal weight: the inputs of the text tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from goalspace.encoders.surface import LexicalFeatures, surface_features

SENTENCE, SURFACE, LEXICAL = "sentence", "surface", "lexical"


@dataclass(frozen=True)
class Blocks:
    """Features of texts in named blocks, each standardised and scaled to the same total variance.

    `matrices` holds the blocks of the corpus; the other fields hold what is needed to compute them for new texts.
    """

    matrices: Mapping[str, np.ndarray]
    means: Mapping[str, np.ndarray]
    scales: Mapping[str, np.ndarray]
    lexical: LexicalFeatures | None

    @classmethod
    def fit(cls, texts: Sequence[str], sentences: np.ndarray, *, seed: int) -> Self:
        """Compute and standardise all blocks of a corpus."""
        lexical = LexicalFeatures.fit(texts, seed=seed)
        raw = {
            SENTENCE: sentences,
            SURFACE: surface_features(texts),
            LEXICAL: lexical.transform(texts),
        }
        means = {name: block.mean(axis=0, dtype=np.float64).astype(np.float32) for name, block in raw.items()}
        scales = {}
        for name, block in raw.items():
            spread = block.std(axis=0, dtype=np.float64)
            scales[name] = (np.where(spread > 1e-6, spread, np.inf) * np.sqrt(block.shape[1])).astype(
                np.float32
            )
        matrices = {name: (block - means[name]) / scales[name] for name, block in raw.items()}
        return cls(matrices, means, scales, lexical)

    def only(self, features: Sequence[str]) -> Blocks:
        """A copy without matrices, for computing only some blocks of new texts."""
        return Blocks(
            {},
            {name: self.means[name] for name in features},
            {name: self.scales[name] for name in features},
            self.lexical if LEXICAL in features else None,
        )

    def stack(self, features: Sequence[str]) -> np.ndarray:
        """The chosen blocks side by side (n_texts, n_features)."""
        return np.hstack([self.matrices[name] for name in features])

    def of(self, texts: Sequence[str], sentences: np.ndarray | None) -> np.ndarray:
        """The features of new texts (n_texts, n_features)."""
        parts = []
        for name in self.means:
            if name == SENTENCE:
                assert sentences is not None
                block = sentences
            elif name == SURFACE:
                block = surface_features(texts)
            else:
                assert self.lexical is not None
                block = self.lexical.transform(texts)
            parts.append((block - self.means[name]) / self.scales[name])
        return np.hstack(parts)
