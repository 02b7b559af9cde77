"""Evaluation of encoders on tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.progress import Progress

__all__ = ["Score", "Task", "evaluate"]

_CHUNK = 512  # texts between two reports of progress
_WARM_UP = 2  # texts that are encoded before the clock starts: most encoders load on their first call


class Task(Protocol):
    """A task that scores text vectors.

    `texts` are the texts to embed; `setting` is "official", as in the paper, or "ours".
    """

    @property
    def name(self) -> str: ...

    @property
    def setting(self) -> str: ...

    @property
    def texts(self) -> Sequence[str]: ...

    def score(self, vectors: np.ndarray) -> dict[str, Estimate]:
        """Score (n_texts, dim) vectors, row i for text i; metric → value with its standard error."""
        ...


@dataclass(frozen=True)
class Score:
    """The score of one encoder on one task.

    `values` are by metric; `seconds` is the time of encoding the `n_texts` texts, without loading.
    """

    encoder: str
    task: str
    setting: str
    values: Mapping[str, Estimate]
    n_texts: int
    seconds: float

    @property
    def seconds_per_1000(self) -> float:
        """Seconds that encoding took per 1,000 texts."""
        return 1000 * self.seconds / self.n_texts

    def as_dict(self) -> dict[str, object]:
        """Return the score as JSON-able values."""
        return {
            "encoder": self.encoder,
            "task": self.task,
            "setting": self.setting,
            "values": {metric: value._asdict() for metric, value in self.values.items()},
            "n_texts": self.n_texts,
            "seconds_per_1000": self.seconds_per_1000,
        }


def evaluate(
    encoders: Mapping[str, str | Encoder],
    tasks: Sequence[str | Task],
    *,
    data: str | Path | Mapping[str, str | Path] | None = None,
    text: str | None = None,
    label: str | None = None,
    setting: str = "ours",
    seeds: int = 5,
    progress: Progress | None = None,
) -> list[Score]:
    """Score encoders on tasks.

    Parameters
    ----------
    encoders
        By the name that their scores carry: specs of `get_encoder`, or encoders.
    tasks
        ``instruction-clustering``, ``grouping``, ``intention-similarity``, ``paraphrase``, ``categorisation``,
        ``recommendation`` or ``next-action``, which read `data` (see `goalspace.evaluation.tasks.open_task`), or tasks
        of your own. Tasks with the same texts share one embedding of them.
    data
        JSON Lines for the tasks that are given by name: one file, or a file by the task's name.
    text, label
        The columns of the texts and of the labels [default: guessed].
    setting
        ``ours`` or ``official``, for the tasks that are given by name; see `goalspace.evaluation.tasks`.
    seeds
        Number of k-means runs in our setting, or of trees.
    progress
        Called with (current step, items done, items in total).

    Returns
    -------
    One score per encoder and task, encoder by encoder.

    Raises
    ------
    InputError
        If a task, an encoder or a column is unknown, or a file cannot be used.
    """
    from goalspace.evaluation.tasks import open_task

    _check(encoders, tasks)
    loaded = {name: get_encoder(encoder) for name, encoder in encoders.items()}
    opened: list[Task] = []
    for task in tasks:
        if not isinstance(task, str):
            opened.append(task)
            continue
        path = data.get(task) if isinstance(data, Mapping) else data
        if path is None:
            raise InputError(f"The task '{task}' needs data: the path of a JSON Lines file.")
        opened.append(open_task(task, path, text=text, label=label, setting=setting, seeds=seeds))
    if not all(len(task.texts) for task in opened):
        raise InputError("A task must have texts.")
    for encoder in loaded.values():  # fail early if one cannot be used, before the others have been scored
        encoder.encode(opened[0].texts[:_WARM_UP])
    scores = []
    for name, encoder in loaded.items():
        vectors: dict[tuple[str, ...], tuple[np.ndarray, float]] = {}
        for task in opened:
            texts = tuple(task.texts)
            if texts not in vectors:
                vectors[texts] = _encode(encoder, texts, f"{name}: encoding for {task.name}", progress)
            if progress:
                progress(f"{name}: scoring {task.name}", 0, 1)
            matrix, seconds = vectors[texts]
            values = task.score(matrix)
            scores.append(Score(name, task.name, task.setting, values, len(texts), seconds))
    return scores


def _check(encoders: object, tasks: object) -> None:
    """Validate the arguments of `evaluate`."""
    if not isinstance(encoders, Mapping):
        raise InputError(
            "The 'encoders' parameter of evaluate must be a mapping of names to encoders, such as "
            f"{{'MiniLM': 'minilm'}}. Got {type(encoders).__name__} instead."
        )
    if isinstance(tasks, str) or not isinstance(tasks, Sequence):
        raise InputError(
            "The 'tasks' parameter of evaluate must be a list, such as ['grouping']. "
            f"Got {type(tasks).__name__} instead."
        )
    if not encoders or not tasks:
        raise InputError("evaluate needs at least one encoder and one task.")
    for encoder in encoders.values():
        if isinstance(encoder, str) and encoder.startswith("run:"):
            folder = encoder.removeprefix("run:")
            raise InputError(
                f"'{encoder}' is written so on the command line only: give evaluate Run.open({folder!r}).factors."
            )


def _encode(
    encoder: Encoder,
    texts: Sequence[str],
    what: str,
    progress: Progress | None,
) -> tuple[np.ndarray, float]:
    """Return the vectors of the texts and the seconds that encoding took."""
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        if progress:
            progress(what, done, len(texts))

    advance(0)
    start = time.perf_counter()
    vectors = encode_in_chunks(encoder, texts, size=_CHUNK, advance=advance)
    return vectors, time.perf_counter() - start
