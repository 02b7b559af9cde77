"""Speed and memory of LinearCorex: compared with linearcorex on the full matrix, per iteration, on a million texts.

    python -m bench.speed.corex [--quick]        (make bench)

Writes bench/results/speed-corex.json. The comparison requires `pip install linearcorex`. Text and property vectors are
synthetic: 384-dimensional unit vectors around topics of unequal size, one per factor, with enough noise that the topics
overlap.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from bench.kit.console import open_console
from bench.kit.paths import ROOT
from bench.kit.tables import Cell, Table, save
from goalspace.corex.linear import LinearCorex

DIM = 384
BLOCK = 20_000
TOL = 1e-5
OURS = "goalspace, low rank"
_SIZE = "{:,} texts × {:,} properties × {} factors"
SIZES = {
    False: {"peer": (20_000, 2_000, 20), "flat": (2_000, 20_000, 200_000), "large": (1_000_000, 10_000, 50)},
    True: {"peer": (2_000, 400, 8), "flat": (1_000, 4_000, 16_000), "large": (20_000, 1_000, 10)},
}


def topics(n_topics: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of the topics (n_topics, 384) and their shares of the texts."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_topics, DIM))
    return centers / np.linalg.norm(centers, axis=1, keepdims=True), rng.dirichlet(np.full(n_topics, 5.0))


def vectors(n: int, n_topics: int, *, seed: int) -> np.ndarray:
    """Return unit vectors (n, 384) float32: one topic each, part of a second one, and noise of comparable length."""
    centers, share = topics(n_topics)
    rng = np.random.default_rng(seed)
    first, second = rng.choice(n_topics, size=(2, n), p=share)
    rows = centers[first] + rng.uniform(0, 0.6, (n, 1)) * centers[second]
    rows += 1.3 * rng.normal(size=(n, DIM)) / np.sqrt(DIM)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def against_peer(n: int, n_properties: int, n_factors: int) -> dict[str, Any]:
    """Fit LinearCorex (low rank) and linearcorex.Corex (full matrix) with the same data, seed and tolerance."""
    E, C = vectors(n, n_factors, seed=1), vectors(n_properties, n_factors, seed=2)
    started, cpu = time.perf_counter(), time.process_time()
    model = LinearCorex(n_components=n_factors, tol=TOL, random_state=0).fit_low_rank(E, C)
    ours, our_cpu = time.perf_counter() - started, time.process_time() - cpu
    row: dict[str, Any] = {
        "n_texts": n,
        "n_properties": n_properties,
        "n_factors": n_factors,
        "tol": TOL,
        "seconds": ours,
        "cpu_seconds": our_cpu,
        "n_iter": model.n_iter_,
        "tc": model.tc_,
    }
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints about CUDA on import
            from linearcorex import Corex
    except ModuleNotFoundError:
        return row
    S = E @ C.T
    started, cpu = time.perf_counter(), time.process_time()
    peer = Corex(n_hidden=n_factors, tol=TOL, seed=0).fit(S)
    theirs, their_cpu = time.perf_counter() - started, time.process_time() - cpu
    tc = float(peer.tc)
    return row | {
        "peer_seconds": theirs,
        "peer_cpu_seconds": their_cpu,
        "peer_n_iter": len(peer.history["TC"]),
        "peer_tc": tc,
        "speed_up": theirs / ours,
        "tc_difference": (model.tc_ - tc) / tc,
        "ari_information": adjusted_rand_score(peer.mis.argmax(axis=0), model.clusters_),
        "ari_weights": adjusted_rand_score(peer.clusters(), np.abs(model.components_).argmax(axis=0)),
    }


def per_iteration(n: int, n_properties: int, n_factors: int) -> dict[str, Any]:
    """Return the seconds of the pass over the texts and the milliseconds per iteration after it."""
    E, C = vectors(n, n_factors, seed=1), vectors(n_properties, n_factors, seed=2)
    passed = 0.0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal passed
        for start in range(0, n, BLOCK):
            yield E[start : start + BLOCK]
        passed = time.perf_counter()

    started = time.perf_counter()
    model = LinearCorex(n_components=n_factors, tol=TOL, random_state=0).fit_low_rank(blocks, C)
    ended = time.perf_counter()
    return {
        "n_texts": n,
        "pass_seconds": passed - started,
        "n_iter": model.n_iter_,
        "ms_per_iteration": 1000 * (ended - passed) / model.n_iter_,
    }


def large(n: int, n_properties: int, n_factors: int) -> dict[str, Any]:
    """Fit and score a memmap of texts in a separate process, and return its peak memory."""
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as folder:
        texts = np.lib.format.open_memmap(
            Path(folder, "texts.npy"), mode="w+", dtype=np.float32, shape=(n, DIM)
        )
        for start in range(0, n, BLOCK):
            rows = min(BLOCK, n - start)
            texts[start : start + rows] = vectors(rows, n_factors, seed=1000 + start)
        texts.flush()
        del texts
        np.save(Path(folder, "properties.npy"), vectors(n_properties, n_factors, seed=2))
        command = [sys.executable, "-m", "bench.speed.corex", "--child", folder, str(n_factors)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {"n_texts": n, "n_properties": n_properties, "n_factors": n_factors, **json.loads(done.stdout)}


def child(folder: str, n_factors: int) -> dict[str, Any]:
    """Fit and score what `large` wrote to the folder."""
    E = np.load(Path(folder, "texts.npy"), mmap_mode="r")
    C = np.load(Path(folder, "properties.npy"))
    started = time.perf_counter()
    model = LinearCorex(n_components=n_factors, tol=1e-3, random_state=0).fit_low_rank(E, C)
    fitted = time.perf_counter()
    scores = np.lib.format.open_memmap(
        Path(folder, "scores.npy"), mode="w+", dtype=np.float32, shape=(len(E), n_factors)
    )
    model.score_low_rank(E, out=scores)
    scored = time.perf_counter()
    probe = slice(0, 1000)
    exact = model.transform(E[probe].astype(np.float64) @ C.T.astype(np.float64))
    return {
        "tol": 1e-3,
        "fit_seconds": fitted - started,
        "score_seconds": scored - fitted,
        "n_iter": model.n_iter_,
        "tc": model.tc_,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
        "score_error": float(np.abs(scores[probe] - exact).max()),
    }


def compare(sizes: tuple[int, int, int], *, targets: bool) -> Table:
    """Return the table of `against_peer`."""
    found = against_peer(*sizes)
    table = Table(
        f"Linear CorEx: {_SIZE.format(*sizes)}, the same data, seed and tolerance",
        ("seconds", "CPU seconds", "iterations", "speed-up", "objective", "clusters ARI", "note"),
        "objective: relative difference of the total correlation; clusters: the lower of two ARIs, of partitions by mutual "
        "information and by weights",
    )
    cells: dict[str, Cell] = {}
    if "peer_seconds" in found:
        table.add(
            "linearcorex",
            seconds=found["peer_seconds"],
            CPU_seconds=found["peer_cpu_seconds"],
            iterations=found["peer_n_iter"],
            note="the whole matrix",
        )
        cells = {
            "speed-up": found["speed_up"],
            "objective": f"{found['tc_difference']:+.1e}",
            "clusters ARI": min(found["ari_information"], found["ari_weights"]),
        }
    else:
        table.add("linearcorex", note="not installed")
    table.add(
        OURS,
        seconds=found["seconds"],
        CPU_seconds=found["cpu_seconds"],
        iterations=found["n_iter"],
        **cells,
    )
    if targets:
        table.aim(OURS, **{"speed-up": 20, "clusters ARI": 0.99})
    return table


def grow(numbers: Sequence[int], sizes: tuple[int, int], *, targets: bool) -> Table:
    """Return the table of `per_iteration` for these numbers of texts."""
    found = [per_iteration(n, *sizes) for n in numbers]
    table = Table("Linear CorEx: cost per iteration", ("ms per iteration", "pass over the texts, seconds"))
    names = [f"goalspace, {n:,} texts" for n in numbers]
    for name, row in zip(names, found, strict=True):
        cells = {"pass over the texts, seconds": row["pass_seconds"]}
        table.add(name, ms_per_iteration=row["ms_per_iteration"], **cells)
    if targets:
        table.limit(names[-1], ms_per_iteration=1.5 * min(row["ms_per_iteration"] for row in found))
    return table


def fill_memory(sizes: tuple[int, int, int], *, targets: bool) -> Table:
    """Return the table of `large`."""
    found = large(*sizes)
    cells: dict[str, Cell] = {
        "fit, seconds": found["fit_seconds"],
        "score, seconds": found["score_seconds"],
        "iterations": found["n_iter"],
        "peak GB": found["peak_gb"],
        "largest error of a score": f"{found['score_error']:.1e}",
    }
    table = Table(
        f"Linear CorEx: {_SIZE.format(*sizes)}, texts in a file",
        tuple(cells),
        f"the dense matrix would take {4 * sizes[0] * sizes[1] / 1e9:.0f} GB; errors are measured on 1,000 of its rows",
    )
    table.add(OURS, **cells)
    if targets:
        table.limit(OURS, peak_GB=4)
    return table


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="test run: small sizes")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "FACTORS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child[0], int(arguments.child[1]))))
        return
    sizes, targets = SIZES[arguments.quick], not arguments.quick
    tables = [
        compare(sizes["peer"], targets=targets),
        grow(sizes["flat"], sizes["peer"][1:], targets=targets),
        fill_memory(sizes["large"], targets=targets),
    ]
    console = open_console()
    for table in tables:
        table.show(console)
    name = f"speed-corex{'-quick' if arguments.quick else ''}"
    print(save(name, tables, settings={"tol": TOL, "dim": DIM}, packages=("numpy", "scipy", "linearcorex")))


if __name__ == "__main__":
    main()
