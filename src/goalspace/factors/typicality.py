"""Which properties are typical of a factor: those that name it, and that are shown first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goalspace.encoders.protocol import Encoder
from goalspace.factors.fitting import Structure
from goalspace.links import Links
from goalspace.proposals import Proposals
from goalspace.vectors.geometry import spread_rows

_MAX_SPREAD = 10_000  # texts from which the spread of a property is estimated
_CHECKED = 20  # texts of a factor that a second encoder compares with its properties
_UNPROPOSED = 0.01  # weight of properties that were proposed for no text of their factor, or repeat another factor's name


def measure_typicality(
    texts: Sequence[str],
    proposals: Proposals,
    structure: Structure,
    scores: np.ndarray,
    dominant: np.ndarray,
    links: Links,
    second: Encoder | None,
) -> np.ndarray:
    """Say how typical every property is of its factor.

    It is the distinctiveness, times n_both / √(n_texts · n_property) of the texts of the factor and those that the property
    was proposed for (Ochiai 1957), times the distinctiveness that a second encoder sees, so that no property comes first
    that is true of the texts only for the encoder that chose it. Properties whose words all stand in the first one of an
    earlier factor come last.

    Parameters
    ----------
    texts, proposals
        The texts and their properties.
    structure, scores, dominant
        The factors, the texts' scores on them, and the factor that describes each text best.
    links
        What the factors were found in.
    second
        An encoder that did not take part in the links; None for no second opinion.

    Returns
    -------
    (n_properties,) float32, at whichever end of its factor a property is; 0 for unassigned properties.
    """
    assignment, n_factors = structure.assignment, len(structure.loadings)
    values = distinguish(links.text_vectors, links.property_vectors, dominant, n_factors)
    support = _second_opinion(texts, proposals.properties, scores, dominant, second)
    both = np.zeros_like(values)
    known = dominant[proposals.text_index] >= 0
    np.add.at(both, (dominant[proposals.text_index[known]], proposals.property_index[known]), 1)
    sizes = np.bincount(dominant[dominant >= 0], minlength=n_factors)
    shared = both / np.sqrt(np.maximum(np.outer(sizes, proposals.n_texts_with()), 1))
    weights = shared * np.maximum(support, 0) + _UNPROPOSED
    found = of_own_factor(np.sign(structure.loadings) * values * weights, assignment)
    return _without_repeats(found, proposals.properties, assignment)


def _without_repeats(typicality: np.ndarray, vocabulary: Sequence[str], assignment: np.ndarray) -> np.ndarray:
    """Put properties last whose words all stand in the first property of an earlier factor."""
    taken: list[frozenset[str]] = []
    found = typicality.copy()
    for k in range(int(assignment.max(initial=-1)) + 1):
        for i in np.flatnonzero((assignment == k) & (found > 0)).tolist():
            words = frozenset(vocabulary[i].split())
            found[i] *= _UNPROPOSED if any(words <= name for name in taken) else 1
        first = rank_properties(assignment, found, k)[:1]
        taken += [frozenset(vocabulary[i].split()) for i in first.tolist()]
    return found


def _second_opinion(
    texts: Sequence[str],
    vocabulary: Sequence[str],
    scores: np.ndarray,
    dominant: np.ndarray,
    encoder: Encoder | None,
) -> np.ndarray:
    """How well each property tells the best texts of each factor from those of the others, by another encoder.

    It is negative for what is less true of them (n_factors, n_properties); 1 without an encoder.
    """
    n_factors = scores.shape[1]
    best = [
        (int(row), k)
        for k in range(n_factors)
        for row in np.argsort(np.where(dominant == k, -scores[:, k], np.inf), kind="stable")[:_CHECKED]
        if dominant[row] == k
    ]
    if encoder is None or not best:
        return np.ones((n_factors, len(vocabulary)))
    vectors = encoder.encode([texts[row] for row, _ in best])
    return distinguish(vectors, encoder.encode(vocabulary), np.array([k for _, k in best]), n_factors)


def distinguish(
    vectors: np.ndarray, property_vectors: np.ndarray, dominant: np.ndarray, n_factors: int
) -> np.ndarray:
    """Say how distinctive properties are of the texts of each factor.

    Parameters
    ----------
    vectors, property_vectors
        (n_texts, dim) and (n_properties, dim), of the same encoder or links.
    dominant
        (n_texts,) the factor of every text, -1 for none.
    n_factors
        Number of factors.

    Returns
    -------
    (n_factors, n_properties) the mean score of the property in the factor's texts minus that in all texts, in standard
    deviations over texts; 0 for a factor without texts.
    """
    overall = vectors.mean(axis=0, dtype=np.float64)
    sample = vectors[spread_rows(len(vectors), _MAX_SPREAD)]
    spread = (sample @ property_vectors.T).std(axis=0, dtype=np.float64)
    means = np.stack(
        [
            vectors[own].mean(axis=0, dtype=np.float64) if (own := dominant == k).any() else overall
            for k in range(n_factors)
        ]
    )
    return np.asarray((means - overall) @ property_vectors.T / np.maximum(spread, 1e-9))


def of_own_factor(values: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """Return the value (n_factors, n_properties) of every property for its factor (n_properties,), 0 for unassigned ones."""
    own = values[assignment, np.arange(len(assignment))]
    return np.where(assignment >= 0, own, 0).astype(np.float32)


def rank_properties(assignment: np.ndarray, typicality: np.ndarray, k: int) -> np.ndarray:
    """Return the indices of the properties of factor k, most typical first, at either end of the factor."""
    own = np.flatnonzero(assignment == k)
    return np.asarray(own[np.argsort(-typicality[own], kind="stable")])
