"""The screen before the first paid call, and the end at a limit."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from command_line import goalspace
from goalspace.corpus import Corpus
from goalspace.llm.limits import Limits
from goalspace.proposals.plan import plan_calls
from goalspace.proposals.sample import truncate
from llm_server import LLMServer, prompt_of

THINGS = ("router", "invoice", "login", "delivery", "screen", "refund")
TEXTS = [f"{THINGS[n % 6]} trouble number {n}" for n in range(60)]


def answer(body: dict[str, Any]) -> str:
    words = [word for word in prompt_of(body).split() if word.isalpha()][-3:]
    names = [{"property": f"says {word}", "quote": ""} for word in words]
    return json.dumps({"analysis": "", "properties": names, "name": "name", "description": "what it is"})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    path.write_text("message\n" + "\n".join(TEXTS), encoding="utf-8")
    return path


def test_a_dry_run_sends_and_writes_nothing(tmp_path: Path, source: Path) -> None:
    with LLMServer(answer) as server:
        done = goalspace(
            "discover", source, "--goal", "trouble", "--llm", server.spec, "--dry-run", "-o", tmp_path / "run"
        )
        assert server.requests == []
    assert done.returncode == 0, done.stderr
    assert f"{server.url} (this machine) gets the column 'message' of 60 texts" in done.stdout
    assert "calls   60, second attempts and the names of factors apart" in done.stdout
    assert "the price of the model is not known; name it with --prices FILE" in done.stdout
    assert done.stdout.endswith("Nothing was sent.\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("sent_to", ["--llm", "--encoder"])
def test_a_dry_run_needs_no_key_and_a_run_says_so_before_it_asks(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, sent_to: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    command = ("discover", source, "--goal", "trouble", "-o", tmp_path / "run", sent_to, "openai:gpt-4o-mini")
    done = goalspace(*command, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "60 texts" in done.stdout
    assert done.stdout.endswith("  key     OPENAI_API_KEY is not set\nNothing was sent.\n")
    done = goalspace(*command)
    assert done.returncode == 2
    assert done.stderr.endswith("needs an API key: set the environment variable OPENAI_API_KEY.\n")
    assert not (tmp_path / "run").exists()


def test_the_screen_comes_before_the_calls_and_a_limit_ends_them(tmp_path: Path, source: Path) -> None:
    run = tmp_path / "run"
    prices = tmp_path / "prices.json"
    prices.write_text('{"model": {"input": 1, "output": 2}}', encoding="utf-8")
    command = ("discover", source, "--goal", "trouble", "--factors", "2", "--tune", "none", "-o", run)
    command = (*command, "--prices", prices)
    with LLMServer(answer) as server:
        done = goalspace(*command, "--llm", server.spec, "--budget", "0.006", "--concurrency", "2")
        assert done.returncode == 3, done.stderr
        assert "cost    about $0.03, at most $0.1" in done.stderr
        assert "of $0.0060 is spent or set aside, and the next call may cost" in done.stderr
        assert (
            "texts were read. The run is usable; to go on, run the same command with a larger limit"
            in done.stderr
        )
        assert (run / "report.html").is_file()
        n = len(server.bodies())
        done = goalspace(*command, "--llm", server.spec, "--budget", "1")
        assert done.returncode == 0, done.stderr
        assert n < len(server.bodies()) <= 60 + 2 * 3
        assert len(set(server.prompts())) == len(server.prompts())  # no call was paid twice


def test_the_screen_says_that_calls_go_as_batches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-unused")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    command = (
        "discover",
        source,
        "--goal",
        "trouble",
        "--llm",
        "openai:gpt-4.1",
        "--dry-run",
        "-o",
        tmp_path / "run",
    )
    single, batch = (goalspace(*command, *option).stdout for option in ((), ("--batch",)))
    assert "time    within 24 hours, as batches; the same command fetches the replies" in batch
    costs = [re.search(r"about \$([\d.]+), at most \$([\d.]+)", told) for told in (single, batch)]
    assert costs[0] is not None
    assert costs[1] is not None
    assert float(costs[1][2]) == pytest.approx(float(costs[0][2]) / 2, abs=0.01)
    assert "at the price of batches" in batch
    assert "batch" not in single


@pytest.mark.parametrize("llm", [(), ("--llm", "smollm2"), ("--llm", "ollama:m"), ("--llm", "gguf:m.gguf")])
def test_batches_need_a_model_behind_an_endpoint(tmp_path: Path, source: Path, llm: tuple[str, ...]) -> None:
    done = goalspace("discover", source, "--goal", "trouble", *llm, "--batch", "-o", tmp_path / "run")
    assert done.returncode == 2
    assert "leave out --batch" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "option", [("--budget", "0"), ("--rpm", "-1"), ("--concurrency", "0"), ("--prices", "none.json")]
)
def test_bad_limits_are_one_line(source: Path, option: tuple[str, str]) -> None:
    done = goalspace("discover", source, "--goal", "trouble", "--llm", "ollama:m", *option)
    assert done.returncode == 2
    assert option[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_plans_count_calls_tokens_and_time() -> None:
    corpus = Corpus.read(TEXTS)
    arguments: dict[str, Any] = {"goal": "trouble", "llm": "http://127.0.0.1:1/v1#m"}
    plan = plan_calls(corpus, **arguments)
    assert plan is not None
    assert (plan.what, plan.n_calls, plan.is_local, plan.cost) == (
        "the column 'text' of 60 texts",
        60,
        True,
        None,
    )
    assert plan.prompt_tokens < plan.most_prompt_tokens
    assert plan.most_completion_tokens == 60 * 700
    for options, n_calls in (({"texts_per_call": 8}, 8), ({"prompting": "chained"}, 120), ({"sample": 7}, 7)):
        found = plan_calls(corpus, **arguments, **options)
        assert found is not None
        assert found.n_calls == n_calls
    slow = plan_calls(corpus, **arguments, limits=Limits(rpm=6))
    assert slow is not None
    assert slow.seconds == pytest.approx(600)
    for llm in (None, "recorded:replies.jsonl", "smollm2"):
        assert plan_calls(corpus, goal="trouble", llm=llm) is None


@pytest.mark.parametrize(
    ("text", "tokens", "kept"),
    [
        ("one two three four", 100, "one two three four"),
        ("one two three four", 2, "one two"),
        ("客服态度很差打电话", 4, "客服态度"),
        ("客服 态度很差打电话", 4, "客服"),
        ("ab客服", 2, "ab客"),
    ],
)
def test_texts_are_cut_by_tokens_in_every_script(text: str, tokens: int, kept: str) -> None:
    assert truncate(text, tokens, "end") == kept
    assert text.endswith(truncate(text, tokens, "start"))


def test_a_terminal_is_asked_before_texts_leave_the_machine(
    monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    """The progress line does not paint over the question, and no sends nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-unused")
    monkeypatch.setenv("TERM", "xterm")
    command = [
        "discover",
        str(source),
        "--goal",
        "why",
        "--llm",
        "openai:gpt-4o-mini",
        "-o",
        str(tmp_path / "run"),
    ]
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "goalspace.cli", *command], stdin=follower, stdout=follower, stderr=follower
    ) as process:
        os.close(follower)
        told = b""
        with suppress(OSError):  # the terminal is gone when the process ends
            while chunk := os.read(leader, 4096):
                told += chunk
                if told.endswith(b"Send them? [y/N]: "):
                    os.write(leader, b"n\n")
        assert process.wait(timeout=60) == 1
    os.close(leader)
    assert b"gets the column 'message' of 60 texts" in told
    assert b"Nothing was sent." in told.partition(b"Send them?")[2]
    assert not (tmp_path / "run").exists()


def test_what_was_asked_and_not_read_is_told_at_the_end(tmp_path: Path, source: Path) -> None:
    """Without a terminal: the totals of the calls, why replies were unread, and how to ask again."""
    command = ("discover", source, "--goal", "x", "--factors", "2", "--tune", "none", "-o", tmp_path / "run")
    with LLMServer(lambda body: "" if "number 7\n" in prompt_of(body) + "\n" else answer(body)) as server:
        done = goalspace(*command, "--llm", server.spec)
        assert done.returncode == 0, done.stderr
        assert "\nasking the LLM …\n" in done.stderr
        assert re.search(
            r"\nasked the LLM 6\d times in .*: [\d,]+ tokens, 1 reply unread \(1 × empty\)\n", done.stderr
        )
        wanted = "1 reply could not be read (1 × empty). To ask again: the same command with --retry-unread."
        assert wanted in done.stdout
        server.chat = answer
        for verb in (command, ("propose", tmp_path / "run")):
            n = len(server.bodies())
            done = goalspace(*verb, "--llm", server.spec, "--retry-unread")
            assert done.returncode == 0, done.stderr
            assert "could not be read" not in done.stdout
            assert len(server.bodies()) - n <= 3  # the text, and names of factors that changed
