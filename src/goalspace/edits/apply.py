"""Applying an edit: the factors it leads to, and the assignment of properties to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from goalspace.edits.derive import Draft, EditContext, Part, recompute
from goalspace.errors import InputError
from goalspace.factors import Factors, fitting, naming, scoring
from goalspace.factors.hierarchy import stack
from goalspace.vectors.geometry import normalize

_MIN_PER_PART = 3  # texts


def apply(context: EditContext, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """Return the factors after one edit.

    Parameters
    ----------
    context
        Texts, links and encoder.
    factors
        The factors before the edit.
    edit
        An edit that `edits.checks.check` has passed.

    Returns
    -------
    New factors; those that the edit does not affect keep their values bit for bit.

    Raises
    ------
    InputError
        If the edit cannot be applied to these factors; the message says why.
    """
    if edit["do"] == "rename":
        return _rename(context, factors, edit)
    if edit["do"] == "hide":
        return _hide(factors, edit)
    if edit["do"] == "merge":
        return _merge(context, factors, edit)
    if edit["do"] == "split":
        return _split(context, factors, edit)
    return _edit_property(context, factors, edit)


def successors(edit: Mapping[str, Any], n_before: int, n_after: int) -> list[list[int]]:
    """Return which factors each of `n_before` became: the merged one, every part of what was split, or itself."""
    if edit["do"] == "merge":
        first, *others = edit["factors"]
        index_of = {k: i for i, k in enumerate(k for k in range(n_before) if k not in others)}
        return [[index_of[first if k in others else k]] for k in range(n_before)]
    if edit["do"] == "split":
        split, more = edit["factor"], n_after - n_before
        parts = list(range(split, split + more + 1))
        return [parts if k == split else [k + more if k > split else k] for k in range(n_before)]
    return [[k] for k in range(n_before)]


# ---------------------------------------------------------------- the edits


def _rename(context: EditContext, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    k, names, descriptions = edit["factor"], list(factors.names), list(factors.descriptions)
    if edit["name"] in names and names.index(edit["name"]) != k:
        raise InputError(f"There already is a factor “{edit['name']}”.")
    names[k] = edit["name"]
    descriptions[k] = edit.get("description", descriptions[k])
    return replace(
        factors,
        names=tuple(names),
        descriptions=tuple(descriptions),
        hierarchy=stack(factors.scores, names, context.seed),  # whose groups are named after factors
    )


def _hide(factors: Factors, edit: Mapping[str, Any]) -> Factors:
    hidden = {*factors.hidden, edit["factor"]} if edit["hidden"] else {*factors.hidden} - {edit["factor"]}
    if len(hidden) == factors.dim:
        raise InputError("This is the last factor that is shown: show another one first.")
    dominant = scoring.assign_texts(
        factors.links.text_vectors,
        factors.prototypes,
        factors.owners,
        factors.centre,
        kept := tuple(sorted(hidden)),
        factors.not_relevant,
    )
    return replace(
        factors,
        hidden=kept,
        dominant=dominant,
        factor_map=scoring.centres(factors.map, dominant, factors.scores),
    )


def _merge(context: EditContext, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """Merge factors into one that has the texts of all: it keeps their prototypes; its direction is the texts' mean."""
    merged = edit["factors"]
    name = edit.get("name")
    if name in factors.names and factors.names.index(name) not in merged:
        raise InputError(f"There already is a factor “{name}”.")
    draft = _draft(factors)
    texts = factors.links.text_vectors[np.isin(_nearest(factors), merged)] - factors.centre
    direction = normalize(texts).sum(axis=0)
    if np.linalg.norm(direction) < 1e-9:  # factors that lost all their texts in the fit
        direction = sum(_mean_property(context, factors, draft, k) for k in merged)
    whole = Part(
        direction=normalize(direction[None])[0],
        prototypes=factors.prototypes[np.isin(factors.owners, merged)],
        replaces=tuple(merged),
        name=name,
    )
    kept = [k for k in range(factors.dim) if k not in merged[1:]]
    draft.parts = [whole if k == merged[0] else Part(k) for k in kept]
    draft.assignment = _renumbered(draft.assignment, successors(edit, factors.dim, len(kept)))
    return recompute(context, factors, draft)


def _split(context: EditContext, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """Split a factor: cluster its properties over its own texts, as the fit does at its start, then calibrate on these texts.

    Over all texts, the properties of a factor correlate; they differ only within the texts of the factor. Linear CorEx
    would fit a single factor with two poles there. Each property goes to the part with which it correlates most over
    the texts of the factor.
    """
    k, into = edit["factor"], edit["into"]
    own = np.flatnonzero(factors.assignment == k)
    mine = _nearest(factors) == k
    if len(own) < into or mine.sum() < _MIN_PER_PART * into:
        raise InputError(
            f"“{factors.names[k]}” has {len(own)} properties and {mine.sum()} texts, too few for {into} parts."
        )
    draft = _draft(factors)
    vectors, texts = draft.vectors[own], factors.links.text_vectors[mine]
    covariance = scoring.covariance_of(texts)
    groups = fitting.PropertyTree(covariance, vectors).cut(into)
    start = scoring.mean_properties(vectors, groups, groups.argmax(axis=0))
    prototypes = scoring.partition(normalize(texts - factors.centre), start)
    loadings = scoring.correlate(covariance, prototypes, vectors)[1]
    kept = np.unique(loadings.argmax(axis=0)[loadings.max(axis=0) > 0])
    if len(kept) < 2:
        raise InputError(f"“{factors.names[k]}” does not fall into parts: its properties go together.")
    parts = [Part(direction=prototypes[i], replaces=(k,)) for i in kept]
    draft.parts = [
        *(Part(i) for i in range(k)),
        *parts,
        *(Part(i) for i in range(k + 1, factors.dim)),
    ]
    draft.assignment = _renumbered(draft.assignment, successors(edit, factors.dim, len(draft.parts)))
    draft.assignment[own] = k + loadings[kept].argmax(axis=0)
    return recompute(context, factors, draft)


def _edit_property(context: EditContext, factors: Factors, edit: Mapping[str, Any]) -> Factors:
    """Move, add or remove a property: the prototypes shift by the change of their mean property."""
    draft = _draft(factors)
    name, to = edit["property"], edit.get("to")
    if edit["do"] == "add":
        vector = context.links.encode_properties([name], encoder=context.encoder())
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
    before = {k: _mean_property(context, factors, draft, k) for k in (source, to) if k is not None and k >= 0}
    draft.assignment[at] = -1 if to is None else to
    draft.parts = [Part(k) for k in range(factors.dim)]
    for k, mean in before.items():
        words = _own_words(factors, k)
        change = _mean_property(context, factors, draft, k) - mean
        moved = normalize(factors.prototypes[factors.owners == k].astype(np.float64) + change)
        draft.parts[k] = Part(
            direction=normalize(factors.directions[[k]].astype(np.float64))[0] + change,
            prototypes=moved,
            replaces=(k,),
            name=words.get("name"),
            description=words.get("description"),
        )
    if edit["do"] == "remove":
        kept = np.arange(len(draft.vocabulary)) != at
        del draft.vocabulary[at]
        draft.vectors, draft.counts = draft.vectors[kept], draft.counts[kept]
        draft.assignment = draft.assignment[kept]
        return recompute(context, factors, draft, kept=kept)
    return recompute(context, factors, draft)


# ---------------------------------------------------------------- helpers


def _draft(factors: Factors) -> Draft:
    return Draft(
        list(factors.vocabulary),
        factors.property_counts.copy(),
        factors.links.property_vectors,
        factors.assignment.copy(),
    )


def _nearest(factors: Factors) -> np.ndarray:
    """The factor of every text, hidden or not."""
    return scoring.assign_texts(
        factors.links.text_vectors, factors.prototypes, factors.owners, factors.centre
    )


def _renumbered(assignment: np.ndarray, became: Sequence[Sequence[int]]) -> np.ndarray:
    """The factor of every property after an edit; if its factor was split, the first part."""
    return np.asarray(np.array([*(first for first, *_ in became), -1], dtype=np.int32)[assignment])


def _mean_property(context: EditContext, factors: Factors, draft: Draft, k: int) -> np.ndarray:
    """The direction of a factor's properties, each with the sign and strength of its loading before the edit.

    A property that an analyst assigned weighs at least as much as the weakest one that the fit may assign, and counts as
    positive: texts of other factors make its correlation negative before the edit.
    """
    own = np.flatnonzero(draft.assignment == k)
    known = own[own < factors.loadings.shape[1]]
    loading = factors.loadings[k, known].astype(np.float64)
    if len(known) < len(own):
        added = scoring.correlate(
            context.covariance, factors.directions[[k]].astype(np.float64), draft.vectors[own[len(known) :]]
        )[1][0]
        loading = np.concatenate([loading, added])
    fitted = np.zeros(len(own), dtype=np.bool_)
    fitted[: len(known)] = factors.assignment[known] == k
    sign = np.where(fitted & (loading <= -scoring.MIN_CORRELATION), -1.0, 1.0)
    weight = sign * np.maximum(np.abs(loading), scoring.MIN_CORRELATION)
    return np.asarray(normalize((weight @ draft.vectors[own])[None])[0])


def _own_words(factors: Factors, k: int) -> dict[str, str]:
    """The name and description of a factor where they differ from those derived from its properties."""
    ends = naming.typical_properties(factors.assignment, factors.loadings, factors.typicality, k)
    described = naming.describe_factor(factors.vocabulary, *ends)
    kept = {}
    if factors.names[k].rpartition(" (")[0] != described.name and factors.names[k] != described.name:
        kept["name"] = factors.names[k]
    if factors.descriptions[k] != described.description:
        kept["description"] = factors.descriptions[k]
    return kept
