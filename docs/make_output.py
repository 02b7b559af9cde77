"""Write the output of the README's first command into README.md (an excerpt) and docs/report.md (all of it)."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

from click.testing import CliRunner

from goalspace.cli import main

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "report.md")
COMMAND = ["discover", "examples/helpdesk.csv", "--goal", "what makes customers unhappy"]
WIDTH = 110  # columns, enough for every factor to fit on one line
EXCERPT = 8  # lines of the README: the header of the table and the first factors
_BLOCK = re.compile(r"(<!-- output:start -->\n```text\n)(.*?)(```\n<!-- output:end -->)", re.DOTALL)


def output(folder: Path) -> str:
    """Run the command in an empty folder and return what it prints.

    Raises
    ------
    RuntimeError
        If the command fails.
    """
    (folder / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "helpdesk.csv", folder / "examples")
    with contextlib.chdir(folder):
        result = CliRunner().invoke(main, COMMAND, env={"COLUMNS": str(WIDTH)})
    if result.exit_code:
        raise RuntimeError(result.output)
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


def excerpt(text: str) -> str:
    """Return the first lines of the table of factors."""
    lines = text.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.split()[:2] == ["factor", "texts"])
    return "".join(lines[first : first + EXCERPT])


def shown(page: Path) -> str:
    """Return the output that a page shows.

    Raises
    ------
    LookupError
        If the page has no block for it.
    """
    return _find_block(page)[2]


def _find_block(page: Path) -> re.Match[str]:
    block = _BLOCK.search(page.read_text(encoding="utf-8"))
    if block is None:
        raise LookupError(f"{page} has no block between 'output:start' and 'output:end'.")
    return block


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        full = output(Path(temporary))
    for page, text in zip(PAGES, (excerpt(full), full), strict=True):
        block = _find_block(page)
        page.write_text(
            block.string[: block.start(2)] + text + block.string[block.end(2) :], encoding="utf-8"
        )
