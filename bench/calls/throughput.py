"""Throughput of paid calls, and memory over 10,000 of them, against an endpoint in a process of its own.

    python -m bench.calls.throughput [--quick]        (make bench-calls)

Each measurement is a process of its own. `share` is calls per second over concurrency / latency, which no client can exceed.
Writes bench/results/calls-throughput.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.kit.console import log, open_console, print_missed
from bench.kit.llm_endpoint import open_endpoint
from bench.kit.tables import Table, save

LATENCY = 0.2  # seconds
CONCURRENCIES = (8, 16, 32)
ROUNDS = 60  # of calls, as many at a time as the concurrency allows
N_FOR_MEMORY = 10_000
TARGET = 0.95
WAYS = ("with the ledger", "without the ledger", "sockets alone")
_WARM_UP = 1  # rounds that are not timed: imports, connections


def call(spec: str, folder: Path, concurrency: int, n: int, *, counts: bool) -> dict[str, float]:
    """Make n calls through cache and, unless `counts` is false, ledger; return seconds, CPU seconds and memory."""
    from goalspace.llm.cache import CachedLLM
    from goalspace.llm.chat import api_llm
    from goalspace.llm.limits import Limits
    from goalspace.llm.protocol import stream

    prices = folder / "prices.json"
    prices.write_text('{"model": {"input": 1, "output": 2}}', encoding="utf-8")
    path = folder / "llm.sqlite"
    limits = Limits(concurrency=concurrency, prices=prices, budget=1e6 if counts else None)
    llm = CachedLLM(api_llm(spec, limits=limits, ledger_path=path if counts else None), path)
    warm = _WARM_UP * concurrency
    prompts = [f"Which words does the text number {i} say? {'words ' * 100}" for i in range(n + warm)]
    memory = {}
    started = used = 0.0
    for done, _ in enumerate(stream(llm, prompts, max_tokens=700), 1):
        if done == warm:
            started, used = time.perf_counter(), time.process_time()
        if done in (warm, warm + n // 2, warm + n):
            memory[f"mb_{len(memory)}"] = _resident_mb()
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used, **memory}


def call_bare(spec: str, concurrency: int, n: int) -> dict[str, float]:
    """Make n calls with nothing but sockets: what this machine can do at this moment."""
    return asyncio.run(_call_bare(spec, concurrency, n))


async def _call_bare(spec: str, concurrency: int, n: int) -> dict[str, float]:
    place = urlsplit(spec)
    body = json.dumps({"model": "model", "messages": [{"role": "user", "content": "words " * 100}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    left = iter(range(n))

    async def work() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for _ in left:
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            length = next(line.partition(b":")[2] for line in lines if line.startswith(b"content-length"))
            await reader.readexactly(int(length))
        writer.close()

    started, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used}


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096 / 1e6


def measure(concurrency: int, n: int, how: str) -> dict[str, float]:
    """Make the calls in a process of their own, in one of the ways of `WAYS`."""
    with open_endpoint(latency=LATENCY) as endpoint, tempfile.TemporaryDirectory(prefix="calls-") as folder:
        arguments = [
            endpoint.spec,
            folder,
            str(concurrency),
            str(n),
            how,
        ]
        command = [sys.executable, "-m", "bench.calls.throughput", "--call", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure_throughput(rounds: int) -> Table:
    """Measure the share of the configured concurrency that is used."""
    table = Table(
        f"Throughput at a latency of {LATENCY * 1000:.0f} ms",
        ("calls", "seconds", "calls per second", "share", "CPU ms per call"),
    )
    for concurrency in CONCURRENCIES:
        for how in WAYS:
            n = rounds * concurrency
            found = measure(concurrency, n, how)
            name = f"{concurrency} at a time, {how}"
            log.log(name)
            rate = n / found["seconds"]
            table.add(
                name,
                calls=n,
                seconds=found["seconds"],
                calls_per_second=rate,
                share=rate * LATENCY / concurrency,
                CPU_ms_per_call=1000 * found["cpu"] / n,
            )
            if how != WAYS[2]:
                table.aim(name, share=TARGET)
    return table


def measure_memory(n: int) -> Table:
    """Measure the memory of the process over many calls."""
    table = Table(f"Memory over {n:,} calls, 32 at a time", ("MB",), "resident, whole process")
    found = measure(32, n, WAYS[0])
    for i, name in enumerate(("at the start", "half way", "at the end")):
        table.add(name, MB=found[f"mb_{i}"])
    return table


def main() -> None:
    """Measure, print, write; with --call, be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="test run: 3 rounds, 200 calls for memory")
    parser.add_argument("--call", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.call:
        spec, folder, concurrency, n, how = given.call
        if how == WAYS[2]:
            found = call_bare(spec, int(concurrency), int(n))
        else:
            found = call(spec, Path(folder), int(concurrency), int(n), counts=how == WAYS[0])
        print(json.dumps(found))
        return
    console = open_console()
    tables = [
        measure_throughput(3 if given.quick else ROUNDS),
        measure_memory(200 if given.quick else N_FOR_MEMORY),
    ]
    for table in tables:
        table.show(console)
    name = f"calls-throughput{'-quick' if given.quick else ''}"
    print(
        save(name, tables, settings={"quick": given.quick, "latency": LATENCY}, packages=("openai", "httpx2"))
    )
    print_missed(tables, console)


if __name__ == "__main__":
    main()
