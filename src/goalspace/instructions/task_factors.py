"""Tasks as factors: task wordings as properties, with scores, map and evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from goalspace.corpus import Corpus
from goalspace.factors import Factors, scoring
from goalspace.factors.evidence import Evidence
from goalspace.factors.hierarchy import Layer
from goalspace.factors.typicality import distinguish, of_own_factor
from goalspace.language import OTHER
from goalspace.links import Links
from goalspace.links.towers import TextTower
from goalspace.proposals import Proposals
from goalspace.vectors.geometry import normalize
from goalspace.vectors.projection import lay_out

MAX_TASKS = 50  # tasks with their own factor; rarer tasks share one factor per group
_MIN_INSTRUCTIONS = 2  # instructions that a task needs for its own factor
_LISTED = 5  # rarer tasks named in a description
_SHOWN = 10  # evidence instructions per task
_MAX_EVIDENCE_LENGTH = 400  # characters per evidence instruction


@dataclass(frozen=True)
class TaskTable:
    """The labels of instructions, one per instruction.

    Attributes
    ----------
    tasks
        "verb|noun" or "other", after merging.
    groups
        The group of each task.
    wordings
        The label before merging of similar tasks, "" if the instruction has none.
    """

    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    wordings: tuple[str, ...]

    @classmethod
    def of(
        cls, tasks: Sequence[str], groups: Sequence[str], verbs: Sequence[str], nouns: Sequence[str]
    ) -> Self:
        """Make a table from the columns of labels.parquet."""
        wordings = (
            f"{verb}|{noun}" if verb and task != OTHER else ""
            for task, verb, noun in zip(tasks, verbs, nouns, strict=True)
        )
        return cls(tuple(tasks), tuple(groups), tuple(wordings))

    @cached_property
    def counts(self) -> Counter[str]:
        """The number of instructions of every task."""
        return Counter(task for task, wording in zip(self.tasks, self.wordings, strict=True) if wording)

    @cached_property
    def group_of(self) -> dict[str, str]:
        """The group of every task."""
        return dict(zip(self.tasks, self.groups, strict=True))


@dataclass(frozen=True)
class TaskFactors:
    """The mapping of tasks to factors.

    Attributes
    ----------
    names
        The names of the factors: the frequent tasks, most frequent first, then the rarer tasks of each group.
    groups
        The group of each factor.
    of_task
        The factor of every task.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    of_task: dict[str, int]


def factors_of(table: TaskTable) -> TaskFactors:
    """Make one factor per frequent task, and one per group for the others."""
    ranked = sorted(table.counts, key=lambda task: (-table.counts[task], task))
    alone = [task for task in ranked[:MAX_TASKS] if table.counts[task] >= _MIN_INSTRUCTIONS]
    rarer: dict[str, list[str]] = {}
    for task in ranked[len(alone) :]:
        rarer.setdefault(table.group_of[task], []).append(task)
    order = sorted(rarer, key=lambda group: (-sum(table.counts[task] for task in rarer[group]), group))
    of_task = {task: k for k, task in enumerate(alone)}
    of_task |= {task: len(alone) + k for k, group in enumerate(order) for task in rarer[group]}
    # a single rare task keeps its own name
    names = [rarer[group][0] if len(rarer[group]) == 1 else f"{group}: rarer tasks" for group in order]
    return TaskFactors((*alone, *names), (*(table.group_of[task] for task in alone), *order), of_task)


def propose_tasks(table: TaskTable) -> Proposals:
    """Propose the wording of every instruction as its only property."""
    counts = Counter(wording for wording in table.wordings if wording)
    vocabulary = sorted(counts, key=lambda wording: (-counts[wording], wording))
    index_of = {wording: i for i, wording in enumerate(vocabulary)}
    rows = [row for row, wording in enumerate(table.wordings) if wording]
    return Proposals(
        properties=tuple(vocabulary),
        text_index=np.array(rows, dtype=np.int32),
        property_index=np.array([index_of[table.wordings[row]] for row in rows], dtype=np.int32),
        quotes=(None,) * len(rows),
        surface_forms=tuple((wording,) for wording in vocabulary),
    )


def link_tasks(vectors: np.ndarray, proposals: Proposals, encoder: str) -> Links:
    """Link texts and wordings by the vectors (n_texts, dim) and their mean direction per wording."""
    sums = np.zeros((len(proposals), vectors.shape[1]))
    np.add.at(sums, proposals.property_index, vectors[proposals.text_index])
    wordings = normalize(sums).astype(np.float32)
    return Links(vectors, wordings, "untrained", {}, TextTower.untrained(), encoder)


def arrange(
    corpus: Corpus, tasks: TaskFactors, table: TaskTable, proposals: Proposals, links: Links
) -> Factors:
    """Compute scores, map and evidence of the tasks.

    The score of an instruction on a task is its projection on the mean direction of the task's instructions, in
    standard deviations over all instructions. The strength of a task is the mean cosine of its instructions with their
    centroid.

    Parameters
    ----------
    corpus
        The instructions.
    tasks
        The mapping of tasks to factors.
    table
        The labels.
    proposals, links
        See `propose_tasks` and `link_tasks`.
    """
    vectors, n_factors = links.text_vectors, len(tasks.names)
    dominant = np.array(
        [tasks.of_task[t] if w else -1 for t, w in zip(table.tasks, table.wordings, strict=True)],
        dtype=np.int32,
    )
    known = dominant >= 0
    centre = vectors.mean(axis=0, dtype=np.float64)
    sums, means = np.zeros((n_factors, links.dim)), np.zeros((n_factors, links.dim))
    np.add.at(sums, dominant[known], normalize(vectors[known] - centre))
    np.add.at(means, dominant[known], vectors[known])
    sizes = np.bincount(dominant[known], minlength=n_factors)
    prototypes = normalize(sums)
    directions, loadings = scoring.correlate(
        scoring.covariance_of(vectors), prototypes, links.property_vectors
    )
    scores = np.asarray((vectors - centre) @ directions.T, dtype=np.float32)
    assignment = np.full(len(proposals), -1, dtype=np.int32)
    assignment[proposals.property_index] = dominant[proposals.text_index]
    telling = distinguish(vectors, links.property_vectors, dominant, n_factors)
    poles = tuple((name, None) for name in tasks.names)
    positions = lay_out(vectors - centre)
    hierarchy = _groups(tasks)
    return Factors(
        names=tasks.names,
        descriptions=tuple(_describe(table, tasks, k) for k in range(n_factors)),
        poles=poles,
        scores=scores,
        dominant=dominant,
        vocabulary=proposals.properties,
        loadings=loadings.astype(np.float32),
        assignment=assignment,
        property_counts=proposals.n_texts_with(),
        typicality=of_own_factor(telling, assignment),
        strength=np.linalg.norm(means, axis=1) / sizes,
        tc_curve=(),
        hierarchy=hierarchy,
        evidence=tuple(_central(corpus, scores[:, k], dominant == k) for k in range(n_factors)),
        map=positions,
        factor_map=scoring.centres(positions, dominant, scores),
        directions=directions.astype(np.float32),
        offset=(directions @ centre).astype(np.float32),
        prototypes=prototypes.astype(np.float32),
        owners=np.arange(n_factors, dtype=np.int32),
        centre=centre.astype(np.float32),
        links=links,
        stats={"n_factors": n_factors, "n_without_dominant": int((~known).sum())},
        strength_unit="cosine",
    )


def _central(corpus: Corpus, scores: np.ndarray, own: np.ndarray) -> tuple[Evidence, ...]:
    """Return the most central instructions of a task as evidence; long ones are cut."""
    rows = np.flatnonzero(own)
    best = rows[np.argsort(-scores[rows], kind="stable")[:_SHOWN]]
    return tuple(
        Evidence(corpus.ids[row], float(scores[row]), 0, min(len(corpus.texts[row]), _MAX_EVIDENCE_LENGTH), 1)
        for row in best
    )


def _groups(tasks: TaskFactors) -> tuple[Layer, ...]:
    """Return the groups as a layer above the tasks; none if there is only one group."""
    names = tuple(dict.fromkeys(tasks.groups))
    if len(names) < 2:
        return ()
    return (Layer(names, np.array([names.index(group) for group in tasks.groups], dtype=np.int32)),)


def _describe(table: TaskTable, tasks: TaskFactors, k: int) -> str:
    """Name the group of a task, or list the rarer tasks of a factor."""
    own = [task for task in table.counts if tasks.of_task[task] == k]
    own.sort(key=lambda task: (-table.counts[task], task))
    group = tasks.groups[k]
    if len(own) > 1:
        more = f" and {len(own) - _LISTED:,} more" if len(own) > _LISTED else ""
        return f"{len(own):,} tasks of the group {group}: {', '.join(own[:_LISTED])}{more}."
    return f"A task of the group {group}."
