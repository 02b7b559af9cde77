"""The data of a run for the explorer's page and report.html: summary, map and columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.edits.checks import LIMITS
from goalspace.edits.contract import EditHistory
from goalspace.reports import contract, stages
from goalspace.reports.page_columns import PageColumn
from goalspace.text import format_percent, isolate, isolate_quotes, plural, to_line
from goalspace.vectors.geometry import normalize

if TYPE_CHECKING:
    from goalspace.factors import Factors
    from goalspace.run.protocol import RunLike


RELATED = 5  # related factors per factor
_POLE_PROPERTIES = 10  # properties that describe a pole of a factor
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_STRONGEST = 10  # texts that determine the position of a property; at most one in 20
_MAX_POSITIONING_TEXTS = 5_000  # sample from which properties are positioned


@dataclass(frozen=True)
class View:
    """A run as the pages show it.

    `rows` are the texts on the map: all texts or a sample. `summary_data` is the result of `reports.summary.summarise`.
    """

    run: RunLike
    summary_data: dict[str, Any]
    columns: tuple[PageColumn, ...]
    rows: np.ndarray
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def factors(self) -> Factors:
        """The factors, edits included."""
        return self.run.factors

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Position of every text by its id."""
        return {text_id: row for row, text_id in enumerate(self.run.corpus.ids)}

    @cached_property
    def has_numbers_as_ids(self) -> bool:
        """Whether all ids are integers and therefore sorted as numbers."""
        return all(map(_INTEGER.fullmatch, map(str, self.run.corpus.ids)))

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Position of every property by its name."""
        return {name: i for i, name in enumerate(self.factors.vocabulary)}

    @cached_property
    def _by_text(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.run.proposals.text_index, kind="stable")
        return order, self.run.proposals.text_index[order]

    def pairs_of(self, row: int) -> np.ndarray:
        """Return the positions of a text's pairs in the proposals."""
        order, texts = self._by_text
        return order[slice(*np.searchsorted(texts, (row, row + 1)))]

    @cached_property
    def poles(self) -> list[tuple[tuple[list[str], np.ndarray], tuple[list[str], np.ndarray]]]:
        """The strongest properties of the negative and the positive pole of each factor, and the directions of the poles."""
        factors = self.factors
        poles = []
        for k in range(factors.dim):
            own = np.where(factors.assignment == k, factors.loadings[k], 0)
            pair = []
            for pole in (np.maximum(-own, 0), np.maximum(own, 0)):
                names = [
                    factors.vocabulary[i]
                    for i in np.argsort(-pole, kind="stable")[:_POLE_PROPERTIES]
                    if pole[i] > 0
                ]
                pair.append((names, pole @ factors.links.property_vectors))
            poles.append((pair[0], pair[1]))
        return poles

    @cached_property
    def correlations(self) -> np.ndarray:
        """Correlation of the factors' scores (n_factors, n_factors)."""
        return correlate(self.factors.scores, self.factors.scores)

    @cached_property
    def coordinates(self) -> np.ndarray:
        """Unit vectors of the texts in the space spanned by the factors (n_texts, dim)."""
        return normalize(self.factors.space.project(self.factors.links.text_vectors))

    @cached_property
    def property_positions(self) -> np.ndarray:
        """Positions of the properties on the map (n_properties, 2): the medoid of the most strongly linked texts.

        Unlike the mean or the median, the medoid never lies in the empty space between two groups of texts.
        """
        links = self.factors.links
        n_texts = len(links.text_vectors)
        rows = np.arange(n_texts)
        if n_texts > _MAX_POSITIONING_TEXTS:
            rows = np.sort(np.random.default_rng(0).choice(n_texts, _MAX_POSITIONING_TEXTS, replace=False))
        texts, positions = links.text_vectors[rows], self.factors.map[rows]
        count = min(_STRONGEST, max(1, len(rows) // 20))
        medoids = []
        for start in range(0, len(links.property_vectors), 512):
            strengths = links.property_vectors[start : start + 512] @ texts.T
            best = np.argpartition(-strengths, count - 1, axis=1)[:, :count]
            near = positions[best]
            apart = np.linalg.norm(near[:, :, None] - near[:, None], axis=3).sum(axis=2)
            medoids.append(near[np.arange(len(near)), apart.argmin(axis=1)])
        return np.concatenate(medoids).astype(np.float32) if medoids else np.zeros((0, 2), dtype=np.float32)


def correlate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Correlate the columns of two matrices with the same rows (n_left, n_right); 0 if one is constant."""

    def standard(matrix: np.ndarray) -> np.ndarray:
        centred = matrix - matrix.mean(axis=0, dtype=np.float64)
        return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=0), 1e-12))

    return np.asarray(np.clip(standard(left).T @ standard(right), -1, 1))


def summary(
    view: View, *, capabilities: contract.Capabilities, runs: Sequence[contract.Run] = (), cut: int = 0
) -> contract.Summary:
    """Return the first data that a page loads."""
    data, record = view.summary_data, view.run.record
    return {
        "format": 1,
        "kind": view.run.wording.kind,
        "goal": data["goal"],
        "run": data["run"],
        "created": data["created"],
        "version": data["version"],
        "citations": data["citations"],
        "headline": isolate_quotes(data["headline"]),
        "able": capabilities,
        "n_texts": data["totals"]["n_texts"],
        "n_rows": data["totals"]["n_rows"],
        "n_shown": len(view.rows),
        "cut": cut,
        "factors": [factor(view, k) for k in range(len(data["factors"]))],
        "hierarchy": [_tree(node) for node in data["hierarchy"] if "factor" not in node],
        "columns": [column.about() for column in view.columns],
        "left_out": [{"name": name, "why": why} for name, why in view.left_out],
        "trend": _trend(data["trend"]),
        "runs": list(runs),
        "quality": _quality(record),
        "stages": [
            {"name": stage["title"], "facts": stage["line"], "seconds": stage["seconds"] or 0.0}
            for stage in data["stages"]
        ],
        "findings": [_finding(data, finding) for finding in data["findings"]],
        "edits": _edits(data["edits"]),
        "limits": LIMITS,
    }


def factor(view: View, k: int, *, all_properties: bool = False) -> contract.Factor:
    """Return a factor with its strongest properties, or with all of them."""
    card, factors = view.summary_data["factors"][k], view.factors
    properties = card["properties"]
    if all_properties:
        properties = [
            {
                "name": to_line(m.name, 160),
                "weight": round(float(m.weight), 3),
                "n_texts": int(m.n_texts),
            }
            for m in factors.properties[k]
        ]
    strength = view.correlations[k]
    ranked = np.argsort(-np.abs(strength), kind="stable").tolist()
    others = [j for j in ranked if j != k and j not in factors.hidden][:RELATED]
    x, y = _unit_square(factors.factor_map[k])
    return {
        "index": card["index"],
        "name": card["name"],
        "description": card["description"],
        "poles": card["poles"],
        "tc": card["tc"],
        "share": card["share"],
        "n_texts": card["n_texts"],
        "n_properties": card["n_properties"],
        "trend": card["trend"],
        "hidden": card["hidden"],
        "properties": properties,
        "evidence": [_sentence(item) for item in card["evidence"]],
        "related": [{"factor": j, "r": round(float(strength[j]), 3)} for j in others],
        "x": x,
        "y": y,
    }


def _sentence(evidence: Mapping[str, Any]) -> contract.Sentence:
    return {
        "id": evidence["text_id"],
        "row": evidence["row"],
        "score": evidence["score"],
        "pole": evidence["pole"],
        "before": evidence["before"],
        "sentence": evidence["sentence"],
        "after": evidence["after"],
        "n_same": evidence["n_same"],
        "n_copies": evidence["n_copies"],
    }


def _tree(group: Mapping[str, Any]) -> contract.Tree:
    return {
        "name": group["name"],
        "children": [node["factor"] if "factor" in node else _tree(node) for node in group["children"]],
    }


def _quality(record: Mapping[str, Any]) -> list[contract.QualityMeasure]:
    quality = stages.quality(record)
    pairs = zip(quality["measures"], quality["sentences"], strict=False)
    return [
        {"name": measure["name"], "value": format_percent(measure["value"]), "meaning": sentence}
        for measure, sentence in pairs
    ]


def _finding(data: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    isolated = isolate
    return (
        f"“{isolated(data['factors'][finding['factor']]['name'])}” is "
        f"{finding['share'] / finding['overall']:.1f} times as common where {isolated(finding['column'])} is "
        f"{isolated(finding['value'])}: {100 * finding['share']:.1f}% of those "
        f"{plural(finding['of'], 'text')} against {100 * finding['overall']:.1f}% of all."
    )


def _trend(trend: Mapping[str, Any] | None) -> contract.Trend | None:
    return None if trend is None else {"column": trend["column"], "periods": trend["periods"]}


def _edits(history: EditHistory) -> EditHistory:
    return {
        **history,
        "done": [{**edit, "said": isolate_quotes(edit["said"])} for edit in history["done"]],
        "lost": [isolate_quotes(sentence) for sentence in history["lost"]],
    }


def _unit_square(position: np.ndarray) -> tuple[float, float]:
    x, y = np.nan_to_num(position, nan=0.5).clip(0, 1)
    return round(float(x), 4), round(float(y), 4)


def map_bytes(view: View) -> bytes:
    """Return positions, dominant factors and rows of the texts on the map (see `goalspace.explorer.contract`)."""
    factors, rows = view.factors, view.rows
    positions = np.nan_to_num(factors.map[rows], nan=0.5)
    return b"".join(
        np.ascontiguousarray(values, dtype=kind).tobytes()
        for values, kind in (
            (positions[:, 0], "<f4"),
            (positions[:, 1], "<f4"),
            (factors.dominant[rows], "<i2"),
            (rows, "<i4"),
        )
    )


def score_bytes(view: View, k: int) -> bytes:
    """Return the standardised scores on one factor of the texts on the map, as float32."""
    return np.ascontiguousarray(view.factors.scores[view.rows, k], dtype="<f4").tobytes()


def column_bytes(view: View, position: int, *, number: str = "<f4") -> bytes:
    """Return one column of the texts on the map: int16 codes, or numbers, by default as float32."""
    column = view.columns[position]
    kind = number if column.kind == "number" else "<i2"
    return np.ascontiguousarray(column.values[view.rows], dtype=kind).tobytes()


def layer(view: View) -> contract.Layer:
    """Return the properties with their positions on the map."""
    factors, positions = view.factors, np.round(view.property_positions.astype(np.float64), 4)
    return {
        "names": [to_line(name, 160) for name in factors.vocabulary],
        "factor": factors.assignment.tolist(),
        "n_texts": factors.property_counts.tolist(),
        "x": positions[:, 0].tolist(),
        "y": positions[:, 1].tolist(),
    }
