"""Grouping of pairs into one row per text with its properties, and the split into training and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.errors import InputError
from goalspace.training.settings import Split

if TYPE_CHECKING:
    from goalspace.training.pairs import Pairs


_MIN_TO_SPLIT = 20  # texts


def clean(text: str) -> str:
    """Replace lone surrogates, which cannot be encoded as UTF-8 for tokenisers and data sets."""
    return text.encode(errors="replace").decode()


def group_pairs(pairs: Pairs) -> list[dict[str, Any]]:
    """Collect the properties of every text: rows of {"text": str, "properties": sorted positions}.

    Equal strings count as one text or one property, regardless of their positions.

    Raises
    ------
    InputError
        If the pairs have fewer than two texts or two properties.
    """
    first: dict[str, int] = {}
    canonical = [first.setdefault(clean(name), position) for position, name in enumerate(pairs.properties)]
    groups: dict[str, set[int]] = {}
    for text, name in zip(pairs.text_index.tolist(), pairs.property_index.tolist(), strict=True):
        groups.setdefault(clean(pairs.texts[text]), set()).add(canonical[name])
    if len(groups) < 2 or len(set().union(*groups.values())) < 2:
        raise InputError("Training needs pairs of at least two texts and two properties.")
    return [{"text": text, "properties": sorted(names)} for text, names in groups.items()]


def split_groups(
    groups: Sequence[dict[str, Any]], *, held_out: float, seed: int, by: Split = "text"
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Split rows into training and held-out rows.

    Parameters
    ----------
    groups
        Rows as made by `group_pairs`.
    held_out
        Share of the rows to hold out, in [0, 1).
    seed
        Seed of the random choice.
    by
        ``text``: random rows. ``property``: all rows of some properties, so that none of these is left in training;
        at most the share `held_out` of the rows, so frequent properties stay. Held-out rows keep only the
        properties that training does not see.

    Returns
    -------
    The training rows and the held-out rows. Nothing is held out if that would be fewer than two rows or two
    properties, which would be uninformative.
    """
    n_held = round(held_out * len(groups))
    if len(groups) < _MIN_TO_SPLIT or n_held < 2:
        return list(groups), []
    rng = np.random.default_rng(seed)
    if by == "property":
        return _split_by_property(groups, n_held, rng)
    order = rng.permutation(len(groups))
    return [groups[i] for i in np.sort(order[n_held:])], [groups[i] for i in np.sort(order[:n_held])]


def rows_of(groups: Sequence[Mapping[str, Any]]) -> dict[int, list[int]]:
    """Map every property to the rows that have it."""
    rows_by_property: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        for name in group["properties"]:
            rows_by_property.setdefault(name, []).append(row)
    return rows_by_property


def _split_by_property(
    groups: Sequence[dict[str, Any]], n_held: int, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    members = rows_of(groups)
    rows: set[int] = set()
    names: set[int] = set()
    for name in rng.permutation(sorted(members)).tolist():
        more = [row for row in members[name] if row not in rows]
        if len(rows) + len(more) <= n_held:
            rows.update(more)
            names.add(name)
    kept = [group for row, group in enumerate(groups) if row not in rows]
    if len(names) < 2 or len(rows) < 2 or len(rows_of(kept)) < 2:
        return list(groups), []
    held = [
        {"text": groups[row]["text"], "properties": [n for n in groups[row]["properties"] if n in names]}
        for row in sorted(rows)
    ]
    return kept, held
