"""Factors: the few latent dimensions behind the links, named, with evidence; is an Encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from goalspace.corex.blocks import measure_moments
from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.encoders.passages import PassageEncoder
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import is_multilingual, refuse_endpoint
from goalspace.errors import InputError
from goalspace.factors import fitting, naming, scoring, storage
from goalspace.factors.evidence import Evidence
from goalspace.factors.hierarchy import Layer, stack
from goalspace.factors.typicality import measure_typicality, rank_properties
from goalspace.files import digest
from goalspace.links import Links
from goalspace.llm import call_cache, get_llm
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM
from goalspace.llm.redaction import Redactor
from goalspace.llm.structured import Calls
from goalspace.progress import Progress, ignore_progress
from goalspace.proposals import Proposals
from goalspace.vectors.projection import lay_out

if TYPE_CHECKING:
    from goalspace.corex.linear import LinearCorex

# those that are taken from the fit as they are
_FITTED = ("loadings", "assignment", "strength", "directions", "offset", "prototypes", "owners", "centre")


@dataclass(frozen=True)
class Member:
    """A property of a factor."""

    name: str
    weight: float  # signed correlation with the factor
    n_texts: int  # texts it was proposed for


@dataclass(frozen=True)
class Factors:
    """Latent dimensions of texts, strongest first.

    Attributes
    ----------
    names, descriptions
        A short unique name and one sentence per factor (n_factors).
    poles
        What the two poles stand for; the second is None for a factor with one pole.
    scores
        (n_texts, n_factors) float32; over the corpus every column has mean 0 and variance 1.
    dominant
        (n_texts,) int32, the factor that describes a text best, -1 where none does.
    vocabulary
        The properties (n_properties).
    loadings
        (n_factors, n_properties) float32, signed correlation of factor and property.
    assignment
        (n_properties,) int32, the factor of a property, -1 unassigned.
    property_counts
        (n_properties,) number of texts that a property was proposed for.
    typicality
        (n_properties,) float32, how typical a property is of its factor (see `measure_typicality`); 0 for unassigned ones.
    strength
        (n_factors,) how strong each factor is, in `strength_unit`.
    tc_curve
        Pairs (number of factors tried, TC in nats) behind the choice of their number.
    hierarchy
        Groups of factors, groups of groups, …; empty for few factors.
    evidence
        For each factor, the sentences that show it best.
    map, factor_map
        (n_texts, 2) and (n_factors, 2) float32 positions in the unit square.
    directions, offset, prototypes, owners, centre
        What scores new texts: scores are directions @ v - offset for a text vector v of the links, the dominant
        factor owns the prototype with the largest cosine to v - centre. A factor that was merged from others owns several.
    links
        The links that encode new texts; their property vectors are those of `vocabulary`.
    hidden
        Factors that an analyst hid: they keep their scores, but are never a dominant factor and do not count when texts
        are compared.
    not_relevant
        Indices of the texts without a property that answers the goal; they have scores, but no dominant factor.
    strength_unit
        "nats": the mutual information of a factor's scores with its properties, summed. "cosine", of labelled instructions: the mean cosine
        of the instructions of a task with their centre.
    """

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    poles: tuple[tuple[str, str | None], ...]
    scores: np.ndarray
    dominant: np.ndarray
    vocabulary: tuple[str, ...]
    loadings: np.ndarray
    assignment: np.ndarray
    property_counts: np.ndarray
    typicality: np.ndarray
    strength: np.ndarray
    tc_curve: tuple[tuple[int, float], ...]
    hierarchy: tuple[Layer, ...]
    evidence: tuple[tuple[Evidence, ...], ...]
    map: np.ndarray
    factor_map: np.ndarray
    directions: np.ndarray
    offset: np.ndarray
    prototypes: np.ndarray
    owners: np.ndarray
    centre: np.ndarray
    links: Links = field(compare=False, repr=False)
    stats: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[int, ...] = ()
    not_relevant: tuple[int, ...] = ()
    strength_unit: Literal["nats", "cosine"] = "nats"

    @property
    def tc(self) -> np.ndarray:
        """The `strength`, under its earlier name; total correlation where `strength_unit` is "nats"."""
        return self.strength

    @cached_property
    def name(self) -> str:
        """Name as an encoder: a digest of the arrays that score texts."""
        return f"factors:{digest(self.directions, self.offset)[:16]}"

    @property
    def dim(self) -> int:
        """Number of factors: the dimension of `encode`."""
        return len(self.names)

    @cached_property
    def properties(self) -> tuple[tuple[Member, ...], ...]:
        """The properties assigned to each factor, most typical first."""
        groups = []
        for k in range(self.dim):
            own = rank_properties(self.assignment, self.typicality, k)
            groups.append(
                tuple(
                    Member(self.vocabulary[i], float(self.loadings[k, i]), int(self.property_counts[i]))
                    for i in own
                )
            )
        return tuple(groups)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Score texts, seen or new, without a language model (n_texts, n_factors) float32."""
        return self.score(self.links.encode(texts))

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Score texts by their vectors of the links (n_texts, n_factors) float32."""
        return scoring.score_texts(vectors, self.directions, self.offset)

    def assign(self, texts: Sequence[str]) -> np.ndarray:
        """The dominant factor of texts, seen or new (n_texts,) int32, -1 where none describes the text."""
        vectors = self.links.encode(texts)
        return scoring.assign_texts(vectors, self.prototypes, self.owners, self.centre, self.hidden)

    @cached_property
    def corex(self) -> LinearCorex:
        """Linear CorEx with as many factors, fitted to the same links: the solution of the paper (arXiv 1706.03353).

        The factors shown differ from it: they group the texts, starting from it among others.
        """
        moments = measure_moments(self.links.text_vectors)
        return fitting.fit_corex(moments, self.links.property_vectors, self.dim)

    @property
    def space(self) -> FactorSpace:
        """The space that the factors span, as an encoder for comparing texts."""
        return FactorSpace(self)

    @property
    def shown(self) -> tuple[int, ...]:
        """The factors that are not hidden."""
        return tuple(k for k in range(self.dim) if k not in self.hidden)

    def save(self, folder: Path) -> None:
        """Write factors.safetensors and factors.json into `folder`."""
        storage.write(folder, vars(self))

    @classmethod
    def load(
        cls,
        folder: Path,
        links: Links,
        stats: Mapping[str, Any] | None = None,
        *,
        strength_unit: Literal["nats", "cosine"] = "nats",
        again: str = "run goalspace factor on this run again",
    ) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        folder
            The folder.
        links
            The links that place new texts.
        stats
            The counts recorded by the stage.
        strength_unit
            The unit of the strength, which the files do not hold.
        again
            What makes the files again, for messages.

        Raises
        ------
        InputError
            If a file is missing or damaged, or does not go with the links.
        """
        stored = storage.read(folder, links.text_vectors, links.property_vectors, again=again)
        return cls(**stored, links=links, stats=stats or {}, strength_unit=strength_unit)


@dataclass(frozen=True)
class FactorSpace:
    """The space that factors span, as an encoder: a text's coordinates on orthonormal axes.

    Use it to compare texts. Factors overlap, so distances between scores count shared variance twice, and standardised
    scores give a factor on which texts hardly differ the same weight as any other. Inner products of
    coordinates are those of the texts' vectors, projected on the span of the prototypes; hidden factors are left out.
    The axes have no names.
    """

    factors: Factors = field(repr=False)

    @cached_property
    def _basis(self) -> np.ndarray:
        return scoring.span(self.factors.prototypes[np.isin(self.factors.owners, self.factors.shown)])

    @property
    def name(self) -> str:
        """Name as an encoder: that of the factors and a digest of the hidden ones."""
        return f"{self.factors.name}:space:{digest(list(self.factors.hidden))[:4]}"

    @property
    def dim(self) -> int:
        """Dimension of the space: the rank of the prototypes."""
        return len(self._basis)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Place texts, seen or new, without a language model (n_texts, dim) float32."""
        return self.project(self.factors.links.encode(texts))

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Place texts by their vectors of the links (n_texts, dim) float32."""
        return scoring.project_texts(vectors, self._basis, self.factors.centre)


def factor(
    corpus: Corpus,
    proposals: Proposals,
    links: Links,
    *,
    goal: str,
    n_factors: int | None = None,
    llm: str | LLM | None = None,
    limits: Limits | None = None,
    redact: bool = False,
    seed: int = 0,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Factors:
    """Find the factors behind the links by Linear CorEx (arXiv 1706.03353), without forming the link matrix.

    Parameters
    ----------
    corpus, proposals, links
        The results of the earlier stages.
    goal
        What the analyst wants to know; used to name the factors.
    n_factors
        Number of factors; None chooses it by the gain in total correlation. Factors without properties are dropped.
    llm
        Names and describes the factors; None uses the most central properties.
    limits
        What the calls may cost, and how fast they may go.
    redact
        Mask private data for the language model, as `propose` does.
    seed
        Seed of the map and of the hierarchy; the factors themselves do not depend on it.
    cache_dir
        Folder in which calls (llm.sqlite) and vectors are cached, for the next stage and for another attempt.
    progress
        Called with (current step, items done, items in total).

    Raises
    ------
    InputError
        If `n_factors` is out of range, or `redact` is given with an encoder of the links behind an endpoint.
    """
    _check_number(n_factors, len(proposals.properties))
    report, calls = progress or ignore_progress, Calls()
    namer = _namer(llm, links, cache_dir, limits, redact, report)
    curve: tuple[tuple[int, float], ...] = ()
    if n_factors is None:
        report("choosing the number of factors", 0, 1)
        n_factors, curve = fitting.choose_n_factors(links.text_vectors, links.property_vectors)
    report("fitting the factors", 0, 1)
    structure = fitting.fit_structure(
        links.text_vectors, links.property_vectors, n_factors, not_relevant=proposals.not_relevant
    )
    scores = structure.score(links.text_vectors)
    dominant = structure.assign(links.text_vectors, proposals.not_relevant)
    report("drawing the map and collecting evidence", 0, 1)
    second = _second_encoder(links, cache_dir)
    typicality = measure_typicality(corpus.texts, proposals, structure, scores, dominant, links, second)
    names = naming.name_factors(
        corpus,
        proposals,
        structure,
        scores,
        dominant,
        typicality,
        links.property_vectors,
        goal,
        PassageEncoder(cached(links.encoder, cache_dir, limits=limits), links.passages),
        namer,
        calls,
        report,
    )
    along = scoring.project_texts(links.text_vectors, structure.prototypes, structure.centre)
    positions = lay_out(along, seed=seed)
    hierarchy = stack(scores, names.names, seed)
    return Factors(
        names=names.names,
        descriptions=names.descriptions,
        poles=names.poles,
        scores=scores,
        dominant=dominant,
        vocabulary=proposals.properties,
        property_counts=proposals.n_texts_with(),
        typicality=typicality,
        **{name: getattr(structure, name) for name in _FITTED},
        tc_curve=curve,
        hierarchy=hierarchy,
        evidence=names.evidence,
        map=positions,
        factor_map=scoring.centres(positions, dominant, scores),
        links=links,
        not_relevant=proposals.not_relevant,
        stats={
            "n_factors": len(names.names),
            "tc": structure.tc,
            "n_unassigned": int((structure.assignment < 0).sum()),
            "n_layers": len(hierarchy),
            "n_without_dominant": int((dominant < 0).sum()),
            "n_not_relevant": len(proposals.not_relevant),
            **(calls.as_stats() if llm is not None else {}),
        },
    )


def _second_encoder(links: Links, cache_dir: Path | None) -> Encoder | None:
    """Return an encoder of the same languages, not that of the links, to check names with by the beginnings of texts."""
    plain = "multilingual" if is_multilingual(links.encoder_name) else "minilm"
    return None if links.encoder_name == plain else cached(plain, cache_dir)


def _check_number(n_factors: int | None, n_properties: int) -> None:
    if n_factors is not None and not 1 <= n_factors <= n_properties:
        raise InputError(
            "The 'n_factors' parameter of factor must be between 1 and the number of properties, "
            f"{n_properties}. Got {n_factors} instead."
        )


def _namer(
    llm: str | LLM | None,
    links: Links,
    cache_dir: Path | None,
    limits: Limits | None,
    redact: bool,
    progress: Progress,
) -> LLM | None:
    """Return the model that names the factors, before the factors are fitted, because it may be refused."""
    if redact:
        refuse_endpoint(links.encoder)
    if llm is None:
        return None
    redactor = Redactor(cache_dir) if redact else None
    return get_llm(llm, cache=call_cache(cache_dir), limits=limits, redactor=redactor, progress=progress)
