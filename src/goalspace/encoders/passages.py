"""Reading of texts that are longer than the window of an encoder: in passages, pooled to one vector per text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from goalspace.encoders.protocol import Encoder, encode_properties
from goalspace.errors import InputError
from goalspace.language.passages import Window, split_passages
from goalspace.vectors.geometry import normalize

Passages = int | Literal["auto", "off"]
AUTO: Literal["auto"] = "auto"
OFF: Literal["off"] = "off"

_GROUP = 8192  # passages that are encoded together, in as many chunks as an engine computes at a time
_COUNTED = 512  # texts whose tokens are counted together


class Units(NamedTuple):
    """What an encoder read at a time: whole texts, and passages of long ones, in the order of the texts."""

    vectors: np.ndarray  # (n_units, dim)
    texts: np.ndarray  # (n_units,) the number of the text
    spans: Sequence[tuple[int, int]]  # (n_units)


class PassageEncoder:
    """An encoder that reads texts longer than its window in passages.

    The vector of such a text is the mean of those of its passages, weighted by their characters, of unit length. Without long
    texts, all vectors are those of the encoder to the last bit.

    Parameters
    ----------
    encoder
        The encoder. If it does not say how long its window is (see `find_window`), all texts are read as it reads them.
    passages
        ``auto`` for as many passages as a text has, at most this many, spread evenly over the text, or ``off``, to read only
        the beginning.
    report
        Called with the number of long texts that were read, and that of all that are.

    Raises
    ------
    InputError
        If `passages` is anything else.
    """

    def __init__(
        self,
        encoder: Encoder,
        passages: Passages = AUTO,
        *,
        report: Callable[[int, int], None] | None = None,
    ) -> None:
        self.encoder = encoder
        self.passages = check_passages(passages)
        self.report = report

    @property
    def name(self) -> str:
        """The encoder's name, and how long texts are read."""
        return self.encoder.name if self.passages == OFF else f"{self.encoder.name} passages:{self.passages}"

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self.encoder.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32 unit vectors."""
        spans = self._find_spans(texts)
        if not any(spans):
            return np.asarray(self.encoder.encode(texts))
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, own in self._encode_each(texts, spans):
            vectors[row] = _pool(spans[row], own) if spans[row] else own[0]
        return vectors

    def encode_units(self, texts: Sequence[str], *, at_least: int = 2) -> Units:
        """Encode every passage of the texts that have `at_least` so many, and every other text as `encode` does."""
        spans = self._find_spans(texts)
        found: list[np.ndarray] = [np.empty((0, 0))] * len(texts)
        for row, own in self._encode_each(texts, spans):
            found[row] = _pool(spans[row], own)[None] if 0 < len(spans[row]) < at_least else own
        read = [
            own if len(own) >= at_least else [(0, len(text))] for text, own in zip(texts, spans, strict=True)
        ]
        return Units(
            np.concatenate(found),
            np.repeat(np.arange(len(texts)), [len(own) for own in read]),
            [span for own in read for span in own],
        )

    def encode_properties(self, properties: Sequence[str]) -> np.ndarray:
        """Return the encoder's vectors of properties (n_properties, dim)."""
        return encode_properties(self.encoder, properties)

    def splits(self, text: str) -> bool:
        """Return whether a text is read in passages."""
        return self.passages != OFF and has_long([text], self.encoder)

    def count(self, texts: Sequence[str]) -> dict[str, int]:
        """Count what `encode` reads.

        Returns
        -------
        n_long, the texts that are longer than the window; n_passages, those that they are read in, 0 with ``off``; and
        n_skipped, those that are left out, if any are. Nothing if no text is long.
        """
        found = [len(self._split(texts[row])) for row in find_long(texts, self.encoder)]
        if not found:
            return {}
        if self.passages == OFF:
            return {"n_long": len(found), "n_passages": 0}
        n_read = sum(found) if self.passages == AUTO else sum(min(n, self.passages) for n in found)
        skipped = {"n_skipped": sum(found) - n_read} if n_read < sum(found) else {}
        return {"n_long": len(found), "n_passages": n_read, **skipped}

    def _find_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the spans of the passages in which each text is read; none for a text that is read as a whole."""
        spans: list[list[tuple[int, int]]] = [[] for _ in texts]
        if self.passages != OFF:
            for row in find_long(texts, self.encoder):
                spans[row] = self._chosen(self._split(texts[row]))
        return spans

    def _encode_each(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the row of every text and the vectors of its passages, or its own (n_passages or 1, dim)."""
        whole = [row for row, own in enumerate(spans) if not own]
        if whole:
            vectors = np.asarray(self.encoder.encode([texts[row] for row in whole]))
            yield from zip(whole, vectors[:, None], strict=True)
        long = [row for row, own in enumerate(spans) if own]
        done = 0
        while done < len(long):
            # several texts together, since most have too few passages to fill a batch
            sizes = np.cumsum([len(spans[row]) for row in long[done : done + _GROUP]])
            stop = done + max(1, int(np.searchsorted(sizes, _GROUP, side="right")))
            rows = long[done:stop]
            passages = [texts[row][start:end] for row in rows for start, end in spans[row]]
            vectors = np.asarray(self.encoder.encode(passages))
            yield from zip(rows, np.split(vectors, sizes[: len(rows) - 1]), strict=True)
            done = stop
            if self.report:
                self.report(done, len(long))

    def _split(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of all passages of a long text."""
        own = find_window(self.encoder)
        assert own is not None
        return split_passages(text, own[0].find_tokens(text), own[1])

    def _chosen(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the passages that are read: all, or some from the first to the last."""
        if isinstance(self.passages, str) or len(spans) <= self.passages:
            return spans
        return [spans[at] for at in np.linspace(0, len(spans) - 1, self.passages).round().astype(int)]


def _pool(spans: Sequence[tuple[int, int]], vectors: np.ndarray) -> np.ndarray:
    """Return the mean of the vectors of passages, weighted by their characters, of unit length (dim,)."""
    lengths = np.array([end - start for start, end in spans], dtype=np.float32)
    pooled: np.ndarray = normalize((lengths @ vectors)[None])[0]
    return pooled


def check_passages(passages: Any) -> Passages:
    """Return how long texts are to be read; raise an `InputError` if it is neither ``auto``, ``off`` nor a number."""
    if not is_passages(passages):
        raise InputError(
            f"The 'passages' parameter must be auto, off or a number of at least 1. Got {passages!r} instead."
        )
    checked: Passages = passages
    return checked


def is_passages(value: object) -> bool:
    """Return whether a value says how long texts are to be read."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return is_number or value in (AUTO, OFF)


def find_window(encoder: Any) -> tuple[Any, Window] | None:
    """Return the encoder that reads the texts, perhaps inside of one that caches, and its window.

    Such an encoder has `window`, `count_tokens(texts)`, which returns the numbers of all tokens of texts (n_texts,), and
    `find_tokens(text)`, which returns their spans in a text (n_tokens, 2). Others, such as those behind endpoints, have none.
    """
    while not hasattr(encoder, "find_tokens") and hasattr(encoder, "encoder"):
        encoder = encoder.encoder
    window = getattr(encoder, "window", None)
    return None if window is None else (encoder, window)


def find_long(texts: Sequence[str], encoder: Any) -> Iterator[int]:
    """Yield the numbers of the texts that are longer than the window of an encoder, in order."""
    own = find_window(encoder)
    if own is None:
        return
    reader, window = own
    # no token is shorter than a character
    rows = [row for row, text in enumerate(texts) if len(text) > window.tokens]
    for start in range(0, len(rows), _COUNTED):
        part = rows[start : start + _COUNTED]
        counts = reader.count_tokens([texts[row] for row in part])
        for row, n_tokens in zip(part, counts, strict=True):
            if n_tokens > window.tokens or len(texts[row]) > window.characters:
                yield row


def has_long(texts: Sequence[str], encoder: Any) -> bool:
    """Return whether one of the texts is longer than the window of an encoder."""
    return next(find_long(texts, encoder), None) is not None
