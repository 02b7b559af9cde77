"""Time to read replies that are built to take long.

    python -m bench.calls.parsing        (make bench-calls)

Reading is linear in the length of a reply, and replies are cut at a limit. CPU time, the fastest of five. Writes
bench/results/calls-parsing.json.
"""

from __future__ import annotations

import argparse
import time

from bench.kit.console import open_console, print_missed
from bench.kit.tables import Table, save
from goalspace.llm.reading import MAX_REPLY
from goalspace.proposals.answers import parse_answer

_REPEATS = 5
LIMIT = 50.0  # ms
HOSTILE = {
    "100,000 opening brackets": "[" * 100_000,
    "100,000 opening braces": "{" * 100_000,
    "100,000 objects in each other": '{"a":' * 100_000,
    "30,000 newlines": "\n" * 30_000,
    "30,000 newlines after a key": '{"a"' + "\n" * 30_000 + "x",
    "30,000 newlines before an item": "\n" * 30_000 + "- x",
    "100,000 quotes in an object": "{" + '"' * 100_000,
    "100,000 backslashes in a string": '["' + "\\" * 100_000,
    "30,000 marks of reasoning": "<think>" * 30_000,
    "10,000,000 letters": "a" * 10_000_000,
}


def fastest(reply: str) -> float:
    """Return the CPU time of reading a reply, in ms."""
    times = []
    for _ in range(_REPEATS):
        started = time.process_time()
        parse_answer(reply)
        times.append(time.process_time() - started)
    return 1000 * min(times)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.parse_args()
    table = Table("Replies built to take long", ("ms", "ms of half"), f"cut at {MAX_REPLY:,} characters")
    for name, reply in HOSTILE.items():
        table.add(name, ms=fastest(reply), ms_of_half=fastest(reply[: len(reply) // 2]))
        table.limit(name, ms=LIMIT)
    console = open_console()
    table.show(console)
    print(save("calls-parsing", [table], settings={"repeats": _REPEATS}, packages=()))
    print_missed([table], console)


if __name__ == "__main__":
    main()
