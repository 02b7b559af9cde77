"""Factors: the few latent dimensions behind the links, named, with evidence; is an Encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.errors import InputError
from goalspace.factors import fitting, naming, scoring
from goalspace.factors.evidence import Evidence
from goalspace.factors.hierarchy import Layer, stack
from goalspace.files import atomic_path, digest, read_json, write_json
from goalspace.links import Links
from goalspace.llm import call_cache, get_llm
from goalspace.llm.protocol import LLM
from goalspace.llm.structured import Calls
from goalspace.progress import Progress, ignore_progress
from goalspace.proposals import Proposals
from goalspace.vectors.projection import lay_out

_ARRAYS = (
    "scores",
    "dominant",
    "loadings",
    "assignment",
    "strength",
    "map",
    "factor_map",
    "property_counts",
    "directions",
    "offset",
    "prototypes",
    "centre",
)
_KEYS = {"strength": "tc"}  # arrays stored under another name


@dataclass(frozen=True)
class Member:
    """A property of a factor."""

    name: str
    weight: float  # signed correlation with the factor
    n_texts: int  # texts it was proposed for


@dataclass(frozen=True)
class Factors:
    """Latent dimensions of texts, ordered by the total correlation they explain.

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
    directions, offset, prototypes, centre
        What scores new texts: scores are directions @ v - offset for a text vector v of the links, the dominant
        factor has the prototype with the largest cosine to v - centre.
    links
        The links that encode new texts; their property vectors are those of `vocabulary`.
    hidden
        Factors that an analyst hid: they keep their scores, but are never a dominant factor and do not count when texts
        are compared.
    strength_unit
        "nats": the total correlation that a factor explains alone. "cosine", of labelled instructions: the mean cosine
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
    strength: np.ndarray
    tc_curve: tuple[tuple[int, float], ...]
    hierarchy: tuple[Layer, ...]
    evidence: tuple[tuple[Evidence, ...], ...]
    map: np.ndarray
    factor_map: np.ndarray
    directions: np.ndarray
    offset: np.ndarray
    prototypes: np.ndarray
    centre: np.ndarray
    links: Links = field(compare=False, repr=False)
    stats: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[int, ...] = ()
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
        """The properties assigned to each factor, strongest first."""
        groups = []
        for k in range(self.dim):
            own = np.flatnonzero(self.assignment == k)
            own = own[np.argsort(-np.abs(self.loadings[k, own]), kind="stable")]
            groups.append(
                tuple(
                    Member(self.vocabulary[i], float(self.loadings[k, i]), int(self.property_counts[i]))
                    for i in own
                )
            )
        return tuple(groups)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Score texts, seen or new, without a language model (n_texts, n_factors) float32."""
        return scoring.score_texts(self.links.encode(texts), self.directions, self.offset)

    def assign(self, texts: Sequence[str]) -> np.ndarray:
        """The dominant factor of texts, seen or new (n_texts,) int32, -1 where none describes the text."""
        vectors = self.links.encode(texts)
        return scoring.assign_texts(vectors, self.prototypes, self.centre, self.hidden)

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
        from safetensors.numpy import save_file

        with atomic_path(folder / "factors.safetensors") as path:
            arrays = {_KEYS.get(name, name): getattr(self, name) for name in _ARRAYS}
            save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, path)
        write_json(
            folder / "factors.json",
            {
                "names": self.names,
                "descriptions": self.descriptions,
                "poles": self.poles,
                "vocabulary": self.vocabulary,
                "tc_curve": self.tc_curve,
                "hierarchy": [
                    {"names": layer.names, "assignment": layer.assignment.tolist()}
                    for layer in self.hierarchy
                ],
                "evidence": [[vars(item) for item in items] for items in self.evidence],
                "hidden": self.hidden,
            },
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        links: Links,
        stats: Mapping[str, Any] | None = None,
        *,
        strength_unit: Literal["nats", "cosine"] = "nats",
    ) -> Self:
        """Read what `save` wrote; `links` place new texts. The files do not hold the unit of the strength."""
        from safetensors.numpy import load_file

        arrays = load_file(folder / "factors.safetensors")
        about = read_json(folder / "factors.json")
        return cls(
            **{name: arrays[_KEYS.get(name, name)] for name in _ARRAYS},
            names=tuple(about["names"]),
            descriptions=tuple(about["descriptions"]),
            poles=tuple((positive, negative) for positive, negative in about["poles"]),
            vocabulary=tuple(about["vocabulary"]),
            tc_curve=tuple((int(number), float(tc)) for number, tc in about["tc_curve"]),
            hierarchy=tuple(
                Layer(tuple(layer["names"]), np.array(layer["assignment"], dtype=np.int32))
                for layer in about["hierarchy"]
            ),
            evidence=tuple(tuple(Evidence(**item) for item in items) for items in about["evidence"]),
            links=links,
            stats=stats or {},
            hidden=tuple(about.get("hidden", ())),
            strength_unit=strength_unit,
        )


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
        return scoring.span(self.factors.prototypes[list(self.factors.shown)])

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
    seed
        Seed of the map and of the hierarchy; the factors themselves do not depend on it.
    cache_dir
        Folder in which calls (llm.sqlite) and vectors are cached, for the next stage and for another attempt.
    progress
        Called with (current step, items done, items in total).

    Raises
    ------
    InputError
        If `n_factors` is out of range.
    """
    if n_factors is not None and not 1 <= n_factors <= len(proposals.properties):
        raise InputError(
            f"The 'n_factors' parameter of factor must be between 1 and the number of properties, "
            f"{len(proposals.properties)}. Got {n_factors} instead."
        )
    report = progress or ignore_progress
    curve: tuple[tuple[int, float], ...] = ()
    if n_factors is None:
        report("choosing the number of factors", 0, 1)
        n_factors, curve = fitting.choose_n_factors(links.text_vectors, links.property_vectors)
    report("fitting the factors", 0, 1)
    structure = fitting.fit_structure(links.text_vectors, links.property_vectors, n_factors)
    scores, dominant = structure.score(links.text_vectors), structure.assign(links.text_vectors)
    report("drawing the map and collecting evidence", 0, 1)
    counts = proposals.n_texts_with()
    calls = Calls()
    names = naming.name_factors(
        corpus,
        proposals,
        structure,
        scores,
        counts,
        links.property_vectors,
        goal,
        cached(links.encoder, cache_dir),
        get_llm(llm, cache=call_cache(cache_dir)) if llm is not None else None,
        calls,
    )
    positions = lay_out((links.text_vectors - structure.centre) @ structure.prototypes.T, seed=seed)
    hierarchy = stack(scores, names.names, seed)
    return Factors(
        names=names.names,
        descriptions=names.descriptions,
        poles=names.poles,
        scores=scores,
        dominant=dominant,
        vocabulary=proposals.properties,
        loadings=structure.loadings,
        assignment=structure.assignment,
        property_counts=counts,
        strength=structure.tc,
        tc_curve=curve,
        hierarchy=hierarchy,
        evidence=names.evidence,
        map=positions,
        factor_map=centres(positions, dominant, scores),
        directions=structure.directions,
        offset=structure.offset,
        prototypes=structure.prototypes,
        centre=structure.centre,
        links=links,
        stats={
            "n_factors": len(names.names),
            "tc": float(structure.model.tc_),
            "n_unassigned": int((structure.assignment < 0).sum()),
            "n_layers": len(hierarchy),
            "n_without_dominant": int((dominant < 0).sum()),
            **(calls.as_stats() if llm is not None else {}),
        },
    )


def centres(positions: np.ndarray, dominant: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Position of each factor on the map: the median of its dominated texts, or of its ten highest-scoring ones."""
    centres = []
    for k in range(scores.shape[1]):
        own = np.flatnonzero(dominant == k)
        if not len(own):
            own = np.argsort(-scores[:, k], kind="stable")[:10]
        centres.append(np.median(positions[own], axis=0))
    return np.asarray(centres, dtype=np.float32)
