"""What encoders are measured on: labelled texts, labelled pairs, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from goalspace.errors import InputError
from goalspace.evaluation.episodes import DIALOGUE_CHARACTERS, State, newest, split_episodes, states_of
from goalspace.evaluation.formats import read_labels, read_lines, read_lists, read_texts
from goalspace.evaluation.metrics import (
    Estimate,
    auc,
    decision_tree_probe,
    homogeneity,
    kmeans_groups,
    logistic_probe,
    purity,
    silhouette,
    spearman,
)
from goalspace.evaluation.neighbours import NextAction, Recommendation, TestStates, unit

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
        x = vectors if official else unit(vectors)
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

    metrics = ("tree", "logistic")

    @property
    def size(self) -> str:
        """How much there is of it, for a person."""
        return f"{len(self.texts):,} texts, {len(set(self.labels)):,} labels"

    @property
    def how(self) -> str:
        """The setting in words."""
        return (
            f"balanced accuracy, 5-fold cross-validation; tree: mean ± s.e. over {self.seeds} seeds, logistic: "
            "over the folds"
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
        scaled = unit(vectors)
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
    rows = read_lines(path)
    label = label or "label"
    how: Setting = "official" if setting == "official" else "ours"
    if name in _GROUPINGS or name == _PROBE:
        column = text or next((c for c in _TEXT_COLUMNS if c in rows[0]), _TEXT_COLUMNS[0])
        texts, labels = read_texts(path, rows, column), read_labels(path, rows, label)
        if not 2 <= len(set(labels)) < len(labels):
            raise InputError(
                f"{path}: the column '{label}' has {len(set(labels))} different labels on {len(labels)} rows; "
                f"{name} needs two at least, and fewer than rows. Name another one as label."
            )
        if name == _PROBE:
            return Probe(name, tuple(texts), labels, how, seeds)
        return Grouping(name, tuple(texts), labels, _GROUPINGS[name], how, seeds)
    sides = [read_texts(path, rows, side) for side in ("instruction1", "instruction2")]
    same = read_labels(path, rows, label)
    if set(same) != {"0", "1"}:
        raise InputError(
            f"{path}: the column '{label}' must hold 0 and 1, and both of them. "
            f"Got {', '.join(sorted(set(same))[:5])} instead."
        )
    pairs = tuple(zip(*sides, strict=True))
    return Similarity(name, pairs, tuple(int(value) for value in same), _SIMILARITIES[name], how)


def _check(
    name: str, *, text: str | None, label: str | None, setting: str, seeds: int, sample: int | None
) -> None:
    """Refuse names that nothing has, and options that the task does not read."""
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
        If a file cannot be read, or a row lacks a field.
    """
    if path.is_dir():  # Inspired, as Instruct-LF's repository has it
        known, held_out = path / "train.jsonl", path / "test.jsonl"
        rows, tests = read_lines(known), read_lines(held_out)
        train, items = read_texts(known, rows, "full_situation"), read_lists(known, rows, "movies")
        test, wanted = read_texts(held_out, tests, "test_inputs"), read_texts(held_out, tests, "test_outputs")
        ids = _ids(rows, "idx")
    else:
        rows = read_lines(path)
        splits = read_texts(path, rows, "split")
        if set(splits) != {"train", "test"}:
            raise InputError(f"{path}: the column 'split' must hold train and test, and both of them.")
        texts, listed = read_texts(path, rows, "text"), read_lists(path, rows, "items")
        of_train = [i for i, split in enumerate(splits) if split == "train"]
        of_test = [i for i, split in enumerate(splits) if split == "test"]
        for i in of_test:
            if len(listed[i]) != 1:
                raise InputError(
                    f"{path}, row {i + 1}: a test row must have one item. Got {len(listed[i])} instead."
                )
        train, items = [texts[i] for i in of_train], [listed[i] for i in of_train]
        test, wanted = [texts[i] for i in of_test], [listed[i][0] for i in of_test]
        ids = _ids([rows[i] for i in of_train], "id")
    train, test = ([newest(text, DIALOGUE_CHARACTERS) for text in side] for side in (train, test))
    return Recommendation(
        _RECOMMENDATION,
        tuple(train),
        tuple(map(tuple, items)),
        tuple(test),
        tuple(wanted),
        rows=tuple({"id": id, "text": text} for id, text in zip(ids, train, strict=True)),
    )


def _ids(rows: Sequence[Mapping[str, Any]], column: str) -> list[str]:
    """The ids of rows, by which recorded proposals name them; their numbers if they have none."""
    return [str(row.get(column, number)) for number, row in enumerate(rows)]


def open_next_action(path: Path, *, sample: int | None = None, seed: int = 0) -> NextAction:
    """Read states with the action taken in each, or ALFWorld's expert trajectories.

    Raises
    ------
    InputError
        If the file cannot be read, or a row lacks a field.
    """
    rows = read_lines(path)
    if "steps" in rows[0]:
        return _open_episodes(path, rows, sample, seed)
    if sample is not None:
        raise InputError(f"{path} holds states, not episodes to split: leave 'sample' out.")
    columns = {name: read_texts(path, rows, name) for name in ("text", "action", "episode", "split")}
    by_split: dict[str, list[State]] = {}
    for text, action, episode, name in zip(*columns.values(), strict=True):
        by_split.setdefault(name, []).append(State(text, action, episode, ()))
    train = by_split.pop("train", [])
    if not train or not by_split:
        raise InputError(f"{path}: the column 'split' must hold train and the name of a test group at least.")
    ids = _ids([row for row in rows if row["split"] == "train"], "id")
    return _next_action(train, by_split, [_row(id, state) for id, state in zip(ids, train, strict=True)])


def _open_episodes(
    path: Path, rows: Sequence[Mapping[str, Any]], sample: int | None, seed: int
) -> NextAction:
    try:
        split = split_episodes(rows, sample=sample, seed=seed)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    train = states_of(split.train)
    groups = {"seen": states_of(split.seen), "unseen": states_of(split.unseen)}
    fit = [{**_row(str(i), state), "facts": list(state.facts)} for i, state in enumerate(train)]
    return _next_action(train, groups, fit)


def _row(id: str, state: State) -> dict[str, Any]:
    return {"id": id, "text": state.text, "action": state.action, "episode": state.episode}


def _next_action(
    train: Sequence[State], groups: Mapping[str, Sequence[State]], rows: Sequence[Mapping[str, Any]]
) -> NextAction:
    return NextAction(
        _NEXT_ACTION,
        tuple(state.text for state in train),
        tuple(state.action for state in train),
        {name: _test_states(states) for name, states in groups.items()},
        rows=tuple(rows),
    )


def _test_states(states: Sequence[State]) -> TestStates:
    return TestStates(
        tuple(state.text for state in states),
        tuple(state.action for state in states),
        tuple(state.episode for state in states),
    )
