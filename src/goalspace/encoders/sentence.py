"""Any sentence-transformers model, from a folder or by name, without console output or remote code."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from goalspace.errors import InputError, require
from goalspace.language.passages import Window

_BATCH = 32
_MAX_CHARACTERS = 1 << 20  # of a passage
_TIMEOUT = 10.0  # seconds


class SentenceEncoder:
    """A sentence-transformers model.

    Parameters
    ----------
    source
        Path of a folder, which is never downloaded; a name at huggingface.co; or the model itself.
    name
        Identifies the model; by default ``st:`` and the source.
    download
        Whether a model that is not on this machine may be downloaded.

    Raises
    ------
    InputError
        If `source` looks like a path to a folder that does not exist.
    """

    def __init__(self, source: str | Path | Any, *, name: str | None = None, download: bool = True) -> None:
        is_model = not isinstance(source, (str, Path))
        self.source = type(source).__name__ if is_model else str(source)
        self.name = name or f"st:{self.source}"
        self.download = download
        self._model: Any = source if is_model else None
        if not is_model and _looks_like_path(self.source) and not Path(self.source).expanduser().is_dir():
            raise InputError(
                f"There is no folder {source}: give the folder of a sentence-transformers model."
            )

    @property
    def model(self) -> Any:
        """The SentenceTransformer, loaded on first use."""
        if self._model is None:
            self._model = load_model(self.source, download=self.download)
        return self._model

    @functools.cached_property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return len(self.encode(["dimension"])[0])

    @functools.cached_property
    def window(self) -> Window | None:
        """What the model reads of a text; None if it does not say, or its tokeniser does not say where tokens are."""
        longest, tokenizer = self.model.max_seq_length, self.model.tokenizer
        if longest is None or not getattr(tokenizer, "is_fast", False):
            return None
        return Window(longest - tokenizer.num_special_tokens_to_add(), _MAX_CHARACTERS)

    def find_tokens(self, text: str) -> np.ndarray:
        """Return the first character of every token of the whole text and the one after its last (n_tokens, 2)."""
        # tokenisers need UTF-8, which cannot encode a lone surrogate
        clean = text.encode(errors="replace").decode()
        with quiet():
            found = self.model.tokenizer(clean, add_special_tokens=False, return_offsets_mapping=True)
        spans = np.array(found["offset_mapping"], dtype=np.int32).reshape(-1, 2)
        # those of some tokenisers begin with the space before the word
        is_space = [start < end and clean[start].isspace() for start, end in spans]
        return spans + np.array(is_space, dtype=np.int32)[:, None] * (1, 0)

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        """Return the number of tokens of each whole text (n_texts,), faster than `find_tokens`."""
        clean = [text.encode(errors="replace").decode() for text in texts]
        with quiet():
            found = self.model.tokenizer(clean, add_special_tokens=False)
        return np.array([len(ids) for ids in found["input_ids"]])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors.

        Parameters
        ----------
        texts
            Any number of texts; each is truncated to the model's maximum length (see `PassageEncoder`).

        Returns
        -------
        (n_texts, dim) float32.
        """
        if not len(texts):
            return np.empty((0, self.dim), dtype=np.float32)
        # tokenisers need UTF-8, which cannot encode a lone surrogate
        clean = [text.encode(errors="replace").decode() for text in texts]
        vectors = self.model.encode(
            clean, batch_size=_BATCH, show_progress_bar=False, normalize_embeddings=True
        )
        return cast(np.ndarray, vectors.astype(np.float32, copy=False))

    def save(self, folder: str | Path) -> None:
        """Write the model as a sentence-transformers folder, which `get_encoder` opens."""
        with quiet():
            self.model.save(str(folder), create_model_card=False)


def load_model(source: str | Path, *, download: bool = True) -> Any:
    """Load a SentenceTransformer onto the fastest device; a folder is read without any network call.

    Raises
    ------
    InputError
        If the model does not exist or cannot be read, or would have to be downloaded and must not.
    """
    require("sentence_transformers", extra="sentence-transformers")
    folder = Path(source).expanduser()
    try:
        with quiet():
            if folder.is_dir():
                return _open_model(str(folder), local_files_only=True)
            try:
                return _open_model(str(source), local_files_only=True)
            except Exception:  # not downloaded yet, or incomplete
                if not download:
                    raise InputError(
                        f"Only the run names the encoder st:{source}, which is not on this machine: repeat --encoder "
                        f"st:{source} to download it (in Python, pass encoder=)."
                    ) from None
                from huggingface_hub import HfApi

                HfApi().model_info(
                    str(source), timeout=_TIMEOUT
                )  # fails at once where loading tries for 90 s
                return _open_model(str(source), local_files_only=False)
    except InputError:
        raise
    except Exception as error:  # missing files, broken weights, no network, unknown architecture
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"No sentence-transformers model could be loaded from '{source}': {reason}."
        ) from error


def _open_model(source: str, *, local_files_only: bool) -> Any:
    from sentence_transformers import SentenceTransformer

    from goalspace.encoders.torch_backend import find_device

    return SentenceTransformer(
        source, device=find_device(), trust_remote_code=False, local_files_only=local_files_only
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the progress bars and log messages of the model libraries within the block."""
    from transformers.utils import logging as transformers_logging

    loggers = [
        logging.getLogger(name) for name in ("sentence_transformers", "transformers", "huggingface_hub")
    ]
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
