"""Pictures of every view of the explorer: desktop, phone, light, dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from _data import CACHE, ROOT
from goalspace.run import discover

LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "desktop-dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
    "phone-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}
PLACES = {
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
    "runs": "view=runs",
    "edits": "view=edits",
    "export": "view=export",
    "about": "view=about",
}
_LONG = ("factors-card", "texts-why", "compare", "compare-groups", "runs", "about")  # shown whole too
_TALLEST = 4000


def _press(role: Any, name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role(role, name=name, exact=True).first.click()


def _edit(what: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        _press("button", "Edit")(page)
        _press("button", what)(page)

    return act


# what is seen only after an act
ACTS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "filter": ("view=texts", _press("button", "Filter")),
    "filter-map": ("view=map", _press("button", "Filter")),
    "edit-menu": ("view=factors&factor=1", _press("button", "Edit")),
    "edit-rename": ("view=factors&factor=1", _edit("Rename…")),
    "edit-merge": ("view=factors&factor=1", _edit("Merge…")),
    "help": ("view=texts", lambda page: page.keyboard.press("?")),
    "nothing-found": ("view=texts&query=%7B%22search%22%3A%22no%20such%20text%22%7D", lambda page: None),
    "save-picture": ("view=compare", _press("button", "Save picture")),
}


def example_run() -> Path:
    """Two runs of the example, kept below bench/.cache; the folder of the first."""
    folder = CACHE / "explorer-example"
    for name, goal in (
        ("why", "what makes customers unhappy"),
        ("what", "which product or device is it about"),
    ):
        if not (folder / name / "report.html").exists():
            discover(ROOT / "examples" / "helpdesk.csv", goal=goal, out=folder / name, text="message")
    return folder / "why"


def take_shots(browser: Browser, url: str, folder: Path) -> Iterator[Path]:
    """Write PLACE-LOOK.png for every place and look, and yield the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for look, options in LOOKS.items():
        context = browser.new_context(**options, reduced_motion="reduce")
        page = context.new_page()
        for place, where in PLACES.items():
            _open(page, f"{url}#{where}")
            yield _shot(page, folder / f"{place}-{look}.png")
            if place in _LONG:
                yield _whole(page, folder / f"{place}-{look}-whole.png")
        for name, (where, act) in ACTS.items():
            _open(page, f"{url}#{where}")
            act(page)
            yield _shot(page, folder / f"{name}-{look}.png")
        _open(page, url.replace("token=", "token=not-"))
        yield _shot(page, folder / f"wrong-token-{look}.png")
        context.close()


def _open(page: Page, url: str) -> None:
    page.goto("about:blank")
    page.goto(url)
    page.get_by_role("main").wait_for()
    page.wait_for_timeout(300)
    page.locator(".loading, [aria-busy=true]").first.wait_for(state="detached")


def _shot(page: Page, path: Path) -> Path:
    page.wait_for_timeout(400)  # the names on the map find their places
    page.screenshot(path=path)
    return path


def _whole(page: Page, path: Path) -> Path:
    """A picture in a window as tall as what scrolls in it."""
    size = page.viewport_size
    assert size is not None
    hidden = page.evaluate(
        "Math.max(...[...document.querySelectorAll('main, main *')].map(e => e.scrollHeight - e.clientHeight))"
    )
    page.set_viewport_size({"width": size["width"], "height": min(size["height"] + hidden, _TALLEST)})
    _shot(page, path)
    page.set_viewport_size(size)
    return path
