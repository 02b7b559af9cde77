"""The benchmarks of paid calls, with few of them."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from bench.calls import kills, throughput
from bench.kit.llm_endpoint import Asked, open_endpoint


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder, open_endpoint(latency=0.01) as endpoint:
        subprocess.run(kills.command(endpoint, Path(folder), []), capture_output=True, check=True)
        return kills.read_artefacts(Path(folder))


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        (signal.SIGKILL, 2.5),
        (signal.SIGINT, 40),
    ],
)
def test_a_run_that_was_disturbed_ends_as_any_other(
    expected: dict[str, bytes], kind: signal.Signals, after: float
) -> None:
    found = kills.disturb(kind, after, expected, [])
    assert found.is_same
    assert found.n_paid_twice == 0
    assert found.n_repeated <= kills.CONCURRENCY
    if kind == signal.SIGINT:
        assert found.n_lost == 0
        assert found.status == 130


def test_repeated_requests_count_unless_they_were_in_flight() -> None:
    def asked(name: str, answered: float | None) -> Asked:
        return Asked(name, True, 0.0, answered)

    old, late, never, again = asked("a", 5.0), asked("b", 9.99), asked("c", None), asked("a", 12.0)
    assert kills.count_repeated([old, late, never], 10.0) == (0, 0)
    assert kills.count_repeated([old, late, never, asked("b", 12.0), asked("c", 12.0)], 10.0) == (2, 0)
    assert kills.count_repeated([old, late, again], 10.0) == (1, 1)


@pytest.mark.parametrize("how", throughput.WAYS)
def test_throughput_is_measured(how: str) -> None:
    found = throughput.measure(4, 8, how)
    assert found["seconds"] > 0
    assert found.get("mb_2", 1) > 0
