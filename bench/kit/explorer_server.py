"""A running explorer and a browser to look at it."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

_FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


class ExplorerServer(NamedTuple):
    """A running server: the address that it printed, its process, and the seconds until it printed the address."""

    url: str
    pid: int
    seconds: float

    def memory(self) -> tuple[float, float]:
        """Return the current and the peak resident memory, in GB."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        sizes = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        return int(sizes["VmRSS"]) * 1024 / 1e9, int(sizes["VmHWM"]) * 1024 / 1e9

    def request(self, path: str, body: Any = None) -> tuple[float, bytes]:
        """Return the seconds until the whole response arrived, and the response; POST if there is a body."""
        parts = urlsplit(self.url)
        headers = {
            "X-Goalspace-Token": parts.query.removeprefix("token="),
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection(parts.netloc, timeout=120)
        start = time.perf_counter()
        connection.request(
            "GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers
        )
        response = connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - start
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {content[:200]!r}")
        return seconds, content


@contextmanager
def serve(run: Path, *options: str) -> Iterator[ExplorerServer]:
    """Run `goalspace explore` in a separate process."""
    start = time.perf_counter()
    command = (sys.executable, "-m", "goalspace.cli", "explore", str(run), "--no-browser", *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"goalspace explore {run} did not start.")
        try:
            yield ExplorerServer(url, process.pid, time.perf_counter() - start)
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def launch_chromium() -> Iterator[Browser]:
    """Launch a browser that renders in software, as on a machine without a graphics card."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()
