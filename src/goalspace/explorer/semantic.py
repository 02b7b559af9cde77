"""Search by meaning and sentence embeddings, with the run's encoder, which is loaded after the page is open."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder
from goalspace.encoders.remote import RemoteEncoder
from goalspace.errors import GoalspaceError, UnnamedEndpoint
from goalspace.language.sentences import sentence_spans
from goalspace.links import Links
from goalspace.reports.why import MAX_SENTENCES

_KEPT = 16_384  # sentences whose embeddings are cached, by text
_MAX_PAID = 60  # sentences of a text that an endpoint gets


class Meaning:
    """Embeds search phrases and the sentences of opened texts.

    Parameters
    ----------
    links
        The links of the run, which name the encoder.
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
        """Load the encoder in the background, once; called after the first request so as not to delay the page.

        An endpoint is not called before the first search by meaning or edit.
        """
        if not isinstance(self._encoder, RemoteEncoder):
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._begun or self._failed is not None:
                return
            self._begun = True
        # not a daemon: torch aborts the process if the interpreter ends in the middle of loading it
        threading.Thread(target=self._load).start()

    def _load(self) -> None:
        try:
            assert self._encoder is not None
            self._encoder.encode(["warm"])
        except GoalspaceError as error:
            self._failed = error
        except Exception as error:  # errors of torch or of a broken model must not take down the page
            self._failed = GoalspaceError(
                f"The encoder could not be loaded: {' '.join(str(error).split())[:200]}"
            )
        finally:
            self._ready.set()

    @property
    def possible(self) -> bool:
        """Whether the encoder is loaded or can be, perhaps after the user has named its endpoint."""
        return self._failed is None or isinstance(self._failed, UnnamedEndpoint)

    @property
    def loaded(self) -> bool:
        """Whether the encoder is ready."""
        return self._ready.is_set() and self._failed is None

    def encoder(self) -> Encoder:
        """Wait for the encoder and return it.

        Raises
        ------
        GoalspaceError
            If it cannot be loaded.
        """
        self._start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        assert self._encoder is not None
        return self._encoder

    def similarity(self, words: str) -> np.ndarray:
        """Return the link strengths of all texts to a phrase, treated as a property (n_texts,)."""
        vector = self._links.encode_properties([words], encoder=self.encoder())[0]
        return np.asarray(self._links.text_vectors @ vector)

    def sentences(self, row: int, text: str) -> tuple[list[tuple[int, int]], np.ndarray | None]:
        """Return the spans of a text's sentences, and their vectors if the encoder is loaded."""
        with self._lock:
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
        is_paid = isinstance(self._encoder, RemoteEncoder)
        spans = sentence_spans(text, limit=_MAX_PAID if is_paid else MAX_SENTENCES)
        if not self.loaded:
            return spans, None
        vectors = self.encoder().encode([text[start:end] for start, end in spans])
        with self._lock:
            self._kept[row] = spans, vectors
            while len(self._kept) > 1 and sum(len(own) for own, _ in self._kept.values()) > _KEPT:
                self._kept.popitem(last=False)
        return spans, vectors
