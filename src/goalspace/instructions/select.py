"""Selection of representative instructions: select_file, its output files and its report."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.curation import selection as curation
from goalspace.curation.selection import Coverage, Selection
from goalspace.curation.tasklabels import label_tasks
from goalspace.encoders.cache import embed
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.files import data_stem
from goalspace.instructions.annotations import SELECTION
from goalspace.instructions.dataset import Instructions
from goalspace.instructions.output import Output
from goalspace.pages import Figure, Page, PageTable, write_page
from goalspace.pages.figures import INK, NEUTRAL, PALETTE, figure
from goalspace.progress import Progress, ignore_progress
from goalspace.tables.writing import write_table
from goalspace.text import plural, to_line
from goalspace.vectors.projection import lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_MAX_LABELLED = 20_000  # rows up to which tasks are labelled just to report their coverage, which is slow
_SHOWN = 4_000  # rows on the map
_LISTED = 20  # rows and tasks in a table
_BY_TASK = "As many tasks as the budget allows, the most frequent first; within each task,"
_HOW = {
    "representatives": "the rows at the centres of as many clusters as rows to select.",
    "k-center": "at each step the row farthest from those already selected.",
    "facility-location": "at each step the row that brings all rows closest to a selected one.",
}


def select_file(
    file: str | os.PathLike[str],
    budget: int,
    *,
    method: str = "representatives",
    field: str | None = None,
    quality: str | None = None,
    dedupe: float | None = None,
    by_task: bool = False,
    encoder: str | Encoder = "task",
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Output[Selection]:
    """Select rows of a file that represent all of them, and write them, a table and a report on their coverage.

    Parameters
    ----------
    file
        Instruction data (see `Instructions.read`).
    budget
        The number of rows to select.
    method
        ``representatives``, ``k-center`` or ``facility-location`` (see `select`).
    field
        The field that carries the instruction; by default it is detected.
    quality
        A numeric field; rows with higher values are preferred.
    dedupe
        The cosine from which rows count as near-duplicates, of which only one is kept.
    by_task
        Whether to cover as many tasks as the budget allows, the most frequent first.
    encoder
        Defines which rows are similar (see `get_encoder`).
    seed
        The random seed.
    out
        The folder to write to; by default runs/select- and the name of the file.
    progress
        Called with (description, steps done, steps in total).

    Returns
    -------
    The selection, and the files with the selected rows and their ranks.

    Raises
    ------
    InputError
        If the file cannot be read, the budget exceeds its rows, or an argument is invalid.
    """
    file, progress = Path(file), progress or ignore_progress
    progress("reading", 0, 1)
    data = Instructions.read(file, field=field)
    curation.check(len(data), budget, method=method, dedupe=dedupe)
    scores = _read_quality(data, quality)
    wanted = by_task or len(data) <= _MAX_LABELLED
    labels = label_tasks(data.texts, progress=progress).labels if wanted else None
    vectors = embed(data.texts, encoder=encoder, progress=progress)
    content = None
    if dedupe is not None and encoder != curation.CONTENT:
        content = embed(data.texts, encoder=curation.CONTENT, progress=progress)
    progress("choosing rows", 0, 1)
    selection = curation.select(
        vectors,
        budget,
        method=method,
        labels=labels if by_task else None,
        quality=scores,
        dedupe=dedupe,
        content=content,
        seed=seed,
    )
    covered = selection.coverage if by_task else curation.coverage(selection, vectors, labels=labels)
    progress("drawing the map", 0, 1)
    how = _describe_method(method, by_task=by_task)
    page = selection_page(
        file.name, data.texts, vectors, selection, covered, labels=labels, how=how, seed=seed
    )
    folder = Path(out or Path("runs") / f"select-{data_stem(file)}")
    selected = folder / f"selected{file.name.removeprefix(data_stem(file))}"
    data.write(selection.rows.tolist(), selected)
    tables = write_table(folder / SELECTION, _selection_columns(data, selection))
    write_page(folder, page)
    return Output(selection, folder, page, [selected, *tables])


def selection_page(
    name: str,
    texts: Sequence[str],
    vectors: np.ndarray,
    selection: Selection,
    coverage: Coverage,
    *,
    labels: Sequence[str] | None = None,
    how: str,
    seed: int = 0,
) -> Page:
    """Describe a selection.

    Parameters
    ----------
    name
        The name of the file.
    texts
        The texts of all rows.
    vectors
        (n_rows, dim) vectors of all rows, as used for the selection.
    selection, coverage
        The selection and its coverage.
    labels
        The task label of every row.
    how
        The description of the method.
    seed
        The random seed of the map.
    """
    count = f"{len(selection.rows):,}"
    facts: list[tuple[str, str | int | float]] = [("rows", len(texts)), ("chosen", len(selection.rows))]
    if len(selection.duplicates):
        facts.append(("near-duplicates removed", len(selection.duplicates)))
    if coverage.n_labels is not None:
        facts.append((f"tasks covered of {coverage.n_labels_in_all:,}", coverage.n_labels))
        facts.append(("compared with random rows", f"{coverage.times_random:.2f}×"))
    tables = [_tasks(labels, selection)] if labels is not None else []
    return Page(
        title=f"{name}: {count} of {len(texts):,} rows",
        lead=f"{how} {_lead(coverage, count)}",
        facts=facts,
        figures=[map_figure(vectors, selection.rows, seed=seed), _bars(coverage, count)],
        tables=[*tables, _first(texts, selection, labels)],
    )


def _lead(coverage: Coverage, count: str) -> str:
    nearer = 1 - coverage.distance / coverage.distance_random.mean
    sentence = (
        f"On average, a row is {abs(nearer):.0%} {'closer to' if nearer >= 0 else 'farther from'} its nearest chosen row than "
        f"with {count} random rows"
    )
    if coverage.n_labels is None or coverage.n_labels_random is None:
        return f"{sentence}."
    return (
        f"The chosen rows cover {plural(coverage.n_labels, 'task')} of {coverage.n_labels_in_all:,}; "
        f"equally many random rows cover {coverage.n_labels_random.mean:,.0f}. {sentence}."
    )


def map_figure(vectors: np.ndarray, chosen: np.ndarray, *, what: str = "row", seed: int = 0) -> Figure:
    """Draw all rows as grey dots on a two-dimensional map, and the chosen ones in colour."""
    rng = np.random.default_rng(seed)
    chosen = chosen[: _SHOWN // 2]
    others = np.setdiff1d(np.arange(len(vectors)), chosen)
    if len(others) > _SHOWN - len(chosen):
        others = np.sort(rng.choice(others, _SHOWN - len(chosen), replace=False))
    points = lay_out(vectors[np.concatenate([others, chosen])], seed=seed)

    def draw(axes: Axes) -> None:
        (x, y), split = points.T, len(others)
        area = min(max(20_000 / len(points), 5), 40)
        for part, colour, size, name in (
            (slice(split), NEUTRAL, area, what),
            (slice(split, None), PALETTE[1], 2 * area, f"chosen {what}"),
        ):
            axes.scatter(x[part], y[part], s=size, color=colour, linewidth=0, rasterized=True)
            axes.scatter([], [], s=30, color=colour, linewidth=0, label=name)
        axes.set_axis_off()
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)

    n_shown = len(others) + len(chosen)
    caption = (
        f"Each dot is {'an' if what[0] in 'aeiou' else 'a'} {what}; those with similar vectors lie close together. "
        "The axes have no meaning."
    )
    if n_shown < len(vectors):
        caption += f" {n_shown:,} of {len(vectors):,} {what}s are shown."
    return Figure(figure(draw, size=(6.8, 5.2)), caption)


def _bars(coverage: Coverage, count: str) -> Figure:
    rows = [
        ("distance to the nearest\nchosen row (lower is better)", coverage.distance, coverage.distance_random)
    ]
    if coverage.n_labels is not None and coverage.n_labels_random is not None:
        rows.append(("tasks covered", coverage.n_labels, coverage.n_labels_random))

    def draw(axes: Axes) -> None:
        # each measure relative to the mean of random rows, so that both share an axis
        for i, (_, own, random) in enumerate(rows):
            axes.barh(i + 0.19, own / random.mean, 0.34, color=PALETTE[1])
            axes.barh(i - 0.19, 1, 0.34, color=NEUTRAL, xerr=random.se / random.mean, ecolor=INK, capsize=3)
            for at, value in ((i + 0.19, own), (i - 0.19, random.mean)):
                text = f"{value:,.0f}" if value >= 2 else f"{value:.3f}"
                axes.annotate(text, (0, at), (5, 0), textcoords="offset points", va="center", color="white")
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.tick_params(left=False)
        axes.set_xlabel("relative to random rows")
        axes.legend(
            axes.patches[:2],
            ["chosen rows", "random rows"],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
            borderaxespad=0,
        )

    caption = f"Coverage of {count} rows. Random rows: mean and standard error of five draws."
    return Figure(figure(draw, size=(6.8, 1.4 + 0.8 * len(rows))), caption)


def _tasks(labels: Sequence[str], selection: Selection) -> PageTable:
    everywhere = Counter(labels)
    chosen = Counter(labels[row] for row in selection.rows)
    return PageTable(
        "The most frequent tasks",
        ["task", "rows", "chosen"],
        [[label, n, chosen[label]] for label, n in everywhere.most_common(_LISTED)],
    )


def _first(texts: Sequence[str], selection: Selection, labels: Sequence[str] | None) -> PageTable:
    sizes = np.bincount(selection.groups, minlength=len(selection.rows))
    columns = ["row", "stands for", *(["task"] if labels is not None else []), "text"]
    return PageTable(
        "The first chosen rows",
        columns,
        [
            [
                int(row) + 1,
                int(sizes[i]),
                *([labels[row]] if labels is not None else []),
                to_line(texts[row], 160),
            ]
            for i, row in enumerate(selection.rows[:_LISTED])
        ],
    )


def _selection_columns(data: Instructions, selection: Selection) -> dict[str, Sequence[Any]]:
    """Return the selected rows by rank, with the number of rows that each one stands for."""
    rows = selection.rows.tolist()
    return {
        "id": [data.ids[row] for row in rows],
        "rank": range(1, len(rows) + 1),
        "stands_for": np.bincount(selection.groups, minlength=len(rows)).tolist(),
        "instruction": [data.texts[row] for row in rows],
    }


def _describe_method(method: str, *, by_task: bool) -> str:
    """Describe how rows were selected."""
    how = _HOW[method]
    return f"{_BY_TASK} {how}" if by_task else how[0].upper() + how[1:]


def _read_quality(data: Instructions, name: str | None) -> list[Any] | None:
    """Return the numbers of a field, or None if no field is named."""
    if name is None:
        return None
    values = data.column(name)
    if values is None:
        fields = ", ".join(sorted({field for row in data.rows[:100] for field in row}))
        raise InputError(f"{data.source.name} has no quality field '{name}'; its fields are {fields}.")
    return values
