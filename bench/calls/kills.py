"""Runs that are killed, or interrupted with Ctrl-C, at random moments, and then finished.

    python -m bench.calls.kills [--quick] [--options "--texts-per-call 4"]        (make bench-calls)

Each run makes paid calls for properties, vectors and names at an endpoint in a process of its own. Its artefacts must be those of
a run that nobody disturbed, and no request may be paid twice unless it was in flight. Writes bench/results/calls-kills.json.
"""

from __future__ import annotations

import argparse
import random
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.kit.console import log, open_console, print_missed
from bench.kit.llm_endpoint import Asked, Endpoint, open_endpoint
from bench.kit.tables import Table, save

N_KILLS, N_INTERRUPTS, N_TEXTS = 50, 20, 150
LATENCY = 0.15  # seconds
CONCURRENCY = 8
_THINGS = ("router", "invoice", "login", "delivery", "screen", "refund")
_ARTEFACTS = (
    "proposals.jsonl",
    "links/text_vectors.npy",
    "links/vectors.safetensors",
    "factors.json",
    "factors.safetensors",
    "corpus.parquet",
)


@dataclass(frozen=True)
class Disturbed:
    """A run that was disturbed once and then finished.

    Attributes
    ----------
    seconds
        From the start of the process to the disturbance, and from there to its end.
    status
        Of the process that was disturbed.
    n_paid_twice
        Requests that were made again though they were not in flight at the disturbance.
    n_repeated
        Requests that were made again.
    n_lost
        Replies that were sent before the process ended, and are not stored.
    is_same
        Whether the artefacts are those of an undisturbed run.
    """

    seconds: tuple[float, float]
    status: int
    n_paid_twice: int
    n_repeated: int
    n_lost: int
    is_same: bool


def command(endpoint: Endpoint, folder: Path, options: Sequence[str]) -> list[str]:
    """Return the command of a run."""
    source = folder / "texts.csv"
    rows = (f"{n}: the {_THINGS[n % 6]} and the {_THINGS[n % 5]} were late" for n in range(N_TEXTS))
    source.write_text("message\n" + "\n".join(rows), encoding="utf-8")
    given = ["--goal", "trouble", "--llm", endpoint.spec, "--encoder", endpoint.spec, "--factors", "4"]
    out = ["--concurrency", str(CONCURRENCY), "-o", str(folder / "run")]
    return [sys.executable, "-m", "goalspace.cli", "discover", str(source), *given, *out, *options]


def read_artefacts(folder: Path) -> dict[str, bytes]:
    """Return what a run found, without times and the order of calls."""
    found = {
        name: (folder / "run" / name).read_bytes() for name in _ARTEFACTS if (folder / "run" / name).is_file()
    }
    with closing(sqlite3.connect(folder / "run" / "llm.sqlite")) as calls:
        rows = calls.execute("SELECT prompt, reply FROM calls ORDER BY prompt").fetchall()
    return {**found, "llm.sqlite": repr(rows).encode()}


def n_stored(folder: Path) -> int:
    """Return the number of stored replies."""
    path = folder / "run" / "llm.sqlite"
    if not path.is_file():
        return 0
    with closing(sqlite3.connect(path)) as calls:
        has_calls = calls.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone()
        return int(calls.execute("SELECT COUNT(*) FROM calls").fetchone()[0]) if has_calls else 0


def disturb(
    kind: signal.Signals, after: float, expected: dict[str, bytes], options: Sequence[str]
) -> Disturbed:
    """Start a run, kill it after so many seconds or interrupt it after so many calls, finish it, and compare."""
    with (
        tempfile.TemporaryDirectory(prefix="kills-") as name,
        open_endpoint(latency=LATENCY) as endpoint,
    ):
        folder = Path(name)
        line = command(endpoint, folder, options)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
        started = time.time()
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if kind == signal.SIGINT:
            while len(endpoint.calls()) < after and process.poll() is None:
                time.sleep(0.01)
        else:
            time.sleep(after)
        moment = time.time()
        process.send_signal(kind)
        _, told = process.communicate()
        ended = time.time()
        if "Traceback" in told:
            log.print(told)
        before = endpoint.calls()
        n_answered = sum(c.answered is not None and c.answered < ended and c.is_chat for c in before)
        n_lost = n_answered - n_stored(folder)
        subprocess.run(line, capture_output=True, text=True, check=True)
        n_repeated, n_twice = count_repeated(endpoint.calls(), moment)
        is_same = read_artefacts(folder) == expected
    return Disturbed(
        (moment - started, ended - moment), process.returncode, n_twice, n_repeated, n_lost, is_same
    )


def count_repeated(calls: Sequence[Asked], moment: float) -> tuple[int, int]:
    """Of requests and the moment of the disturbance, return how many requests were made again, and how many of them beyond those that were in flight."""
    times = Counter(call.digest for call in calls)
    n_repeated = sum(n - 1 for n in times.values())
    first = {call.digest: call for call in reversed(calls)}
    # a reply that arrives just now cannot be stored yet: as many as there are calls at a time may be in flight
    in_flight = sum(
        n > 1 and (first[digest].answered is None or first[digest].answered > moment - LATENCY)
        for digest, n in times.items()
    )
    return n_repeated, n_repeated - min(in_flight, CONCURRENCY)


def measure(kind: signal.Signals, n: int, options: Sequence[str], seed: int = 0) -> Table:
    """Disturb n runs at moments that are spread over the whole time that a run takes, or over its calls."""
    with tempfile.TemporaryDirectory(prefix="kills-") as name, open_endpoint(latency=LATENCY) as endpoint:
        started = time.monotonic()
        subprocess.run(command(endpoint, Path(name), options), capture_output=True, check=True)
        length = time.monotonic() - started
        expected, n_requests = read_artefacts(Path(name)), len(endpoint.calls())
    rng = random.Random(seed)
    found = []
    for i in range(n):
        whole = length if kind == signal.SIGKILL else n_requests
        found.append(disturb(kind, whole * (i + rng.random()) / n, expected, options))
        log.log(f"{kind.name} {i + 1} of {n}: {found[-1]}")
    n_during = sum(run.status != 0 for run in found)
    table = Table(
        f"{'kill -9' if kind == signal.SIGKILL else 'Ctrl-C'} at {n} random moments: discover {shlex.join(options)}".rstrip(),
        ("number",),
        f"{N_TEXTS} texts, {n_requests} requests, {CONCURRENCY} calls at a time; a run takes {length:.1f} s",
    )
    rows: dict[str, float] = {
        "ended by the signal": n_during,
        "artefacts as of an undisturbed run": sum(run.is_same for run in found),
        "requests made again, in all": sum(run.n_repeated for run in found),
        "paid twice beyond those in flight": sum(run.n_paid_twice for run in found),
    }
    if kind == signal.SIGINT:
        waits = sorted(run.seconds[1] for run in found if run.status != 0) or [0.0]
        rows |= {
            "seconds until the process ended, median": waits[len(waits) // 2],
            "seconds until the process ended, longest": waits[-1],
        }
        if "--batch" not in options:  # whose replies stay at the endpoint
            rows["replies sent before the end and not stored"] = sum(run.n_lost for run in found)
            table.limit("replies sent before the end and not stored", number=0)
        table.limit("seconds until the process ended, longest", number=10)
    for row, number in rows.items():
        table.add(row, number=number)
    table.aim("artefacts as of an undisturbed run", number=n)
    table.limit("paid twice beyond those in flight", number=0)
    return table


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="test run: 3 kills, 2 interruptions")
    parser.add_argument("--kills", type=int, default=N_KILLS)
    parser.add_argument("--interrupts", type=int, default=N_INTERRUPTS)
    parser.add_argument("--options", default="", help="options of discover, e.g. '--texts-per-call 4'")
    parser.add_argument("--name", default="calls-kills", help="of the file of results")
    given = parser.parse_args()
    options = shlex.split(given.options)
    console = open_console()
    n_kills, n_interrupts = (3, 2) if given.quick else (given.kills, given.interrupts)
    numbers = {signal.SIGKILL: n_kills, signal.SIGINT: n_interrupts}
    tables = [measure(kind, n, options) for kind, n in numbers.items() if n]
    for table in tables:
        table.show(console)
    name = f"{given.name}{'-quick' if given.quick else ''}"
    print(save(name, tables, settings={"quick": given.quick, "options": given.options}, packages=("openai",)))
    print_missed(tables, console)


if __name__ == "__main__":
    main()
