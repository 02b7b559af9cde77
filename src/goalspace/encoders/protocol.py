"""The Encoder protocol, and encoding of many texts in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from goalspace.errors import GoalspaceError, InputError

FORMS = (
    "minilm, task, goal, multilingual, smollm2, the path of a sentence-transformers folder, st:NAME_OR_PATH, pie:FOLDER_OF_A_LANGUAGE_MODEL, "
    "openai:MODEL, ollama:MODEL, http://HOST:PORT/v1#MODEL"
)


class Encoder(Protocol):
    """Anything that turns texts into vectors, a batch at a time.

    `name` identifies the model; together with a text it identifies a vector. `dim` is the dimension of the
    vectors.
    """

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32, row i for text i."""
        ...


def encode_properties(encoder: Encoder, properties: Sequence[str]) -> np.ndarray:
    """Encode properties into the space of an encoder's texts (n_properties, dim).

    An encoder that reads properties in another way than texts has a method of this name; for any other encoder, a property
    is a text.
    """
    own = getattr(encoder, "encode_properties", None)
    return np.asarray(own(properties) if own is not None else encoder.encode(properties))


def encode_in_chunks(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    size: int = 1024,
    advance: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Encode many texts into one array, chunk by chunk, and check the output of the encoder.

    Parameters
    ----------
    encoder
        Called with at most `size` texts at a time.
    texts
        Any number of texts.
    size
        Texts per chunk. Larger chunks sort better by length; smaller ones report progress more often.
    advance
        Called after every chunk with its number of texts.

    Returns
    -------
    (n_texts, dim) float32.

    Raises
    ------
    InputError
        If `texts` is a single string, or contains anything but strings.
    GoalspaceError
        If the encoder returns an array of another shape or with non-finite numbers.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InputError("The 'texts' parameter of encode_in_chunks must be a sequence of strings.")
    vectors = np.empty((len(texts), encoder.dim), dtype=np.float32)
    for start in range(0, len(texts), size):
        chunk = texts[start : start + size]
        block = np.asarray(encoder.encode(chunk))
        if block.shape != (len(chunk), encoder.dim):
            raise GoalspaceError(
                f"The encoder '{encoder.name}' must return an array of shape {(len(chunk), encoder.dim)}. "
                f"Got {block.shape} instead."
            )
        if not np.isfinite(block).all():
            row = start + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise GoalspaceError(
                f"The encoder '{encoder.name}' gave text {row + 1} a vector with NaN or inf."
            )
        vectors[start : start + len(chunk)] = block
        if advance is not None:
            advance(len(chunk))
    return vectors


def encode_missing(
    names: Sequence[str],
    at_hand: Mapping[str, np.ndarray],
    encode: Callable[[Sequence[str]], np.ndarray],
) -> np.ndarray:
    """Return the vectors of names (n_names, dim), of which only those that are not at hand are encoded."""
    missing = [name for name in names if name not in at_hand]
    found = dict(zip(missing, encode(missing), strict=True)) if missing else {}
    return np.stack([found[name] if name in found else at_hand[name] for name in names])


def check_encoder(encoder: Encoder) -> Encoder:
    """Return the encoder if it satisfies the protocol, else raise an `InputError`."""
    # the class is checked first: `dim` may be a property that calls an endpoint
    missing = [
        name
        for name in ("name", "dim", "encode")
        if not hasattr(type(encoder), name) and not hasattr(encoder, name)
    ]
    if missing:
        raise InputError(
            f"An encoder must have name, dim and encode(texts). {type(encoder).__name__} has no "
            f"{' and no '.join(missing)}. Otherwise use one of {FORMS}."
        )
    return encoder
