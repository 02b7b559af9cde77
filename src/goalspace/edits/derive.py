"""Everything derived from an edit: scores, strengths, names, evidence and groups of the factors it changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.passages import PassageEncoder
from goalspace.encoders.protocol import Encoder
from goalspace.factors import Factors, naming, scoring
from goalspace.factors.evidence import collect_evidence
from goalspace.factors.fitting import information
from goalspace.factors.hierarchy import stack
from goalspace.factors.typicality import distinguish, of_own_factor
from goalspace.links import Links

_BLOCK = 4096  # texts


@dataclass(frozen=True)
class EditContext:
    """What edits need besides the factors.

    Attributes
    ----------
    corpus
        The texts.
    links
        The links as fitted; edits never change the text vectors.
    encoder
        Returns the encoder of the links; called when sentences or a new property must be encoded.
    seed
        Seed of the hierarchy.
    """

    corpus: Corpus
    links: Links
    encoder: Callable[[], Encoder]
    seed: int = 0

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the text vectors (dim, dim), summed in blocks."""
        from goalspace.corex.moments import covariance

        vectors = self.links.text_vectors
        blocks = (
            vectors[start : start + _BLOCK].astype(np.float64) for start in range(0, len(vectors), _BLOCK)
        )
        return covariance(blocks)[1]


@dataclass(frozen=True)
class Part:
    """A factor after an edit: an unchanged one (`old`), or one that replaces others.

    Its direction gives the scores; the texts nearest to one of its prototypes, which without any is the direction, have it
    as their dominant factor.
    """

    old: int | None = None
    direction: np.ndarray | None = None
    prototypes: np.ndarray | None = None
    replaces: tuple[int, ...] = ()
    name: str | None = None  # None: derived from its properties
    description: str | None = None


@dataclass
class Draft:
    """Factors during an edit: the properties, their assignment, and the resulting parts."""

    vocabulary: list[str]
    counts: np.ndarray
    vectors: np.ndarray
    assignment: np.ndarray
    parts: list[Part] = field(default_factory=list)


def recompute(context: EditContext, old: Factors, draft: Draft, *, kept: np.ndarray | None = None) -> Factors:
    """Compute the factors of a draft; `kept` masks the old properties that remain."""
    new = [i for i, part in enumerate(draft.parts) if part.old is None]
    stay = [i for i, part in enumerate(draft.parts) if part.old is not None]
    source = [part.old for part in draft.parts if part.old is not None]
    n_factors, n_properties = len(draft.parts), len(draft.vocabulary)
    columns = np.arange(old.loadings.shape[1]) if kept is None else np.flatnonzero(kept)

    fresh = np.stack([part.direction for part in draft.parts if part.direction is not None])
    directions = np.empty((n_factors, old.directions.shape[1]), dtype=np.float32)
    offset = np.empty(n_factors, dtype=np.float32)
    loadings = np.empty((n_factors, n_properties), dtype=np.float32)
    scores = np.empty((len(old.scores), n_factors), dtype=np.float32)
    strength = np.empty(n_factors, dtype=old.strength.dtype)

    directions[stay], offset[stay] = old.directions[source], old.offset[source]
    scores[:, stay], strength[stay] = old.scores[:, source], old.strength[source]
    loadings[stay, : len(columns)] = old.loadings[source][:, columns]
    if len(columns) < n_properties:  # a property was added
        added = scoring.correlate(
            context.covariance, directions[stay].astype(np.float64), draft.vectors[len(columns) :]
        )[1]
        loadings[stay, len(columns) :] = added

    made, correlations = scoring.correlate(context.covariance, fresh, draft.vectors)
    directions[new], loadings[new] = made, correlations
    offset[new] = made @ old.centre
    scores[:, new] = scoring.score_texts(old.links.text_vectors, directions[new], offset[new])
    strength[new] = information(loadings, draft.assignment)[new]

    hidden = tuple(
        i
        for i, part in enumerate(draft.parts)
        if all(k in old.hidden for k in ((part.old,) if part.old is not None else part.replaces))
    )
    prototypes, owners = _prototypes(old, draft.parts)
    dominant = scoring.assign_texts(
        old.links.text_vectors, prototypes, owners, old.centre, hidden, old.not_relevant
    )
    drawn = replace(
        old,
        scores=scores,
        dominant=dominant,
        vocabulary=tuple(draft.vocabulary),
        loadings=loadings,
        assignment=draft.assignment,
        property_counts=draft.counts,
        typicality=_typicality(old, draft, columns, loadings, dominant, new),
        strength=strength,
        factor_map=scoring.centres(old.map, dominant, scores),
        directions=directions,
        offset=offset,
        prototypes=prototypes,
        owners=owners,
        links=replace(old.links, property_vectors=draft.vectors),
        hidden=hidden,
    )
    return _reworded(context, old, drawn, draft.parts)


def _typicality(
    old: Factors,
    draft: Draft,
    columns: np.ndarray,
    loadings: np.ndarray,
    dominant: np.ndarray,
    new: Sequence[int],
) -> np.ndarray:
    """Return the typicality of the properties; `columns` are the old ones that remain, `new` the factors that changed.

    In these it is the distinctiveness, more for properties of many texts: which texts have a property is not known here.
    """
    kept = np.zeros(len(draft.vocabulary), dtype=np.float32)
    kept[: len(columns)] = old.typicality[columns]
    values = distinguish(old.links.text_vectors, draft.vectors, dominant, len(draft.parts))
    found = of_own_factor(np.sign(loadings) * values * np.log2(2 + draft.counts), draft.assignment)
    return np.where(np.isin(draft.assignment, [*new, -1]), found, kept)


def _prototypes(old: Factors, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Return the prototypes of all parts, and the part that owns each."""
    rows = []
    for part in parts:
        if part.old is not None:
            rows.append(old.prototypes[old.owners == part.old])
        elif part.prototypes is not None:
            rows.append(part.prototypes)
        else:
            assert part.direction is not None
            rows.append(part.direction[None])
    owners = np.repeat(np.arange(len(parts), dtype=np.int32), [len(own) for own in rows])
    return np.concatenate(rows).astype(np.float32), owners


def _reworded(context: EditContext, old: Factors, drawn: Factors, parts: Sequence[Part]) -> Factors:
    """Name the factors after an edit and collect their evidence and hierarchy; unchanged parts keep theirs."""
    taken = {old.names[part.old] for part in parts if part.old is not None}
    names, descriptions, poles = [], [], []
    for k, part in enumerate(parts):
        if part.old is not None:
            names.append(old.names[part.old])
            descriptions.append(old.descriptions[part.old])
            poles.append(old.poles[part.old])
            continue
        ends = naming.typical_properties(drawn.assignment, drawn.loadings, drawn.typicality, k)
        described = naming.describe_factor(drawn.vocabulary, *ends)
        name = naming.free_name(part.name or described.name, taken)
        taken.add(name)
        names.append(name)
        descriptions.append(part.description if part.description is not None else described.description)
        poles.append(described.poles)
    new = [k for k, part in enumerate(parts) if part.old is None]
    collected = collect_evidence(
        context.corpus,
        drawn.assignment,
        drawn.loadings,
        drawn.scores,
        drawn.dominant,
        poles,
        drawn.links.property_vectors,
        PassageEncoder(context.encoder(), context.links.passages),
        new,
    )
    shown = dict(zip(new, collected, strict=True))
    evidence = [shown[k] if part.old is None else old.evidence[part.old] for k, part in enumerate(parts)]
    hierarchy = stack(drawn.scores, names, context.seed)
    return replace(
        drawn,
        names=tuple(names),
        descriptions=tuple(descriptions),
        poles=tuple(poles),
        evidence=tuple(evidence),
        hierarchy=hierarchy,
        stats={
            **old.stats,
            "n_factors": len(names),
            "n_unassigned": int((drawn.assignment < 0).sum()),
            "n_layers": len(hierarchy),
            "n_without_dominant": int((drawn.dominant < 0).sum()),
        },
    )
