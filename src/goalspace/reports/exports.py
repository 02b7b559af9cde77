"""Export of a run as tables of scores, properties, factors and evidence, in CSV and Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.corpus import Corpus
from goalspace.errors import InputError
from goalspace.run.protocol import RunLike
from goalspace.tables.writing import free_names, write_table

_STRENGTH = {"nats": "tc_nats", "cosine": "likeness"}  # column name by the unit of the factors' strength


def export(run: RunLike, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the tables of a run.

    scores: one row per text, including folded duplicates: id, dominant factor, one column per factor, and metadata.
    Duplicates have their own metadata (missing if an older version made the run). properties: one row per property,
    with its factor and loading. factors: one row per factor. evidence: one row per sentence. In CSV, texts that a
    spreadsheet would take for a formula get a leading apostrophe.

    Parameters
    ----------
    run
        A finished run.
    folder
        The folder to write to; created if missing.

    Returns
    -------
    The files written.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file. Name a folder with --out.")
    written = []
    for name, columns in TABLES.items():
        written += write_table(target / name, columns(run))
    return written


def scores(run: RunLike, wanted: Sequence[int] | np.ndarray | None = None) -> dict[str, Any]:
    """Return the table of scores of all texts, or of the texts at the `wanted` positions."""
    corpus, factors = run.corpus, run.factors
    rows: list[int] = []
    ids: list[str] = []
    for row in range(len(corpus)) if wanted is None else map(int, wanted):
        text_id = corpus.ids[row]
        own = [text_id, *corpus.duplicates.get(text_id, ())]
        ids += own
        rows += [row] * len(own)
    names = np.array([*factors.names, None], dtype=object)  # the last one for texts without a factor
    columns: dict[str, Any] = {"id": ids, "dominant": names[factors.dominant[rows]].tolist()}
    for k, name in enumerate(factors.names):
        columns[free_names(f"score: {name}", columns)] = factors.scores[rows, k]
    for name in corpus.metadata:
        columns[free_names(name, columns)] = _own_values(corpus, name, ids, rows)
    return columns


def _own_values(corpus: Corpus, name: str, ids: Sequence[str], rows: Sequence[int]) -> list[Any]:
    """Return a column for texts and folded duplicates, each with its own value; `rows` are the rows of their texts."""
    values = corpus.metadata[name]
    folded = dict(zip(corpus.folded, corpus.folded_metadata.get(name, ()), strict=False))
    return [
        values[row] if id == corpus.ids[row] else folded.get(id) for id, row in zip(ids, rows, strict=True)
    ]


def _properties(run: RunLike) -> dict[str, Any]:
    factors = run.factors
    names = np.array([*factors.names, ""], dtype=object)
    nearest = np.abs(factors.loadings).argmax(axis=0)
    forms = dict(zip(run.proposals.properties, run.proposals.surface_forms, strict=True))
    own = np.where(factors.assignment >= 0, factors.assignment, nearest)
    return {
        "property": list(factors.vocabulary),
        "factor": names[factors.assignment].tolist(),
        "loading": factors.loadings[own, np.arange(len(own))],
        "n_texts": factors.property_counts,
        "surface_forms": ["; ".join(forms.get(name, (name,))) for name in factors.vocabulary],
    }


def _factors(run: RunLike) -> dict[str, Any]:
    factors = run.factors
    dominated = np.bincount(factors.dominant[factors.dominant >= 0], minlength=factors.dim)
    return {
        "factor": list(factors.names),
        "description": list(factors.descriptions),
        "positive_pole": [positive for positive, _ in factors.poles],
        "negative_pole": [negative for _, negative in factors.poles],
        _STRENGTH[factors.strength_unit]: factors.strength,
        "n_texts_dominated": dominated,
        "n_properties": [len(members) for members in factors.properties],
        "hidden": [k in factors.hidden for k in range(factors.dim)],
    }


def _evidence(run: RunLike) -> dict[str, Any]:
    rows = {text_id: row for row, text_id in enumerate(run.corpus.ids)}
    items = [
        (name, item)
        for name, evidence in zip(run.factors.names, run.factors.evidence, strict=True)
        for item in evidence
    ]
    return {
        "factor": [name for name, _ in items],
        "id": [item.text_id for _, item in items],
        "pole": [item.pole for _, item in items],
        "score": [item.score for _, item in items],
        "sentence": [run.corpus.texts[rows[item.text_id]][item.start : item.end] for _, item in items],
    }


TABLES: dict[str, Callable[[RunLike], dict[str, Any]]] = {
    "scores": scores,
    "properties": _properties,
    "factors": _factors,
    "evidence": _evidence,
}
