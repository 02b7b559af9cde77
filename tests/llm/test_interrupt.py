"""Ctrl-C: the first one keeps the calls in flight, the second one ends at once; nothing received is lost."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_server import Answer, LLMServer, completion

REPLY = json.dumps({"analysis": "", "properties": [{"property": "is late", "quote": ""}]})


def slow(seconds: float) -> Callable[[dict[str, Any]], Answer]:
    return lambda body: Answer(200, completion(REPLY), pause=seconds, hangs=True)


def start(folder: Path, server: LLMServer) -> subprocess.Popen[str]:
    source = folder / "texts.txt"
    source.write_text("\n".join(f"Parcel {n} came late." for n in range(200)), encoding="utf-8")
    command = [
        "discover",
        source,
        "--goal",
        "why",
        "--llm",
        server.spec,
        "-o",
        folder / "run",
        "--concurrency",
        "5",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "goalspace.cli", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_calls(server: LLMServer, n: int) -> None:
    limit = time.monotonic() + 60
    while len(server.bodies()) < n:
        assert time.monotonic() < limit, "the process makes no calls"
        time.sleep(0.05)


def n_stored(folder: Path) -> int:
    with sqlite3.connect(folder / "run" / "llm.sqlite") as log:
        return int(log.execute("SELECT COUNT(*) FROM calls").fetchone()[0])


def start_and_hang(folder: Path, server: LLMServer, seconds: float) -> subprocess.Popen[str]:
    """Start a process whose first calls are answered, and whose calls in flight then take so long."""
    process = start(folder, server)
    wait_for_calls(server, 3)
    server.chat = slow(seconds)
    wait_for_calls(server, len(server.bodies()) + 3)
    return process


@pytest.mark.parametrize("pause", [0.5, 1.0, 2.0])
def test_ctrl_c_keeps_the_calls_in_flight(tmp_path: Path, pause: float) -> None:
    with LLMServer(slow(pause)) as server:
        process = start(tmp_path, server)
        wait_for_calls(server, 8)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        n_asked = len(server.bodies())
    assert process.returncode == 130
    assert "waiting up to 10 s for" in told
    assert told.rstrip().endswith("goalspace: interrupted; run the same command to resume.")
    assert n_stored(tmp_path) == n_asked


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    with LLMServer(slow(0.1)) as server:
        process = start_and_hang(tmp_path, server, 60)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        for line in process.stderr:
            if "in flight" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)  # the calls take 60 seconds
        assert process.returncode == 130
    assert n_stored(tmp_path) >= 1


def test_the_endpoint_may_hang_after_ctrl_c(tmp_path: Path) -> None:
    with LLMServer(slow(0.1)) as server:
        process = start_and_hang(tmp_path, server, 600)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130


# Asks in the main thread, in the way that the first argument names, and says how it ended.
SCRIPT = """
import asyncio, signal, sys, threading, time
from pathlib import Path
from goalspace.llm import get_llm
from goalspace.llm.protocol import FunctionLLM, Reply

way, spec, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])

class Whole:
    name = "whole"
    def complete(self, prompts, *, schema=None, max_tokens=512):
        return [Reply(answer(prompt), 0, 0) for prompt in prompts]

def answer(prompt):
    (folder / "asked").open("a").write(prompt + "\\n")
    time.sleep(float(spec))
    return "yes"

class Own(Exception):
    pass

def own(number, frame):
    if way == "raising":
        raise Own
    print("own handler", flush=True)

def ask():
    llm = {"function": lambda: FunctionLLM(answer), "whole": Whole}.get(way, lambda: spec)()
    llm = get_llm(llm, cache=folder / "llm.sqlite", concurrency=5)
    for _ in llm.stream([f"text {n}" for n in range(200)]):
        if way == "replaced":
            signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    ask()

if way in ("silent", "raising"):
    signal.signal(signal.SIGINT, own)
before = signal.getsignal(signal.SIGINT)
try:
    asyncio.run(main()) if way == "loop" else ask()
except BaseException as error:
    print(type(error).__name__, flush=True)
assert signal.getsignal(signal.SIGINT) == before
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)  # one may be about to end
print([thread.name for thread in threading.enumerate()], flush=True)
"""


def start_script(way: str, spec: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, way, spec, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored(folder: Path) -> int:
    with sqlite3.connect(folder / "llm.sqlite") as log:
        return int(log.execute("SELECT COUNT(*) FROM calls").fetchone()[0])


@pytest.mark.parametrize(
    ("way", "ending"),
    [
        ("plain", "KeyboardInterrupt"),
        ("loop", "KeyboardInterrupt"),  # asyncio.run has a handler of its own, which raises nothing at first
        ("silent", "own handler\nKeyboardInterrupt"),
        ("raising", "Own"),
        ("replaced", "KeyboardInterrupt"),  # by the default one, while calls are made
    ],
)
def test_ctrl_c_keeps_the_calls_in_flight_whoever_handles_it(tmp_path: Path, way: str, ending: str) -> None:
    with LLMServer(slow(0.7)) as server:
        process = start_script(way, server.spec, tmp_path)
        wait_for_calls(server, 8)
        time.sleep(0.3)  # until the replies before are stored
        process.send_signal(signal.SIGINT)
        said, warned = process.communicate(timeout=60)
        n_asked = len(server.bodies())
    assert said == f"{ending}\n['MainThread']\n", warned
    assert stored(tmp_path) == n_asked < 30


@pytest.mark.parametrize("way", ["plain", "loop", "silent", "raising"])
def test_a_second_ctrl_c_ends_at_once_whoever_handles_it(tmp_path: Path, way: str) -> None:
    with LLMServer(slow(0.1)) as server:
        process = start_script(way, server.spec, tmp_path)
        wait_for_calls(server, 3)
        server.chat = slow(60)
        wait_for_calls(server, len(server.bodies()) + 3)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "in flight" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, warned = process.communicate(timeout=30)  # the calls take 60 seconds
    assert said.splitlines()[-2:] == ["KeyboardInterrupt", "['MainThread']"], warned


def wait_for_lines(path: Path, n: int) -> None:
    limit = time.monotonic() + 60
    while not path.is_file() or path.read_text("utf-8").count("\n") < n:
        assert time.monotonic() < limit, "the process makes no calls"
        time.sleep(0.05)


@pytest.mark.parametrize(("way", "size"), [("function", 1), ("whole", 8)])
def test_ctrl_c_keeps_the_reply_of_a_model_in_this_process(tmp_path: Path, way: str, size: int) -> None:
    process = start_script(way, "0.4", tmp_path)
    wait_for_lines(tmp_path / "asked", size + 1)
    process.send_signal(signal.SIGINT)
    said, warned = process.communicate(timeout=60)
    assert said == "KeyboardInterrupt\n['MainThread']\n", warned
    assert "stopping after the call in progress, in 10 s at most" in warned
    assert stored(tmp_path) == (tmp_path / "asked").read_text("utf-8").count("\n") == 2 * size


@pytest.mark.parametrize("presses", [1, 2])
def test_a_model_in_this_process_may_hang(tmp_path: Path, presses: int) -> None:
    """After 10 seconds, or a second Ctrl-C, it is interrupted."""
    process = start_script("function", "600", tmp_path)
    wait_for_lines(tmp_path / "asked", 1)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "stopping" in process.stderr.readline()
    if presses == 2:
        process.send_signal(signal.SIGINT)
    said, warned = process.communicate(timeout=60)
    assert said == "KeyboardInterrupt\n['MainThread']\n", warned
    assert stored(tmp_path) == 0
