"""Processes whose calls go through the batch API of an `LLMServer`, for killing them.

    python tests/batch_process.py SPEC CACHE N [OPTION=VALUE …]   answers N prompts, prints the replies as JSON
    python tests/batch_process.py goalspace discover … --batch    the command line, with short waits

`kill_and_resume` kills such processes at random moments until the work is done, and returns what was paid; to try that:

    PYTHONPATH=src:tests python -m batch_process kill 20           20 rounds of it, each with other moments
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from llm_batches import BatchHost, Fate
from llm_server import LLMServer, prompt_of

EVENTS = ("upload", "uploaded", "create", "created", "poll", "content")


def shorten_waits() -> None:
    """Look at batches every few milliseconds."""
    from goalspace.llm.batches import BatchLLM

    BatchLLM.first_wait, BatchLLM.longest_wait, BatchLLM.grace = 0.02, 0.1, 0.5


def start(
    spec: str, cache: Path, n_prompts: int, *, die_after: int = 0, **limits: object
) -> subprocess.Popen[str]:
    """Start a process that answers so many prompts, or kills itself after some replies were stored."""
    options = [f"{name}={json.dumps(value)}" for name, value in {**limits, "die_after": die_after}.items()]
    return subprocess.Popen(
        [sys.executable, __file__, spec, str(cache), str(n_prompts), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_command(*arguments: object) -> subprocess.Popen[str]:
    """Start the command line with short waits."""
    return subprocess.Popen(
        [sys.executable, __file__, "goalspace", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


class Killer:
    """Kills a process at the n-th event of a kind; `watch` is that of a `BatchHost`."""

    def __init__(self, event: str = "", n: int = 1, number: int = signal.SIGKILL) -> None:
        self.event, self.left, self.number = event, n, number
        self.process: subprocess.Popen[str] | None = None
        self.started = threading.Event()

    def aim(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.started.set()

    def watch(self, event: str) -> None:
        if event == self.event:
            self.left -= 1
            if self.left == 0:
                self.started.wait(30)
                assert self.process is not None
                self.process.send_signal(self.number)
                if self.number == signal.SIGKILL:
                    self.process.wait()


def kill_and_resume(folder: Path, *, seed: int, n_prompts: int = 120, n_kills: int = 4) -> BatchHost:
    """Kill processes at random moments, then let one end; check its replies, and return the host with what was paid."""
    draw = random.Random(seed)
    host = BatchHost(
        fates=[
            Fate(draw.choice(["completed", "expired", "cancelled"]), share=draw.random())
            for _ in range(2)  # a call gives up after three
        ],
        polls=4,
    )
    with LLMServer(lambda body: f"re: {prompt_of(body)}", batches=host) as server:
        for _ in range(n_kills):
            killer = Killer(draw.choice((*EVENTS, "time", "store")), draw.choice([1, 1, 2, 3]))
            host.watch = killer.watch
            stored = draw.randrange(1, n_prompts) if killer.event == "store" else 0
            process = start(server.spec, folder / "llm.sqlite", n_prompts, die_after=stored)
            killer.aim(process)
            if killer.event == "time":
                time.sleep(draw.uniform(0.5, 4.0))
                process.kill()
            process.communicate(timeout=120)
        host.watch = lambda event: None
        process = start(server.spec, folder / "llm.sqlite", n_prompts)
        told, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert json.loads(told) == [f"re: text {n}" for n in range(n_prompts)]
    return host


def _complete(spec: str, cache: str, n_prompts: str, *options: str) -> None:
    from goalspace.llm import get_llm
    from goalspace.llm.limits import Limits
    from goalspace.llm.protocol import stream

    shorten_waits()
    given = {name: json.loads(value) for name, _, value in (option.partition("=") for option in options)}
    die_after = given.pop("die_after", 0)
    if "prices" in given:
        given["prices"] = Path(given["prices"])
    llm = get_llm(spec, cache=Path(cache), limits=Limits(**{"batch": True, **given}))
    replies = {}
    for n, (position, reply) in enumerate(stream(llm, [f"text {n}" for n in range(int(n_prompts))]), 1):
        replies[position] = reply.text
        if n == die_after and not reply.cached:
            os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps([replies[position] for position in sorted(replies)]))


def main(arguments: Sequence[str]) -> None:
    if arguments[0] == "goalspace":
        from goalspace.cli import main as command

        shorten_waits()
        sys.argv = list(arguments)
        command()
    elif arguments[0] == "kill":
        for seed in range(int(arguments[1])):
            with tempfile.TemporaryDirectory() as folder:
                host = kill_and_resume(Path(folder), seed=seed)
            twice = sum(n > 1 for n in host.paid.values())
            print(f"seed {seed}: {len(host.batches)} batches, {host.paid.total()} paid, {twice} paid twice")
    else:
        _complete(*arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
