"""Factors that take further texts in: known ones keep their numbers, names and properties, new ones come last."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.passages import PassageEncoder
from goalspace.factors import Factors, naming, scoring
from goalspace.factors.evidence import collect_evidence
from goalspace.factors.fitting import information
from goalspace.factors.hierarchy import stack
from goalspace.factors.typicality import distinguish, of_own_factor
from goalspace.links import Links
from goalspace.proposals import Proposals
from goalspace.vectors.geometry import normalize
from goalspace.vectors.projection import place_between


@dataclass(frozen=True, eq=False)
class Increment:
    """What joins the texts of a run.

    Attributes
    ----------
    corpus, proposals, links
        Of all texts, those of the run first. The properties of the run come first, too.
    n_known_texts, n_known_properties
        How many of them are the run's.
    groups
        (n_groups, dim) prototypes of the new factors, around the centre of the run's factors.
    encoder
        The encoder of the links, for sentences of evidence.
    seed
        Seed of the hierarchy.
    """

    corpus: Corpus
    proposals: Proposals
    links: Links
    n_known_texts: int
    n_known_properties: int
    groups: np.ndarray
    encoder: PassageEncoder
    seed: int

    @property
    def new_properties(self) -> tuple[str, ...]:
        """The properties that the run did not have."""
        return self.proposals.properties[self.n_known_properties :]


def refit(factors: Factors, increment: Increment) -> Factors:
    """Refit factors, edited or not, with further texts.

    One step of sequential k-means (MacQueen 1967) from the known partition: a prototype, which stands for the sum of its
    texts, moves by the further texts that are nearest to it. So an analyst's changes to a factor stay, and known texts
    count as much as further ones. The direction of a factor moves as its prototypes do. Properties stay in their factors;
    new ones, and those without a factor, may join a factor by their correlation. A new factor with which none of these
    correlates is left out.

    Parameters
    ----------
    factors
        The factors of the run.
    increment
        The further texts and their properties.

    Returns
    -------
    Factors of all texts. Known texts keep their place on the map; further ones lie between their nearest known ones.
    """
    n, vectors = increment.n_known_texts, increment.links.text_vectors
    draft = _Draft(factors, increment)
    prototypes, owners, raw = _move_prototypes(factors, increment, draft.n_factors)
    directions, loadings = scoring.correlate(scoring.covariance_of(vectors), raw, draft.property_vectors)
    assignment = _assign_properties(draft, loadings)
    along = assignment[loadings[assignment, np.arange(len(assignment))] > 0]
    kept = np.flatnonzero(np.isin(np.arange(draft.n_factors), [*range(factors.dim), *along]))
    if len(kept) < draft.n_factors:  # a new factor that nothing could name
        return refit(factors, replace(increment, groups=increment.groups[kept[factors.dim :] - factors.dim]))
    centre = vectors.mean(axis=0, dtype=np.float64)
    scores = scoring.score_texts(vectors, directions, directions @ centre)
    dominant = scoring.assign_texts(
        vectors, prototypes, owners, centre, factors.hidden, increment.proposals.not_relevant
    )
    coordinates = (vectors - centre) @ prototypes.T
    positions = np.concatenate([factors.map, place_between(coordinates[n:], coordinates[:n], factors.map)])
    typicality = _typicality(draft, vectors, loadings, assignment, dominant)
    moved = replace(
        factors,
        scores=scores,
        dominant=dominant,
        vocabulary=draft.vocabulary,
        loadings=loadings.astype(np.float32),
        assignment=assignment,
        property_counts=draft.counts,
        typicality=typicality,
        strength=information(loadings, assignment),
        map=positions.astype(np.float32),
        factor_map=scoring.centres(positions, dominant, scores),
        directions=directions.astype(np.float32),
        offset=(directions @ centre).astype(np.float32),
        prototypes=prototypes.astype(np.float32),
        owners=owners,
        centre=centre.astype(np.float32),
        links=replace(increment.links, property_vectors=draft.property_vectors),
        not_relevant=increment.proposals.not_relevant,
    )
    return _describe(factors, moved, increment)


class _Draft:
    """The properties of factors, followed by the new ones.

    Parameters
    ----------
    factors
        The factors, whose properties may have been edited.
    increment
        What joins them.
    """

    def __init__(self, factors: Factors, increment: Increment) -> None:
        names, vectors = increment.proposals.properties, increment.links.property_vectors
        taken = set(factors.vocabulary)
        added = [i for i in range(increment.n_known_properties, len(names)) if names[i] not in taken]
        counts = dict(zip(names, increment.proposals.n_texts_with().tolist(), strict=True))
        self.n_factors = factors.dim + len(increment.groups)
        self.known = factors
        self.vocabulary = (*factors.vocabulary, *(names[i] for i in added))
        self.property_vectors = np.concatenate([factors.links.property_vectors, vectors[added]])
        self.counts = np.array([counts.get(name, 0) for name in self.vocabulary])


def _move_prototypes(
    factors: Factors, increment: Increment, n_factors: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the moved prototypes, the factor that owns each, and the direction of every factor, not standardised."""
    n = increment.n_known_texts
    relevant = np.ones(len(increment.corpus), dtype=bool)
    relevant[list(increment.proposals.not_relevant)] = False
    towards = normalize(increment.links.text_vectors - factors.centre).astype(np.float64)
    before = np.concatenate([factors.prototypes, increment.groups]).astype(np.float64)
    owners = np.concatenate([factors.owners, np.arange(factors.dim, n_factors, dtype=np.int32)])
    cosines = towards[:n][relevant[:n]] @ factors.prototypes.T
    nearest = cosines.argmax(axis=1)
    sums = np.zeros_like(before)
    np.add.at(sums, nearest, cosines.max(axis=1)[:, None] * before[nearest])
    further = towards[n:][relevant[n:]]
    np.add.at(sums, (further @ before.T).argmax(axis=1), further)
    after = np.where(np.linalg.norm(sums, axis=1, keepdims=True) > 1e-9, normalize(sums), before)
    lengths = np.linalg.norm(sums, axis=1)
    was, raw = (_mean_prototypes(prototypes, owners, lengths, n_factors) for prototypes in (before, after))
    # an edit may have turned a factor away from the mean of its prototypes
    turned = normalize(factors.directions.astype(np.float64)) + (raw - was)[: factors.dim]
    raw[: factors.dim] = normalize(turned)
    return after, owners, raw


def _mean_prototypes(
    prototypes: np.ndarray, owners: np.ndarray, lengths: np.ndarray, n_factors: int
) -> np.ndarray:
    """Return the direction of the prototypes of every factor together, each as long as the sum of its texts."""
    sums = np.zeros((n_factors, prototypes.shape[1]))
    np.add.at(sums, owners, np.maximum(lengths, 1e-6)[:, None] * prototypes)
    return normalize(sums)


def _assign_properties(draft: _Draft, loadings: np.ndarray) -> np.ndarray:
    """Return the factor of every property: that of before, or the one it correlates with most, -1 where weakly."""
    n_known = len(draft.known.vocabulary)
    strength = np.abs(loadings)
    nearest = strength.argmax(axis=0)
    found = np.where(strength.max(axis=0) >= scoring.MIN_CORRELATION, nearest, -1).astype(np.int32)
    before = draft.known.assignment
    # a property without a factor joins only a new one: which properties a known factor has is for the analyst to say
    joins_new = found[:n_known] >= draft.known.dim
    found[:n_known] = np.where((before < 0) & joins_new, found[:n_known], before)
    return found


def _typicality(
    draft: _Draft, vectors: np.ndarray, loadings: np.ndarray, assignment: np.ndarray, dominant: np.ndarray
) -> np.ndarray:
    """Return the typicality: that of before, and for properties that join a factor their distinctiveness, more for many texts.

    In a known factor, new properties come after the known ones, of which its name is made.
    """
    n_known = len(draft.known.vocabulary)
    values = distinguish(vectors, draft.property_vectors, dominant, len(loadings))
    found = of_own_factor(np.sign(loadings) * values * np.log2(2 + draft.counts), assignment)
    known = draft.known.typicality
    lowest = np.full(len(loadings), np.inf)
    np.minimum.at(
        lowest, draft.known.assignment[draft.known.assignment >= 0], known[draft.known.assignment >= 0]
    )
    found = np.minimum(found, np.where(assignment >= 0, lowest[assignment], np.inf))
    stays = assignment[:n_known] == draft.known.assignment
    found[:n_known] = np.where(stays, known, found[:n_known])
    return np.asarray(found, dtype=np.float32)


def _describe(known: Factors, moved: Factors, increment: Increment) -> Factors:
    """Name the new factors, and renew evidence and hierarchy; sentences that were found before are not looked for again."""
    names, descriptions, poles = list(known.names), list(known.descriptions), list(known.poles)
    for k in range(known.dim, len(moved.loadings)):
        ends = naming.typical_properties(moved.assignment, moved.loadings, moved.typicality, k)
        described = naming.describe_factor(moved.vocabulary, *ends)
        names.append(naming.free_name(described.name, names))
        descriptions.append(described.description)
        poles.append(described.poles)
    spans = {
        (k, item.pole, item.text_id): (item.start, item.end)
        for k, items in enumerate(known.evidence)
        for item in items
    }
    evidence = collect_evidence(
        increment.corpus,
        moved.assignment,
        moved.loadings,
        moved.scores,
        moved.dominant,
        poles,
        moved.links.property_vectors,
        increment.encoder,
        range(len(names)),
        spans,
    )
    hierarchy = stack(moved.scores, names, increment.seed)
    return replace(
        moved,
        names=tuple(names),
        descriptions=tuple(descriptions),
        poles=tuple(poles),
        evidence=tuple(evidence),
        hierarchy=hierarchy,
        stats={
            **known.stats,
            "n_factors": len(names),
            "n_unassigned": int((moved.assignment < 0).sum()),
            "n_layers": len(hierarchy),
            "n_without_dominant": int((moved.dominant < 0).sum()),
            "n_not_relevant": len(moved.not_relevant),
        },
    )
