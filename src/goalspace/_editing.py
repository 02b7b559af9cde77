"""What an edit does to factors: their prototypes, scores, properties, names and evidence follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from goalspace import _reading as reading
from goalspace import _structure as structure
from goalspace.corpus import Corpus
from goalspace.encoders import Encoder
from goalspace.errors import InputError
from goalspace.factors import Factors, centres, dominant_of, stack
from goalspace.links import Links

_FEWEST_PER_PART = 3  # texts
_BLOCK = 4096  # texts


@dataclass(frozen=True)
class Bench:
    """What edits need beside the factors.

    Attributes
    ----------
    corpus
        The texts.
    links
        As they were fitted; an edit never changes where texts lie.
    encoder
        Returns the encoder of the links; called when sentences or a new property must be read.
    seed
        Of the hierarchy.
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
class _Part:
    """A factor after an edit: one that stays as it was (`old`), or a new direction in place of others."""

    old: int | None = None
    prototype: np.ndarray | None = None
    replaces: tuple[int, ...] = ()
    name: str | None = None  # None: what its properties say
    description: str | None = None


@dataclass
class _Draft:
    """Factors in the middle of an edit: the properties, whose they are, and the parts."""

    vocabulary: list[str]
    counts: np.ndarray
    vectors: np.ndarray
    assignment: np.ndarray
    parts: list[_Part] = field(default_factory=list)


def apply(bench: Bench, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """Return the factors after one edit.

    Parameters
    ----------
    bench
        The texts and the encoder.
    factors
        Before.
    edit
        An `Edit` of web/src/contract.ts that `_edit_checks.check` has passed.

    Returns
    -------
    New factors; those that the edit does not touch keep their numbers bit for bit.

    Raises
    ------
    InputError
        If it cannot be done to these factors; the message says why.
    """
    if edit["do"] == "rename":
        return _rename(bench, factors, edit)
    if edit["do"] == "hide":
        return _hide(factors, edit)
    if edit["do"] == "merge":
        return _merge(bench, factors, edit)
    if edit["do"] == "split":
        return _split(bench, factors, edit)
    return _edit_property(bench, factors, edit)


# ---------------------------------------------------------------- the edits


def _rename(bench: Bench, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    k, names, descriptions = edit["factor"], list(factors.names), list(factors.descriptions)
    if edit["name"] in names and names.index(edit["name"]) != k:
        raise InputError(f"There already is a factor “{edit['name']}”.")
    names[k] = edit["name"]
    descriptions[k] = edit.get("description", descriptions[k])
    return replace(
        factors,
        names=tuple(names),
        descriptions=tuple(descriptions),
        hierarchy=stack(factors.scores, names, bench.seed),  # whose groups are named after factors
    )


def _hide(factors: Factors, edit: Mapping[str, Any]) -> Factors:
    hidden = {*factors.hidden, edit["factor"]} if edit["hidden"] else {*factors.hidden} - {edit["factor"]}
    if len(hidden) == factors.dim:
        raise InputError("This is the last factor that is shown: show another one first.")
    dominant = dominant_of(
        factors.links.text_vectors, factors.prototypes, factors.centre, kept := tuple(sorted(hidden))
    )
    return replace(
        factors,
        hidden=kept,
        dominant=dominant,
        factor_map=centres(factors.map, dominant, factors.scores),
    )


def _merge(bench: Bench, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """Several factors as one: the mean direction of the texts that belonged to any of them."""
    merged = edit["factors"]
    name = edit.get("name")
    if name in factors.names and factors.names.index(name) not in merged:
        raise InputError(f"There already is a factor “{name}”.")
    draft = _draft(factors)
    texts = factors.links.text_vectors[np.isin(_nearest(factors), merged)] - factors.centre
    direction = structure.unit(texts).sum(axis=0)
    if np.linalg.norm(direction) < 1e-9:  # factors that lost all their texts in the fit
        direction = sum(_mean_property(bench, factors, draft, k) for k in merged)
    whole = _Part(prototype=structure.unit(direction[None])[0], replaces=tuple(merged), name=name)
    place = {k: i for i, k in enumerate(k for k in range(factors.dim) if k not in merged[1:])}
    draft.parts = [whole if k == merged[0] else _Part(k) for k in place]
    renumber = [place[merged[0]] if k in merged else place[k] for k in range(factors.dim)]
    draft.assignment = _renumbered(draft.assignment, renumber)
    return _finish(bench, factors, draft)


def _split(bench: Bench, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """A factor as several: its properties grouped over its texts, as the fit begins, then calibrated on these.

    Over all texts the properties of one factor go together, or they would not be one; how they differ shows among the
    texts of the factor. Linear CorEx itself would make one factor with two poles of what is to be split. A property
    goes to the part with which it correlates most among the texts of the factor.
    """
    k, into = edit["factor"], edit["into"]
    own = np.flatnonzero(factors.assignment == k)
    mine = _nearest(factors) == k
    if len(own) < into or mine.sum() < _FEWEST_PER_PART * into:
        raise InputError(
            f"“{factors.names[k]}” has {len(own)} properties and {mine.sum()} texts, too few for {into} parts."
        )
    draft = _draft(factors)
    vectors, texts = draft.vectors[own], factors.links.text_vectors[mine]
    groups = structure.group(texts, vectors, into)
    prototypes = structure.calibrate(texts - factors.centre, vectors, groups, groups.argmax(axis=0))
    loadings = _loadings(structure.covariance_of(texts), prototypes, vectors)[1]
    kept = np.unique(loadings.argmax(axis=0)[loadings.max(axis=0) > 0])
    if len(kept) < 2:
        raise InputError(f"“{factors.names[k]}” does not fall into parts: its properties go together.")
    parts = [_Part(prototype=prototypes[i], replaces=(k,)) for i in kept]
    draft.parts = [
        *(_Part(i) for i in range(k)),
        *parts,
        *(_Part(i) for i in range(k + 1, factors.dim)),
    ]
    shift = len(parts) - 1
    draft.assignment = _renumbered(draft.assignment, [i if i <= k else i + shift for i in range(factors.dim)])
    draft.assignment[own] = k + loadings[kept].argmax(axis=0)
    return _finish(bench, factors, draft)


def _edit_property(bench: Bench, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """Move, add or remove a property: the prototypes move as the mean of their properties does."""
    draft = _draft(factors)
    name, to = edit["property"], edit.get("to")
    if edit["do"] == "add":
        vector = bench.links.encode_properties([name], encoder=bench.encoder())
        draft.vocabulary.append(name)
        draft.vectors = np.concatenate([draft.vectors, vector.astype(np.float32)])
        draft.counts = np.append(draft.counts, 0)
        draft.assignment = np.append(draft.assignment, np.int32(-1))
    at = draft.vocabulary.index(name)
    source = int(draft.assignment[at])
    if edit["do"] == "move" and source == (-1 if to is None else to):
        raise InputError(f"“{name}” is there already.")
    if source >= 0 and (draft.assignment == source).sum() == 1:
        raise InputError(
            f"“{name}” is the only property of “{factors.names[source]}”: hide that factor, or merge it."
        )
    before = {k: _mean_property(bench, factors, draft, k) for k in (source, to) if k is not None and k >= 0}
    draft.assignment[at] = -1 if to is None else to
    draft.parts = [_Part(k) for k in range(factors.dim)]
    for k, mean in before.items():
        words = _own_words(factors, k)
        moved = factors.prototypes[k] + _mean_property(bench, factors, draft, k) - mean
        draft.parts[k] = _Part(
            prototype=structure.unit(moved[None].astype(np.float64))[0],
            replaces=(k,),
            name=words.get("name"),
            description=words.get("description"),
        )
    if edit["do"] == "remove":
        kept = np.arange(len(draft.vocabulary)) != at
        del draft.vocabulary[at]
        draft.vectors, draft.counts = draft.vectors[kept], draft.counts[kept]
        draft.assignment = draft.assignment[kept]
        return _finish(bench, factors, draft, kept=kept)
    return _finish(bench, factors, draft)


# ---------------------------------------------------------------- what follows


def _draft(factors: Factors) -> _Draft:
    return _Draft(
        list(factors.vocabulary),
        factors.property_counts.copy(),
        factors.links.property_vectors,
        factors.assignment.copy(),
    )


def _nearest(factors: Factors) -> np.ndarray:
    """The factor of every text, hidden or not."""
    return dominant_of(factors.links.text_vectors, factors.prototypes, factors.centre)


def _renumbered(assignment: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    return np.asarray(np.array([*numbers, -1], dtype=np.int32)[assignment])


def _mean_property(bench: Bench, factors: Factors, draft: _Draft, k: int) -> np.ndarray:
    """The direction of a factor's properties, each with the sign and strength of its loading before the edit.

    What an analyst puts into a factor counts as its weakest own property at least, on the positive side unless it is
    clearly opposite.
    """
    own = np.flatnonzero(draft.assignment == k)
    known = own[own < factors.loadings.shape[1]]
    loading = factors.loadings[k, known].astype(np.float64)
    if len(known) < len(own):
        added = _loadings(bench.covariance, factors.prototypes[k][None], draft.vectors[own[len(known) :]])[1][
            0
        ]
        loading = np.concatenate([loading, added])
    sign = np.where(loading <= -structure.WEAKEST, -1.0, 1.0)
    weight = sign * np.maximum(np.abs(loading), structure.WEAKEST)
    return np.asarray(structure.unit((weight @ draft.vectors[own])[None])[0])


def _own_words(factors: Factors, k: int) -> dict[str, str]:
    """The name and description of a factor, where they are more than what its properties said."""
    ends = reading.central(
        factors.vocabulary, factors.property_counts, factors.assignment, factors.loadings, k
    )
    worded = reading.word(factors.vocabulary, *ends)
    kept = {}
    if factors.names[k].rpartition(" (")[0] != worded.name and factors.names[k] != worded.name:
        kept["name"] = factors.names[k]
    if factors.descriptions[k] != worded.description:
        kept["description"] = factors.descriptions[k]
    return kept


def _loadings(
    covariance: np.ndarray, prototypes: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Directions of prototypes whose scores have variance 1, and their correlations with properties."""
    spread = np.sqrt(np.maximum(np.einsum("kd,de,ke->k", prototypes, covariance, prototypes), 1e-18))
    directions: np.ndarray = prototypes / spread[:, None]
    strength = np.sqrt(np.maximum(np.einsum("md,de,me->m", vectors, covariance, vectors), 1e-18))
    correlations: np.ndarray = np.clip(directions @ covariance @ vectors.T / strength, -1, 1)
    return directions, correlations


def _information(loadings: np.ndarray) -> np.ndarray:
    """What each factor's scores tell of all properties together, in nats."""
    return np.asarray(-0.5 * np.log1p(-np.clip(loadings.astype(np.float64) ** 2, 0, 1 - 1e-6)).sum(axis=1))


def _finish(bench: Bench, old: Factors, draft: _Draft, *, kept: np.ndarray | None = None) -> Factors:
    """Compute what follows from the parts of a draft; `kept` are the old properties that are left."""
    new = [i for i, part in enumerate(draft.parts) if part.old is None]
    stay = [i for i, part in enumerate(draft.parts) if part.old is not None]
    source = [part.old for part in draft.parts if part.old is not None]
    n_factors, n_properties = len(draft.parts), len(draft.vocabulary)
    columns = np.arange(old.loadings.shape[1]) if kept is None else np.flatnonzero(kept)

    fresh = np.stack([part.prototype for part in draft.parts if part.prototype is not None])
    directions = np.empty((n_factors, old.directions.shape[1]), dtype=np.float32)
    prototypes, offset = np.empty_like(directions), np.empty(n_factors, dtype=np.float32)
    loadings = np.empty((n_factors, n_properties), dtype=np.float32)
    scores = np.empty((len(old.scores), n_factors), dtype=np.float32)
    tc = np.empty(n_factors, dtype=old.tc.dtype)

    directions[stay], prototypes[stay], offset[stay] = (
        old.directions[source],
        old.prototypes[source],
        old.offset[source],
    )
    scores[:, stay], tc[stay] = old.scores[:, source], old.tc[source]
    loadings[stay, : len(columns)] = old.loadings[source][:, columns]
    if len(columns) < n_properties:  # a property was added
        added = _loadings(
            bench.covariance, prototypes[stay].astype(np.float64), draft.vectors[len(columns) :]
        )[1]
        loadings[stay, len(columns) :] = added

    made, correlations = _loadings(bench.covariance, fresh, draft.vectors)
    directions[new], prototypes[new], loadings[new] = made, fresh, correlations
    offset[new] = made @ old.centre
    scores[:, new] = old.links.text_vectors @ directions[new].T - offset[new]
    for i in new:
        # on the scale of the fit, whose own measure needs its noise
        replaced = list(draft.parts[i].replaces)
        scale = old.tc[replaced].sum() / max(_information(old.loadings[replaced]).sum(), 1e-9)
        tc[i] = scale * _information(loadings[[i]])[0]

    hidden = tuple(
        i
        for i, part in enumerate(draft.parts)
        if all(k in old.hidden for k in ((part.old,) if part.old is not None else part.replaces))
    )
    dominant = dominant_of(old.links.text_vectors, prototypes, old.centre, hidden)
    drawn = replace(
        old,
        scores=scores,
        dominant=dominant,
        vocabulary=tuple(draft.vocabulary),
        loadings=loadings,
        assignment=draft.assignment,
        property_counts=draft.counts,
        tc=tc,
        factor_map=centres(old.map, dominant, scores),
        directions=directions,
        offset=offset,
        prototypes=prototypes,
        links=replace(old.links, property_vectors=draft.vectors),
        hidden=hidden,
    )
    return _reworded(bench, old, drawn, draft.parts)


def _reworded(bench: Bench, old: Factors, drawn: Factors, parts: Sequence[_Part]) -> Factors:
    """Names, poles, evidence and hierarchy of factors after an edit; parts that stay keep theirs."""
    taken = {old.names[part.old] for part in parts if part.old is not None}
    names, descriptions, poles = [], [], []
    for k, part in enumerate(parts):
        if part.old is not None:
            names.append(old.names[part.old])
            descriptions.append(old.descriptions[part.old])
            poles.append(old.poles[part.old])
            continue
        ends = reading.central(drawn.vocabulary, drawn.property_counts, drawn.assignment, drawn.loadings, k)
        worded = reading.word(drawn.vocabulary, *ends)
        name, number = part.name or worded.name, 1
        while name in taken:
            number += 1
            name = f"{part.name or worded.name} ({number})"
        taken.add(name)
        names.append(name)
        descriptions.append(part.description if part.description is not None else worded.description)
        poles.append(worded.poles)
    new = [k for k, part in enumerate(parts) if part.old is None]
    collected = reading.collect_evidence(
        bench.corpus,
        drawn.assignment,
        drawn.loadings,
        drawn.scores,
        poles,
        drawn.links.property_vectors,
        bench.encoder(),
        new,
    )
    shown = dict(zip(new, collected, strict=True))
    evidence = [shown[k] if part.old is None else old.evidence[part.old] for k, part in enumerate(parts)]
    hierarchy = stack(drawn.scores, names, bench.seed)
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
