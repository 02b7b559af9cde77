"""Evaluation tasks: labelled texts, labelled pairs, recommendation and next action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.evaluation.episodes import DIALOGUE_CHARACTERS, State, newest, split_episodes, states_of
from goalspace.evaluation.formats import Rows, read_lines
from goalspace.evaluation.labels import check_labels, read_labels, size_of
from goalspace.evaluation.metrics import (
    FOLDS,
    auc,
    decision_tree_probe,
    homogeneity,
    kmeans_groups,
    logistic_probe,
    purity,
    silhouette,
    spearman,
)
from goalspace.evaluation.neighbours import NextAction, Recommendation, normalize_rows

Setting = Literal["ours", "official"]

_GROUPINGS = {
    "instruction-clustering": ("ARI", "purity", "homogeneity", "silhouette"),
    "grouping": ("ARI", "NMI", "purity"),
}
_SIMILARITIES = {"intention-similarity": ("Spearman", "AUC"), "paraphrase": ("AUC",)}
_PROBE, _RECOMMENDATION, _NEXT_ACTION = "categorisation", "recommendation", "next-action"
_COLUMNS = {  # of tasks whose columns have fixed names
    **dict.fromkeys(_SIMILARITIES, "instruction1, instruction2 and label"),
    _RECOMMENDATION: "text, items and split",
    _NEXT_ACTION: "text, action, episode and split",
}
_INSPIRED = "full_situation and movies, of test.jsonl test_inputs and test_outputs"
_EPISODES = "id, scene, room, goal, init_obs and steps"
NAMES = (*_GROUPINGS, *_SIMILARITIES, _PROBE, _RECOMMENDATION, _NEXT_ACTION)
_TEXT_COLUMNS = ("instruction", "prompt", "text", "question", "query", "summary")

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
    column: str = ""  # of the texts, where it was guessed

    def __post_init__(self) -> None:
        check_labels("Grouping", self.texts, self.labels)

    @property
    def size(self) -> str:
        """The size of the task in words."""
        return size_of(self.texts, self.labels, self.column)

    @property
    def how(self) -> str:
        """The setting in words."""
        clusters = f"k-means with {len(set(self.labels)):,} clusters"
        if self.setting == "official":
            return f"official setting: {clusters} and seed 0 on the encoder's own vectors"
        return f"{clusters} on vectors of length 1; {_over(self.seeds)}"

    def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
        """Score (n_texts, dim) vectors; metric → mean and standard error over the k-means runs."""
        from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

        official = self.setting == "official"
        x = vectors if official else normalize_rows(vectors)
        groupings = kmeans_groups(
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
            metric: Estimate.of([measures[metric](groups) for groups in groupings]) for metric in self.metrics
        }


@dataclass(frozen=True)
class Probe:
    """How well do a decision tree and logistic regression read the labels off single columns, and off all?

    Topic categorisation of Instruct-LF (arXiv 2502.15147, section 4): balanced accuracy in stratified 5-fold
    cross-validation. A tree splits one column at a time, so that it rewards columns that mean something.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    setting: Setting = "ours"
    seeds: int = 5
    column: str = ""  # of the texts, where it was guessed

    metrics = ("tree", "logistic")

    def __post_init__(self) -> None:
        check_labels("Probe", self.texts, self.labels)

    @property
    def size(self) -> str:
        """The size of the task in words."""
        return size_of(self.texts, self.labels, self.column)

    @property
    def how(self) -> str:
        """The setting in words."""
        return (
            f"balanced accuracy, {FOLDS}-fold cross-validation; tree: {_over(self.seeds)}, logistic: "
            "± s.e. over the folds"
        )

    def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
        """Score (n_texts, dim) vectors; balanced accuracy of the tree and of logistic regression."""
        return {
            "tree": decision_tree_probe(vectors, self.labels, seeds=self.seeds),
            "logistic": logistic_probe(vectors, self.labels),
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
        """The size of the task in words."""
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
        scaled = normalize_rows(vectors)
        first, second = (scaled[[row[pair[side]] for pair in self.pairs]] for side in (0, 1))
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


def _over(seeds: int) -> str:
    return f"mean ± s.e. over {seeds} seeds" if seeds > 1 else "one seed"


def open_task(
    name: str,
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    setting: str = "ours",
    seeds: int = 5,
    sample: int | None = None,
) -> Opened:
    """Read a task from JSON Lines; nothing is downloaded.

    Parameters
    ----------
    name
        ``instruction-clustering`` (ICT) or ``grouping``: rows with a text and a label.
        ``categorisation``: the same, for a decision tree and logistic regression.
        ``intention-similarity`` (IIS) or ``paraphrase``: rows with instruction1, instruction2 and label, 1 for
        the same task and 0 for different ones.
        ``recommendation``: rows with text, items (a list) and split (train or test; a test row has one item), or
        the folder of Inspired in Instruct-LF's release (train.jsonl and test.jsonl). Of a long text the newest
        part is kept.
        ``next-action``: rows with text, action, episode and split (train, or the name of a test group), or
        expert trajectories of ALFWorld, an episode per row, which are split and turned into states.
    path
        A JSON Lines file, or the folder.
    text
        The column of the texts [default: instruction, else prompt, text, question, query or summary].
    label
        The column of the labels [default: label]. The last two tasks have columns of fixed names.
    setting
        ``ours`` or ``official``.
    seeds
        Number of k-means runs in our setting, or of trees.
    sample
        Number of training episodes of ALFWorld, and a fifth as many of either held-out kind [default: all].

    Raises
    ------
    InputError
        If the name or setting is unknown, an option is not for this task, the file cannot be read, lacks a
        column, or holds too few labels.
    """
    _check(name, text=text, label=label, setting=setting, seeds=seeds, sample=sample)
    path = Path(path)
    if name == _RECOMMENDATION:
        return open_recommendation(path)
    if name == _NEXT_ACTION:
        return open_next_action(path, sample=sample)
    how: Setting = "official" if setting == "official" else "ours"
    if name in _SIMILARITIES:
        return _open_pairs(name, path, label or "label", how)
    rows = read_lines(path)
    column = text or next((c for c in _TEXT_COLUMNS if c in rows.values[0]), _TEXT_COLUMNS[0])
    texts = tuple(rows.texts(column))
    labels = read_labels(rows, label or "label", task=name, cross_validated=name == _PROBE)
    guessed = "" if text else column
    if name == _PROBE:
        return Probe(name, texts, labels, how, seeds, guessed)
    return Grouping(name, texts, labels, _GROUPINGS[name], how, seeds, guessed)


def _open_pairs(name: str, path: Path, label: str, setting: Setting) -> Similarity:
    rows = read_lines(path, needs=_COLUMNS[name].replace("label", label))
    sides = [rows.texts(side) for side in ("instruction1", "instruction2")]
    same = rows.labels(label)
    if set(same) != {"0", "1"}:
        raise InputError(
            f"{path}: the column '{label}' must hold 0 and 1, and both of them. "
            f"Got {', '.join(sorted(set(same))[:5])} instead."
        )
    pairs = tuple(zip(*sides, strict=True))
    return Similarity(name, pairs, tuple(int(value) for value in same), _SIMILARITIES[name], setting)


def _check(
    name: str, *, text: str | None, label: str | None, setting: str, seeds: int, sample: int | None
) -> None:
    """Reject unknown names, and options that the task does not use."""
    if name not in NAMES:
        raise InputError(f"There is no task '{name}': write one of {', '.join(NAMES)}.")
    if setting not in ("ours", "official"):
        raise InputError(f"There is no setting '{setting}': write ours or official.")
    for option, value in (("seeds", seeds), ("sample", sample)):
        if value is not None and value < 1:
            raise InputError(
                f"The '{option}' parameter of open_task must be at least 1. Got {value} instead."
            )
    if setting == "official" and name not in (*_GROUPINGS, *_SIMILARITIES):
        raise InputError(f"The task '{name}' has one setting only: leave 'setting' out.")
    if sample is not None and name != _NEXT_ACTION:
        raise InputError(f"The 'sample' parameter is for the task {_NEXT_ACTION}: leave it out of '{name}'.")
    for option, column in (("text", text), ("label", label)):
        if column is not None and name in _COLUMNS and not (option == "label" and name in _SIMILARITIES):
            raise InputError(f"The task '{name}' reads {_COLUMNS[name]}: leave '{option}' out.")


Opened = Grouping | Similarity | Probe | Recommendation | NextAction


def open_recommendation(path: Path) -> Recommendation:
    """Read texts with the items that follow on them; the release of Inspired is a folder of two files.

    Of a text that is longer than what the encoder reads, the newest part is kept.

    Raises
    ------
    InputError
        If a file cannot be read, a row lacks a field, or ids are not unique.
    """
    if path.is_dir():  # Inspired, as Instruct-LF's repository has it
        known, held_out = (read_lines(path / name, needs=_INSPIRED) for name in ("train.jsonl", "test.jsonl"))
        train, items, ids = known.texts("full_situation"), known.lists("movies"), known.ids("idx")
        test, wanted = held_out.texts("test_inputs"), held_out.texts("test_outputs")
    else:
        rows = read_lines(path, needs=_COLUMNS[_RECOMMENDATION])
        parts = rows.by("split")
        for split, part in parts.items():
            if split not in ("train", "test"):
                raise InputError(
                    f"{part.where(0)}: 'split' must be train or test. Got {split[:80]!r} instead."
                )
        if len(parts) < 2:
            raise InputError(
                f"{path}: the column 'split' must hold train and test, and both of them. Got {next(iter(parts))} alone."
            )
        known, held_out = parts["train"], parts["test"]
        train, items, ids = known.texts("text"), known.lists("items"), known.ids("id")
        test, listed = held_out.texts("text"), held_out.lists("items")
        for i, own in enumerate(listed):
            if len(own) != 1:
                raise InputError(
                    f"{held_out.where(i)}: a test row must have one item. Got {len(own)} instead."
                )
        wanted = [own[0] for own in listed]
    train, test = ([newest(text, DIALOGUE_CHARACTERS) for text in side] for side in (train, test))
    return Recommendation(
        _RECOMMENDATION,
        tuple(train),
        tuple(map(tuple, items)),
        tuple(test),
        tuple(wanted),
        rows=tuple({"id": id, "text": text} for id, text in zip(ids, train, strict=True)),
    )


def open_next_action(path: Path, *, sample: int | None = None, seed: int = 0) -> NextAction:
    """Read states with the action taken in each, or ALFWorld's expert trajectories.

    Raises
    ------
    InputError
        If the file cannot be read, a row lacks a field, or ids are not unique.
    """
    rows = read_lines(path, needs=f"{_COLUMNS[_NEXT_ACTION]}, or of trajectories {_EPISODES}")
    if "steps" in rows.values[0]:
        split = split_episodes(rows.values, sample=sample, seed=seed, source=str(path), where=rows.where)
        train = states_of(split.train)
        groups = {"seen": states_of(split.seen), "unseen": states_of(split.unseen)}
        facts: list[dict[str, object]] = [{"facts": list(state.facts)} for state in train]
        return NextAction.of(_NEXT_ACTION, train, groups, [str(i) for i in range(len(train))], facts)
    if sample is not None:
        raise InputError(f"{path} holds states, not episodes to split: leave 'sample' out.")
    parts = rows.by("split")
    if "train" not in parts or len(parts) < 2:
        raise InputError(
            f"{path}: the column 'split' must hold train and the name of a test group at least. "
            f"Got {', '.join(map(repr, [*parts][:5]))} instead."
        )
    states = {split: _states(part) for split, part in parts.items()}
    ids = parts["train"].ids("id")
    return NextAction.of(_NEXT_ACTION, states.pop("train"), states, ids)


def _states(rows: Rows) -> list[State]:
    columns = rows.texts("text"), rows.texts("action"), rows.labels("episode")
    return [State(*fields, facts=()) for fields in zip(*columns, strict=True)]
