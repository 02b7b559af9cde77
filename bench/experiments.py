"""The three experiments of Instruct-LF and its goals: bills, Inspired, ALFWorld, and groups that a goal names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.preprocessing import normalize

from _data import Dataset, alfworld, banking77, bills, cfpb, embed, inspired, syngoalex
from _tables import Table
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import decision_tree_probe, kmeans_groups, logistic_probe, purity
from goalspace.evaluation.neighbours import NextAction, Recommendation
from methods import OURS, Method, aim_above_peers, baselines, fit_all, informed, ours, packages, pool, size_of
from peers import Fitted

N_INIT = 3  # starts of every k-means run
N_TOPICS = 50  # topics or factors of bills and Inspired
N_STATES = 100  # of ALFWorld, which has 461 actions


@dataclass(frozen=True)
class Options:
    """How much to run: with `quick` 300 texts of each data set, fewer topics and seeds, and no targets."""

    quick: bool
    peers: bool

    @property
    def seeds(self) -> int:
        """Number of tree or k-means seeds."""
        return 2 if self.quick else 5

    @property
    def fits(self) -> int:
        """Number of seeds of every model that has one."""
        return 1 if self.quick else 3

    @property
    def n_topics(self) -> int:
        """Number of topics or factors."""
        return 15 if self.quick else N_TOPICS

    @property
    def episodes(self) -> int:
        """Training episodes of ALFWorld, of 17 states on average."""
        return 30 if self.quick else 400

    def load(self, read: Callable[[], Dataset]) -> Dataset:
        """Read a data set, or a sample of it."""
        return read().sample(300) if self.quick else read()

    def rows(
        self, *, with_informed: bool = False, source: str = "LLM", compared: bool = False
    ) -> list[Method]:
        """The methods, ours last."""
        found = baselines()
        if self.peers:
            found += packages()
            found += informed() if with_informed else []
        return [*found, *ours(source=source, compared=compared)]


# ---------------------------------------------------------------- bills


def categorise_bills(options: Options) -> list[Table]:
    """Probes of the scores against topic and subtopic of the bills."""
    data, k = options.load(bills), options.n_topics
    axes = ("topic", "subtopic")
    table = Table(
        f"Bills: balanced accuracy on the scores of {len(data)} bills",
        (
            "scores",
            *axes,
            *(f"{axis} {how}" for how in ("one-hot", "logistic") for axis in axes),
            "seconds",
            "note",
        ),
        "decision tree on the scores, and on the one topic of a text alone (one-hot), and logistic regression on the "
        f"scores, in unshuffled stratified 5-fold cross-validation; k = {k}; mean ± s.e. of {options.fits} fits with "
        f"other seeds or of {options.seeds} tree seeds, whichever is larger; the target of a one-hot column is 5 % above the better reading of peers",
    )
    embed(data.texts)  # kept, so that no row is charged with it
    table.add("chance", **{axis: 1 / len(set(data.labels[axis])) for axis in axes})
    rows = options.rows(with_informed=True)
    for method in rows:
        fits, seconds = fit_all(table, method, data, "topic", k, options.fits)
        if not fits:
            continue
        cells: dict[str, Any] = {}
        for axis in axes:
            gold = data.labels[axis]
            cells[axis] = pool([decision_tree_probe(f.scores, gold, seeds=options.seeds) for f in fits])
            if method.groups:
                alone = [decision_tree_probe(_one_hot(f.dominant), gold, seeds=options.seeds) for f in fits]
                cells[f"{axis} one-hot"] = pool(alone)
            cells[f"{axis} logistic"] = pool([logistic_probe(f.scores, gold) for f in fits])
        table.add(method.name, scores=size_of(fits), **cells, seconds=seconds, note=method.note)
    if not options.quick:
        rivals = {axis: (axis,) for axis in axes} | {f"{a} one-hot": (a, f"{a} one-hot") for a in axes}
        aim_above_peers(table, f"{OURS}, LLM", rivals, rows)
    return [table]


def _one_hot(topics: np.ndarray) -> np.ndarray:
    """Topics as columns of 0 and 1 (n_texts, n_topics); a text without one has zeros."""
    return np.asarray(topics[:, None] == np.arange(max(topics.max(), 0) + 1), dtype=np.float64)


# ---------------------------------------------------------------- Inspired and ALFWorld


def recommend_movies(options: Options) -> list[Table]:
    """Hit@k of the movie that comes next, by the nearest dialogues."""
    data, task = inspired(sample=300 if options.quick else None)
    columns = (*task.metrics, "Hit@5 reachable", "Hit@20 reachable", "neighbours")
    table = Table(
        f"Inspired: the next movie, {len(task.test)} dialogues, {int(task.reachable.sum())} reachable",
        ("scores", *columns, "seconds", "note"),
        "movies counted over the nearest training dialogues by cosine of the scores, of goalspace in the space that "
        "the factors span, ties by popularity; their number "
        f"chosen on the last 20 % of the training dialogues; ± s.e. over dialogues, means of {options.fits} fits; "
        f"k = {options.n_topics}; all rows get the newest 1,000 characters",
    )
    popular = {name: value for name, value in task.by_popularity().items() if name in columns}
    table.add("popularity", **popular)
    rows = options.rows(source="LLM", compared=True)
    _by_neighbours(table, rows, data, task, columns, options.n_topics, options.fits)
    if not options.quick:
        for row in (f"{OURS}, LLM", f"{OURS}, LLM, own number"):
            aim_above_peers(table, row, {hit: (hit,) for hit in ("Hit@5", "Hit@20")}, rows)
            table.targets[row]["Hit@20"] = max(0.30, table.targets[row].get("Hit@20", 0.0))
    return [table]


def act_next(options: Options) -> list[Table]:
    """The expert's next action, by the nearest state."""
    data, task = alfworld(options.episodes)
    k = 15 if options.quick else N_STATES
    table = Table(
        f"ALFWorld: the next action, {task.size}",
        ("scores", "seen", "unseen", "seconds", "note"),
        "action of the nearest training state by cosine of the scores, of goalspace in the space that the factors "
        "span, numbers left out; seen: held-out trials of "
        "known scenes, unseen: held-out scenes; one fit, ± s.e. over episodes; "
        f"k = {k}",
    )
    table.add("most frequent action", **task.by_frequency())
    rows = options.rows(source="rule-based facts", compared=True)
    _by_neighbours(table, rows, data, task, ("seen", "unseen"), k, 1)
    if not options.quick:
        for row in (f"{OURS}, rule-based facts", f"{OURS}, rule-based facts, own number"):
            aim_above_peers(table, row, {group: (group,) for group in ("seen", "unseen")}, rows)
    return [table]


def _by_neighbours(
    table: Table,
    rows: Sequence[Method],
    data: Dataset,
    task: Recommendation | NextAction,
    columns: Sequence[str],
    n_topics: int,
    n_fits: int,
) -> None:
    (goal,) = data.goals
    new = task.texts[len(task.train) :]
    place = {text: i for i, text in enumerate(data.texts)}
    known = np.array([place[text] for text in task.train])
    embed(data.texts), embed(new)  # kept, so that no row is charged with it
    for method in rows:
        fits, seconds = fit_all(table, method, data, goal, n_topics, n_fits)
        if not fits:
            continue
        scored = [task.score(np.vstack([f.compared[known], f.compare(new, embed(new))])) for f in fits]
        cells: dict[str, Any] = {column: pool([found[column] for found in scored]) for column in columns}
        if "neighbours" in cells:
            cells["neighbours"] = " ".join(str(int(found["neighbours"].mean)) for found in scored)
        table.add(method.name, scores=size_of(fits), **cells, seconds=seconds, note=method.note)


# ---------------------------------------------------------------- groups that a goal names


def condition_on_goals(options: Options) -> list[Table]:
    """The same texts under three goals: k-means on the scores against the partition that the goal names."""
    data = options.load(syngoalex)
    order = np.random.default_rng(0).permutation(len(data))
    half, rest = data.take(order[: len(data) // 2]), data.take(order[len(data) // 2 :])
    tables = [
        _goals(data, data, "seen", options),
        _goals(half, rest, "held out of proposals and training", options),
    ]
    if not options.quick:
        tables[0].aim(f"{OURS}, LLM, own number", topic=0.92, style=0.65, language=0.98)
        tables[1].aim(f"{OURS}, LLM, own number", topic=0.80, style=0.55, language=0.95)
    return tables


def _goals(train: Dataset, test: Dataset, what: str, options: Options) -> Table:
    axes = tuple(train.goals)
    table = Table(
        f"syngoalex, {what}: k-means(4) on the scores against what the goal names, {len(test)} texts",
        (*axes, *(f"{axis} {m}" for axis in axes for m in ("NMI", "purity")), "seconds", "note"),
        f"columns without a word: ARI; mean ± s.e. of {options.seeds} k-means seeds; one fit; k = 12 but for own numbers; scores "
        "scaled to length 1 per text, which helps most methods; of goalspace in the space that the factors span",
    )
    for method in options.rows():
        cells: dict[str, Any] = {}
        fits: list[Fitted] = []
        total = 0.0
        for axis in axes:
            if not fits or method.by_goal:
                fits, seconds = fit_all(table, method, train, axis, 12, 1)
                total += seconds
            if not fits:
                break
            found = fits[0].compared if test is train else fits[0].compare(test.texts, embed(test.texts))
            cells |= _grouping(np.asarray(normalize(found)), test.labels[axis], axis, options)
        else:
            table.add(method.name, **cells, seconds=total, note=method.note)
    return table


def _grouping(scores: np.ndarray, gold: np.ndarray, axis: str, options: Options) -> dict[str, Estimate]:
    found = kmeans_groups(scores, n_clusters=4, seeds=options.seeds, n_init=N_INIT)
    return {
        axis: Estimate.of([adjusted_rand_score(gold, groups) for groups in found]),
        f"{axis} NMI": Estimate.of([normalized_mutual_info_score(gold, groups) for groups in found]),
        f"{axis} purity": Estimate.of([purity(groups, labels=gold) for groups in found]),
    }


def read_out(options: Options) -> list[Table]:
    """One dominant factor per text as a partition, without an LLM, against the gold classes."""
    return [
        _partitions(options.load(read), label, options)
        for read, label in ((banking77, "intent"), (cfpb, "product"))
    ]


def _partitions(data: Dataset, label: str, options: Options) -> Table:
    gold = data.labels[label]
    classes = len(set(gold))
    table = Table(
        f"{data.name}: one group per text against {classes} {label}s, {len(data)} texts",
        ("groups", "in none", "ARI", "NMI", "purity", "seconds", "note"),
        f"offline proposer; k = {classes}; mean ± s.e. of {options.fits} fits; k-means of goalspace's own number, the "
        "largest of its fits, stands last; texts in no group count as one group",
    )
    rows = [m for m in options.rows() if m.groups and not m.informed]

    def add(name: str, method: Method, k: int) -> None:
        fits, seconds = fit_all(table, method, data, label, k, options.fits)
        if not fits:
            return
        groups = [f.dominant for f in fits]
        cells = {
            "groups": size_of(fits) if method.ours else max(len(set(g[g >= 0].tolist())) for g in groups),
            "in none": float(np.mean([(g < 0).mean() for g in groups])),
            "ARI": Estimate.of([adjusted_rand_score(gold, g) for g in groups]),
            "NMI": Estimate.of([normalized_mutual_info_score(gold, g) for g in groups]),
            "purity": Estimate.of([purity(g, labels=gold) for g in groups]),
        }
        table.add(name, **cells, seconds=seconds, note=method.note)

    for method in rows:
        add(method.name, method, classes)
    own = next(
        int(str(r["groups"]).split("–")[-1]) for r in table.rows if str(r["row"]).endswith("own number")
    )
    kmeans = next(m for m in rows if m.name.startswith("k-means"))
    add(f"k-means on MiniLM, {own} groups", kmeans, own)
    if not options.quick:
        for row, peer in (
            (f"{OURS}, offline", kmeans.name),
            (f"{OURS}, offline, own number", f"k-means on MiniLM, {own} groups"),
        ):
            value = next(r["ARI"] for r in table.rows if r["row"] == peer)
            assert isinstance(value, Estimate)
            table.aim(row, ARI=value.mean)
    return table
