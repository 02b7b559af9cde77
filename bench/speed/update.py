"""Taking 10 % further texts into a run, against a run of all texts: time, probes, and what an analyst did before.

    python -m bench.speed.update [--quick]        (make bench-update)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data). Writes bench/results/speed-update.json. Every command
runs in a separate process; CPU time depends less than wall time on the other load on the machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.kit.console import log, open_console, print_missed
from bench.kit.datasets import Dataset, bills
from bench.kit.tables import Table, save
from bench.speed.flow import Usage, measure_process
from goalspace.encoders.registry import get_encoder
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import decision_tree_probe
from goalspace.explorer.editor import Editor
from goalspace.run.folder import Run

N_QUICK = 200
SEEDS = 20  # trees per fold
GOALSPACE = (sys.executable, "-m", "goalspace.cli")
RENAMED = "a name of the analyst"
MERGED = "a merged factor"
COLUMNS = ("seconds", "CPU seconds", "CPU share", "factors", "topic", "subtopic", "kept", "note")


def measure_update(data: Dataset, folder: Path) -> Table:
    """Measure the run of all texts, that of nine tenths, and its update with the others."""
    table = Table(
        f"Update: {len(data)} texts of {data.name}, a tenth of them later",
        COLUMNS,
        "whole processes, embedding included; CPU share: of the run of all texts; topic, subtopic: balanced accuracy of a "
        f"decision tree on the scores of all texts, as in Topics of bills, mean ± s.e. over {SEEDS} tree seeds; kept: share of the "
        "earlier texts with the same dominant factor after the update",
    )
    rows = np.random.default_rng(0).permutation(len(data))
    later = np.sort(rows[: len(data) // 10])
    earlier = np.sort(rows[len(data) // 10 :])
    goal = next(iter(data.goals.values()))
    whole = _discover(data, goal, folder / "whole")
    _add(table, "all texts at once", data, Run.open(folder / "whole"), whole, whole)
    base = _discover(data.take(earlier), goal, folder / "base")
    table.add("nine tenths", **_usage(base, whole), factors=Run.open(folder / "base").factors.dim)
    before = Run.open(folder / "base")
    command = ("update", folder / "base", data.take(later).write(), "--out", folder / "updated")
    used = _measure("update", *command)
    updated = Run.open(folder / "updated")
    kept = float((updated.factors.dominant[: len(before.corpus)] == before.factors.dominant).mean())
    _add(table, "nine tenths, then the update", data, updated, used, whole, kept=kept)
    table.limit("nine tenths, then the update", CPU_share=0.15)
    # as many factors, as the number that is chosen differs with the texts
    again = ("factor", folder / "whole", "--factors", updated.factors.dim)
    _measure("factors of all texts again", *again)
    _add(table, "all texts at once, as many factors", data, Run.open(folder / "whole"))
    _add_edited(table, data.take(later), before, folder)
    return table


def _discover(data: Dataset, goal: str, out: Path) -> Usage:
    return _measure(
        out.name, "discover", data.write(), "--text", "text", "--id", "id", "--goal", goal, "--out", out
    )


def _measure(name: str, *arguments: object) -> Usage:
    with log.status(name):
        used = measure_process([*GOALSPACE, *map(str, arguments)])
    log.log(f"{name}: {used.seconds:.1f} s, {used.cpu_seconds:.1f} s of CPU")
    return used


def _usage(used: Usage, whole: Usage) -> dict[str, float]:
    return {
        "seconds": used.seconds,
        "CPU_seconds": used.cpu_seconds,
        "CPU_share": used.cpu_seconds / whole.cpu_seconds,
    }


def _add(
    table: Table,
    name: str,
    data: Dataset,
    run: Run,
    used: Usage | None = None,
    whole: Usage | None = None,
    *,
    kept: float | None = None,
) -> None:
    """Add a row with the probes on the scores, in the order of the data."""
    scores = run.factors.scores[data.rows_in(run.corpus)]
    probes: dict[str, Estimate] = {
        axis: decision_tree_probe(scores, data.labels[axis], seeds=SEEDS) for axis in ("topic", "subtopic")
    }
    usage = _usage(used, whole) if used and whole else {}
    table.add(name, **usage, factors=run.factors.dim, **probes, kept=kept)


def _add_edited(table: Table, later: Dataset, run: Run, folder: Path) -> None:
    """Rename a factor and merge two others, update, and see what is left of it."""
    editor = Editor(run, lambda: get_encoder(run.links.encoder))
    editor.do({"do": "rename", "factor": 0, "name": RENAMED})
    editor.do({"do": "merge", "factors": [1, 2], "name": MERGED})
    edited = Run.open(run.path)
    _measure("update after edits", "update", run.path, later.write(), "--out", folder / "edited")
    updated = Run.open(folder / "edited")
    same = updated.factors.names[: edited.factors.dim] == edited.factors.names
    kept = float((updated.factors.dominant[: len(run.corpus)] == edited.factors.dominant).mean())
    note = f"names and numbers after a rename and a merge: {'as before' if same else 'not as before'}"
    table.add("edited, then the update", factors=updated.factors.dim, kept=kept, note=note)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"test run: {N_QUICK} texts")
    quick = parser.parse_args().quick
    console = open_console()
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as name:
        data = bills().sample(N_QUICK) if quick else bills()
        table = measure_update(data, Path(name))
    table.show(console)
    name = f"speed-update{'-quick' if quick else ''}"
    print(save(name, [table], settings={"quick": quick}, packages=("torch", "scikit-learn")))
    print_missed([table], console)


if __name__ == "__main__":
    main()
