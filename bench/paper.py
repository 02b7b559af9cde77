"""The papers' experiments beside the peers, on the same texts and vectors: tables, figures and docs/benchmarks.md.

    python bench/paper.py [--quick] [--only NAME]... [--peers/--no-peers]        (make bench-paper)

Needs `pip install -e '.[bench]'` and the shared data (GOALSPACE_DATA, else ../shared/data); writes
bench/results/paper-*.json and *.svg, and then docs/benchmarks.md and the tables of other pages. MiniLM vectors are kept
in bench/.cache; `seconds` is without embedding the texts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
from rich.console import Console

import peers
import publish
from _ieb_rows import rows as ieb_rows
from _tables import RESULTS, Table, save, value_of
from experiments import (
    N_INIT,
    Options,
    act_next,
    categorise_bills,
    condition_on_goals,
    read_out,
    recommend_movies,
)
from goalspace.estimate import Estimate
from goalspace.files import write_atomic
from goalspace.pages.figures import figure
from ieb import Tasks, measure
from insides import leave_out, rate_topics
from methods import OURS, log

_QUICK_IEB = ("TF-IDF + SVD 300", "wordllama-256", "MiniLM", "verb–noun label, MiniLM", "task")


def embed_instructions(options: Options) -> list[Table]:
    """The Instruction Embedding Benchmark, its rows that take seconds; `make bench-ieb` has all."""
    chosen = [row for row in ieb_rows() if row.name in _QUICK_IEB]
    return measure(chosen, Tasks(options.quick))


# what to draw of each experiment's first table
EXPERIMENTS: dict[str, tuple[Callable[[Options], list[Table]], tuple[str, ...]]] = {
    "bills": (categorise_bills, ("topic", "subtopic")),
    "inspired": (recommend_movies, ("Hit@5", "Hit@20")),
    "alfworld": (act_next, ("seen", "unseen")),
    "goals": (condition_on_goals, ("topic", "style", "language")),
    "groups": (read_out, ("ARI", "NMI")),
    "topics": (rate_topics, ("NPMI", "intruders")),
    "ablations": (leave_out, ("topic", "subtopic")),
    "ieb": (embed_instructions, ("ARI", "Spearman")),
}


def draw(table: Table, columns: Sequence[str]) -> str:
    """Bars of some columns for every row that has them, with standard errors, as SVG."""
    rows = [row for row in table.rows if isinstance(row.get(columns[0]), (Estimate, float))]

    def plot(axes: Any) -> None:
        height = 0.8 / len(columns)
        places = np.arange(len(rows))[::-1]
        for i, column in enumerate(columns):
            cells = [row.get(column) for row in rows]
            means = [value_of(cell or 0.0) for cell in cells]
            errors = [cell.se if isinstance(cell, Estimate) else 0.0 for cell in cells]
            axes.barh(places - i * height, means, height, xerr=errors, label=column, error_kw={"lw": 0.8})
        axes.set_yticks(places - 0.4 + height / 2, [str(row["row"]) for row in rows])
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if str(row["row"]).startswith((OURS, "task")) else "normal")
        axes.margins(y=0.01)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(columns))

    return figure(plot, size=(7.6, 1.0 + 0.3 * len(rows)))


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(EXPERIMENTS)), help="Run these experiments.")
@click.option("--quick", is_flag=True, help="300 texts per data set, 1 fit, no targets: does it run?")
@click.option("--peers/--no-peers", "with_peers", default=True, help="Run the packages that are installed.")
def main(only: tuple[str, ...], quick: bool, with_peers: bool) -> None:
    """Print the tables, write them to bench/results/, and publish them unless they are quick ones."""
    options = Options(quick, with_peers)
    console = Console() if sys.stdout.isatty() else Console(width=170)
    missed: list[str] = []
    suffix = "-quick" if quick else ""
    started = time.perf_counter()
    for name in only or EXPERIMENTS:
        make, columns = EXPERIMENTS[name]
        tables = make(options)
        for table in tables:
            table.show(console)
            missed += table.missed()
        settings = {
            "seeds": options.seeds,
            "fits": options.fits,
            "n_init": N_INIT,
            "quick": quick,
            "peers": with_peers,
        }
        path = save(
            f"paper-{name}{suffix}", tables, settings=settings, packages=(*peers.LIBRARIES, *peers.PACKAGES)
        )
        write_atomic(RESULTS / f"paper-{name}{suffix}.svg", draw(tables[0], columns))
        log.log(f"wrote {path}; {time.perf_counter() - started:.0f} s so far")
    if missed:
        console.print("[red]below target:[/]", *missed, sep="\n  ")
    if not quick:
        publish.main()


if __name__ == "__main__":
    main()
