"""Linking on the goal corpus: whether a text is nearest to the properties that it has under a goal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.kit.console import log
from bench.kit.tables import Cell, Table
from bench.uses.goal_methods import Method
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import auc
from recipes.goal.corpus import Domain, Entry, Split, read_bank, read_domains, split

K = 5
N_WORDINGS, N_QUICK_WORDINGS = 10, 2
COLUMNS = (
    f"recall@{K}",
    f"recall@{K} worst",
    "AUC",
    "AUC worst",
    "AUC within",
    "AUC within worst",
    "text AUC",
    "text AUC worst",
    "correlation",
    "note",
)


class Measures(NamedTuple):
    """A goal of a domain under one wording.

    Attributes
    ----------
    recall
        Mean over texts of the share of their properties among the nearest five.
    auc
        Mean over texts of the ROC AUC of their properties among all properties of the domain.
    auc_within
        The same among the properties of texts of the domain under this goal, where it is not enough to know which
        properties answer the goal; over the texts that lack one of them.
    text_auc
        ROC AUC of the cosines of two texts for sharing a property; NaN if all pairs do or none does.
    cosines
        (n_pairs,) the cosines of all pairs of texts.
    """

    recall: float
    auc: float
    auc_within: float
    text_auc: float
    cosines: np.ndarray


class Scores(NamedTuple):
    """A goal of a domain over its wordings; `values` (9,) are those of `COLUMNS` without the note."""

    domain: str
    aspect: str
    values: np.ndarray


def measure_linking(methods: Sequence[Method], *, n_wordings: int, quick: bool) -> list[Table]:
    """Compare methods on the held-out domains: over all goals, and over those with a held-out aspect."""
    parts = split(read_domains())
    domains = choose(parts, quick=quick)
    tables = make_tables(domains, parts, n_wordings)
    controls = "the controls encode properties with MiniLM, and subtract and project them like the texts"
    tables[0].caption += f"; {controls}"
    for method in methods:
        with log.status(f"{method.name}: linking"):
            scores = score_domains(method, domains, n_wordings)
        log.log(f"{method.name}: linking done")
        for table, aspects in zip(tables, (None, parts.aspects), strict=True):
            table.add(method.name, **summarize(scores, aspects), note=method.note)
    return tables


def choose(parts: Split, *, quick: bool) -> list[Domain]:
    """Return the domains to measure on; with `quick`, two that have held-out aspects."""
    if not quick:
        return parts.held_out
    return [domain for domain in parts.held_out if parts.aspects & set(domain.goals)][:2]


def make_tables(domains: Sequence[Domain], parts: Split, n_wordings: int) -> list[Table]:
    """Return the empty tables, whose titles tell how much is held out."""
    goals = [(domain, aspect) for domain in domains for aspect in domain.goals]
    unknown = [(domain, aspect) for domain, aspect in goals if aspect in parts.aspects]
    caption = (
        f"goal corpus; the text's properties among all properties of its domain, those of its other goals included; mean "
        f"over texts, goals and up to {n_wordings} wordings of each goal, ± s.e. over domains; worst: of a goal's wordings; "
        "within: among the properties that texts of the domain have under the same goal; "
        "text AUC: of text–text cosines, for sharing a property; correlation: of text–text cosines between two goals of a "
        "domain, 1 if the goal changes nothing"
    )
    n_texts = sum(len(domain.texts) for domain in domains)
    return [
        Table(
            f"Linking: {n_texts} texts of {len(domains)} held-out domains, {len(goals)} goals",
            COLUMNS,
            caption,
        ),
        Table(
            f"Linking, held-out aspects: {len(unknown)} goals of {len({domain.name for domain, _ in unknown})} held-out domains",
            COLUMNS,
            "those of the goals above whose aspect no training domain has either",
        ),
    ]


def score_domains(method: Method, domains: Sequence[Domain], n_wordings: int) -> list[Scores]:
    """Return the scores of every goal."""
    bank = read_bank()
    return [score for domain in domains for score in _score_domain(method, domain, bank, n_wordings)]


def summarize(scores: Sequence[Scores], aspects: frozenset[str] | None = None) -> dict[str, Cell]:
    """Return the cells of a row, over all goals or those under some aspects: means and s.e. over domains."""
    by_domain: dict[str, list[np.ndarray]] = defaultdict(list)
    for score in scores:
        if aspects is None or score.aspect in aspects:
            by_domain[score.domain].append(score.values)
    cells: dict[str, Cell] = {}
    for i, column in enumerate(COLUMNS[:-1]):
        defined = [[values[i] for values in own if np.isfinite(values[i])] for own in by_domain.values()]
        means = [np.mean(values) for values in defined if values]
        cells[column] = Estimate.of(means) if means else None
    return cells


def measure_goal(texts: np.ndarray, properties: np.ndarray, has: np.ndarray) -> Measures:
    """Measure one goal under one wording.

    Parameters
    ----------
    texts, properties
        (n_texts, dim) and (n_properties, dim), unit vectors in the same space.
    has
        (n_texts, n_properties), whether a text has a property under the goal. Texts without any are left out of all
        figures but the cosines.
    """
    answered = has.any(axis=1)
    cosines = (texts @ properties.T)[answered]
    own = has[answered]
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :K]
    found = np.take_along_axis(own, nearest, axis=1).sum(axis=1) / np.minimum(own.sum(axis=1), K)
    areas = [auc(row, labels=labels) for row, labels in zip(cosines, own, strict=True)]
    under_goal = own.any(axis=0)
    within = [
        auc(row, labels=labels)
        for row, labels in zip(cosines[:, under_goal], own[:, under_goal], strict=True)
        if not labels.all()
    ]
    pairs = np.triu_indices(len(texts), 1)
    between = (texts @ texts.T)[pairs]
    among = answered[pairs[0]] & answered[pairs[1]]
    shared = (has[pairs[0]] & has[pairs[1]]).any(axis=1)[among]
    text_auc = auc(between[among], labels=shared) if 0 < shared.sum() < len(shared) else np.nan
    return Measures(
        float(found.mean()),
        float(np.mean(areas)),
        float(np.mean(within)) if within else np.nan,
        text_auc,
        between,
    )


def _score_domain(method: Method, domain: Domain, bank: Mapping[str, Entry], n_wordings: int) -> list[Scores]:
    texts = [text.text for text in domain.texts]
    properties = domain.properties()
    measured: dict[str, list[Measures]] = {}
    for aspect, goals in domain.goals.items():
        has = np.array([[name in text.properties[aspect] for name in properties] for text in domain.texts])
        wordings = list(dict.fromkeys([*goals, *bank[aspect].questions]))[:n_wordings]
        measured[aspect] = [
            measure_goal(method.encode(goal, texts), method.encode_properties(goal, properties), has)
            for goal in wordings[: None if method.reads_goal else 1]
        ]
    scores = []
    for aspect, own in measured.items():
        figures = np.array([(each.recall, each.auc, each.auc_within, each.text_auc) for each in own])
        means_and_worst = np.array([figures.mean(axis=0), figures.min(axis=0)]).T.ravel()
        others = [_correlate(own, other) for key, other in measured.items() if key != aspect]
        correlation = float(np.mean(others)) if others else np.nan
        scores.append(Scores(domain.name, aspect, np.array([*means_and_worst, correlation])))
    return scores


def _correlate(one: Sequence[Measures], other: Sequence[Measures]) -> float:
    """Return the mean correlation of the cosines under two goals, the first wordings with each other, and so on."""
    return float(np.mean([np.corrcoef(a.cosines, b.cosines)[0, 1] for a, b in zip(one, other, strict=False)]))
