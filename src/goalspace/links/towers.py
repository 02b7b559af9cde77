"""The two towers of links, which map texts and properties into one space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from goalspace.checked import Layout, expect
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.surface import N_BUCKETS, N_SURFACE, LexicalFeatures
from goalspace.links.features import LEXICAL, SENTENCE, SURFACE, Blocks
from goalspace.vectors.geometry import normalize, row_blocks

# the arrays of a tower (see `checked.read_arrays`); what it does not use is missing
LAYOUT: Layout = {
    "weights?": ("float", "n_features", "dim"),
    "offset?": ("float", "dim"),
    "centre?": ("float", "dim"),
    "sentence_mean?": ("float", "n_sentence"),
    "residual?": ("float", 1),
    "mean.sentence?": ("float", "n_sentence"),
    "scale.sentence?": ("scale", "n_sentence"),
    "mean.surface?": ("float", N_SURFACE),
    "scale.surface?": ("scale", N_SURFACE),
    "mean.lexical?": ("float", "n_lexical"),
    "scale.lexical?": ("scale", "n_lexical"),
    "lexical.idf?": ("float", N_BUCKETS),
    "lexical.components?": ("float", "n_lexical", N_BUCKETS),
    "space.mean?": ("float", "n_sentence"),
    "space.spread?": ("float", "n_sentence", "dim"),
}


@dataclass(frozen=True)
class Space:
    """φ_c: maps property vectors to unit((vector - mean) @ spread).

    Sentence vectors of properties share most of their directions ("at the drawer" and "at the shelf", everything
    about one subject), so any of them retrieves all of them. Whitening, weighted by how often each property was
    proposed, removes the shared directions and keeps those that distinguish them.
    """

    mean: np.ndarray  # (dim,)
    spread: np.ndarray  # (dim, dim)
    whitens: bool = True

    @classmethod
    def plain(cls, dim: int) -> Self:
        """The encoder's own space."""
        return cls(np.zeros(dim, dtype=np.float32), np.eye(dim, dtype=np.float32), False)

    @classmethod
    def whitened(cls, properties: np.ndarray, counts: np.ndarray) -> Self:
        """The space in which the properties, `counts` (n_properties,) times each, vary alike in all directions.

        Each variance is increased by dim / n_pairs of the largest one, about the sampling noise of so many pairs, which
        whitening would otherwise amplify in directions without variance.
        """
        weights = counts / counts.sum()
        mean = weights @ properties
        centred = (properties - mean).astype(np.float64)
        values, vectors = np.linalg.eigh((centred * weights[:, None]).T @ centred)
        strength = 1 / np.sqrt(np.maximum(values, 0) + len(values) / counts.sum() * values.max())
        spread = (vectors * (strength / strength.max())) @ vectors.T
        return cls(mean.astype(np.float32), spread.astype(np.float32))

    def project(self, vectors: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
        """Vectors in the space (n, dim), of length 1; around another `mean` if given."""
        return normalize_float32((vectors - (self.mean if mean is None else mean)) @ self.spread)


@dataclass(frozen=True)
class Head:
    """A linear map from features into the space of the property vectors, beside a share of the sentence vector.

    A text lies at unit(features @ weights + offset) + residual · unit((sentence - sentence_mean) @ spread).
    """

    weights: np.ndarray  # (n_features, dim)
    offset: np.ndarray  # (dim,)
    centre: np.ndarray  # (dim,) mean of the targets, taken off the property vectors
    sentence_mean: np.ndarray  # (dim,)
    residual: float
    space: Space

    def project(self, features: np.ndarray, sentences: np.ndarray | None) -> np.ndarray:
        """Vectors of texts (n_texts, dim), of length 1."""
        projected = normalize_float32(features @ self.weights + self.offset)
        if self.residual and sentences is not None:
            projected = normalize_float32(
                projected + self.residual * self.space.project(sentences, self.sentence_mean)
            )
        return projected


@dataclass(frozen=True)
class TextTower:
    """φ_x: maps texts into the space of the property vectors; without a head, the unchanged encoder."""

    blocks: Blocks | None
    head: Head | None

    @classmethod
    def untrained(cls) -> Self:
        """The unchanged encoder."""
        return cls(None, None)

    def project(self, texts: Sequence[str], encoder: Encoder) -> np.ndarray:
        """Vectors of texts (n_texts, dim), of length 1."""
        if self.blocks is None or self.head is None:
            return encoder.encode(texts)
        if not len(texts):
            return np.zeros((0, len(self.head.offset)), dtype=np.float32)
        sentences = encoder.encode(texts) if self.head.residual or SENTENCE in self.blocks.means else None
        return self.head.project(self.blocks.of(texts, sentences), sentences)

    def project_blocks(self, texts: Sequence[str], sentences: np.ndarray) -> np.ndarray:
        """Replace the sentence vectors of many texts by their vectors in the space, in blocks, and return the same array."""
        assert self.blocks is not None
        assert self.head is not None
        for rows in row_blocks(len(texts)):
            features = self.blocks.of(texts[rows], sentences[rows])
            sentences[rows] = self.head.project(features, sentences[rows])
        return sentences

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that must be saved."""
        if self.blocks is None or self.head is None:
            return {}
        arrays = {
            "weights": self.head.weights,
            "offset": self.head.offset,
            "centre": self.head.centre,
            "sentence_mean": self.head.sentence_mean,
            "residual": np.array([self.head.residual], dtype=np.float32),
            **{f"mean.{name}": mean for name, mean in self.blocks.means.items()},
            **{f"scale.{name}": scale for name, scale in self.blocks.scales.items()},
        }
        if self.head.space.whitens:
            arrays |= {"space.mean": self.head.space.mean, "space.spread": self.head.space.spread}
        if self.blocks.lexical is not None:
            arrays |= {
                "lexical.idf": self.blocks.lexical.idf,
                "lexical.components": self.blocks.lexical.components,
            }
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild a tower from `arrays` whose shapes are those of `LAYOUT`; ValueError or KeyError if some are missing."""
        if not arrays:
            return cls.untrained()
        # the order of the blocks is the order of the head's rows; a mapping read from a file may have lost it
        names = [name for name in (SENTENCE, SURFACE, LEXICAL) if f"mean.{name}" in arrays]
        lexical = (
            LexicalFeatures(arrays["lexical.idf"], arrays["lexical.components"])
            if "lexical.idf" in arrays
            else None
        )
        blocks = Blocks(
            {},
            {name: arrays[f"mean.{name}"] for name in names},
            {name: arrays[f"scale.{name}"] for name in names},
            lexical,
        )
        n_features = sum(map(len, blocks.means.values()))
        expect(
            n_features == len(arrays["weights"]), "the features of the text tower do not match its weights"
        )
        expect((LEXICAL in names) == (lexical is not None), "the n-grams of the text tower are incomplete")
        space = (  # runs saved before whitening was added have no space: plain
            Space(arrays["space.mean"], arrays["space.spread"])
            if "space.spread" in arrays
            else Space.plain(len(arrays["offset"]))
        )
        expect(
            space.mean.shape == arrays["sentence_mean"].shape,
            "the text tower does not match its sentence vectors",
        )
        return cls(
            blocks,
            Head(
                arrays["weights"],
                arrays["offset"],
                arrays["centre"],
                arrays["sentence_mean"],
                float(arrays["residual"][0]),
                space,
            ),
        )


def centre(properties: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Property vectors around the mean of the targets, of length 1."""
    return normalize_float32(properties - mean)


def normalize_float32(vectors: np.ndarray) -> np.ndarray:
    """Scale every row to length 1, in single precision."""
    return np.asarray(normalize(vectors), dtype=np.float32)
