"""The report on a correlation of data sets: heat maps, a dendrogram, missing tasks and repeated rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from goalspace.pages import Figure, Page, PageTable
from goalspace.pages.figures import INK, PALETTE, figure
from goalspace.text import to_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType

    from goalspace.curation.contamination import Leak
    from goalspace.curation.correlation import Correlation, MissingTask


_LINE = 160  # characters per text in a table
_NAME = 28  # characters of a set's name on an axis
_NUMBERED = 14  # number of sets up to which the cells show their values
_TASKS = 6  # missing tasks listed per pair
_PAIRS = 3  # number of sets up to which all pairs are shown; above, only each set and the nearest one
_LEAKS = 25


def correlation_page(
    correlation: Correlation,
    texts: Sequence[Sequence[str]],
    missing: Sequence[tuple[str, str, Sequence[MissingTask]]],
    leaks: Sequence[tuple[str, str, Sequence[Leak]]] | None = None,
) -> Page:
    """Describe how data sets relate.

    Parameters
    ----------
    correlation
        The correlation.
    texts
        The texts of every set.
    missing
        (a, b, tasks of a missing in b) for the pairs to show.
    leaks
        (training set, test set, repeated rows) for the compared pairs; None if not requested.
    """
    facts: list[tuple[str, str | int | float]] = [
        ("data sets", len(correlation.names)),
        ("rows", sum(correlation.sizes)),
    ]
    drawn = [
        name
        for name, size, rows in zip(correlation.names, correlation.sizes, correlation.sets, strict=True)
        if size > len(rows.rows)
    ]
    if drawn:
        facts.append(("sets that were sampled", len(drawn)))
    if leaks is not None:
        facts.append(
            (
                "training rows that repeat a test row",
                len({(a, leak.train) for a, _, pairs in leaks for leak in pairs}),
            )
        )
    text_of = dict(zip(correlation.names, texts, strict=True))
    tables = [_sets(correlation)]
    if leaks is not None:
        tables.append(_repeated(leaks))
        tables += [_leaks(a, b, pairs, text_of) for a, b, pairs in leaks if pairs]
    tables += [
        _missing(a, b, tasks, text_of[a], len(correlation.sets[correlation.names.index(a)].rows))
        for a, b, tasks in missing
        if len(correlation.names) <= _PAIRS or correlation.nearest(a)[0] == b
    ]
    return Page(
        title="How the data sets relate",
        lead=_lead(correlation),
        facts=facts,
        figures=_figures(correlation),
        tables=tables,
    )


def show_matrix(correlation: Correlation) -> RenderableType:
    """Return the matrix of cosines as a rich table, with similar sets next to each other."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="cosine", title_justify="left", title_style="bold", box=None, padding=(0, 1), pad_edge=False
    )
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=_NAME)
    for number in range(1, len(correlation.names) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    order = correlation.order
    for number, i in enumerate(order, 1):
        cells = [Text("·" if i == j else f"{correlation.cosine[i, j]:.2f}") for j in order]
        near = max((j for j in range(len(order)) if j != i), key=lambda j: correlation.cosine[i, j])
        cells[order.index(near)].stylize("bold green")
        table.add_row(Text(f"{number} {to_line(correlation.names[i])}"), *cells)
    return table


def _lead(correlation: Correlation) -> str:
    pairs = [(correlation.cosine[i, j], i, j) for i in range(len(correlation.names)) for j in range(i)]
    (high, a, b), (low, c, d) = max(pairs), min(pairs)
    names = correlation.names
    if len(pairs) == 1:
        i, j = 0, 1
        return (
            f"On average, the cosine of a row of {names[i]} with the nearest row of {names[j]} is "
            f"{correlation.covered[i, j]:.2f}; from {names[j]} to {names[i]} it is {correlation.covered[j, i]:.2f}."
        )
    return (
        f"The most similar sets are {names[b]} and {names[a]} (cosine {high:.2f}), the least similar {names[d]} and {names[c]} "
        f"({low:.2f}). Cosines are between a row and the nearest row of the other set, so larger sets are closer to all others."
    )


def _figures(correlation: Correlation) -> list[Figure]:
    size = f"{len(correlation.names)} sets"
    figures = [
        _heat_map(
            correlation,
            correlation.cosine,
            "Mean cosine of a row with the nearest row of the other set, in both directions. The dendrogram joins the "
            f"most similar sets first ({size}, average linkage).",
            tree=True,
        ),
        _heat_map(
            correlation,
            correlation.covered,
            "How well the column covers the row: mean cosine of the texts of the row's set with the nearest text of the column's set.",
        ),
    ]
    if correlation.overlap is not None:
        figures.append(
            _heat_map(
                correlation,
                correlation.overlap,
                "Overlap of the task labels: 1 if the same tasks occur in the same shares, 0 if no task is shared.",
            )
        )
    return [
        *figures,
        _heat_map(
            correlation,
            correlation.wasserstein,
            "Wasserstein distance of the vectors: mean over the dimensions, in units of their spread. Smaller is more similar.",
            invert=True,
        ),
    ]


def _heat_map(
    correlation: Correlation, matrix: np.ndarray, caption: str, *, tree: bool = False, invert: bool = False
) -> Figure:
    order = list(correlation.order)
    names = [f"{number} {to_line(correlation.names[i], _NAME)}" for number, i in enumerate(order, 1)]
    values = matrix[np.ix_(order, order)]
    own = np.eye(len(order), dtype=bool)
    low, high = float(values[~own].min()), float(values[~own].max())
    shade = (values.clip(low, high) - low) / (high - low or 1)
    shade = 1 - shade if invert else shade

    def draw(axes: Axes) -> None:
        if tree:
            canvas: Any = axes.figure
            axes.remove()
            axes, beside = canvas.subplots(1, 2, width_ratios=(5, 1))
            _draw_tree(beside, correlation.linkage)
        cells = np.zeros((*values.shape, 4))
        cells[..., :3] = [int(PALETTE[0][at : at + 2], 16) / 255 for at in (1, 3, 5)]
        cells[..., 3] = np.where(own, 0, 0.06 + 0.69 * shade)
        axes.imshow(cells, aspect="auto")
        axes.set_xticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)])
        axes.set_yticks(range(len(names)), names)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for i, j in np.ndindex(values.shape) if len(names) <= _NUMBERED else ():
            if i != j:
                axes.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=9, color=INK)

    return Figure(figure(draw, size=(7.2 if tree else 6.1, 0.6 + 0.34 * len(names))), caption)


def _draw_tree(axes: Axes, linkage: np.ndarray) -> None:
    """Draw the dendrogram beside the rows of the heat map."""
    from scipy.cluster.hierarchy import dendrogram

    drawn = dendrogram(linkage, no_plot=True)
    for across, up in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        # scipy puts the leaves at 5, 15, 25, …; the rows of the heat map are at 0, 1, 2, …
        axes.plot(across, [(leaf - 5) / 10 for leaf in up], color=INK, linewidth=1)
    axes.set_ylim(len(linkage) + 0.5, -0.5)
    axes.set_axis_off()


def _sets(correlation: Correlation) -> PageTable:
    labels = [rows.labels for rows in correlation.sets]
    rows: list[list[str | int | float | None]] = []
    for i, name in enumerate(correlation.names):
        near = correlation.nearest(name)[0]
        own = labels[i]
        tasks = [] if own is None else [len(set(own))]
        rows.append(
            [
                name,
                correlation.sizes[i],
                *tasks,
                near,
                round(float(correlation.cosine[i, correlation.names.index(near)]), 3),
            ]
        )
    columns = ["data set", "rows", *(["tasks"] if labels[0] is not None else []), "most similar", "cosine"]
    return PageTable("The data sets", columns, rows)


def _missing(a: str, b: str, tasks: Sequence[MissingTask], texts: Sequence[str], n_rows: int) -> PageTable:
    rows: list[list[str | int | float | None]] = [
        [_task(task), len(task.rows), round(task.cosine, 3), to_line(texts[task.rows[0]], _LINE)]
        for task in tasks[:_TASKS]
    ]
    outside = sum(len(task.rows) for task in tasks)
    title = f"In {a}, not in {b}: {outside:,} of {n_rows:,} rows" if tasks else f"In {a}, not in {b}: nothing"
    return PageTable(title, ["task", "rows", "cosine", "example"], rows)


def _task(task: MissingTask) -> str:
    return " · ".join(", ".join(names) for names in (task.labels, task.words) if names)


def _repeated(leaks: Sequence[tuple[str, str, Sequence[Leak]]]) -> PageTable:
    rows: list[list[str | int | float | None]] = []
    for a, b, pairs in leaks:
        kinds = Counter(leak.kind for leak in pairs)
        summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common()) or "none"
        rows.append([a, len({leak.train for leak in pairs}), b, len({leak.test for leak in pairs}), summary])
    return PageTable("Repeated rows", ["training set", "rows", "test set", "rows", "pairs"], rows)


def _leaks(a: str, b: str, leaks: Sequence[Leak], text_of: dict[str, Sequence[str]]) -> PageTable:
    rows: list[list[str | int | float | None]] = [
        [
            leak.kind,
            round(leak.similarity, 3),
            leak.train + 1,
            to_line(text_of[a][leak.train], _LINE),
            leak.test + 1,
            to_line(text_of[b][leak.test], _LINE),
        ]
        for leak in leaks[:_LEAKS]
    ]
    first = f": the {_LEAKS} most similar" if len(leaks) > _LEAKS else ""
    title = f"Rows of {a} that repeat rows of {b}{first}"
    return PageTable(title, ["kind", "similarity", "row", f"in {a}", "row", f"in {b}"], rows)
