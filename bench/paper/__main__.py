"""The papers' experiments with goalspace and its peers, on the same texts and vectors.

    python -m bench.paper [--quick] [--only NAME]... [--peers/--no-peers]        (make bench-paper)

Requires `pip install -e '.[bench]'` and the shared data (GOALSPACE_DATA, by default ../shared/data). Writes
bench/results/paper-*.json and *.svg, then docs/benchmarks.md and the tables of other pages. MiniLM vectors are cached in
bench/.cache; `seconds` excludes embedding the texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np

from bench.kit import peers
from bench.kit.console import log, open_console, print_missed
from bench.kit.encoders import select_rows
from bench.kit.paths import RESULTS
from bench.kit.result_pages import publish
from bench.kit.tables import Table, save, value_of
from bench.paper.ablations import ablate
from bench.paper.bills import categorise_bills
from bench.paper.goals import condition_on_goals
from bench.paper.groups import group_texts
from bench.paper.ieb import Tasks, measure
from bench.paper.methods import OURS
from bench.paper.neighbours import act_next, recommend_movies
from bench.paper.options import N_INIT, Options
from bench.paper.topics import rate_topics
from goalspace.estimate import Estimate
from goalspace.files import write_atomic
from goalspace.pages.figures import figure

_FAST_ENCODERS = ("TF-IDF + SVD 300", "wordllama-256", "MiniLM", "verb–noun label, MiniLM", "task")


def embed_instructions(options: Options) -> list[Table]:
    """Run the Instruction Embedding Benchmark on the encoders that take seconds; `make bench-ieb` runs all."""
    return measure(select_rows(*_FAST_ENCODERS), Tasks(options.quick))


# the experiments, with the columns of their first table that the figure shows
EXPERIMENTS: dict[str, tuple[Callable[[Options], list[Table]], tuple[str, ...]]] = {
    "bills": (categorise_bills, ("topic", "subtopic")),
    "inspired": (recommend_movies, ("Hit@5", "Hit@20")),
    "alfworld": (act_next, ("seen", "unseen")),
    "goals": (condition_on_goals, ("topic", "style", "language")),
    "groups": (group_texts, ("ARI", "NMI")),
    "topics": (rate_topics, ("NPMI", "intruders")),
    "ablations": (ablate, ("topic", "subtopic")),
    "ieb": (embed_instructions, ("ARI", "Spearman")),
}


def draw(table: Table, columns: Sequence[str]) -> str:
    """Draw bars with standard errors for these columns, for every row that has them; return the SVG."""
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
@click.option(
    "--only", multiple=True, type=click.Choice(list(EXPERIMENTS)), help="Run only these experiments."
)
@click.option("--quick", is_flag=True, help="Test run: 300 texts per data set, 1 fit, no targets.")
@click.option("--peers/--no-peers", "with_peers", default=True, help="Include the peers that are installed.")
def main(only: tuple[str, ...], quick: bool, with_peers: bool) -> None:
    """Print the tables, write them to bench/results/ and, unless --quick, publish them."""
    options = Options(quick, with_peers)
    console = open_console(170)
    results: list[Table] = []
    suffix = "-quick" if quick else ""
    started = time.perf_counter()
    for name in only or EXPERIMENTS:
        make, columns = EXPERIMENTS[name]
        tables = make(options)
        for table in tables:
            table.show(console)
        results += tables
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
    print_missed(results, console)
    if not quick:
        publish()


if __name__ == "__main__":
    main()
