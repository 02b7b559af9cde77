"""Retrieval of demonstrations from a pool of instructions: retrieve_file, its output files and its report."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.curation.demonstrations import Demonstrations, Hit, check
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.files import atomic_path, data_stem
from goalspace.instructions.dataset import Instructions
from goalspace.instructions.output import Output
from goalspace.pages import Figure, Page, PageTable, write_page
from goalspace.pages.figures import NEUTRAL, PALETTE, figure
from goalspace.progress import Progress, ignore_progress
from goalspace.text import plural, to_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType


_CHUNK = 1024  # queries per batch
_EXAMPLES = 6
_LISTED = 10
_DRAWN = 20  # queries needed for a meaningful histogram
_LINE = 160  # characters per text in a table


@dataclass(frozen=True)
class Retrieval:
    """The demonstrations of queries.

    Attributes
    ----------
    queries
        The texts of the queries.
    hits
        The demonstrations of each query, best first.
    index
        The index of the pool: `index.row(hit.index)` is the row of a demonstration, `index.text(hit.index)` its text.
    """

    queries: Sequence[str]
    hits: Sequence[Sequence[Hit]]
    index: Demonstrations


def retrieve_file(
    pool: str | os.PathLike[str],
    queries: str | os.PathLike[str] | Sequence[str],
    k: int = 4,
    *,
    diversity: float = 0.0,
    field: str | None = None,
    query_field: str | None = None,
    encoder: str | Encoder = "task",
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Output[Retrieval]:
    """Retrieve the instructions of a pool that ask for the same task as each query, and write them and a report.

    A row with the text of the query is never one of its demonstrations. The index of the pool is saved in the folder,
    for later calls and for `Demonstrations.open`.

    Parameters
    ----------
    pool
        Instruction data (see `Instructions.read`).
    queries
        A file of instruction data, or a list of texts.
    k
        The number of demonstrations per query.
    diversity
        The penalty, from 0 to 1, for demonstrations similar to those already retrieved.
    field, query_field
        The fields of the pool and of the queries that carry the instruction; by default they are detected.
    encoder
        Defines which instructions are similar (see `get_encoder`).
    out
        The folder to write to; by default runs/retrieve- and the name of the pool.
    progress
        Called with (description, steps done, steps in total).

    Returns
    -------
    The demonstrations, and the file with them and the folder of the index.

    Raises
    ------
    InputError
        If a file cannot be read, a query is empty, `k` exceeds the size of the pool, or an argument is invalid.
    """
    pool, progress = Path(pool), progress or ignore_progress
    folder = Path(out or Path("runs") / f"retrieve-{data_stem(pool)}")
    progress("reading", 0, 1)
    rows = Instructions.read(pool, field=field)
    check(len(rows), k, diversity)
    texts, ids = _read_queries(queries, query_field)
    index = Demonstrations.build(
        rows.texts, rows=rows.rows, encoder=encoder, folder=folder / "index", progress=progress
    )
    path = folder / "demonstrations.jsonl"
    hits = _write_demonstrations(index, texts, ids, path, k, diversity, progress)
    page = retrieval_page(pool.name, len(rows), texts, hits, text_of=index.text, diversity=diversity)
    write_page(folder, page)
    return Output(Retrieval(texts, hits, index), folder, page, [path, folder / "index"])


def retrieval_page(
    pool: str,
    n_pool: int,
    queries: Sequence[str],
    demonstrations: Sequence[Sequence[Hit]],
    *,
    text_of: Callable[[int], str],
    diversity: float,
) -> Page:
    """Describe the demonstrations of queries.

    Parameters
    ----------
    pool, n_pool
        The name of the pool and its size.
    queries, demonstrations
        The queries, and the demonstrations of each.
    text_of
        Returns the text of a demonstration by its index.
    diversity
        As in `Demonstrations.retrieve`.
    """
    best = np.array([max((hit.score for hit in hits), default=np.nan) for hits in demonstrations])
    taken = Counter(hit.index for hits in demonstrations for hit in hits)
    facts: list[tuple[str, str | int | float]] = [
        ("queries", len(queries)),
        ("rows in the pool", n_pool),
        ("rows retrieved at least once", len(taken)),
        ("median cosine of the nearest", float(np.nanmedian(best)) if taken else "none"),
    ]
    if diversity:
        facts.append(("diversity", diversity))
    tables = [_examples(queries, demonstrations, text_of)]
    if len(queries) > _EXAMPLES:
        tables += [_farthest(queries, demonstrations, best, text_of), _most_taken(taken, text_of)]
    return Page(
        title=f"Demonstrations from {pool}",
        lead=_lead(demonstrations, best, taken, n_pool),
        facts=facts,
        figures=[_histogram(demonstrations)] if len(queries) >= _DRAWN else [],
        tables=tables,
    )


def show_examples(retrieval: Retrieval, *, limit: int = 3) -> RenderableType:
    """Return the demonstrations of a few queries as a rich renderable."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for i in _spread(len(retrieval.queries), limit):
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, min_width=4)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for hit in retrieval.hits[i]:
            grid.add_row(f"{hit.score:.2f}", Text(to_line(retrieval.index.text(hit.index), _LINE)))
        parts += [Text(to_line(retrieval.queries[i], _LINE), style="bold"), grid, Text()]
    return Group(*parts)


def _lead(demonstrations: Sequence[Sequence[Hit]], best: np.ndarray, taken: Counter[int], n_pool: int) -> str:
    if not taken:
        return "The pool contains nothing but the queries themselves."
    each = max(len(hits) for hits in demonstrations)
    if len(demonstrations) == 1:
        return f"{plural(each, 'demonstration')}, the nearest with a cosine of {best[0]:.2f}."
    sentence = (
        f"{plural(each, 'demonstration')} for each of {len(demonstrations):,} queries, from {n_pool:,} rows."
    )
    if len(demonstrations) <= _EXAMPLES:
        return sentence
    low = float(np.nanpercentile(best, 5))
    return (
        f"{sentence} For one query in twenty, no cosine exceeds {low:.2f}: the queries farthest from the pool, listed "
        "below, may ask for tasks that it lacks."
    )


def _spread(n: int, limit: int) -> list[int]:
    """Return up to `limit` indices spread evenly over n items."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, limit))})


def _examples(
    queries: Sequence[str], demonstrations: Sequence[Sequence[Hit]], text_of: Callable[[int], str]
) -> PageTable:
    rows: list[list[str | int | float | None]] = []
    for i in _spread(len(queries), _EXAMPLES):
        for rank, hit in enumerate(demonstrations[i]):
            query = to_line(queries[i], _LINE) if rank == 0 else ""
            rows.append([query, round(hit.score, 3), to_line(text_of(hit.index), _LINE)])
    return PageTable("Queries and their demonstrations", ["query", "cosine", "demonstration"], rows)


def _farthest(
    queries: Sequence[str],
    demonstrations: Sequence[Sequence[Hit]],
    best: np.ndarray,
    text_of: Callable[[int], str],
) -> PageTable:
    order = [i for i in np.argsort(best, kind="stable") if demonstrations[i]][:_LISTED]
    rows: list[list[str | int | float | None]] = []
    for i in order:
        hit = max(demonstrations[i], key=lambda hit: hit.score)
        query, text = queries[i], text_of(hit.index)
        rows.append([to_line(query, _LINE), round(hit.score, 3), to_line(text, _LINE)])
    return PageTable("Queries farthest from the pool", ["query", "cosine", "nearest demonstration"], rows)


def _most_taken(taken: Counter[int], text_of: Callable[[int], str]) -> PageTable:
    often = sorted(taken.items(), key=lambda item: (-item[1], item[0]))[:_LISTED]
    rows: list[list[str | int | float | None]] = [
        [index + 1, count, to_line(text_of(index), _LINE)] for index, count in often
    ]
    return PageTable("Demonstrations retrieved most often", ["row", "queries", "demonstration"], rows)


def _histogram(demonstrations: Sequence[Sequence[Hit]]) -> Figure:
    ranked = [sorted((hit.score for hit in hits), reverse=True) for hits in demonstrations if hits]
    k = max(len(scores) for scores in ranked)
    first = [scores[0] for scores in ranked]
    last = [scores[k - 1] for scores in ranked if len(scores) == k]
    bins = np.linspace(min(0.0, *last), 1, 41).tolist()

    def draw(axes: Axes) -> None:
        axes.hist(first, bins=bins, color=PALETTE[0], alpha=0.85, label="nearest demonstration")
        if k > 1:
            axes.hist(
                last,
                bins=bins,
                histtype="step",
                linewidth=1.6,
                color=PALETTE[1],
                label=f"demonstration {k} of {k}",
            )
        axes.axvline(float(np.median(first)), color=NEUTRAL, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlabel("cosine with the query")
        axes.set_ylabel("queries")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)

    return Figure(
        figure(draw, size=(6.8, 3.6)),
        "Cosine of the demonstrations with their queries. The dashed line is the median of the nearest.",
    )


def _read_queries(
    queries: str | os.PathLike[str] | Sequence[str], field: str | None
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the texts and ids of the queries."""
    if isinstance(queries, (str, os.PathLike)):
        data = Instructions.read(queries, field=field)
        return data.texts, data.ids
    if not len(queries):
        raise InputError("The 'queries' parameter of retrieve_file must not be empty.")
    if not all(text.strip() for text in queries):
        raise InputError("The text of a query must not be empty.")
    return tuple(queries), [str(number) for number in range(len(queries))]


def _write_demonstrations(
    index: Demonstrations,
    queries: Sequence[str],
    ids: Sequence[str],
    path: Path,
    k: int,
    diversity: float,
    progress: Progress,
) -> list[list[Hit]]:
    """Retrieve the demonstrations and write one line per query."""
    every: list[list[Hit]] = []
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for start in range(0, len(queries), _CHUNK):
            progress("retrieving", start, len(queries))
            part = slice(start, start + _CHUNK)
            demonstrations = index.retrieve(queries[part], k, diversity=diversity, skip_same=True)
            for text, id, hits in zip(queries[part], ids[part], demonstrations, strict=True):
                shown = [
                    {"index": h.index, "score": round(h.score, 6), "row": index.row(h.index)} for h in hits
                ]
                line: dict[str, Any] = {"query": text, "id": id, "demonstrations": shown}
                file.write(json.dumps(line) + "\n")
            every += demonstrations
    return every
