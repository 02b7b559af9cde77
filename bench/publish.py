"""Write docs/benchmarks.md, and the README's tables, from bench/results/*.json: no figure is typed by hand.

python bench/publish.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _tables import RESULTS
from goalspace._files import write_atomic

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "benchmarks.md", ROOT / "README.md"
IN_README = ("quality-A", "quality-B", "ieb")
_START, _END = "<!-- bench:start -->\n", "<!-- bench:end -->"

_HEAD = """# Benchmarks

Written by `python bench/publish.py` from `bench/results/*.json`, which `make bench` and `make bench-ieb` write. The
data is that of `bench/_data.py`; figures are means ± standard errors over seeds where there are several. In bold: our
rows. Seconds depend on what else the machine did.
"""


def render(document: dict[str, Any]) -> str:
    """One result as Markdown: machine and versions, then its tables."""
    machine, versions = document["machine"], document["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    lines = [
        f"## {document['name']}",
        "",
        f"{document['created'][:10]}, {machine['processor']}, {machine['cores']} cores; {packages}.",
    ]
    for table in document["tables"]:
        lines += ["", f"### {table['title']}", "", *_rows(table, table["columns"])]
        lines += ["", table["caption"]] if table["caption"] else []
        lines += (
            ["", "Below target: " + "; ".join(map(_escape, table["missed"])) + "."] if table["missed"] else []
        )
    return "\n".join(lines) + "\n"


def summarise(document: dict[str, Any]) -> str:
    """Its tables for the README: without seconds and notes."""
    lines = []
    for table in document["tables"]:
        columns = [column for column in table["columns"] if column not in ("seconds", "note", "scores")]
        lines += [f"{table['title']}; {table['caption']}:", "", *_rows(table, columns), ""]
    return "\n".join(lines)


def _rows(table: dict[str, Any], columns: Sequence[str]) -> list[str]:
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in table["rows"]:
        name = str(row["row"])
        ours = f"**{_escape(name)}**" if name.startswith(("goalspace", "task")) else _escape(name)
        lines.append(f"| {ours} | {' | '.join(_cell(row.get(column)) for column in columns)} |")
    return lines


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['mean']:.3f} ± {value['se']:.3f}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) >= 100 else f"{value:.3f}"
    return "" if value is None else _escape(str(value))


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Write the page from all results but those of quick runs, and the README's part."""
    paths = [path for path in sorted(RESULTS.glob("*.json")) if not path.stem.endswith("-quick")]
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    kept = [document for document in documents if document.get("name") in IN_README]
    before, _, rest = README.read_text(encoding="utf-8").partition(_START)
    after = rest.partition(_END)[2]
    summaries = "\n".join(map(summarise, kept))
    write_atomic(README, f"{before}{_START}{summaries}{_END}{after}")
    parts = [render(document) for document in documents if "tables" in document]
    write_atomic(PAGE, "\n".join([_HEAD, *parts]))


if __name__ == "__main__":
    main()
