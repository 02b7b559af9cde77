"""embed: texts to vectors, optionally cached in a folder, so that no text is embedded twice."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.files import atomic_path, digest
from goalspace.progress import Progress

_CHUNK = 512  # texts; an interrupted run loses at most the current chunk


def embed(
    texts: Sequence[str],
    *,
    encoder: str | Encoder = "task",
    goal: str | None = None,
    template: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Turn texts into vectors.

    Parameters
    ----------
    texts
        Any number of texts; equal texts are embedded once.
    encoder
        See `get_encoder`.
    goal, template
        Goal of the encoder ``goal`` or of a prompted one (``smollm2``, ``pie:FOLDER``), and the prompt template of the
        latter; see `get_encoder`.
    cache_dir
        Folder in which vectors are cached, 512 texts at a time; an interrupted call resumes from there.
    progress
        Called with (description of the step, number done, total).

    Returns
    -------
    (n_texts, dim) float32, row i for text i.

    Raises
    ------
    InputError
        If `texts` is not a sequence of strings, the encoder is unknown, or it does not take a goal or template.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InputError("The 'texts' parameter of embed must be a sequence of strings.")
    base = get_encoder(encoder, goal=goal, template=template)
    index_of = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    report = functools.partial(progress, "embedding") if progress else None
    folder = None if cache_dir is None else Path(cache_dir) / "vectors"
    vectors = CachedEncoder(base, folder, report).encode(list(index_of))
    return vectors[[index_of[text] for text in texts]]


class CachedEncoder:
    """Encodes in chunks and, given a folder, caches each chunk under the digest of its texts.

    The last bits of a vector depend on the other texts of its batch, so whole chunks are cached, never single
    vectors: a resumed run gives the same bytes as an uninterrupted one.
    """

    def __init__(
        self, encoder: Encoder, folder: Path | None, report: Callable[[int, int], None] | None
    ) -> None:
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
        """Return (n_texts, dim) float32, from the cache if possible."""
        if not len(texts):
            return self.encoder.encode(texts)
        blocks = []
        for start in range(0, len(texts), _CHUNK):
            blocks.append(self._chunk(texts[start : start + _CHUNK]))
            if self.report and len(texts) > _CHUNK:
                self.report(min(start + _CHUNK, len(texts)), len(texts))
        return np.concatenate(blocks)

    def _chunk(self, texts: Sequence[str]) -> np.ndarray:
        if self.folder is None:
            return encode_in_chunks(self.encoder, texts, size=_CHUNK)
        path = self.folder / f"{digest(self.name, list(texts))[:32]}.npy"
        if path.is_file():
            return np.asarray(np.load(path, allow_pickle=False))
        vectors = encode_in_chunks(self.encoder, texts, size=_CHUNK)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, vectors, allow_pickle=False)
        return vectors


def cached(
    encoder: str | Encoder, cache_dir: Path | None, report: Callable[[int, int], None] | None = None
) -> Encoder:
    """Return the encoder of a spec, with its vectors cached in the folder `vectors` of `cache_dir`, if given."""
    chosen = get_encoder(encoder)
    return chosen if cache_dir is None else CachedEncoder(chosen, cache_dir / "vectors", report)
