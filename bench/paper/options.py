"""How much of an experiment runs: sizes, seeds and methods, for full and quick runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.kit.datasets import Dataset
from bench.paper.methods import Method, baselines, informed, ours, packages

N_INIT = 3  # starts of every k-means run
N_TOPICS = 50  # topics or factors of bills and Inspired


@dataclass(frozen=True)
class Options:
    """Options of a run: `quick` means 300 texts per data set, fewer topics and seeds, and no targets."""

    quick: bool
    peers: bool

    @property
    def seeds(self) -> int:
        """Number of seeds for trees and k-means."""
        return 2 if self.quick else 5

    @property
    def fits(self) -> int:
        """Number of seeds for every method that has one."""
        return 1 if self.quick else 3

    @property
    def n_topics(self) -> int:
        """Number of topics or factors."""
        return 15 if self.quick else N_TOPICS

    @property
    def episodes(self) -> int:
        """Training episodes of ALFWorld, with 17 states on average."""
        return 30 if self.quick else 400

    def load(self, read: Callable[[], Dataset]) -> Dataset:
        """Read a data set, or a sample of it."""
        return read().sample(300) if self.quick else read()

    def methods(
        self, *, with_informed: bool = False, source: str = "LLM", compared: bool = False
    ) -> list[Method]:
        """Return the methods, with those of goalspace last."""
        methods = baselines()
        if self.peers:
            methods += packages()
            methods += informed() if with_informed else []
        return [*methods, *ours(source=source, compared=compared)]
