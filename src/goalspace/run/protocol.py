"""RunLike: what reports, exports and the explorer read of a run, whether discovered or of labelled instructions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from goalspace.corpus import Corpus
    from goalspace.edits.log import Edits
    from goalspace.factors import Factors
    from goalspace.links import Links
    from goalspace.proposals import Proposals
    from goalspace.run.folder import Run
    from goalspace.run.wording import Wording


class RunLike(Protocol):
    """What reports, exports and the explorer read of a run: a `Run`, or an `instructions.labelled.LabelledRun`."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def record(self) -> Mapping[str, Any]:
        """How it was made, in the form of run.json."""

    @property
    def goal(self) -> str:
        """What the analyst wants to know."""

    @property
    def wording(self) -> Wording:
        """The wording of its reports."""

    @property
    def derived(self) -> tuple[str, ...]:
        """Metadata columns that only repeat the factors."""

    @property
    def corpus(self) -> Corpus:
        """The texts."""

    @property
    def proposals(self) -> Proposals:
        """Which properties each text has."""

    @property
    def links(self) -> Links:
        """How strongly every text has every property."""

    @property
    def factors(self) -> Factors:
        """The factors, edits included."""

    @property
    def edits(self) -> Edits:
        """The analyst's corrections of the factors."""

    def chosen(self, row: int) -> list[dict[str, str]]:
        """Name and value of what a selection or retrieval recorded for a text."""

    def stale(self) -> list[str]:
        """Stages whose artefacts are missing or outdated by an earlier stage."""

    def as_editable(self) -> Run:
        """The run to edit; InputError if its factors cannot be edited."""
