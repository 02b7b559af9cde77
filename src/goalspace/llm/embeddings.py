"""Answers of ``/embeddings`` endpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from goalspace.llm.completion import Unreadable, describe_body, read_body, read_count
from goalspace.llm.endpoint import TOO_LONG, describe

# what endpoints say when a request has too many texts, or too long ones, beyond what chat endpoints say
_TOO_MUCH = re.compile(
    r"max\w* (allowed )?(\d+ )?tokens|maximum allowed batch size|too many (inputs|texts|tokens)|supports up to \d+"
    r"|(less|fewer) than \d+ tokens|at most \d+|cannot exceed \d+|exceeds? (the )?(max|limit|context)"
)


@dataclass(frozen=True)
class Embeddings:
    """The vectors of a request.

    Attributes
    ----------
    vectors
        (n_texts, dim) float32, in the order of the texts.
    prompt_tokens
        As counted by the endpoint; None if it does not count, or sends nonsense.
    completion_tokens, cached_tokens
        Always 0.
    """

    vectors: np.ndarray
    prompt_tokens: int | None
    completion_tokens: int = 0
    cached_tokens: int = 0


class WrongVectors(Exception):
    """An answer with vectors that are not those of the texts; the message says what it holds."""


def read_embeddings(content: bytes, n_texts: int) -> Embeddings:
    """Read the body of an answer.

    Raises
    ------
    Unreadable
        If it holds no vectors, such as the HTML page of a gateway.
    WrongVectors
        If they are too many, too few, of several lengths, or not finite.
    """
    body = read_body(content, "vectors")
    rows = body.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "embedding" in row for row in rows):
        raise Unreadable(f"no vectors: {describe_body(body)}")
    if any("index" in row for row in rows):
        if {str(row.get("index")) for row in rows} != {str(n) for n in range(n_texts)}:
            raise WrongVectors(f"answered {n_texts} texts with {len(rows)} vectors of other numbers")
        rows = sorted(rows, key=lambda row: int(row["index"]))
    vectors = _to_array([row["embedding"] for row in rows])
    if vectors is None or len(vectors) != n_texts:
        raise WrongVectors(
            f"answered {n_texts} texts with {len(rows)} vectors, or with vectors of several lengths"
        )
    if not np.isfinite(vectors).all():
        raise WrongVectors("sent a vector that is not finite")
    usage = body.get("usage")
    counts = [read_count(usage, name) for name in ("prompt_tokens", "input_tokens", "total_tokens")]
    known = [count for count in counts if count is not None]
    return Embeddings(vectors, max(known) if known else None)


def _to_array(rows: list[Any]) -> np.ndarray | None:
    if not all(isinstance(row, list) and all(type(n) in (int, float) for n in row) for row in rows):
        return None
    try:
        with np.errstate(over="ignore"):
            vectors = np.array(rows, dtype=np.float32)
    except (ValueError, OverflowError):
        return None
    return vectors if vectors.ndim == 2 and vectors.shape[1] else None


def is_too_much(error: Exception, n_texts: int) -> bool:
    """Return whether an error says that a request has too many texts, or too long ones."""
    import openai

    if not isinstance(error, openai.APIStatusError):
        return False
    if error.status_code == 413 or (error.status_code == 422 and n_texts > 1):
        return True
    words = describe(error).lower()
    return error.status_code in (400, 422, 500) and bool(TOO_LONG.search(words) or _TOO_MUCH.search(words))
