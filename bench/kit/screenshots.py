"""Screenshots of every view of the explorer, on a desktop and a phone, light and dark.

    python -m bench.kit.screenshots FOLDER [--run RUN]        (make explorer-shots)

Requires playwright and Chromium. Without --run, the screenshots show two runs of the example.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from bench.kit.explorer_server import launch_chromium, serve
from bench.kit.paths import CACHE, ROOT
from goalspace.run import discover

DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "desktop-dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
    "phone-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}
VIEWS = {
    "map": "view=map",
    "map-column": "view=map&colour=column:0",
    "map-score": "view=map&colour=score:1&labels=0",
    "map-properties": "view=map&properties=1",
    "map-text": "view=map&text=3",
    "factors": "view=factors",
    "factors-card": "view=factors&factor=1",
    "factors-tree": "view=factors&order=tree",
    "texts": "view=texts",
    "texts-search": "view=texts&query=%7B%22search%22%3A%22the%22%7D",
    "texts-why": "view=texts&text=5",
    "compare": "view=compare",
    "compare-groups": "view=compare&compare=0:0:1:means",
    "compare-time": "view=compare&compare=1:::shares",
    "runs": "view=runs",
    "edits": "view=edits",
    "export": "view=export",
    "about": "view=about",
}
_LONG = (
    "factors-card",
    "texts-why",
    "compare",
    "compare-groups",
    "compare-time",
    "runs",
    "about",
)  # also in full height
_TALLEST = 4000


def _press(role: Any, name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role(role, name=name, exact=True).first.click()


def _edit(what: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        _press("button", "Edit")(page)
        _press("button", what)(page)

    return act


# what appears only after an action
ACTIONS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "filter": ("view=texts", _press("button", "Filter")),
    "filter-map": ("view=map", _press("button", "Filter")),
    "edit-menu": ("view=factors&factor=1", _press("button", "Edit")),
    "edit-rename": ("view=factors&factor=1", _edit("Rename…")),
    "edit-merge": ("view=factors&factor=1", _edit("Merge…")),
    "help": ("view=texts", lambda page: page.keyboard.press("?")),
    "nothing-found": ("view=texts&query=%7B%22search%22%3A%22no%20such%20text%22%7D", lambda page: None),
    "over-time-table": (
        "view=compare&compare=1:::shares",
        lambda page: page.get_by_text("Table", exact=True).click(),
    ),
    "save-picture": ("view=compare", _press("button", "Save picture")),
}


def example_run() -> Path:
    """Return the folder of the first of two runs of the example, which are kept in bench/.cache."""
    folder = CACHE / "explorer-example"
    for name, goal in (
        ("why", "what makes customers unhappy"),
        ("what", "which product or device is it about"),
    ):
        if not (folder / name / "report.html").exists():
            discover(ROOT / "examples" / "helpdesk.csv", goal=goal, out=folder / name, text="message")
    return folder / "why"


def take_screenshots(browser: Browser, url: str, folder: Path) -> Iterator[Path]:
    """Write VIEW-DEVICE.png for every view and device, and yield the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for device, options in DEVICES.items():
        context = browser.new_context(**options, reduced_motion="reduce")
        page = context.new_page()
        for view, fragment in VIEWS.items():
            _open(page, f"{url}#{fragment}")
            yield _capture(page, folder / f"{view}-{device}.png")
            if view in _LONG:
                yield _capture_whole(page, folder / f"{view}-{device}-whole.png")
        for name, (fragment, act) in ACTIONS.items():
            _open(page, f"{url}#{fragment}")
            act(page)
            yield _capture(page, folder / f"{name}-{device}.png")
        _open(page, url.replace("token=", "token=not-"))
        yield _capture(page, folder / f"wrong-token-{device}.png")
        context.close()


def _open(page: Page, url: str) -> None:
    page.goto("about:blank")
    page.goto(url)
    page.get_by_role("main").wait_for()
    page.wait_for_timeout(300)
    page.locator(".loading, [aria-busy=true]").first.wait_for(state="detached")


def _capture(page: Page, path: Path) -> Path:
    page.wait_for_timeout(400)  # until the labels on the map are placed
    page.screenshot(path=path)
    return path


def _capture_whole(page: Page, path: Path) -> Path:
    """Capture the page in a window tall enough for all that scrolls in it."""
    size = page.viewport_size
    assert size is not None
    hidden = page.evaluate(
        "Math.max(...[...document.querySelectorAll('main, main *')].map(e => e.scrollHeight - e.clientHeight))"
    )
    page.set_viewport_size({"width": size["width"], "height": min(size["height"] + hidden, _TALLEST)})
    _capture(page, path)
    page.set_viewport_size(size)
    return path


def main() -> None:
    """Take the screenshots and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder for the screenshots")
    parser.add_argument("--run", type=Path, metavar="RUN", help="run to show instead of the example")
    arguments = parser.parse_args()
    with serve(arguments.run or example_run(), "--edit") as server, launch_chromium() as browser:
        for path in take_screenshots(browser, server.url, arguments.folder):
            print(path)


if __name__ == "__main__":
    main()
