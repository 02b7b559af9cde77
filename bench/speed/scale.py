"""Growth with the number of texts: seconds, CPU time and memory of every stage after embedding, beside BERTopic.

    python -m bench.speed.scale [--sizes 1000,10000,100000,1000000] [--peer-limit 100000]        (make bench-scale)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data), and `pip install -e '.[bench]'` for the peer. Every command
runs in a separate process. The texts are recombined real sentences, whose vectors are given (bench/speed/recombined.py); 2,000
of them have recorded properties, as after a language model has read a sample. Writes bench/results/speed-scale.json and .svg.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.kit.console import log, open_console, print_missed
from bench.kit.paths import RESULTS
from bench.kit.tables import Table, save
from bench.speed.flow import Usage, measure_process
from bench.speed.recombined import GOAL, N_PROPOSED, Recombined, write_input
from goalspace.files import write_atomic
from goalspace.run.folder import Run

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LINEAR = (
    10_000  # texts from which growth is measured; below, what does not depend on them takes most of the time
)
GOALSPACE = (sys.executable, "-m", "goalspace.cli")
COLUMNS = ("texts", "seconds", "CPU seconds", "peak GB", "corpus", "propose", "link", "factor", "note")
PARTS = ("moments", "fit", "groups", "scores", "map")

_PEER = """
import json, sys
import numpy as np
from bertopic import BERTopic
from sklearn.feature_extraction.text import CountVectorizer
with open(sys.argv[1], encoding="utf-8") as lines:
    texts = [json.loads(line)["text"] for line in lines]
vectors = np.load(sys.argv[2])
model = BERTopic(vectorizer_model=CountVectorizer(stop_words="english"), low_memory=True)
model.fit_transform(texts, vectors)
"""


def measure_run(table: Table, n: int, folder: Path) -> Path:
    """Measure the whole run of n texts after embedding, and some of its stages alone; return its folder."""
    texts, properties, vectors = write_input(folder, n)
    run = folder / "run"
    run.mkdir()
    shutil.copytree(vectors, run / "vectors", copy_function=os.link)
    source = ("--text", "text", "--id", "id", "--llm", f"recorded:{properties}", "--encoder", "minilm")
    used = _measure(f"{n}: run", "discover", texts, "--goal", GOAL, *source, "--out", run)
    stages = Run.open(run).record["stages"]
    seconds = {stage: float(stages[stage]["seconds"]) for stage in ("corpus", "propose", "link", "factor")}
    _add(table, "goalspace, whole run", n, used, **seconds)
    for verb in ("link", "factor", "report"):
        _add(table, f"goalspace {verb}", n, _measure(f"{n}: {verb}", verb, run), note="alone")
    return run


def measure_parts(table: Table, n: int, run: Path) -> None:
    """Measure the parts of the stage `factor` in one process, and add their seconds."""
    command = [sys.executable, "-m", "bench.speed.scale", "--parts", str(run)]
    with log.status(f"{n}: parts"):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    table.add(f"{n:,} texts", **json.loads(done.stdout.splitlines()[-1]))


def time_parts(run: Path) -> dict[str, float]:
    """Return the seconds of the parts of the stage `factor` of a run."""
    from goalspace.corex.blocks import measure_moments
    from goalspace.factors import fitting, scoring
    from goalspace.vectors.projection import lay_out

    opened = Run.open(run)
    links, factors = opened.links, opened.factors
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - started
        return result

    moments = timed("moments", lambda: measure_moments(links.text_vectors))
    timed("fit", lambda: fitting.fit_corex(moments, links.property_vectors, factors.dim))
    timed(
        "groups",
        lambda: fitting.fit_structure(links.text_vectors, links.property_vectors, factors.dim),
    )
    timed("scores", lambda: factors.score(links.text_vectors))
    along = scoring.project_texts(links.text_vectors, factors.prototypes, factors.centre)
    timed("map", lambda: lay_out(along))
    return seconds


def measure_peer(table: Table, n: int, folder: Path) -> None:
    """Measure BERTopic on the same texts and vectors."""
    vectors = folder / "vectors.npy"
    np.save(vectors, Recombined(n).vectors(0, n))
    try:
        with log.status(f"{n}: BERTopic"):
            used = measure_process([sys.executable, "-c", _PEER, str(folder / "texts.jsonl"), str(vectors)])
    except RuntimeError as error:
        table.add("BERTopic", texts=n, note=str(error).splitlines()[-1][:60])
        return
    _add(table, "BERTopic", n, used, note="the same vectors")


def add_growth(table: Table, sizes: Sequence[int]) -> None:
    """Add a row with the exponents b of seconds ~ n^b, by least squares from 10,000 texts."""
    measured = [(n, row) for n, row in zip(sizes, table.rows, strict=True) if n >= LINEAR]
    if len(measured) < 2:
        return
    logs = np.log([n for n, _ in measured])
    exponents = {
        part: float(np.polyfit(logs, np.log([row[part] for _, row in measured]), 1)[0]) for part in PARTS
    }
    table.add("growth exponent", **exponents)
    table.limit("growth exponent", moments=1.05, fit=0.1, groups=1.05, scores=1.05, map=1.05)


def plot(table: Table) -> str:
    """Draw seconds over the number of texts, on logarithmic axes."""
    from matplotlib.ticker import StrMethodFormatter

    from goalspace.pages.figures import figure

    def draw(axes: Any) -> None:
        for name in dict.fromkeys(str(row["row"]) for row in table.rows):
            own = [row for row in table.rows if row["row"] == name and row.get("seconds") is not None]
            axes.plot(
                [row["texts"] for row in own],
                [row["seconds"] for row in own],
                marker="o",
                markersize=4,
                label=name,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("texts")
        axes.set_ylabel("seconds")
        axes.legend(loc="upper left", frameon=False)

    return figure(draw)


def _measure(name: str, *arguments: object) -> Usage:
    with log.status(name):
        used = measure_process([*GOALSPACE, *map(str, arguments)])
    log.log(f"{name}: {used.seconds:.1f} s, {used.cpu_seconds:.1f} s of CPU, {used.peak_gb:.2f} GB")
    return used


def _add(table: Table, name: str, n: int, used: Usage, *, note: str = "", **stages: float) -> None:
    table.add(
        name,
        texts=n,
        seconds=used.seconds,
        CPU_seconds=used.cpu_seconds,
        peak_GB=used.peak_gb,
        note=note,
        **stages,
    )


@click.command()
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, help="Numbers of texts.")
@click.option("--peer-limit", default=100_000, show_default=True, help="Most texts that BERTopic gets.")
@click.option("--parts", type=click.Path(path_type=Path), hidden=True)
def main(sizes: str, peer_limit: int, parts: Path | None) -> None:
    """Measure, print, write."""
    if parts is not None:
        print(json.dumps(time_parts(parts)))
        return
    numbers = [int(size) for size in sizes.split(",")]
    runs = Table(
        "Runs after embedding",
        COLUMNS,
        "whole processes; corpus, propose, link, factor: seconds of the stages of the run. The vectors are those of recombined "
        f"sentences; {N_PROPOSED:,} texts have recorded properties. peak GB: of resident memory, mapped files included.",
    )
    grown = Table("Parts of the stage factor", PARTS, "seconds; groups: all that finds the factors of texts")
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as name:
        for n in numbers:
            folder = Path(name, str(n))
            run = measure_run(runs, n, folder)
            measure_parts(grown, n, run)
            if n <= peer_limit:
                measure_peer(runs, n, folder)
            shutil.rmtree(folder)
    add_growth(grown, numbers)
    for table in (tables := [runs, grown]):
        table.show(open_console())
    settings = {"sizes": sizes, "peer limit": peer_limit}
    packages = ("numpy", "scikit-learn", "bertopic", "umap-learn")
    log.log(f"wrote {save('speed-scale', tables, settings=settings, packages=packages)}")
    write_atomic(RESULTS / "speed-scale.svg", plot(runs))
    print_missed(tables, open_console())


if __name__ == "__main__":
    main()
