"""The encoder of a run, loaded once the page is open: likeness to words of the analyst, sentences that carry a factor."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder
from goalspace.errors import GoalspaceError
from goalspace.language.sentences import sentence_spans
from goalspace.links import Links

_KEPT = 256  # texts whose sentences stay embedded


class Meaning:
    """Embeds what the analyst types and the sentences of texts that they open.

    Parameters
    ----------
    links
        Those of the run; they name the encoder.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._ready = threading.Event()
        self._failed: GoalspaceError | None = None
        self._encoder: Encoder | None = None
        self._lock = threading.Lock()
        self._begun = False
        self._kept: OrderedDict[int, tuple[list[tuple[int, int]], np.ndarray]] = OrderedDict()
        try:
            self._encoder = get_encoder(links.encoder)
        except GoalspaceError as error:
            self._failed = error
            self._ready.set()

    def begin(self) -> None:
        """Load the encoder in the background, once; before the page is there it would only be in its way."""
        with self._lock:
            if self._begun or self._failed is not None:
                return
            self._begun = True
        threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        try:
            assert self._encoder is not None
            self._encoder.encode(["warm"])
        except GoalspaceError as error:
            self._failed = error
        except Exception as error:  # whatever torch or a half-installed model raises must not end the page
            self._failed = GoalspaceError(
                f"The encoder could not be loaded: {' '.join(str(error).split())[:200]}"
            )
        finally:
            self._ready.set()

    @property
    def possible(self) -> bool:
        """Whether there is an encoder, loaded or on its way."""
        return self._failed is None

    @property
    def loaded(self) -> bool:
        """Whether it answers at once."""
        return self._ready.is_set() and self._failed is None

    def encoder(self) -> Encoder:
        """The encoder, once it is loaded.

        Raises
        ------
        GoalspaceError
            If it cannot be loaded.
        """
        self.begin()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        assert self._encoder is not None
        return self._encoder

    def similarity(self, words: str) -> np.ndarray:
        """How strongly every text is linked to what the words say, as if they were a property (n_texts,)."""
        vector = self._links.encode_properties([words], encoder=self.encoder())[0]
        return np.asarray(self._links.text_vectors @ vector)

    def sentences(self, row: int, text: str) -> tuple[list[tuple[int, int]], np.ndarray | None]:
        """Spans of the sentences of a text, and their vectors where the encoder is loaded."""
        with self._lock:
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
        spans = sentence_spans(text)
        if not self.loaded:
            return spans, None
        vectors = self.encoder().encode([text[start:end] for start, end in spans])
        with self._lock:
            self._kept[row] = spans, vectors
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return spans, vectors
