"""The uses of instruction embeddings: retrieval, correlation, contamination and selection.

    python -m bench.uses [--only retrieval|correlation|contamination|selection] [--quick]        (make bench-uses)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data). Writes bench/results/curation-*.json. Vectors are
cached in bench/.cache. Encoders that are not installed are omitted.
"""

from __future__ import annotations

from collections.abc import Callable

import click

from bench.kit.console import log, open_console, print_missed
from bench.kit.tables import Table, save
from bench.uses.contamination import measure_contamination
from bench.uses.correlation import measure_correlation
from bench.uses.instruction_sets import N_QUICK, N_ROWS
from bench.uses.retrieval import K, measure_retrieval
from bench.uses.selection import measure_selection

USES: dict[str, Callable[[bool], list[Table]]] = {
    "retrieval": measure_retrieval,
    "correlation": measure_correlation,
    "contamination": measure_contamination,
    "selection": measure_selection,
}


@click.command()
@click.option("--only", type=click.Choice(list(USES)), help="Run only this use.")
@click.option("--quick", is_flag=True, help="Test run: 300 rows per set.")
def main(only: str | None, quick: bool) -> None:
    """Print the tables of the uses and write them to bench/results/."""
    console = open_console()
    results: list[Table] = []
    for name, measure in USES.items():
        if only not in (None, name):
            continue
        tables = measure(quick)
        for table in tables:
            table.show(console)
        results += tables
        settings = {"k": K, "rows": N_QUICK if quick else N_ROWS, "quick": quick}
        packages = ("numpy", "scikit-learn", "scipy", "usearch")
        path = save(
            f"curation-{name}{'-quick' if quick else ''}", tables, settings=settings, packages=packages
        )
        log.log(f"wrote {path}")
    print_missed(results, console)


if __name__ == "__main__":
    main()
