"""The explorer with 100,000 texts: first paint, frames while panning and zooming, searches, memory, size of the bundle.

    python bench/explorer.py [--quick]
    python bench/explorer.py --shots FOLDER [--run RUN]

Needs playwright and Chromium; writes bench/results/explorer.json. With --shots it measures nothing: it writes a picture of
every view into FOLDER, on a desktop and a phone, light and dark, of two runs of the example or of RUN.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from _data import CACHE, ROOT
from _invented import invented_run
from _shots import example_run, take_shots
from _tables import Table, save

N, N_QUICK = 100_000, 2_000
N_VISITS = 3
WORDS = (
    "router",
    "refund",
    "screen",
    "price",
    "the",
    "letter 77",
    '"letter 99"',
    "app update",
    "no such word",
    "",
)
MEANINGS = (
    "the parcel was never delivered",
    "I was charged twice",
    "password reset does not work",
    "the battery dies too soon",
    "an answer takes weeks",
    "please cancel my contract",
    "the screen stays black",
    "great service, thank you",
    "the app crashes at the start",
    "my data are lost",
)
BUNDLE = ROOT / "src" / "goalspace" / "data" / "web" / "explorer"
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
FRAMES = """() => {
    window.frames_ = [];
    let last = performance.now();
    const next = now => { window.frames_.push(now - last); last = now; requestAnimationFrame(next); };
    requestAnimationFrame(next);
}"""
log = Console(stderr=True, log_path=False)


class Served(NamedTuple):
    """A running server: the address that it printed, its process, and the seconds until it printed it."""

    url: str
    pid: int
    seconds: float

    def memory(self) -> tuple[float, float]:
        """Resident memory now and at most, in GB."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        sizes = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        return int(sizes["VmRSS"]) * 1024 / 1e9, int(sizes["VmHWM"]) * 1024 / 1e9

    def ask(self, path: str, body: Any = None) -> tuple[float, bytes]:
        """Seconds until the whole answer is here, and the answer."""
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
        answer = response.read()
        seconds = time.perf_counter() - start
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer[:200]!r}")
        return seconds, answer


@contextmanager
def served(run: Path, *options: str) -> Iterator[Served]:
    """`goalspace explore` in a process of its own."""
    start = time.perf_counter()
    command = (sys.executable, "-m", "goalspace.cli", "explore", str(run), "--no-browser", *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"goalspace explore {run} did not start.")
        try:
            yield Served(url, process.pid, time.perf_counter() - start)
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that draws in software, as on a machine without a graphics card."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


# --- what is measured --------------------------------------------------------------------------------


def measure_paint(browser: Browser, server: Served) -> Table:
    """Seconds from the address to the first pixels, to the map, and to the list; the first visit fills no cache."""
    table = Table(
        "First paint",
        ("first visit", f"median of {N_VISITS}"),
        "seconds after the address is opened, a browser without a cache at each visit",
    )
    found: list[tuple[float, float, float]] = []
    for _ in range(N_VISITS):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        start = time.perf_counter()
        page.goto(f"{server.url}#view=map")
        page.locator(".map-label:visible").first.wait_for(timeout=60_000)
        on_map = time.perf_counter() - start
        page.get_by_role("gridcell").first.wait_for(timeout=60_000)
        in_list = time.perf_counter() - start
        pixels = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        found.append((pixels, on_map, in_list))
        context.close()
    median = np.median(found, axis=0)
    for at, name in enumerate(("first pixels", "map with its labels", "list of texts")):
        table.add(name, **{"first visit": found[0][at], table.columns[1]: float(median[at])})
        table.limit(name, **{"first visit": 3.0, table.columns[1]: 3.0})
    table.add("the server until it answers", **{"first visit": server.seconds})
    return table


def measure_frames(browser: Browser, server: Served) -> Table:
    """Milliseconds between frames while the mouse moves the map."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{server.url}#view=map")
    page.get_by_role("gridcell").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    box = page.get_by_role("img", name="Map of").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(FRAMES)
    table = Table(
        "Frames",
        ("frames", "median ms", "95% ms", "worst ms"),
        f"milliseconds between animation frames at 1440 × 900; drawn by {_renderer(page)}, without a graphics card",
    )

    def pan() -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(90):
            page.mouse.move(x + 150 * np.sin(step / 14), y + 100 * np.sin(step / 9))
        page.mouse.up()

    def wheel(delta: int) -> Callable[[], None]:
        def turn() -> None:
            page.mouse.move(x, y)
            for _ in range(45):
                page.mouse.wheel(0, delta)
                page.wait_for_timeout(16)

        return turn

    def hover() -> None:
        for step in range(60):
            page.mouse.move(x + 4 * step - 120, y + 2 * step - 60)

    for name, act in {
        "nothing happens": lambda: page.wait_for_timeout(1000),
        "pan": pan,
        "zoom in": wheel(-60),
        "pan, zoomed in": pan,
        "zoom out": wheel(60),
        "hover": hover,
    }.items():
        page.evaluate("() => { window.frames_ = [] }")
        act()
        times = np.array(page.evaluate("() => window.frames_")[1:])
        table.add(
            name,
            frames=len(times),
            median_ms=float(np.median(times)),
            **{"95% ms": float(np.quantile(times, 0.95)), "worst ms": float(times.max())},
        )
        page.wait_for_timeout(700)
    context.close()
    return table


def _renderer(page: Page) -> str:
    """What draws WebGL here, in the browser's words."""
    told = page.evaluate(
        """() => {
            const gl = document.createElement("canvas").getContext("webgl2");
            const about = gl.getExtension("WEBGL_debug_renderer_info");
            return gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
        }"""
    )
    return "SwiftShader on the CPU" if "swiftshader" in str(told).lower() else str(told)


def measure_searches(server: Served) -> Table:
    """Milliseconds until a page of the list and the rows for the map are here."""
    table = Table(
        "Searches",
        ("queries", "median ms", "95% ms", "worst ms"),
        "milliseconds until the answer is read: 60 texts, and the rows of all that were found",
    )
    queries: dict[str, Sequence[dict[str, Any]]] = {
        "by words": [{"search": words} for words in WORDS],
        "by meaning": [{"search": words, "by": "meaning"} for words in MEANINGS],
        "by a factor's score": [
            {
                "factors": [{"factor": k, "low": 1, "high": None}],
                "sort": {"by": "factor", "at": k, "down": True},
            }
            for k in range(10)
        ],
    }
    server.ask("/api/texts", {"search": "warm", "by": "meaning", "limit": 1})
    for name, asked in queries.items():
        times = 1000 * np.array([server.ask("/api/texts", {**query, "limit": 60})[0] for query in asked])
        table.add(
            name,
            queries=len(asked),
            median_ms=float(np.median(times)),
            **{"95% ms": float(np.quantile(times, 0.95)), "worst ms": float(times.max())},
        )
    table.limit("by meaning", **{"median ms": 300, "worst ms": 300})
    return table


def measure_sizes(server: Served) -> Table:
    """Memory of the server after all the rest, and the bundle as a browser would fetch it."""
    table = Table("Sizes", ("size", "unit"))
    now, most = server.memory()
    table.add("resident memory of the server, at the end", size=now, unit="GB")
    table.add("resident memory of the server, at most", size=most, unit="GB")
    files = [path for path in BUNDLE.rglob("*") if path.is_file() and path.name != "report.html"]
    packed = sum(len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in files)
    table.add("bundle, compressed with gzip", size=packed / 1e6, unit="MB")
    table.add("bundle as it lies", size=sum(path.stat().st_size for path in files) / 1e6, unit="MB")
    table.limit("resident memory of the server, at most", size=1.5)
    table.limit("bundle, compressed with gzip", size=1.5)
    return table


def measure_edits(run: Path) -> Table:
    """Seconds of an edit and of the report, and what they need of memory, on a copy of the run."""
    table = Table(
        "Edits and the report", ("seconds", "memory GB"), "memory: of the server, at most until then"
    )
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as folder:
        copy = shutil.copytree(run, Path(folder) / "run")
        with served(copy, "--edit") as server:
            for name, path, body in (
                ("open", "/api/summary", None),
                ("rename a factor", "/api/edits", {"do": "rename", "factor": 0, "name": "Renamed"}),
                ("merge two factors", "/api/edits", {"do": "merge", "factors": [1, 2]}),
                ("split a factor", "/api/edits", {"do": "split", "factor": 3, "into": 2}),
                ("undo", "/api/undo", {}),
                ("write the report", "/api/export/report.html", None),
            ):
                seconds, _ = server.ask(path, body)
                table.add(name, seconds=seconds, memory_GB=server.memory()[1])
                table.limit(name, memory_GB=1.5)
    return table


def measure(n: int, quick: bool) -> None:
    """Measure, print, write."""
    with log.status(f"inventing a run of {n:,} texts"):
        run = invented_run(CACHE / f"explorer-{n}", n)
    load = round(os.getloadavg()[0], 1)  # what else the machine does: frames and first visits feel it
    with served(run) as server, chromium() as browser:
        tables = [measure_paint(browser, server)]
        log.log("first paint")
        tables.append(measure_frames(browser, server))
        log.log("frames")
        tables.append(measure_searches(server))
        server.ask("/api/compare?column=0")
        server.ask("/api/export/texts.csv")
        tables.append(measure_sizes(server))
        settings = {"n_texts": n, "browser": browser.version, "load_before": load}
    tables.insert(3, measure_edits(run))
    for table in tables:
        table.title += f": {n:,} texts" if table.title != "Sizes" else ""
    console = Console() if sys.stdout.isatty() else Console(width=130)
    for table in tables:
        table.show(console)
    print(
        save(
            f"explorer{'-quick' if quick else ''}",
            tables,
            settings=settings,
            packages=("starlette", "uvicorn", "duckdb"),
        )
    )
    missed = [line for table in tables for line in table.missed()]
    if missed:
        console.print("[red]missed:[/]", *missed, sep="\n  ")


def main() -> None:
    """Measure, or take pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"{N_QUICK:,} texts: does it run?")
    parser.add_argument("--shots", type=Path, metavar="FOLDER", help="write pictures of every view instead")
    parser.add_argument("--run", type=Path, help="the run that the pictures show")
    asked = parser.parse_args()
    if asked.shots is None:
        measure(N_QUICK if asked.quick else N, asked.quick)
        return
    with served(asked.run or example_run(), "--edit") as server, chromium() as browser:
        for path in take_shots(browser, server.url, asked.shots):
            print(path)


if __name__ == "__main__":
    main()
