"""Random schedules of paid calls, none of which may spend more than its cap.

    PYTHONPATH=tests python -m bench.calls.cap [--schedules 1000]        (make bench-calls)

A real server answers with random usage, faults, delays and reasoning, and counts itself what it bills, also for replies that
never arrive; starts follow each other on one folder, are cancelled or killed, or run as two processes at once. Writes
bench/results/calls-cap.json.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.kit.console import log, open_console
from bench.kit.tables import Table, save

MINIMUM = 0.9  # used share of the cap from which a schedule counts as one whose cap was tested


def run(n_schedules: int) -> tuple[Table, int]:
    """Run the schedules; return the table, and how many did not hold."""
    from hypothesis import HealthCheck, Phase, given, settings

    from schedules import Outcome, Schedule, preload, run_schedule, schedules

    preload()
    outcomes: list[tuple[Schedule, Outcome]] = []

    @settings(
        max_examples=n_schedules,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(schedules())
    def run_one(schedule: Schedule) -> None:
        with tempfile.TemporaryDirectory(prefix="cap-") as folder:
            outcomes.append((schedule, run_schedule(schedule, Path(folder))))
        if not outcomes[-1][1].holds:
            log.print(f"[red]does not hold:[/] {outcomes[-1]}")
        if len(outcomes) % 50 == 0:
            log.log(f"{len(outcomes):,} schedules")

    started = time.monotonic()
    run_one()
    seconds = time.monotonic() - started
    starts: Counter[str] = Counter(kind for schedule, _ in outcomes for kind in schedule.starts)
    near = sum(
        any(
            cap and spent >= MINIMUM * cap
            for spent, cap in ((o.ledger_nano, o.cap_nano), (o.ledger_tokens, o.cap_tokens))
        )
        for _, o in outcomes
    )
    n_bad = sum(not outcome.holds for _, outcome in outcomes)
    table = Table("Random schedules of paid calls", ("number",))
    for row, number in {
        "schedules": len(outcomes),
        "of them within the cap, and billed no more than the ledger holds": len(outcomes) - n_bad,
        f"of them used {MINIMUM:.0%} of the cap or more": near,
        "of them refused a budget, as the price is not known": sum(o.refused for _, o in outcomes),
        **{f"starts: {kind}": n for kind, n in sorted(starts.items())},
        "requests": sum(o.n_requests for _, o in outcomes),
        "seconds": round(seconds),
    }.items():
        table.add(row, number=number)
    return table, n_bad


def main() -> int:
    """Run the schedules, print the table, write it; 1 if one did not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls.cap", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    table, n_bad = run(given.schedules)
    table.show(open_console())
    if not n_bad:
        print(
            save(
                "calls-cap", [table], settings=vars(given), packages=("openai", "genai-prices", "hypothesis")
            )
        )
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
