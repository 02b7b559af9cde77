"""Any sentence-transformers model, from a folder or by name, without noise and without remote code."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from goalspace.encoders.minilm import find_device
from goalspace.errors import InputError

_BATCH = 32


class SentenceEncoder:
    """A sentence-transformers model.

    Parameters
    ----------
    source
        Path of a folder, from which nothing is ever downloaded; a name at huggingface.co;
        or the model itself.
    name
        Identifies the model; by default ``st:`` and the source.

    Raises
    ------
    InputError
        If `source` looks like a path and no folder is there.
    """

    def __init__(self, source: str | Path | Any, *, name: str | None = None) -> None:
        self._model: Any = None
        if not isinstance(source, (str, Path)):
            self._model, source = source, type(source).__name__
        self.source = source
        self.name = name or f"st:{source}"
        self._folder = Path(source).expanduser() if self._model is None else None
        if self._folder is not None and _looks_like_path(str(source)) and not self._folder.is_dir():
            raise InputError(f"There is no folder {source}: give that of a sentence-transformers model.")

    @property
    def model(self) -> Any:
        """The SentenceTransformer, loaded on first use."""
        if self._model is None:
            self._model = load_model(self.source)
        return self._model

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors.

        Parameters
        ----------
        texts
            Any number of texts; each is cut to the model's own length.

        Returns
        -------
        (n_texts, dim) float32.
        """
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        # a lone surrogate has no UTF-8 form, which the tokenisers need
        clean = [text.encode(errors="replace").decode() for text in texts]
        vectors = self.model.encode(
            clean, batch_size=_BATCH, show_progress_bar=False, normalize_embeddings=True
        )
        return cast(np.ndarray, vectors.astype(np.float32, copy=False))

    def save(self, folder: str | Path) -> None:
        """Write the model as a sentence-transformers folder, which get_encoder opens."""
        with quiet():
            self.model.save(str(folder), create_model_card=False)


def load_model(source: str | Path) -> Any:
    """Load a SentenceTransformer onto the fastest device; a folder is read without any network call.

    Raises
    ------
    InputError
        If there is no such model, or it cannot be read.
    """
    from sentence_transformers import SentenceTransformer

    folder = Path(source).expanduser()
    is_local = folder.is_dir()
    try:
        with quiet():
            return SentenceTransformer(
                str(folder if is_local else source),
                device=find_device(),
                trust_remote_code=False,
                local_files_only=is_local,
            )
    except Exception as error:  # missing files, broken weights, no network, unknown architecture
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"No sentence-transformers model could be loaded from '{source}': {reason}."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the progress bars and remarks of the model libraries off stderr, for the time of the block."""
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _looks_like_path(source: str) -> bool:
    return source.startswith(("/", ".", "~")) or source.count("/") > 1
