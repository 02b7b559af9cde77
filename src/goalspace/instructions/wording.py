"""The wording of reports on labelled instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from goalspace.run.wording import Wording
from goalspace.text import format_percent, plural

_CITATIONS = (
    {
        "what": "instructions by task (Instruction Embedding)",
        "text": "Li, Shi, Feng, Yuan, Wang, Pan, Wang, Hu, Li: Instruction Embedding: Latent Representations of "
        "Instructions Towards Task Identification. NeurIPS 2024, Datasets and Benchmarks. arXiv:2409.19680",
        "url": "https://arxiv.org/abs/2409.19680",
    },
)


def task_wording(n_tasks: int) -> Wording:
    """Return the wording for instructions with `n_tasks` tasks."""
    return Wording("instructions", _CITATIONS, partial(_headline, n_tasks=n_tasks))


def _headline(tasks: Sequence[Mapping[str, Any]], totals: Mapping[str, Any], *, n_tasks: int) -> str:
    """Return the headline; the first factor is the most frequent task."""
    rest = totals["n_texts"] - totals["n_described"]
    without = f"{format_percent(rest / totals['n_texts'])} have no recognisable task"
    return (
        f"{plural(totals['n_texts'], 'instruction')}, {plural(n_tasks, 'task')}. The most "
        f"common, “{tasks[0]['name']}”, is asked for by {format_percent(tasks[0]['share'])} of them; "
        f"{without if rest else 'every instruction has a task'}."
    )
