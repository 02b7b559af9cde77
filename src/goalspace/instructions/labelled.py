"""LabelledRun: labelled instructions as a run for the explorer, with tasks in place of factors."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np

from goalspace import __version__
from goalspace.corpus import Corpus
from goalspace.edits.log import Edits
from goalspace.encoders.cache import CachedEncoder
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.factors import Factors
from goalspace.files import digest, read_json, write_json
from goalspace.instructions.annotations import Annotation, read_demonstrations, read_selection
from goalspace.instructions.dataset import Instructions
from goalspace.instructions.task_factors import TaskTable, arrange, factors_of, link_tasks, propose_tasks
from goalspace.instructions.wording import task_wording
from goalspace.links import Links
from goalspace.progress import Progress
from goalspace.proposals import Proposals
from goalspace.run.folder import Run

FORMAT = 1
ENCODER = "task"
_ABOUT, _TEXTS, _LABELS = "label.json", "instructions.parquet", "labels.parquet"
_ARRANGED = "explore"  # folder with vectors, map and evidence, made on first opening
_MIN_LABELLED = 2  # instructions with a task needed to lay out the map
_SCALARS = (str, int, float, bool)


def is_labelled(folder: Path) -> bool:
    """Whether `goalspace label` wrote the folder."""
    return not (folder / "run.json").is_file() and (folder / _LABELS).is_file()


def refuse_edits(folder: Path) -> NoReturn:
    """Raise an InputError: labelled instructions cannot be edited."""
    raise InputError(f"{folder} contains labelled instructions, which cannot be edited: leave out --edit.")


def save_instructions(folder: Path, data: Instructions, *, n_tasks: int, seconds: float) -> Path:
    """Write instructions.parquet and label.json, which `LabelledRun.open` needs beside labels.parquet.

    Parameters
    ----------
    folder
        The folder with the labels.
    data
        The instructions; fields with texts or numbers become metadata.
    n_tasks
        The number of tasks.
    seconds
        The duration of labelling.
    """
    (folder / _ABOUT).unlink(missing_ok=True)  # so that an interrupted write is not taken as complete
    corpus = Corpus(
        data.ids,
        data.texts,
        np.ones(len(data), dtype=np.int64),
        metadata=_fields(data),
        stats={"n_read": len(data) + data.n_empty, "n_texts": len(data), "n_empty": data.n_empty},
        text_column=data.field,
    )
    corpus.save(folder / _TEXTS)
    write_json(
        folder / _ABOUT,
        {
            "format": FORMAT,
            "goalspace": __version__,
            "source": data.source.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "n_tasks": n_tasks,
        },
    )
    return folder / _TEXTS


def _fields(data: Instructions) -> dict[str, list[Any]]:
    """Return the other fields whose values are texts or numbers; mixed values are converted to texts."""
    names = dict.fromkeys(name for row in data.rows for name in row if name != data.field)
    fields: dict[str, list[Any]] = {}
    for name in names:
        values = [row.get(name) for row in data.rows]
        kinds = {type(value) for value in values if value is not None}
        if kinds and kinds <= set(_SCALARS):
            mixed = len(kinds) > 1 and kinds != {int, float}
            fields[str(name)] = [str(v) if mixed and v is not None else v for v in values]
    return fields


class LabelledRun:
    """The folder of `goalspace label` as a `RunLike`: factors are tasks, properties are their wordings.

    A text is an instruction; duplicates are not folded. Its dominant factor is always its labelled task, even if its
    vector is closer to another one. Rare tasks are combined into one factor per group.

    Parameters
    ----------
    path
        The folder.
    record
        The record of how the folder was made, in the format of run.json.
    corpus
        The instructions, duplicates included.
    table
        The labels of the instructions.
    chosen
        The instructions picked by a selection and a retrieval.
    """

    def __init__(
        self,
        path: Path,
        record: dict[str, Any],
        corpus: Corpus,
        table: TaskTable,
        chosen: Sequence[Annotation] = (),
    ) -> None:
        self.path = path
        self.record = record
        self.wording = task_wording(record["stages"]["label"]["result"]["n_tasks"])
        columns = {annotation.column: annotation.values() for annotation in chosen}
        metadata = _beside(corpus.metadata, {**columns, "group": table.groups, "task": table.tasks})
        self.derived = tuple(metadata)[len(columns) : len(columns) + 2]
        self.corpus = replace(corpus, metadata=metadata)
        self.table = table
        self._chosen = tuple(chosen)
        self._encoder = CachedEncoder(get_encoder(ENCODER), path / _ARRANGED / "vectors", None)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        selection: str | os.PathLike[str] | None = None,
        demonstrations: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Open the folder; on first opening, its instructions are embedded and laid out, and the result is stored there.

        Parameters
        ----------
        path
            The output folder of `goalspace label`.
        selection, demonstrations
            Folders of `goalspace select` and `goalspace retrieve` on the same file; by default, `path` is
            searched for both.
        progress
            Called with (description, steps done, steps in total).

        Raises
        ------
        InputError
            If a folder has the wrong contents, or was made from other instructions.
        """
        folder = Path(path)
        about = _read_about(folder)
        corpus, table = _read(folder)
        chosen = [
            annotation
            for annotation in (
                read_selection(folder if selection is None else Path(selection), corpus, selection is None),
                read_demonstrations(
                    folder if demonstrations is None else Path(demonstrations), corpus, demonstrations is None
                ),
            )
            if annotation is not None
        ]
        run = cls(folder, _record(about, corpus, table), corpus, table, chosen)
        run._arrange(progress)
        return run

    @property
    def goal(self) -> str:
        """The goal, which names the file of the instructions."""
        return str(self.record["goal"])

    @cached_property
    def proposals(self) -> Proposals:
        """The wordings of the instructions as properties, one per instruction."""
        return propose_tasks(self.table)

    @cached_property
    def links(self) -> Links:
        """The vectors of the instructions, and the mean vectors of the wordings."""
        return link_tasks(self._encoder.encode(self.corpus.texts), self.proposals, ENCODER)

    @cached_property
    def factors(self) -> Factors:
        """The tasks as factors."""
        arranged = self.path / _ARRANGED
        stats = read_json(arranged / "arranged.json")["stats"]
        return Factors.load(arranged, self.links, stats, strength_unit="cosine")

    @cached_property
    def edits(self) -> Edits:
        """The log of edits, always empty."""
        return Edits()

    def stale(self) -> list[str]:
        """Return no stages: `open` computes what is missing."""
        return []

    def as_editable(self) -> Run:
        """Raise InputError: tasks cannot be edited."""
        refuse_edits(self.path)

    def chosen(self, row: int) -> list[dict[str, str]]:
        """Return what the selection and the retrieval recorded about an instruction."""
        return [{"name": annotation.name, "value": annotation.describe(row)} for annotation in self._chosen]

    def _arrange(self, progress: Progress | None) -> None:
        """Embed, lay out and collect evidence, unless the folder already holds the results for these labels."""
        mark = digest(FORMAT, self.corpus.digest, vars(self.table), self._encoder.name)
        arranged = self.path / _ARRANGED
        about = read_json(arranged / "arranged.json") if (arranged / "arranged.json").is_file() else {}
        if about.get("of") != mark:
            about = self._make(progress, mark)
        self.record["stages"]["arrange"]["seconds"] = about["seconds"]

    def _make(self, progress: Progress | None, mark: str) -> dict[str, Any]:
        started = time.monotonic()
        if progress:
            progress("embedding the instructions", 0, 1)
            self._encoder.report = partial(progress, "embedding the instructions")
        links = self.links
        self._encoder.report = None
        if progress:
            progress("drawing the map of tasks", 0, 1)
        tasks = arrange(self.corpus, factors_of(self.table), self.table, self.proposals, links)
        arranged = self.path / _ARRANGED
        (arranged / "arranged.json").unlink(missing_ok=True)
        tasks.save(arranged)
        about = {"of": mark, "stats": dict(tasks.stats), "seconds": round(time.monotonic() - started, 2)}
        write_json(arranged / "arranged.json", about)
        return about


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / _ABOUT
    if not path.is_file() or not (folder / _TEXTS).is_file():
        raise InputError(
            f"{folder} contains labels without the instructions: goalspace label was interrupted or is outdated. Run it again."
        )
    try:
        about = read_json(path)
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}).") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(
            f"{path} was written by another version of goalspace: run goalspace label again, or upgrade goalspace."
        )
    return about


def _read(folder: Path) -> tuple[Corpus, TaskTable]:
    from pyarrow import parquet

    from goalspace.tables.table import reading

    corpus = Corpus.load(folder / _TEXTS)
    path = folder / _LABELS
    with reading(str(path)):
        columns = parquet.read_table(path, columns=["id", "task", "group", "verb", "noun"]).to_pydict()
    if tuple(columns["id"]) != corpus.ids:
        raise InputError(f"{path} does not match {folder / _TEXTS}: run goalspace label again.")
    table = TaskTable.of(columns["task"], columns["group"], columns["verb"], columns["noun"])
    if sum(bool(wording) for wording in table.wordings) < _MIN_LABELLED:
        raise InputError(
            f"Fewer than {_MIN_LABELLED} instructions in {folder} ask for a task: there is nothing to explore."
        )
    return corpus, table


def _record(about: Mapping[str, Any], corpus: Corpus, table: TaskTable) -> dict[str, Any]:
    n_without = sum(not wording for wording in table.wordings)
    return {
        "goal": f"which tasks are in {about.get('source', 'the instructions')}",
        "goalspace": about.get("goalspace", ""),
        "created": about.get("created", ""),
        "stages": {
            "label": {
                "result": {**corpus.stats, "n_tasks": about.get("n_tasks", 0), "n_without": n_without},
                "seconds": about.get("seconds", 0.0),
            },
            "arrange": {"result": {"encoder": ENCODER, "n_factors": len(factors_of(table).names)}},
        },
    }


def _beside(
    metadata: Mapping[str, Sequence[Any]], own: Mapping[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    """Return our columns, renamed if the file uses their names, followed by the columns of the file."""
    columns: dict[str, Sequence[Any]] = {}
    for name, values in own.items():
        while name in metadata:
            name += "_"
        columns[name] = values
    return columns | {name: metadata[name] for name in metadata}
