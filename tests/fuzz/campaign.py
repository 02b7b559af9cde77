"""The fuzzer: python -m fuzz.campaign --cases N, which prints every kind of failure with a case that reproduces it.

`--target folders` are run folders, tables and edits; `--target replies` what models and endpoints send, prices, recorded
properties, logs of calls.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from fuzz.cases import Fuzzer, make_base
from fuzz.reply_cases import ReplyFuzzer

_BATCH = 200  # cases between two reports of a process
_SLOW = 2.0  # seconds on the CPU that no case may take


def _work(task: tuple[Path, str, int, int]) -> list[tuple[int, str]]:
    """Run a range of cases; return the number and the kind of those that failed."""
    base, target, first, stop = task
    failures = []
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=base.parent) as work:
        fuzzer = Fuzzer(base, Path(work)) if target == "folders" else ReplyFuzzer(Path(work))
        for seed in range(first, stop):
            started = time.process_time()
            kind = fuzzer.run(seed)
            if kind is None and seed > first and time.process_time() - started > _SLOW:
                kind = f"takes more than {_SLOW:g} s"  # the first case imports what is read
            if kind is not None:
                failures.append((seed, kind))
    return failures


def main() -> int:
    """Run the cases in parallel; 1 if any failed."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.campaign", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--target", choices=("folders", "replies"), default="folders")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=None, help="start no cases after this time")
    given = parser.parse_args()
    kinds: Counter[str] = Counter()
    example: dict[str, int] = {}
    n_done, stop, started = 0, given.first + given.cases, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="goalspace-fuzz-") as folder:
        base = Path(folder) / "base"
        make_base(base)
        starts = range(given.first, stop, _BATCH)
        tasks = ((base, given.target, first, min(first + _BATCH, stop)) for first in starts)
        with ProcessPoolExecutor(given.processes, multiprocessing.get_context("spawn")) as pool:
            for task, failures in zip(starts, pool.map(_work, tasks), strict=True):
                n_done += min(_BATCH, stop - task)
                for seed, kind in failures:
                    kinds[kind] += 1
                    example.setdefault(kind, seed)
                if given.minutes is not None and time.monotonic() - started > 60 * given.minutes:
                    pool.shutdown(cancel_futures=True)
                    break
    for kind, n in kinds.most_common():
        print(
            f"{n:7,}  {kind}\n         reproduce: python -m fuzz.campaign --target {given.target} "
            f"--first {example[kind]} --cases 1"
        )
    seconds = time.monotonic() - started
    print(
        f"{n_done:,} cases of {given.target} in {seconds:.0f} s, {kinds.total():,} failures of {len(kinds)} kinds"
    )
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
