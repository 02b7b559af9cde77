"""Quality: how good the factors of a run are, measured without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from goalspace.encoders.cache import cached
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.evaluation.topics import (
    TOP,
    TOP_DIVERSITY,
    TOP_INTRUSION,
    coherence,
    diversity,
    intrusion,
    npmi,
    stability,
    top_words,
)
from goalspace.factors.fitting import fit_structure
from goalspace.factors.scoring import MIN_CORRELATION
from goalspace.progress import Progress

if TYPE_CHECKING:
    from goalspace.factors import Factors
    from goalspace.links import Links
    from goalspace.proposals import Proposals
    from goalspace.run.folder import Run


T = TypeVar("T")

SHARE = 0.9  # of the texts, that each fit sees where stability is measured


@dataclass(frozen=True)
class Measure:
    """One measure of a run, its value by chance, and how to read it.

    `value` is None where the run is too small; its `se` is 0 where the number is no mean. `chance` is None where the
    question makes no sense.
    """

    name: str
    value: Estimate | None
    chance: float | None
    good: str


@dataclass(frozen=True)
class Quality:
    """The measures of a run."""

    goal: str
    n_texts: int
    n_properties: int
    n_factors: int
    seeds: int
    measures: tuple[Measure, ...]

    def __getitem__(self, name: str) -> Estimate | None:
        """The value of the measure with this name."""
        return {measure.name: measure.value for measure in self.measures}[name]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            **{name: value for name, value in vars(self).items() if name != "measures"},
            "measures": [
                {
                    "name": m.name,
                    **(m.value._asdict() if m.value else {"mean": None, "se": None}),
                    "chance": m.chance,
                    "good": m.good,
                }
                for m in self.measures
            ],
        }


def measure(
    run: Run,
    *,
    seeds: int = 5,
    encoder: str | Encoder | None = None,
    progress: Progress | None = None,
) -> Quality:
    """Measure the factors of a run without labels.

    Coherence and diversity are of the words that mark the texts of each factor by class-based TF-IDF, as with topic
    models; a second coherence is of the properties and the texts they were proposed for. Intruders are put among
    the properties. For stability the groups of properties are fitted again on samples of nine tenths of the texts,
    with the same links and number of factors: another seed alone changes nothing, as no part of the fit is drawn.

    Parameters
    ----------
    run
        A finished run; it is not changed.
    seeds
        Number of intruders per factor, and of subsamples of the texts.
    encoder
        The encoder that detects the intruders; by default that of the run.
    progress
        Called with (current step, items done, items in total).

    Returns
    -------
    The measures, each with what is good; see `goalspace.evaluation.topics` for their definitions.

    Raises
    ------
    InputError
        If `seeds` is below 2 or the run has not finished.
    """
    if seeds < 2:
        raise InputError(f"The 'seeds' parameter of measure must be at least 2. Got {seeds} instead.")
    factors, texts = run.factors, run.corpus.texts
    if progress:
        progress("counting words and properties", 0, 1)
    rng = np.random.default_rng(0)
    judge = cached(encoder or run.links.encoder, run.path)
    intruders = _if_enough(lambda: intrusion(_property_lists(factors), judge, seeds=seeds))
    measures = (
        *_of_words(texts, factors.dominant, rng),
        *_of_properties(factors, run.proposals, rng),
        Measure(
            "intruders found",
            intruders and intruders.accuracy,
            intruders and intruders.chance,
            f"Share of foreign properties that the encoder finds among a factor's {TOP_INTRUSION} strongest. Near 1 "
            "is good.",
        ),
        Measure(
            "stability",
            refit(run.links, run.factors.dim, seeds, progress),
            0.0,
            f"Agreement (adjusted Rand) of the property groups when {SHARE:.0%} of the texts, drawn anew, are fitted: 1 for "
            "the same groups. Another seed alone changes nothing.",
        ),
        Measure(
            "unassigned",
            Estimate(float((factors.assignment < 0).mean()), 0.0),
            None,
            "Share of properties that go along with no factor. Below 0.1 is good.",
        ),
    )
    return Quality(run.goal, len(texts), len(factors.vocabulary), len(factors.shown), seeds, measures)


def _of_words(texts: Sequence[str], dominant: np.ndarray, rng: np.random.Generator) -> Iterator[Measure]:
    """Coherence and diversity of the words that mark the texts of each factor; by chance, of shuffled texts."""
    there = bool((dominant >= 0).any())
    words, shuffled = (
        top_words(texts, groups) if there else [] for groups in (dominant, rng.permutation(dominant))
    )
    yield Measure(
        "coherence of words",
        _if_enough(lambda: coherence(words, texts)),
        _mean(_if_enough(lambda: coherence(shuffled, texts))),
        f"Do the {TOP} words that mark a factor's texts stand in the same texts? NPMI: 1 always, -1 never. "
        "Compare with chance, texts shuffled, and with runs on the same texts.",
    )
    yield Measure(
        "diversity of words",
        _if_enough(lambda: Estimate(diversity(words), 0.0)),
        None,
        f"Share of different words among the {TOP_DIVERSITY} that mark each factor. Near 1 is good.",
    )


def _mean(value: Estimate | None) -> float | None:
    return value and value.mean


def _if_enough(compute: Callable[[], T]) -> T | None:
    """The measure, or None where the factors have too few words or properties for it."""
    try:
        return compute()
    except InputError:
        return None


def _along(factors: Factors, k: int) -> list[str]:
    """The properties of a factor that go along with it, the strongest first."""
    return [member.name for member in factors.properties[k] if member.weight > 0]


def _property_lists(factors: Factors) -> list[list[str]]:
    """Behind each factor's own properties those that are strong in it but belong elsewhere: no intruders."""
    lists = []
    for k in factors.shown:
        own = _along(factors, k)
        strong = np.flatnonzero(np.abs(factors.loadings[k]) >= MIN_CORRELATION)
        lists.append([*own, *(factors.vocabulary[i] for i in strong)] if len(own) >= TOP_INTRUSION else own)
    return lists


def _of_properties(factors: Factors, proposals: Proposals, rng: np.random.Generator) -> Iterator[Measure]:
    """Coherence of the strongest properties in the texts that they were proposed for; by chance, of any properties."""
    from scipy.sparse import csr_matrix

    read, row = np.unique(
        proposals.text_index, return_inverse=True
    )  # the proposer may have read a sample only
    shape = (len(read), len(proposals.properties))
    incidence = csr_matrix((np.ones(len(row)), (row, proposals.property_index)), shape=shape)
    # an analyst may have added properties that nobody proposed, and taken others out
    column = {name: i for i, name in enumerate(proposals.properties)}
    topics = [[column[name] for name in _along(factors, k) if name in column][:TOP] for k in factors.shown]
    # each is exchanged for another proposed for about as many texts: the vocabulary is ordered by that
    neighbours = np.argsort(np.arange(shape[1]) + rng.uniform(-0.02, 0.02, shape[1]) * shape[1])
    exchanged = [[int(neighbours[i]) for i in topic] for topic in topics]
    values, chance = (
        Estimate.of(finite) if (finite := means[np.isfinite(means)]).size else None
        for means in (npmi(incidence, topics), npmi(incidence, exchanged))
    )
    yield Measure(
        "coherence of properties",
        values,
        _mean(chance),
        f"Are its {TOP} strongest properties proposed for the same texts? Low where most are proposed for a text or "
        "two. Compare with chance, other properties as frequent.",
    )


def refit(links: Links, n_factors: int, seeds: int, progress: Progress | None = None) -> Estimate:
    """Agreement of the groups of properties between fits on samples of the texts."""
    texts, properties = links.text_vectors, links.property_vectors
    groupings = []
    for seed in range(seeds):
        if progress:
            progress("fitting again on samples of the texts", seed, seeds)
        groupings.append(fit_structure(texts[draw(len(texts), seed)], properties, n_factors).assignment)
    return stability(groupings)


def draw(n_texts: int, seed: int) -> np.ndarray:
    """The rows of a sample of nine tenths of the texts, in order."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_texts, size=round(SHARE * n_texts), replace=False))
