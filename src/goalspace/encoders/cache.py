"""embed: texts to vectors, optionally cached in a folder, so that no text is embedded twice."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from goalspace.encoders.passages import AUTO, PassageEncoder, Passages
from goalspace.encoders.protocol import Encoder, encode_in_chunks, encode_properties
from goalspace.encoders.registry import get_encoder
from goalspace.engine import current_engine
from goalspace.errors import CapReached, InputError
from goalspace.files import digest, make_folder, refuse_link, save_array, sweep
from goalspace.llm.limits import Limits
from goalspace.progress import Progress

_CHUNK = 512  # texts; an interrupted run loses at most the current chunk


def embed(
    texts: Sequence[str],
    *,
    encoder: str | Encoder = "task",
    goal: str | None = None,
    template: str | None = None,
    passages: Passages = AUTO,
    limits: Limits | None = None,
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
    passages
        How texts longer than the encoder's window are read: "auto", all of them, in passages; a number, in at most so many
        passages; "off", only their beginning (see `PassageEncoder`).
    limits
        What the calls of an endpoint may cost, and how fast they may go. The cost is kept in `cache_dir`.
    cache_dir
        Folder in which vectors are cached, 512 texts at a time, or those of a call of an endpoint; an interrupted call resumes
        from there.
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
    folder = None if cache_dir is None else Path(cache_dir)
    base = get_encoder(encoder, goal=goal, template=template, limits=limits, cache_dir=folder)
    index_of = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    report = functools.partial(progress, "embedding") if progress else None
    if folder is not None:
        sweep(folder / "vectors")
    reader = PassageEncoder(
        CachedEncoder(base, folder and folder / "vectors", report), passages, report=report
    )
    vectors = reader.encode(list(index_of))
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
        if hasattr(self.encoder, "stream"):
            return self._encode_by_call(texts)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        missing = []
        for start in range(0, len(texts), _CHUNK):
            stored = self._load(texts[start : start + _CHUNK])
            if stored is None:
                missing.append(start)
            else:
                vectors[start : start + len(stored)] = stored
        chunks = [texts[start : start + _CHUNK] for start in missing]
        compute = functools.partial(encode_in_chunks, self.encoder, size=_CHUNK)
        n_done = len(texts) - sum(map(len, chunks))
        for at, found in current_engine().map(compute, chunks):
            self._store(chunks[at], found)
            vectors[missing[at] : missing[at] + len(found)] = found
            n_done += len(found)
            if self.report and len(texts) > _CHUNK:
                self.report(n_done, len(texts))
        return vectors

    def encode_properties(self, properties: Sequence[str]) -> np.ndarray:
        """Return (n_properties, dim) float32; from the cache if the encoder reads them as texts."""
        if hasattr(self.encoder, "encode_properties"):
            return encode_properties(self.encoder, properties)
        return self.encode(properties)

    def _encode_by_call(self, texts: Sequence[str]) -> np.ndarray:
        """Encode with an endpoint; what each of its calls returns is cached before the next one is waited for."""
        found: dict[int, np.ndarray] = {}  # by the position of the first text
        missing: list[int] = []
        size: int = getattr(self.encoder, "batch")  # noqa: B009 (not in the protocol)
        for start in range(0, len(texts), _CHUNK):
            stored = self._load(texts[start : start + _CHUNK])
            for first in range(start, min(start + _CHUNK, len(texts)), size):
                piece = (
                    self._load(texts[first : first + size])
                    if stored is None
                    else stored[first - start :][:size]
                )
                if piece is None:
                    missing.append(first)
                else:
                    found[first] = piece
        batches = [texts[first : first + size] for first in missing]
        try:
            for i, vectors in getattr(self.encoder, "stream")(batches):  # noqa: B009
                self._store(batches[i], vectors)
                found[missing[i]] = vectors
                if self.report:
                    self.report(min(size * len(found), len(texts)), len(texts))
        except CapReached as error:
            again = " To go on, run the same command with a larger limit; no text is sent twice." * (
                self.folder is not None
            )
            raise CapReached(f"{error}{again}") from None
        if len({vectors.shape[1] for vectors in found.values()}) > 1:
            raise InputError(
                f"{self.folder}: the vectors of '{self.name}' have several lengths. Delete the folder."
            )
        return np.concatenate([found[first] for first in sorted(found)])

    def _path(self, folder: Path, texts: Sequence[str]) -> Path:
        return folder / f"{digest(self.name, list(texts))[:32]}.npy"

    def _load(self, texts: Sequence[str]) -> np.ndarray | None:
        return None if self.folder is None else _read_vectors(self._path(self.folder, texts), len(texts))

    def _store(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        if self.folder is None:
            return
        refuse_link(self.folder)
        make_folder(self.folder)
        save_array(self._path(self.folder, texts), vectors)


def _read_vectors(path: Path, n_texts: int) -> np.ndarray | None:
    """Read a cached chunk; None if there is none, or it is damaged and must be made again."""
    if not path.is_file():
        return None
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, OverflowError, SyntaxError, TypeError):
        return None
    usable = isinstance(vectors, np.ndarray) and vectors.ndim == 2 and vectors.dtype == np.float32
    return vectors if usable and len(vectors) == n_texts and np.isfinite(vectors).all() else None


def cached(
    encoder: str | Encoder,
    cache_dir: Path | None,
    report: Callable[[int, int], None] | None = None,
    limits: Limits | None = None,
) -> Encoder:
    """Return the encoder of a spec, with its vectors cached in the folder `vectors` of `cache_dir`, if given."""
    chosen = get_encoder(encoder, limits=limits, cache_dir=cache_dir)
    return chosen if cache_dir is None else CachedEncoder(chosen, cache_dir / "vectors", report)
