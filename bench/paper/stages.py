"""The stages of goalspace one by one, so that an experiment can replace a part."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from bench.kit.datasets import Dataset
from bench.kit.paths import CACHE
from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.links import Links, link
from goalspace.proposals import Proposals, propose
from goalspace.proposals.vocabulary import MERGE


@dataclass(frozen=True)
class Stages:
    """The stages up to the links, on a data set."""

    data: Dataset
    goal: str
    recorded: str | None
    merge: float = MERGE

    @cached_property
    def corpus(self) -> Corpus:
        """The texts."""
        return Corpus.read(self.data.write(), text="text", id="id")

    @cached_property
    def proposals(self) -> Proposals:
        """The properties of the texts."""
        return propose(
            self.corpus,
            goal=self.data.goals[self.goal],
            llm=self.recorded,
            encoder=cached("minilm", CACHE),
            merge=self.merge,
        )

    def link(self, *, tune: Literal["heads", "full", "none"] = "heads", seed: int = 0) -> Links:
        """Run the stage that links."""
        with tempfile.TemporaryDirectory() as folder:
            encoder = "minilm" if tune == "full" else cached("minilm", CACHE)
            return link(
                self.corpus,
                self.proposals,
                encoder=encoder,
                tune=tune,
                seed=seed,
                tuned_folder=Path(folder) / "e",
            )
