"""The page of a retrieval: how near the demonstrations are, examples, and the queries without any."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.errors import InputError
from goalspace.pages import Figure, Page, PageTable
from goalspace.pages.figures import NEUTRAL, PALETTE, figure
from goalspace.text import plural, to_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType

    from goalspace.curation.demonstrations import Demonstrations, Hit
    from goalspace.progress import Progress


_EXAMPLES = 6
_LISTED = 10
_DRAWN = 20  # queries from which a histogram says something
_LINE = 160  # characters of a text in a table


def retrieval_page(
    pool: str,
    n_pool: int,
    queries: Sequence[str],
    found: Sequence[Sequence[Hit]],
    *,
    text_of: Callable[[int], str],
    diversity: float,
) -> Page:
    """Describe the demonstrations of queries.

    Parameters
    ----------
    pool, n_pool
        The name of the pool and its size.
    queries, found
        The queries, and the demonstrations of each.
    text_of
        Gives the text of a demonstration by its index.
    diversity
        As in `Demonstrations.retrieve`.
    """
    best = np.array([max((hit.score for hit in hits), default=np.nan) for hits in found])
    taken = Counter(hit.index for hits in found for hit in hits)
    facts: list[tuple[str, str | int | float]] = [
        ("queries", len(queries)),
        ("rows in the pool", n_pool),
        ("rows taken at least once", len(taken)),
        ("median cosine of the nearest", float(np.nanmedian(best)) if taken else "none"),
    ]
    if diversity:
        facts.append(("diversity", diversity))
    tables = [_examples(queries, found, text_of)]
    if len(queries) > _EXAMPLES:
        tables += [_farthest(queries, found, best, text_of), _most_taken(taken, text_of)]
    return Page(
        title=f"Demonstrations from {pool}",
        lead=_lead(found, best, taken, n_pool),
        facts=facts,
        figures=[_histogram(found)] if len(queries) >= _DRAWN else [],
        tables=tables,
    )


def show_examples(
    queries: Sequence[str], found: Sequence[Sequence[Hit]], text_of: Callable[[int], str], *, most: int = 3
) -> RenderableType:
    """Return the demonstrations of a few queries for rich to print."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for place in _spread(len(queries), most):
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, min_width=4)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for hit in found[place]:
            grid.add_row(f"{hit.score:.2f}", Text(to_line(text_of(hit.index), _LINE)))
        parts += [Text(to_line(queries[place], _LINE), style="bold"), grid, Text()]
    return Group(*parts)


def _lead(found: Sequence[Sequence[Hit]], best: np.ndarray, taken: Counter[int], n_pool: int) -> str:
    if not taken:
        return "The pool holds nothing but the query itself."
    each = max(len(hits) for hits in found)
    if len(found) == 1:
        return f"{plural(each, 'demonstration')}, the nearest with a cosine of {best[0]:.2f}."
    said = f"{plural(each, 'demonstration')} for each of {len(found):,} queries, of {n_pool:,} rows."
    if len(found) <= _EXAMPLES:
        return said
    low = float(np.nanpercentile(best, 5))
    return (
        f"{said} One query in twenty has none with a cosine above {low:.2f}: the queries farthest from the pool, listed "
        "below, may ask for tasks that it lacks."
    )


def _spread(n: int, most: int) -> list[int]:
    """Return places evenly over n."""
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, most))})


def _examples(
    queries: Sequence[str], found: Sequence[Sequence[Hit]], text_of: Callable[[int], str]
) -> PageTable:
    rows: list[list[str | int | float | None]] = []
    for place in _spread(len(queries), _EXAMPLES):
        for rank, hit in enumerate(found[place]):
            query = to_line(queries[place], _LINE) if rank == 0 else ""
            rows.append([query, round(hit.score, 3), to_line(text_of(hit.index), _LINE)])
    return PageTable("Queries and their demonstrations", ["query", "cosine", "demonstration"], rows)


def _farthest(
    queries: Sequence[str], found: Sequence[Sequence[Hit]], best: np.ndarray, text_of: Callable[[int], str]
) -> PageTable:
    places = [place for place in np.argsort(best, kind="stable") if found[place]][:_LISTED]
    rows: list[list[str | int | float | None]] = []
    for place in places:
        hit = max(found[place], key=lambda hit: hit.score)
        query, text = queries[place], text_of(hit.index)
        rows.append([to_line(query, _LINE), round(hit.score, 3), to_line(text, _LINE)])
    return PageTable("Queries farthest from the pool", ["query", "cosine", "nearest demonstration"], rows)


def _most_taken(taken: Counter[int], text_of: Callable[[int], str]) -> PageTable:
    often = sorted(taken.items(), key=lambda item: (-item[1], item[0]))[:_LISTED]
    rows: list[list[str | int | float | None]] = [
        [index + 1, count, to_line(text_of(index), _LINE)] for index, count in often
    ]
    return PageTable("Demonstrations taken most often", ["row", "queries", "demonstration"], rows)


def _histogram(found: Sequence[Sequence[Hit]]) -> Figure:
    ranked = [sorted((hit.score for hit in hits), reverse=True) for hits in found if hits]
    most = max(len(scores) for scores in ranked)
    first = [scores[0] for scores in ranked]
    last = [scores[most - 1] for scores in ranked if len(scores) == most]
    bins = np.linspace(min(0.0, *last), 1, 41).tolist()

    def draw(axes: Axes) -> None:
        axes.hist(first, bins=bins, color=PALETTE[0], alpha=0.85, label="nearest demonstration")
        if most > 1:
            axes.hist(
                last,
                bins=bins,
                histtype="step",
                linewidth=1.6,
                color=PALETTE[1],
                label=f"demonstration {most} of {most}",
            )
        axes.axvline(float(np.median(first)), color=NEUTRAL, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlabel("cosine with the query")
        axes.set_ylabel("queries")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)

    return Figure(
        figure(draw, size=(6.8, 3.6)),
        "How near the demonstrations are to their queries. The dashed line is the median of the nearest.",
    )


_CHUNK = 1024  # queries


def read_queries(queries: Path | None, given: Sequence[str], field: str | None) -> list[tuple[str, str]]:
    """Return texts and ids of the queries."""
    from goalspace.instructions.dataset import Instructions

    if queries is not None:
        data = Instructions.read(queries, field=field)
        return list(zip(data.texts, data.ids, strict=True))
    if not all(text.strip() for text in given):
        raise InputError("The text of --query must not be empty.")
    return [(text, str(number)) for number, text in enumerate(given)]


def write_demonstrations(
    index: Demonstrations,
    asked: Sequence[tuple[str, str]],
    path: Path,
    k: int,
    diversity: float,
    progress: Progress,
) -> list[list[Hit]]:
    """Retrieve and write a line per query."""
    from goalspace.files import atomic_path

    every: list[list[Hit]] = []
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for start in range(0, len(asked), _CHUNK):
            progress("retrieving", start, len(asked))
            part = asked[start : start + _CHUNK]
            found = index.retrieve([text for text, _ in part], k, diversity=diversity, skip_same=True)
            for (text, id), hits in zip(part, found, strict=True):
                shown = [
                    {"index": h.index, "score": round(h.score, 6), "row": index.row(h.index)} for h in hits
                ]
                line: dict[str, Any] = {"query": text, "id": id, "demonstrations": shown}
                file.write(json.dumps(line) + "\n")
            every += found
    return every
