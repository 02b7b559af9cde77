"""Run: a run folder and the artefacts in it."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from goalspace.corpus import Corpus
from goalspace.edits import log
from goalspace.edits.derive import EditContext
from goalspace.edits.log import Edits
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.factors import Factors
from goalspace.files import sweep
from goalspace.links import Links
from goalspace.llm.address import recorded, replaces
from goalspace.proposals import Proposals
from goalspace.run.record import read_record, stage_files, stale_stages
from goalspace.run.wording import TEXTS, Wording
from goalspace.text import to_line

_MAX_SHOWN = 120  # characters of the name of an encoder in a message


class Run:
    """A run folder: its goal, the record of each stage, and the artefacts, which are loaded on first access.

    Parameters
    ----------
    path
        The folder.
    record
        The content of run.json.
    encoder
        The encoder of the links, named by the user.

    Attributes
    ----------
    named
        Specs of endpoints that the user named in this call: texts may be sent to their addresses if the folder names
        them, too.
    """

    wording: Wording = TEXTS
    derived: tuple[str, ...] = ()  # metadata columns that only repeat the factors

    def __init__(self, path: Path, record: dict[str, Any], *, encoder: str | Encoder | None = None) -> None:
        self.path = path
        self.record = record
        self.encoder = encoder
        self.named: tuple[object, ...] = ()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, encoder: str | Encoder | None = None) -> Self:
        """Open a run folder; needs neither torch nor an LLM, and sends nothing.

        Parameters
        ----------
        path
            The folder.
        encoder
            The encoder that the run was linked with, named again. This is required to score new texts, to search by
            meaning and to edit if that encoder is an endpoint: the folder may come from somebody else. An endpoint may
            have moved to another address, but not changed its model.

        Raises
        ------
        InputError
            If the folder holds no run, one of a newer format, or a damaged record.
        """
        folder = Path(path)
        record = read_record(folder)
        sweep(folder)
        return cls(folder, record, encoder=encoder)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, goal={self.goal!r}, stages={list(self.record['stages'])})"

    @property
    def goal(self) -> str:
        """What the analyst wants to know."""
        return str(self.record["goal"])

    @property
    def is_redacted(self) -> bool:
        """Whether private data is masked for language models: once chosen, it stays."""
        return bool(self.record.get("redact", False))

    @cached_property
    def corpus(self) -> Corpus:
        """The texts."""
        with stage_files(self.path, self.record, "corpus") as path:
            return Corpus.load(path)

    @cached_property
    def proposals(self) -> Proposals:
        """Which properties each text has."""
        with stage_files(self.path, self.record, "propose") as path:
            return Proposals.load(path, self.corpus, self._result("propose"))

    @cached_property
    def links(self) -> Links:
        """How strongly every text has every property."""
        with stage_files(self.path, self.record, "link") as path:
            links = Links.load(path.parent, n_texts=len(self.corpus))
        return replace(links, encoder=self._links_encoder(str(links.encoder)))

    def _links_encoder(self, spec: str) -> str | Encoder:
        """Return the encoder of the links: the one that the user names, or the recorded one, marked as such."""
        if self.encoder is None:
            return recorded(spec, named=self.named)
        if isinstance(self.encoder, str) and not replaces(self.encoder, spec):
            raise InputError(
                f"{self.path} was linked with the encoder '{to_line(spec, _MAX_SHOWN)}', not with '{self.encoder}': name "
                f"that one, or link the run again: goalspace link {self.path} --encoder {self.encoder}"
            )
        return self.encoder

    @cached_property
    def fitted(self) -> Factors:
        """The latent factors before any edit."""
        with stage_files(self.path, self.record, "factor") as path:
            again = f"run goalspace factor {self.path} again"
            return Factors.load(path.parent, self.links, self._result("factor"), again=again)

    @cached_property
    def factors(self) -> Factors:
        """The latent factors, as the analyst's edits left them."""
        return log.load(self.path, self.fitted, self.links, self.fit_digest)

    @cached_property
    def edits(self) -> Edits:
        """The analyst's corrections of the factors."""
        return log.read_log(self.path)

    @property
    def fit_digest(self) -> str:
        """Digest of the factor stage."""
        return str(self.record["stages"].get("factor", {}).get("digest", ""))

    def edit_context(self, encoder: Callable[[], Encoder] | None = None) -> EditContext:
        """Everything an edit needs besides the factors; `encoder` returns the links' encoder if it is already loaded."""
        seed = int(self.record["stages"]["factor"]["arguments"].get("seed") or 0)
        return EditContext(
            self.corpus, self.links, encoder or (lambda: get_encoder(self.links.encoder)), seed
        )

    def with_factors(self, factors: Factors) -> Self:
        """A copy of this run with other factors, for an edit that is already in the log."""
        other = copy.copy(self)
        vars(other).pop("edits", None)  # the log has grown by one line
        other.factors = factors
        return other

    def as_editable(self) -> Run:
        """This run itself: its factors can be edited."""
        return self

    def chosen(self, row: int) -> list[dict[str, str]]:
        """Name and value of what a selection or retrieval recorded for a text; always empty for a run of texts."""
        return []

    def stale(self) -> list[str]:
        """Stages whose artefacts are missing or outdated by an earlier stage."""
        return stale_stages(self.record)

    def _result(self, stage: str) -> dict[str, Any]:
        result: dict[str, Any] = self.record["stages"].get(stage, {}).get("result", {})
        return result

    def clear_cache(self) -> None:
        """Drop the artefacts held in memory after a stage was rerun."""
        for name in ("corpus", "proposals", "links", "fitted", "factors", "edits"):
            vars(self).pop(name, None)
