"""What encoders are measured on: grouping labelled texts, and similarity of labelled pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from goalspace.errors import InputError
from goalspace.evaluation.metrics import (
    Estimate,
    auc,
    homogeneity,
    kmeans_groups,
    purity,
    silhouette,
    spearman,
)

Setting = Literal["ours", "official"]

_GROUPINGS = {
    "instruction-clustering": ("ARI", "purity", "homogeneity", "silhouette"),
    "grouping": ("ARI", "NMI", "purity"),
}
_SIMILARITIES = {"intention-similarity": ("Spearman", "AUC"), "paraphrase": ("AUC",)}
NAMES = (*_GROUPINGS, *_SIMILARITIES)
_TEXT_COLUMNS = ("instruction", "prompt", "text", "question", "query")
_N_INIT = (
    1  # starts per k-means run: the paper's (scikit-learn's "auto"), and the seeds vary the start anyway
)
_RESAMPLES = 200  # a standard error to about 5 %


@dataclass(frozen=True)
class Grouping:
    """Do the groups that k-means finds among the vectors match the labels?

    ICT of Instruction Embedding (arXiv 2409.19680, section 3) under the name ``instruction-clustering``. As many
    clusters as labels (145 in the benchmark), one k-means++ start per run.

    ``official``: the vectors as the encoder gives them, k-means seed 0. ``ours``: vectors of length 1,
    `seeds` runs with seeds 0, 1, …, mean and standard error over them.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...] = ("ARI", "NMI", "purity", "homogeneity", "silhouette")
    setting: Setting = "ours"
    seeds: int = 5

    @property
    def size(self) -> str:
        """How much there is of it, for a person."""
        return f"{len(self.texts):,} texts, {len(set(self.labels)):,} labels"

    @property
    def how(self) -> str:
        """The setting in words."""
        clusters = f"k-means with {len(set(self.labels)):,} clusters"
        if self.setting == "official":
            return f"official setting: {clusters} and seed 0 on the encoder's own vectors"
        return f"{clusters} on vectors of length 1; mean ± s.e. over {self.seeds} seeds"

    def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
        """Score (n_texts, dim) vectors; metric → mean and standard error over the k-means runs."""
        from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

        official = self.setting == "official"
        x = vectors if official else _normalise(vectors)
        found = kmeans_groups(
            x, n_clusters=len(set(self.labels)), seeds=1 if official else self.seeds, n_init=_N_INIT
        )
        measures: dict[str, Callable[[np.ndarray], float]] = {
            "ARI": lambda groups: adjusted_rand_score(self.labels, groups),
            "NMI": lambda groups: normalized_mutual_info_score(self.labels, groups),
            "purity": lambda groups: purity(groups, labels=self.labels),
            "homogeneity": lambda groups: homogeneity(groups, labels=self.labels),
            "silhouette": lambda groups: silhouette(x, groups=groups),
        }
        return {
            metric: Estimate.of([measures[metric](groups) for groups in found]) for metric in self.metrics
        }


@dataclass(frozen=True)
class Similarity:
    """Are pairs of label 1 more similar, by the cosine of their vectors, than pairs of label 0?

    IIS of Instruction Embedding (arXiv 2409.19680, section 3) under the name ``intention-similarity``. Nothing is
    random here: in our setting the standard error is that over resampled pairs (bootstrap); in the paper's
    there is none.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]
    labels: tuple[int, ...]
    metrics: tuple[str, ...] = ("Spearman", "AUC")
    setting: Setting = "ours"

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Every text of the pairs once, in the order in which they come."""
        return tuple(dict.fromkeys(text for pair in self.pairs for text in pair))

    @property
    def size(self) -> str:
        """How much there is of it, for a person."""
        return f"{len(self.pairs):,} pairs, {sum(self.labels):,} of them of the same task"

    @property
    def how(self) -> str:
        """The setting in words."""
        if self.setting == "official":
            return "official setting: cosine of the two vectors"
        return "cosine of the two vectors; ± s.e. over resampled pairs"

    def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
        """Score (n_texts, dim) vectors; metric → value and standard error."""
        row = {text: i for i, text in enumerate(self.texts)}
        unit = _normalise(vectors)
        first, second = (unit[[row[pair[side]] for pair in self.pairs]] for side in (0, 1))
        cosines = np.einsum("ij,ij->i", first, second)
        measures: dict[str, Callable[..., float]] = {"Spearman": spearman, "AUC": auc}
        return {metric: self._estimate(measures[metric], cosines) for metric in self.metrics}

    def _estimate(self, measure: Callable[..., float], cosines: np.ndarray) -> Estimate:
        labels = np.asarray(self.labels)
        value = measure(cosines, labels=labels)
        if self.setting == "official":
            return Estimate(value, 0.0)
        rng = np.random.default_rng(0)
        sides = [np.flatnonzero(labels == label) for label in (0, 1)]
        drawn = []
        for _ in range(_RESAMPLES):
            rows = np.concatenate([rng.choice(side, len(side)) for side in sides])
            drawn.append(measure(cosines[rows], labels=labels[rows]))
        return Estimate(value, float(np.std(drawn, ddof=1)))


def open_task(
    name: str,
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    setting: str = "ours",
    seeds: int = 5,
) -> Grouping | Similarity:
    """Read a task from JSON Lines; nothing is downloaded.

    Parameters
    ----------
    name
        ``instruction-clustering`` (ICT) or ``grouping``: rows with a text and a label.
        ``intention-similarity`` (IIS) or ``paraphrase``: rows with instruction1, instruction2 and label, 1 for
        the same task and 0 for different ones.
    path
        A JSON Lines file.
    text
        The column of the texts [default: instruction, else prompt, text, question or query].
    label
        The column of the labels [default: label].
    setting
        ``ours`` or ``official``.
    seeds
        Number of k-means runs in our setting.

    Raises
    ------
    InputError
        If the name or setting is unknown, the file cannot be read, lacks a column, or holds too few labels.
    """
    if name not in NAMES:
        raise InputError(f"There is no task '{name}': write one of {', '.join(NAMES)}.")
    if setting not in ("ours", "official"):
        raise InputError(f"There is no setting '{setting}': write ours or official.")
    if seeds < 1:
        raise InputError(f"The 'seeds' parameter of open_task must be at least 1. Got {seeds} instead.")
    path = Path(path)
    rows = _read_lines(path)
    label = label or "label"
    how: Setting = "official" if setting == "official" else "ours"
    if name in _GROUPINGS:
        column = text or next((c for c in _TEXT_COLUMNS if c in rows[0]), _TEXT_COLUMNS[0])
        texts, labels = _texts(path, rows, column), _labels(path, rows, label)
        if not 2 <= len(set(labels)) < len(labels):
            raise InputError(
                f"{path}: the column '{label}' has {len(set(labels))} different labels on {len(labels)} rows; "
                "grouping needs two at least, and fewer than rows. Name another one as label."
            )
        return Grouping(name, tuple(texts), labels, _GROUPINGS[name], how, seeds)
    if text is not None:
        raise InputError(f"The task '{name}' reads instruction1 and instruction2: leave 'text' out.")
    sides = [_texts(path, rows, side) for side in ("instruction1", "instruction2")]
    same = _labels(path, rows, label)
    if set(same) != {"0", "1"}:
        raise InputError(
            f"{path}: the column '{label}' must hold 0 and 1, and both of them. "
            f"Got {', '.join(sorted(set(same))[:5])} instead."
        )
    pairs = tuple(zip(*sides, strict=True))
    return Similarity(name, pairs, tuple(int(value) for value in same), _SIMILARITIES[name], how)


def _normalise(vectors: np.ndarray) -> np.ndarray:
    from sklearn.preprocessing import normalize

    return np.asarray(normalize(vectors))


def _read_lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: JSON allows U+2028 in strings
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: convert it, or name a JSON Lines file.") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(
                f"{path}, line {number}: this is not JSON; write one object per line."
            ) from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: write one JSON object per line.")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} is empty: write one JSON object per line.")
    return rows


def _column(path: Path, rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
    for number, row in enumerate(rows, 1):
        if name not in row:
            columns = ", ".join(map(str, row))[:200]
            raise InputError(f"{path}, row {number} has no '{name}': name another column, of {columns}.")
    return [row[name] for row in rows]


def _texts(path: Path, rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    values = _column(path, rows, name)
    for number, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise InputError(f"{path}, row {number}: '{name}' must be a string, not {type(value).__name__}.")
    return values


def _labels(path: Path, rows: Sequence[dict[str, Any]], name: str) -> tuple[str, ...]:
    values = _column(path, rows, name)
    for number, value in enumerate(values, 1):
        if not isinstance(value, (str, int)):
            raise InputError(
                f"{path}, row {number}: '{name}' must be a string or a whole number, not {type(value).__name__}."
            )
    return tuple(str(int(value)) if isinstance(value, bool) else str(value) for value in values)
