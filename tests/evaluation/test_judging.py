"""evaluate --judge: the screen before the first call, caps and what goes on after them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from goalspace.cli import main
from goalspace.errors import CapReached, InputError
from goalspace.evaluation.judging import judge
from goalspace.llm.limits import Limits
from goalspace.proposals.plan import CallPlan
from goalspace.run import discover, redo
from goalspace.run.folder import Run
from llm_server import LLMServer, failure

THINGS = ("router", "invoice", "login", "delivery", "screen", "refund")
TEXTS = [f"The {THINGS[n % 6]} is broken again, number {n}." for n in range(48)]
SAID = {"reason": "r", "relevance": 4, "informativeness": 3, "better": 1}
N_PAIRS = 5


def answer(body: dict[str, Any]) -> str:
    return json.dumps(SAID)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("judging")
    path = discover(TEXTS, goal="what is broken", n_factors=4, tune="none", out=folder / "run").path
    other = folder / "other"
    shutil.copytree(path, other)
    redo(Run.open(other), "factor", {"n_factors": 2})
    return path, other


@pytest.fixture(autouse=True)
def without_calls(runs: tuple[Path, Path]) -> None:
    for file in runs[0].glob("llm.sqlite*"):
        file.unlink()


def cli(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "110"}).invoke(main, [str(argument) for argument in arguments])


def command(runs: tuple[Path, Path], server: LLMServer, *options: object) -> tuple[object, ...]:
    path, other = runs
    judged = ("evaluate", "--run", path, "--judge", server.spec, "--against", other, "--sample", N_PAIRS)
    return (*judged, *options)


def n_factors(runs: tuple[Path, Path]) -> int:
    return len(Run.open(runs[0]).factors.shown)


def test_a_dry_run_of_a_judge_sends_and_writes_nothing(runs: tuple[Path, Path]) -> None:
    before = sorted(path.name for path in runs[0].iterdir())
    with LLMServer(answer) as server:
        done = cli(*command(runs, server, "--dry-run", "--redact"))
        assert server.requests == []
    n = n_factors(runs)
    assert done.exit_code == 0, done.output
    assert f"gets properties and sentences of {n} factors, and {N_PAIRS} texts, with the goal" in done.stdout
    assert f"calls   {n + 2 * N_PAIRS}, second attempts apart" in done.stdout
    assert "masked  e-mail addresses" in done.stdout
    assert done.stdout.endswith("Nothing was sent.\n")
    assert sorted(path.name for path in runs[0].iterdir()) == before


def test_the_screen_counts_what_is_sent(runs: tuple[Path, Path], tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"model": {"input": 1, "output": 2}}', encoding="utf-8")
    plans: list[CallPlan] = []
    with LLMServer(answer) as server:
        arguments: dict[str, Any] = {"llm": server.spec, "against": Run.open(runs[1]), "sample": N_PAIRS}
        judge(Run.open(runs[0]), **arguments, limits=Limits(prices=prices), announce=plans.extend)
        (plan,) = plans
        assert plan.n_calls == len(server.bodies())
        assert plan.most_prompt_tokens >= sum(len(prompt.encode()) for prompt in server.prompts())
        assert plan.cost is not None
        judge(Run.open(runs[0]), **arguments, announce=plans.extend)
        assert plan.n_calls == len(server.bodies())  # replayed


@pytest.mark.parametrize("tokens", [2_000, 3_500, 4_500])
def test_a_judge_ends_at_a_cap_and_goes_on(runs: tuple[Path, Path], tmp_path: Path, tokens: int) -> None:
    out = tmp_path / "judged.json"
    with LLMServer(answer) as server:
        options = ("--concurrency", 1, "-o", out)
        done = cli(*command(runs, server, "--max-tokens-total", tokens, *options))
        n_before = len(server.bodies())
        assert done.exit_code == 3, done.output
        assert re.search(r"of [\d,]+ tokens are spent or set aside, and the next call may take", done.stderr)
        assert "run the same command with a larger limit" in done.stderr.splitlines()[-1]
        assert n_before < n_factors(runs) + 2 * N_PAIRS
        if n_before:
            assert json.loads(out.read_text("utf-8"))["calls"]["n_calls"] == n_before
        done = cli(*command(runs, server, "--max-tokens-total", 10**6, *options))
        assert done.exit_code == 0, done.output
        assert len(server.bodies()) == n_factors(runs) + 2 * N_PAIRS
        assert len(set(server.prompts())) == len(server.prompts())  # no call was paid twice
    written = json.loads(out.read_text("utf-8"))
    assert "cap" not in written["calls"]
    assert written["n_unparsed"] == written["preference"]["n_unparsed"] == 0
    assert written["calls"]["n_replayed"] == n_before


def test_a_budget_counts_earlier_calls_of_the_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"model": {"input": 1000, "output": 1000}}', encoding="utf-8")
    with LLMServer(answer) as server:
        judge(Run.open(runs[0]), llm=server.spec)
        n_before = len(server.bodies())
        with pytest.raises(InputError, match="price of the model"):
            judge(Run.open(runs[0]), llm=server.spec, limits=Limits(budget=1))
        other = tmp_path / "run"
        shutil.copytree(runs[1], other)
        with pytest.raises(CapReached, match=r"Nothing was judged"):
            judge(Run.open(other), llm=server.spec, limits=Limits(budget=0.01, prices=prices))
        done = cli(*command(runs, server, "--budget", 0.01, "--prices", prices))
        assert done.exit_code == 3, done.output
        assert len(server.bodies()) == n_before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--budget", "0"), "--budget"),
        (("--concurrency", "0"), "--concurrency"),
        (("--budget", "1"), "price of the model"),
    ],
)
def test_bad_limits_of_a_judge_are_one_line(
    runs: tuple[Path, Path], options: tuple[str, ...], message: str
) -> None:
    done = cli("evaluate", "--run", runs[0], "--judge", "http://127.0.0.1:9/v1#m", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_limits_need_a_judge(runs: tuple[Path, Path]) -> None:
    done = cli("evaluate", "--run", runs[0], "--max-tokens-total", "5")
    assert done.exit_code == 2
    assert "--max-tokens-total is for a judge: name one with --judge" in done.stderr
    done = cli("evaluate", "--encoder", "minilm", "--task", "grouping", "--data", runs[0], "--redact")
    assert done.exit_code == 2
    assert "--redact is about a run: name it with --run" in done.stderr


def test_a_judge_without_any_reply_is_one_line(runs: tuple[Path, Path]) -> None:
    with LLMServer(
        lambda body: failure(400, "maximum context length", code="context_length_exceeded")
    ) as server:
        done = cli("evaluate", "--run", runs[0], "--judge", server.spec)
    assert done.exit_code == 2
    assert done.stderr.strip().splitlines()[-1].endswith("none came. Use a larger model.")
