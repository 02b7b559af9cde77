"""A few hundred cases of the fuzzer, and those that once failed: each is read, or refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.cases import Fuzzer, make_base, open_run, outcome, read_table
from fuzz.reply_cases import ReplyFuzzer

REGRESSIONS = Path(__file__).parent / "regressions"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "base"
    make_base(path)
    return path


@pytest.fixture(scope="module")
def fuzzer(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    return Fuzzer(base, tmp_path_factory.mktemp("work"))


def test_the_undamaged_files_are_read(base: Path, fuzzer: Fuzzer, tmp_path: Path) -> None:
    open_run(base)
    for name, content in fuzzer.tables.items():
        (tmp_path / name).write_bytes(content)
        read_table(tmp_path / name)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_damaged_files_are_read_or_refused_with_one_line(fuzzer: Fuzzer, first: int) -> None:
    failures = {seed: fuzzer.run(seed) for seed in range(first, first + 50)}
    assert {seed: kind for seed, kind in failures.items() if kind is not None} == {}


@pytest.mark.parametrize("first", range(0, 2000, 500))
def test_damaged_replies_are_read_or_refused_with_one_line(tmp_path: Path, first: int) -> None:
    replies = ReplyFuzzer(tmp_path)
    failures = {seed: replies.run(seed) for seed in range(first, first + 500)}
    assert {seed: kind for seed, kind in failures.items() if kind is not None} == {}


# a case of each kind of failure when the fuzzer was first run
FAILED = tuple(int(line.split()[0]) for line in (REGRESSIONS / "seeds.txt").read_text("utf-8").splitlines())


@pytest.mark.parametrize("seed", FAILED)
def test_cases_that_once_failed_do_not(fuzzer: Fuzzer, seed: int) -> None:
    assert fuzzer.run(seed) is None


def test_a_failure_is_reported_with_its_place(fuzzer: Fuzzer) -> None:
    def fail() -> None:
        raise KeyError("x")

    found = outcome("run", fail)
    assert found is not None
    assert found.startswith("run: KeyError at ")
