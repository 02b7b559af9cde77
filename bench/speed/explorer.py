"""The explorer with 100,000 texts: first paint, frames while panning and zooming, searches, memory, size of the bundle.

    python -m bench.speed.explorer [--quick]        (make bench-explorer)

Requires playwright and Chromium. Writes bench/results/explorer.json.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

from bench.kit.console import log, open_console, print_missed
from bench.kit.explorer_server import ExplorerServer, launch_chromium, serve
from bench.kit.paths import CACHE, ROOT
from bench.kit.tables import Table, save
from bench.speed.synthetic_run import write_synthetic_run

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
FRAMES = """() => {
    window.frames_ = [];
    let last = performance.now();
    const next = now => { window.frames_.push(now - last); last = now; requestAnimationFrame(next); };
    requestAnimationFrame(next);
}"""


def measure_paint(browser: Browser, server: ExplorerServer) -> Table:
    """Measure the seconds from opening the address to the first pixels, the map and the list, without a browser cache."""
    table = Table(
        "First paint",
        ("first visit", f"median of {N_VISITS}"),
        "seconds after the address is opened, with an empty browser cache at each visit",
    )
    visits: list[tuple[float, float, float]] = []
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
        visits.append((pixels, on_map, in_list))
        context.close()
    median = np.median(visits, axis=0)
    for at, name in enumerate(("first pixels", "map with its labels", "list of texts")):
        table.add(name, **{"first visit": visits[0][at], table.columns[1]: float(median[at])})
        table.limit(name, **{"first visit": 3.0, table.columns[1]: 3.0})
    table.add("the server until it answers", **{"first visit": server.seconds})
    return table


def measure_frames(browser: Browser, server: ExplorerServer) -> Table:
    """Measure the milliseconds between frames while the mouse moves the map."""
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
        f"milliseconds between animation frames at 1440 × 900, rendered by {_renderer(page)}, without a graphics card",
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
    """Return the name of the WebGL renderer."""
    name = page.evaluate(
        """() => {
            const gl = document.createElement("canvas").getContext("webgl2");
            const about = gl.getExtension("WEBGL_debug_renderer_info");
            return gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
        }"""
    )
    return "SwiftShader on the CPU" if "swiftshader" in str(name).lower() else str(name)


def measure_searches(server: ExplorerServer) -> Table:
    """Measure the milliseconds until a page of the list and the rows for the map arrived."""
    table = Table(
        "Searches",
        ("queries", "median ms", "95% ms", "worst ms"),
        "milliseconds until the response is read: 60 texts and the rows of all matches",
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
    server.request("/api/texts", {"search": "warm", "by": "meaning", "limit": 1})
    for name, bodies in queries.items():
        times = 1000 * np.array([server.request("/api/texts", {**body, "limit": 60})[0] for body in bodies])
        table.add(
            name,
            queries=len(bodies),
            median_ms=float(np.median(times)),
            **{"95% ms": float(np.quantile(times, 0.95)), "worst ms": float(times.max())},
        )
    table.limit("by meaning", **{"median ms": 300, "worst ms": 300})
    return table


def measure_sizes(server: ExplorerServer) -> Table:
    """Measure the memory of the server after all other measurements, and the size of the bundle."""
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
    """Measure time and memory of edits and of the report, on a copy of the run."""
    table = Table("Edits and the report", ("seconds", "memory GB"), "memory: peak of the server until then")
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as folder:
        copy = shutil.copytree(run, Path(folder) / "run")
        with serve(copy, "--edit") as server:
            for name, path, body in (
                ("open", "/api/summary", None),
                ("rename a factor", "/api/edits", {"do": "rename", "factor": 0, "name": "Renamed"}),
                ("merge two factors", "/api/edits", {"do": "merge", "factors": [1, 2]}),
                ("split a factor", "/api/edits", {"do": "split", "factor": 3, "into": 2}),
                ("undo", "/api/undo", {}),
                ("write the report", "/api/export/report.html", None),
            ):
                seconds, _ = server.request(path, body)
                table.add(name, seconds=seconds, memory_GB=server.memory()[1])
                table.limit(name, memory_GB=1.5)
    return table


def measure(n: int, quick: bool) -> None:
    """Measure a run of n texts, print the tables and save them."""
    with log.status(f"writing a synthetic run of {n:,} texts"):
        run = write_synthetic_run(CACHE / f"explorer-{n}", n)
    load = round(os.getloadavg()[0], 1)  # other load on the machine, which affects frames and first visits
    with serve(run) as server, launch_chromium() as browser:
        tables = [measure_paint(browser, server)]
        log.log("first paint")
        tables.append(measure_frames(browser, server))
        log.log("frames")
        tables.append(measure_searches(server))
        server.request("/api/compare?column=0")
        server.request("/api/export/texts.csv")
        tables.append(measure_sizes(server))
        settings = {"n_texts": n, "browser": browser.version, "load_before": load}
    tables.insert(3, measure_edits(run))
    for table in tables:
        table.title += f": {n:,} texts" if table.title != "Sizes" else ""
    console = open_console(130)
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
    print_missed(tables, console)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"test run: {N_QUICK:,} texts")
    quick = parser.parse_args().quick
    measure(N_QUICK if quick else N, quick)


if __name__ == "__main__":
    main()
