"""The summary of a run as one plain dict, from which all reports are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace import __version__
from goalspace.reports import crosstabs, stages
from goalspace.reports.columns import Column, read_columns
from goalspace.text import excerpt, to_line

if TYPE_CHECKING:
    from goalspace.factors import Factors
    from goalspace.run.protocol import RunLike


MAX_PROPERTIES = 24  # properties on a card
MAX_EVIDENCE = 6  # texts on a card, per pole


def summarise(run: RunLike) -> dict[str, Any]:
    """Return everything a report shows as one JSON-serialisable dict.

    Parameters
    ----------
    run
        A finished run.

    Returns
    -------
    dict
        Only strings, numbers, lists and dicts. "goal", "headline", "totals", "stages", "quality", "reading", "tc_curve",
        "factors" (one dict per factor: name, description, poles, share, properties, evidence, trend),
        "undescribed" (texts without a dominant factor), "trend", "crosstabs", "findings", "hierarchy", "edits",
        "settings", "versions", "citations". Texts are cleaned of control characters but not escaped.
    """
    corpus, factors, record = run.corpus, run.factors, run.record
    columns = [c for c in read_columns(corpus.metadata) if c.name not in run.derived]
    dominant = np.asarray(factors.dominant)
    n_factors = len(factors.names)
    all_tables = [crosstabs.crosstab(column, dominant, n_factors) for column in columns]
    tables = crosstabs.most_telling(all_tables)
    shown = [column for table in tables for column in columns if column.name == table["column"]]
    trend = crosstabs.trend(columns, dominant, n_factors)
    cards = _factors(run, shown[:3], trend)
    totals = _totals(run, dominant)
    return {
        "format": 1,
        "goal": to_line(run.goal, 400),
        "run": to_line(run.path.name, 80),
        "created": str(record.get("created", "")),
        "version": str(record.get("goalspace", __version__)),
        "headline": run.wording.headline(cards, totals),
        "totals": totals,
        "stages": stages.stages(record),
        "quality": stages.quality(record),
        "reading": stages.reading(record),
        "tc_curve": [[int(k), float(tc)] for k, tc in factors.tc_curve if math.isfinite(tc)],
        "factors": cards,
        "undescribed": _undescribed(run, dominant),
        "trend": trend and {key: value for key, value in trend.items() if key != "shares"},
        "crosstabs": tables,
        "n_columns": len(columns),
        "findings": crosstabs.findings(tables, n_compared=crosstabs.n_cells(all_tables)),
        "hierarchy": _hierarchy(factors),
        "edits": run.edits.describe(),
        "settings": stages.settings(record),
        "versions": {str(name): str(value) for name, value in record.get("versions", {}).items()},
        "citations": [
            *run.wording.citations,
            {"what": "the program", "text": f"goalspace, version {__version__}", "url": ""},
        ],
    }


def _totals(run: RunLike, dominant: np.ndarray) -> dict[str, Any]:
    n_texts = len(run.corpus)
    n_described = int((dominant >= 0).sum())
    assignment = np.asarray(run.factors.assignment)
    return {
        "n_texts": n_texts,
        "n_rows": int(np.sum(run.corpus.counts)),
        "n_duplicates": int(run.corpus.stats.get("n_duplicates", 0)),
        "n_properties": len(run.factors.vocabulary),
        "n_unassigned": int((assignment < 0).sum()),
        "n_factors": len(run.factors.names) - len(run.factors.hidden),
        "n_described": n_described,
        "n_not_relevant": len(run.factors.not_relevant),
        "described": n_described / n_texts if n_texts else 0.0,
    }


def _factors(run: RunLike, about: Sequence[Column], trend: dict[str, Any] | None) -> list[dict[str, Any]]:
    factors = run.factors
    n_texts = len(run.corpus)
    dominant = np.asarray(factors.dominant)
    counts = np.bincount(dominant[dominant >= 0], minlength=len(factors.names))
    wanted = {item.text_id for items in factors.evidence for item in items}
    rows = {text_id: row for row, text_id in enumerate(run.corpus.ids) if text_id in wanted}
    return [
        {
            "index": i,
            "name": to_line(name, 160),
            "description": to_line(factors.descriptions[i], 400),
            "poles": [to_line(pole, 160) for pole in factors.poles[i] if pole],
            "tc": float(factors.strength[i]),
            "n_texts": int(counts[i]),
            "share": float(counts[i] / n_texts) if n_texts else 0.0,
            "n_properties": len(factors.properties[i]),
            "properties": [
                {
                    "name": to_line(m.name, 160),
                    "weight": round(float(m.weight), 3),
                    "n_texts": int(m.n_texts),
                }
                for m in factors.properties[i][:MAX_PROPERTIES]
            ],
            "evidence": _evidence(run, i, rows, about),
            "trend": trend["shares"][i] if trend else None,
            "hidden": i in factors.hidden,
        }
        for i, name in enumerate(factors.names)
    ]


def _evidence(
    run: RunLike, factor: int, rows: dict[str, int], about: Sequence[Column]
) -> list[dict[str, Any]]:
    """Return the evidence for one factor, positive pole first, at most six texts per pole.

    A sentence shared by several texts (form letters) is shown once, with the number of the other texts.
    """
    kept: dict[tuple[int, str], dict[str, Any]] = {}
    room = {1: MAX_EVIDENCE, -1: MAX_EVIDENCE}
    for item in sorted(run.factors.evidence[factor], key=lambda e: e.pole < 0):
        if item.text_id not in rows:
            continue
        row, pole = rows[item.text_id], -1 if item.pole < 0 else 1
        cut = excerpt(run.corpus.texts[row], int(item.start), int(item.end))
        key = (pole, to_line(cut["sentence"]).casefold())
        if key in kept:
            kept[key]["n_same"] += 1
        elif room[pole]:
            room[pole] -= 1
            kept[key] = {
                "text_id": to_line(str(item.text_id), 60),
                "row": row,
                "score": round(float(item.score), 2),
                "pole": pole,
                "n_copies": int(run.corpus.counts[row]),
                "n_same": 0,
                "about": [[c.name, c.labels[c.codes[row]]] for c in about if c.codes[row] >= 0],
                **cut,
            }
    return list(kept.values())


def _undescribed(run: RunLike, dominant: np.ndarray) -> dict[str, Any]:
    """Return the number of texts without a dominant factor, and the three with the weakest scores."""
    rows = np.flatnonzero(dominant < 0)
    strength = np.abs(np.asarray(run.factors.scores)[rows]).max(axis=1, initial=0.0)
    weakest = rows[np.argsort(strength, kind="stable")[:3]]
    return {
        "name": "not relevant to the goal"
        if len(run.factors.not_relevant) == len(rows)
        else "no dominant factor",
        "n": len(rows),
        "share": len(rows) / len(dominant) if len(dominant) else 0.0,
        "examples": [
            {
                "text_id": to_line(str(run.corpus.ids[row]), 60),
                "text": to_line(run.corpus.texts[row], 280),
            }
            for row in weakest
        ],
    }


def _hierarchy(factors: Factors) -> list[dict[str, Any]]:
    """Return the groups of factors as a tree; a leaf is {"factor": index}. Empty if there are none."""
    below: list[dict[str, Any]] = [{"factor": i} for i in range(len(factors.names))]
    alone: list[dict[str, Any]] = []  # in no group of the layer above
    for layer in factors.hierarchy:
        groups: list[dict[str, Any]] = [{"name": to_line(name, 160), "children": []} for name in layer.names]
        nodes, alone = below + alone, []
        # a layer groups the groups below it, and may group what is in none of them
        stay = [-1] * (len(nodes) - len(layer.assignment))
        for node, group in zip(nodes, [*layer.assignment, *stay], strict=True):
            (groups[int(group)]["children"] if group >= 0 else alone).append(node)
        below = groups
    return _without_empty(below) + _without_empty(alone) if factors.hierarchy else []


def _without_empty(nodes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the nodes of a tree without groups that have no factor."""
    kept = []
    for node in nodes:
        if "children" in node:
            node = {**node, "children": _without_empty(node["children"])}
        if node.get("children", True):
            kept.append(node)
    return kept
