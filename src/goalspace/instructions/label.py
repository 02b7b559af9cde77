"""Task labels of instruction data: label_file, the tables that it writes, and its report."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from goalspace.curation.tasklabels import TaskLabels, label_tasks, taxonomy
from goalspace.encoders.registry import get_encoder
from goalspace.files import data_stem
from goalspace.instructions.dataset import Instructions
from goalspace.instructions.labelled import save_instructions
from goalspace.instructions.output import Output
from goalspace.language import OTHER
from goalspace.pages import Figure, Page, PageTable, write_page
from goalspace.pages.figures import NEUTRAL, PALETTE, figure
from goalspace.progress import Progress, ignore_progress
from goalspace.reports.terminal import share_bar
from goalspace.tables.writing import write_table
from goalspace.text import format_percent, plural, to_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_BARS, _PRINTED, _LISTED, _EXAMPLES, _COLOURED = 25, 12, 40, 3, 7
_REST = "Other"


def label_file(
    file: str | os.PathLike[str],
    *,
    field: str | None = None,
    input: bool = False,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Output[TaskLabels]:
    """Label the task of each instruction in a file, and write the labels, tables and a report.

    Parameters
    ----------
    file
        Instruction data (see `Instructions.read`).
    field
        The field that carries the instruction; by default it is detected.
    input
        Whether to append the field ``input`` to the instruction.
    out
        The folder to write to; by default runs/label- and the name of the file.
    progress
        Called with (description, steps done, steps in total).

    Returns
    -------
    The labels, and the files with rows, tables and instructions; `explore` opens the folder.

    Raises
    ------
    InputError
        If the file cannot be read or has no instructions.
    """
    file, progress = Path(file), progress or ignore_progress
    started = time.monotonic()
    encoder = get_encoder("minilm")
    progress("reading", 0, 1)
    data = Instructions.read(file, field=field, input=input)
    labels = label_tasks(data.texts, encoder=encoder, progress=progress)
    progress("grouping tasks", 0, 1)
    groups = taxonomy(labels.labels, encoder=encoder)
    progress("writing the report", 0, 1)
    page = label_page(file.name, data.texts, labels, groups, n_empty=data.n_empty)
    folder = Path(out or Path("runs") / f"label-{data_stem(file)}")
    files = write_label_tables(folder, data, labels, groups)
    n_tasks = len(labels.counts.keys() - {OTHER})
    files.append(save_instructions(folder, data, n_tasks=n_tasks, seconds=time.monotonic() - started))
    write_page(folder, page)
    return Output(labels, folder, page, files)


def label_page(
    name: str,
    texts: Sequence[str],
    labels: TaskLabels,
    groups: Mapping[str, Mapping[str, int]],
    *,
    n_empty: int = 0,
) -> Page:
    """Describe the tasks in a file of instructions.

    Parameters
    ----------
    name
        The name of the file.
    texts
        The instructions.
    labels
        The labels of the instructions.
    groups
        Group → task → number of instructions, from `taxonomy`.
    n_empty
        The number of rows without an instruction.
    """
    counts = {task: n for task, n in labels.counts.items() if task != OTHER}
    n_other = len(labels) - sum(counts.values())
    once = sum(n == 1 for n in counts.values())
    facts: list[tuple[str, str | int | float]] = [
        ("instructions", len(labels)),
        ("tasks", len(counts)),
        ("tasks that occur once", once),
        ("instructions without a task", n_other),
    ]
    if n_empty:
        facts.append(("rows without an instruction", n_empty))
    return Page(
        title=f"{name}: {plural(len(counts), 'task')}",
        lead=_lead(labels, counts),
        facts=facts,
        figures=[_tasks_figure(counts, groups, len(labels)), _groups_figure(groups, len(labels))],
        tables=[_groups_table(groups, len(labels)), _tasks_table(texts, labels, groups)],
    )


def tasks_table(labels: TaskLabels) -> Table:
    """Return the most frequent tasks with their shares as a rich table."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
    table.add_column("task", overflow="fold", max_width=40)
    table.add_column("instructions", justify="right", no_wrap=True)
    table.add_column("share", no_wrap=True)
    rows = labels.distribution()
    top = rows[0][2] if rows else 1.0
    for task, n, share in rows[:_PRINTED]:
        style = "dim" if task == OTHER else "bold"
        table.add_row(
            Text(task, style=style), f"{n:,}", share_bar(share, top, "dim" if task == OTHER else "cyan")
        )
    if len(rows) > _PRINTED:
        n = sum(n for _, n, _ in rows[_PRINTED:])
        more = plural(len(rows) - _PRINTED, "more task")
        table.add_row(
            Text(more, style="dim"),
            f"{n:,}",
            Text(f"{format_percent(n / len(labels)):>14}", style="dim"),
        )
    return table


def _lead(labels: TaskLabels, counts: Mapping[str, int]) -> str:
    if not counts:
        return "No instruction has a recognisable task."
    first, n = next(iter(counts.items()))
    ten = sum(list(counts.values())[:10]) / len(labels)
    return (
        f"A task is the verb and the object that an instruction asks for. The most frequent is {first}, "
        f"{format_percent(n / len(labels))} of all instructions; the ten most frequent make up "
        f"{format_percent(ten)}."
    )


def _tasks_figure(counts: Mapping[str, int], groups: Mapping[str, Mapping[str, int]], total: int) -> Figure:
    shown = list(counts.items())[:_BARS]
    group_of = {task: group for group, tasks in groups.items() for task in tasks}
    present = [group for group in groups if any(group_of[task] == group for task, _ in shown)]
    named = present if len(present) <= _COLOURED + 1 else present[:_COLOURED]
    parts = [(group, [group], colour) for group, colour in zip(named, PALETTE, strict=False)]
    if len(named) < len(present):
        parts.append(("other groups", present[_COLOURED:], NEUTRAL))

    def draw(axes: Axes) -> None:
        for name, members, colour in parts:
            positions = [i for i, (task, _) in enumerate(shown) if group_of[task] in members]
            axes.barh(positions, [shown[i][1] for i in positions], 0.72, color=colour, label=name)
        largest = shown[0][1] if shown else 1
        for i, (_, n) in enumerate(shown):
            axes.annotate(f"{n:,}", (n, i), (4, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_xlim(0, largest * 1.12)
        axes.set_yticks(range(len(shown)), [task for task, _ in shown])
        axes.tick_params(left=False)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel("instructions")
        if len(present) > 1:
            axes.legend(loc="lower right", fontsize=9)

    caption = (
        f"The {len(shown)} most frequent tasks, coloured by group." if len(shown) > 1 else "The only task."
    )
    rest = total - sum(n for _, n in shown)
    if rest:
        caption += f" {format_percent(rest / total)} of the instructions ask for other tasks."
    return Figure(figure(draw, size=(6.8, 1.2 + 0.26 * max(len(shown), 2))), caption)


def _groups_figure(groups: Mapping[str, Mapping[str, int]], total: int) -> Figure:
    sizes = [(group, sum(tasks.values())) for group, tasks in groups.items()]

    def draw(axes: Axes) -> None:
        shares = [100 * n / total for _, n in sizes]
        colours = [NEUTRAL if group == _REST else PALETTE[0] for group, _ in sizes]
        axes.barh(range(len(sizes)), shares, 0.72, color=colours)
        for i, share in enumerate(shares):
            text = format_percent(share / 100)
            axes.annotate(text, (share, i), (4, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_xlim(0, max(shares, default=1) * 1.12)
        axes.set_yticks(range(len(sizes)), [group for group, _ in sizes])
        axes.tick_params(left=False)
        axes.set_ylim(len(sizes) - 0.4, -0.6)
        axes.set_xlabel("percent of the instructions")

    return Figure(figure(draw, size=(6.8, 1.0 + 0.28 * max(len(sizes), 2))), "Groups of tasks.")


def _groups_table(groups: Mapping[str, Mapping[str, int]], total: int) -> PageTable:
    rows: list[list[str | int | float]] = []
    for group, tasks in groups.items():
        n = sum(tasks.values())
        named = ", ".join(
            f"{task} ({count:,})" for task, count in list(tasks.items())[:_EXAMPLES] if task != OTHER
        )
        rows.append([group, named or "no recognisable task", n, _percent(n / total), len(tasks)])
    columns = ["group", "most frequent tasks", "instructions", "percent", "tasks"]
    return PageTable("Groups of tasks", columns, rows)


def _tasks_table(
    texts: Sequence[str], labels: TaskLabels, groups: Mapping[str, Mapping[str, int]]
) -> PageTable:
    group_of = {task: group for group, tasks in groups.items() for task in tasks}
    example: dict[str, str] = {}
    for text, label in zip(texts, labels.labels, strict=True):
        example.setdefault(label, text)
    rows: list[list[str | int | float]] = [
        [task, to_line(example[task], 120), n, _percent(share), group_of[task]]
        for task, n, share in labels.distribution()[:_LISTED]
    ]
    more = len(labels.counts) - len(rows)
    title = f"The {len(rows)} most frequent tasks" if more else "Tasks"
    return PageTable(title, ["task", "first example", "instructions", "percent", "group"], rows)


def _percent(share: float) -> float:
    return round(100 * share, 1)


def write_label_tables(
    folder: Path, data: Instructions, labels: TaskLabels, groups: dict[str, dict[str, int]]
) -> list[Path]:
    """Write the labels as tables, and the labelled rows in the format of the file."""
    group_of = {task: group for group, tasks in groups.items() for task in tasks}
    columns = {
        "id": list(data.ids),
        "task": list(labels.labels),
        "group": [group_of[task] for task in labels.labels],
        "kind": list(labels.kinds),
        "verb": list(labels.verbs),
        "noun": list(labels.nouns),
    }
    written = write_table(folder / "labels", columns)
    if data.can_add:
        rows = folder / f"labelled{data.source.name.removeprefix(data_stem(data.source))}"
        data.write(range(len(data)), rows, added={data.free_field("task"): labels.labels})
        written.append(rows)
    return written
