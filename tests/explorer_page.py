"""The explorer's pages in a real Chromium: two runs to look at, and a browser that reports every complaint."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from goalspace.run import discover

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--no-sandbox",
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
)
SCRIPT = (
    "<script>window.owned = 1</script> </script> <img src=x onerror='window.owned = 1'> the router is broken"
)
LONG = (
    "The router fails every evening. " + "Wort mit Umlauten: naïve Größe 🛠️. " * 290
)  # more than 10,000 characters
ARABIC = "هذا الموجّه معطل منذ ثلاثة أيام ولا أحد يجيب على الهاتف"
CHINESE = "路由器坏了，没有人接电话。已经三天了。"
HOSTILE = (SCRIPT, LONG, ARABIC, CHINESE)
VIEWS = ("map", "factors", "texts", "compare", "runs", "edits", "export", "about")


def make_runs(root: Path) -> Path:
    """Two runs, ``why`` and ``where``, over the same 64 texts with a category, a month and a number."""
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[::7][:60]
    for at, text in enumerate(HOSTILE):
        rows.append({**rows[at], "ticket_id": f"<b>{at}</b>", "message": text, "tier": "</td>"})
    for at, row in enumerate(rows):
        row["minutes"] = "" if at == 3 else str(at * 7 % 23 + at)
    table = root / "tickets.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name, goal, n_factors in (
        ("why", "what makes customers unhappy", 9),
        ("where", "why customers are dissatisfied", 3),
    ):
        # links that are learned are also measured, which the page shows
        discover(
            table, goal=goal, out=root / "runs" / name, n_factors=n_factors, text="message", encoder="minilm"
        )
    return root / "runs"


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser that draws WebGL in software; skips the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    sync_api.expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens an address in a page of its own; at the end no page may have had a complaint.

    A complaint is anything on the console, which a blocked script is too, an exception, a dialog, and a request to
    anywhere but the address and what is `allowed`. `expected` are parts of complaints that a test provokes.
    """
    contexts, troubles = [], []

    def visit(
        url: str,
        *,
        width: int = 1440,
        expected: tuple[str, ...] = (),
        allowed: tuple[str, ...] = ("blob:", "data:"),
        **options: Any,
    ) -> Any:
        height = 844 if width < 500 else 900
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        home = url.split("?")[0].split("#")[0]

        def note(trouble: str) -> None:
            if not any(part in trouble for part in (*expected, "GL Driver Message")):
                troubles.append(trouble)

        page.on("console", lambda message: note(f"console: {message.text}"))
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("dialog", lambda dialog: note(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith((home, *allowed)) else note(request.url),
        )
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert troubles == []


def rows_of(page: Any) -> Any:
    """The texts in sight, in the list beside the map or in the table."""
    return page.get_by_role("grid").get_by_role("row").filter(has=page.get_by_role("gridcell"))


def go(page: Any, view: str) -> Any:
    """Go to a view by its button; returns the part of the page that shows it."""
    page.get_by_role("navigation", name="Views").get_by_role("button", name=view, exact=True).click()
    return page.get_by_role("main")


def search(page: Any, words: str) -> None:
    """Type into the field of search."""
    page.get_by_role("searchbox").fill(words)


def opened(page: Any, id: str) -> Any:
    """The panel of why a text stands where it stands, once it shows the text."""
    panel = page.get_by_role("region", name=f"Why: text {id}", exact=True)
    panel.get_by_role("heading", name=id, exact=True).wait_for()
    return panel
