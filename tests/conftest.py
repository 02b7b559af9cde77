"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from explorer_server import ExplorerServer
    from goalspace.run.folder import Run

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    path = Path(os.environ.get("GOALSPACE_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"the shared data are not at {path}; set GOALSPACE_DATA to run this test")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of pages; of a module, as Playwright's loop must not outlive it."""
    from explorer_page import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def explorer_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the two runs that the tests of the explorer's pages look at."""
    from explorer_page import make_runs

    return make_runs(tmp_path_factory.mktemp("explorer-page"))


@pytest.fixture(scope="module")
def server(explorer_runs: Path, browser: Any) -> Iterator[ExplorerServer]:
    """A server of the first of these runs, which only reads; the browser first, as without one nothing is served."""
    from explorer_server import ExplorerServer

    with ExplorerServer(explorer_runs / "why") as running:
        yield running


@pytest.fixture(scope="module")
def run(explorer_runs: Path) -> Run:
    """The run that `server` serves."""
    from goalspace.run.folder import Run

    return Run.open(explorer_runs / "why")
