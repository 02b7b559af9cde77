"""Time and memory of the whole flow without a language model; every command runs in a separate process.

    python -m bench.speed.flow [--quick]        (make bench)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data), and `pip install -e '.[bench]'` for the peers. Writes
bench/results/speed-flow.json. Times include everything: starting Python, embedding, the report.
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

from bench.kit.console import log, open_console, print_missed
from bench.kit.datasets import Dataset, bills, cfpb
from bench.kit.tables import Table, save
from goalspace.run.folder import Run

N_QUICK = 100
N_STARTS = 5
GOALSPACE = str(Path(sys.executable).with_name("goalspace"))  # installed next to Python

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
_READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
from goalspace.encoders.minilm import MiniLM
with open(sys.argv[1], encoding="utf-8") as lines:
    texts = [json.loads(line)["text"] for line in lines]
"""
_LOAD = """
from sentence_transformers import SentenceTransformer
encoder = SentenceTransformer(str(MiniLM().folder), device="cpu")
"""
_PEER_HEAD = _READ + _LOAD  # what a user of the peer runs first: read the texts, load the encoder
_ENCODERS = {
    "goalspace": "MiniLM().encode(texts)",
    "sentence-transformers": f"{_LOAD}encoder.encode(texts)",
}


@dataclass(frozen=True)
class Usage:
    """What a process used: wall time, CPU time and peak resident memory."""

    seconds: float
    cpu_seconds: float
    peak_gb: float


def measure_process(command: Sequence[str]) -> Usage:
    """Run a command and return what it used.

    Raises
    ------
    RuntimeError
        If the command fails, with the end of its stderr.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            message = errors.read()[-300:].decode(errors="replace").strip()
            raise RuntimeError(message or f"exit code {process.returncode}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024**2)


def measure_flow(data: Dataset, folder: Path, *, targets: bool) -> Table:
    """Measure `discover` with and without cached vectors, and the peers, on one data set."""
    table = Table(
        f"The flow without an LLM: {len(data)} texts of {data.name}",
        ("seconds", "CPU seconds", "peak GB", "propose", "link", "factor", "note"),
        "whole processes; stages in seconds, including embedding if vectors are not cached",
    )
    source, goal = data.write(), next(iter(data.goals.values()))
    whole, again = folder / data.name, folder / f"{data.name}-again"
    add_run(table, "goalspace, offline", source, goal, whole, note="embedding included")
    beginnings = ("--encoder", "minilm", "--passages", "off")
    name = f"goalspace, {' '.join(beginnings)}"
    add_run(table, name, source, goal, folder / f"{data.name}-minilm", *beginnings, note="as the peers read")
    again.mkdir()
    shutil.copytree(whole / "vectors", again / "vectors")
    add_run(table, "goalspace, after embedding", source, goal, again, note="vectors were there")
    for name, code in _PEERS.items():
        try:
            used = measure_process([sys.executable, "-c", _PEER_HEAD + code, str(source)])
        except RuntimeError as error:
            table.add(name, note=str(error).splitlines()[-1][:60])
            continue
        add_usage(table, name, used, note="embedding included")
    if targets:
        table.limit("goalspace, offline", seconds=240)
        table.limit("goalspace, after embedding", seconds=60)
    return table


def add_run(table: Table, name: str, source: Path, goal: str, out: Path, *options: str, note: str) -> None:
    """Run `discover` and add its row."""
    command = (GOALSPACE, "discover", source, "--text", "text", "--id", "id")
    with log.status(f"{table.title}: {name}"):
        used = measure_process([*map(str, command), "--goal", goal, "--out", str(out), *options])
    stages = Run.open(out).record["stages"]
    stage_seconds = {stage: float(stages[stage]["seconds"]) for stage in ("propose", "link", "factor")}
    add_usage(table, name, used, note=note, **stage_seconds)


def add_usage(table: Table, name: str, used: Usage, *, note: str | None, **stages: float) -> None:
    """Add a row for a process."""
    log.log(f"{name}: {used.seconds:.1f} s")
    table.add(
        name,
        seconds=used.seconds,
        CPU_seconds=used.cpu_seconds,
        peak_GB=used.peak_gb,
        **({} if note is None else {"note": note}),
        **stages,
    )


def measure_encoding(data: Dataset) -> Table:
    """Measure MiniLM in goalspace and in sentence-transformers on the beginnings of the same texts."""
    table = Table(
        f"Encoding: {len(data)} texts of {data.name}",
        ("seconds", "CPU seconds", "peak GB"),
        "whole processes, import and loading included; both read 256 tokens of a text",
    )
    for name, code in _ENCODERS.items():
        add_usage(
            table, name, measure_process([sys.executable, "-c", _READ + code, str(data.write())]), note=None
        )
    return table


def measure_start(run: Path) -> Table:
    """Measure what must start instantly."""
    table = Table("Starting", ("seconds, fastest of five",))
    opened = f"from goalspace import Run; run = Run.open({str(run)!r}); run.factors.scores"
    for name, command in {
        "goalspace --help": (GOALSPACE, "--help"),
        "goalspace, open a run": (sys.executable, "-c", opened),
        "python, nothing": (sys.executable, "-c", "pass"),
    }.items():
        best = min(measure_process(command).seconds for _ in range(N_STARTS))
        table.add(name, **{"seconds, fastest of five": best})
    table.limit("goalspace --help", **{"seconds, fastest of five": 0.3})
    return table


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"test run: {N_QUICK} texts per data set")
    quick = parser.parse_args().quick
    console = open_console()
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as name:
        folder = Path(name)
        sets = [read().sample(N_QUICK) if quick else read() for read in (bills, cfpb)]
        tables = [measure_flow(data, folder, targets=not quick and data.name == "bills") for data in sets]
        tables.append(measure_encoding(sets[0]))
        tables.append(measure_start(folder / sets[0].name))
    for table in tables:
        table.show(console)
    packages = ("torch", "sentence-transformers", "scikit-learn", "bertopic", "turftopic")
    print(
        save(f"speed-flow{'-quick' if quick else ''}", tables, settings={"quick": quick}, packages=packages)
    )
    print_missed(tables, console)


if __name__ == "__main__":
    main()
