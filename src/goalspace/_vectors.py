"""An encoder that keeps its vectors in a folder, so that no text is embedded twice in a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from goalspace._files import atomic_path, digest
from goalspace.encoders import Encoder, encode_in_chunks, get_encoder

_CHUNK = 512  # texts; a kill loses at most the chunk in work


class KeepingEncoder:
    """Encodes in chunks, each kept under the digest of its texts.

    The last bits of a vector depend on which texts share its batch, so whole chunks are kept, never single
    vectors: a resumed run gives the same bytes as an uninterrupted one.
    """

    def __init__(self, encoder: Encoder, folder: Path, report: Callable[[int, int], None] | None) -> None:
        self.encoder = encoder
        self.folder = folder
        self.report = report

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32, from the folder where it can."""
        if not len(texts):
            return self.encoder.encode(texts)
        blocks = []
        for start in range(0, len(texts), _CHUNK):
            blocks.append(self._chunk(texts[start : start + _CHUNK]))
            if self.report and len(texts) > _CHUNK:
                self.report(min(start + _CHUNK, len(texts)), len(texts))
        return np.concatenate(blocks)

    def _chunk(self, texts: Sequence[str]) -> np.ndarray:
        path = self.folder / f"{digest(self.name, list(texts))[:32]}.npy"
        if path.is_file():
            return np.asarray(np.load(path, allow_pickle=False))
        vectors = encode_in_chunks(self.encoder, texts, size=_CHUNK)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, vectors, allow_pickle=False)
        return vectors


def keep_vectors(
    encoder: str | Encoder, folder: Path | None, report: Callable[[int, int], None] | None = None
) -> Encoder:
    """The encoder that `encoder` names, keeping its vectors in `folder` unless that is None."""
    found = get_encoder(encoder)
    return found if folder is None else KeepingEncoder(found, folder, report)
