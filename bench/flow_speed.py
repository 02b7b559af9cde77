"""Seconds and memory of the whole flow without a language model, each command in a process of its own.

    python bench/flow_speed.py [--quick]

Needs the shared data (GOALSPACE_DATA, else ../shared/data), and `pip install -e '.[bench]'` for the peers; writes
bench/results/speed-flow.json. Everything is counted: starting Python, embedding, the report.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from _data import Dataset, bills, cfpb
from _tables import Table, save
from goalspace.run.folder import Run

log = Console(stderr=True, log_path=False)
N_QUICK = 100
N_HELP = 5
GOALSPACE = str(Path(sys.executable).with_name("goalspace"))  # what an install puts beside its Python

_PEERS = {
    "BERTopic": """
from bertopic import BERTopic
from sklearn.feature_extraction.text import CountVectorizer
model = BERTopic(embedding_model=encoder, vectorizer_model=CountVectorizer(stop_words="english"))
model.fit_transform(texts)
""",
    "KeyNMF": """
from turftopic import KeyNMF
KeyNMF(50, encoder=encoder).fit_transform(texts)
""",
}
# what a peer's user runs: load the encoder, embed, fit
_PEER_HEAD = """
import json, sys, warnings
warnings.simplefilter("ignore")
from sentence_transformers import SentenceTransformer
from goalspace.encoders.minilm import MiniLM
encoder = SentenceTransformer(str(MiniLM().folder), device="cpu")
with open(sys.argv[1], encoding="utf-8") as lines:
    texts = [json.loads(line)["text"] for line in lines]
"""


@dataclass(frozen=True)
class Spent:
    """What a process needed: wall seconds, processor seconds, largest resident memory."""

    seconds: float
    cpu_seconds: float
    peak_gb: float


def spend(command: Sequence[str]) -> Spent:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it fails; says how its errors end.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read()[-300:].decode(errors="replace").strip()
            raise RuntimeError(said or f"exit code {process.returncode}")
    return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024**2)


def measure_flow(data: Dataset, folder: Path, *, targets: bool) -> Table:
    """Time discover with and without stored vectors, and the peers, on one data set."""
    table = Table(
        f"The flow without an LLM: {len(data)} texts of {data.name}",
        ("seconds", "CPU seconds", "peak GB", "propose", "link", "factor", "note"),
        "whole processes; the stages in seconds, embedding included where vectors are not there yet",
    )
    source, goal = data.write(), next(iter(data.goals.values()))
    whole, again = folder / data.name, folder / f"{data.name}-again"
    add_run(table, "goalspace, offline", source, goal, whole, note="embedding included")
    again.mkdir()
    shutil.copytree(whole / "vectors", again / "vectors")
    add_run(table, "goalspace, after embedding", source, goal, again, note="vectors were there")
    for name, code in _PEERS.items():
        try:
            spent = spend([sys.executable, "-c", _PEER_HEAD + code, str(source)])
        except RuntimeError as error:
            table.add(name, note=str(error).splitlines()[-1][:60])
            continue
        add_spent(table, name, spent, note="embedding included")
    if targets:
        table.limit("goalspace, offline", seconds=240)
        table.limit("goalspace, after embedding", seconds=60)
    return table


def add_run(table: Table, name: str, source: Path, goal: str, out: Path, *, note: str) -> None:
    """Run discover and add its row."""
    command = (GOALSPACE, "discover", source, "--text", "text", "--id", "id")
    with log.status(f"{table.title}: {name}"):
        spent = spend([*map(str, command), "--goal", goal, "--out", str(out)])
    stages = Run.open(out).record["stages"]
    took = {stage: float(stages[stage]["seconds"]) for stage in ("propose", "link", "factor")}
    add_spent(table, name, spent, note=note, **took)


def add_spent(table: Table, name: str, spent: Spent, *, note: str, **stages: float) -> None:
    """Add the row of a process."""
    log.log(f"{name}: {spent.seconds:.1f} s")
    table.add(
        name,
        seconds=spent.seconds,
        CPU_seconds=spent.cpu_seconds,
        peak_GB=spent.peak_gb,
        note=note,
        **stages,
    )


def measure_start(run: Path) -> Table:
    """Time what should not wait for anything."""
    table = Table("Starting", ("seconds, fastest of five",))
    opened = f"from goalspace import Run; run = Run.open({str(run)!r}); run.factors.scores"
    for name, command in {
        "goalspace --help": (GOALSPACE, "--help"),
        "goalspace, open a run": (sys.executable, "-c", opened),
        "python, nothing": (sys.executable, "-c", "pass"),
    }.items():
        best = min(spend(command).seconds for _ in range(N_HELP))
        table.add(name, **{"seconds, fastest of five": best})
    table.limit("goalspace --help", **{"seconds, fastest of five": 0.3})
    return table


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"{N_QUICK} texts: does it run?")
    quick = parser.parse_args().quick
    console = Console() if sys.stdout.isatty() else Console(width=150)
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as name:
        folder = Path(name)
        sets = [read().sample(N_QUICK) if quick else read() for read in (bills, cfpb)]
        tables = [measure_flow(data, folder, targets=not quick and data.name == "bills") for data in sets]
        tables.append(measure_start(folder / sets[0].name))
    for table in tables:
        table.show(console)
    packages = ("torch", "sentence-transformers", "scikit-learn", "bertopic", "turftopic")
    print(
        save(f"speed-flow{'-quick' if quick else ''}", tables, settings={"quick": quick}, packages=packages)
    )
    missed = [line for table in tables for line in table.missed()]
    if missed:
        console.print("[red]below target:[/]", *missed, sep="\n  ")


if __name__ == "__main__":
    main()
