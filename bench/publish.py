"""Write docs/benchmarks.md from bench/results/*.json: no figure of a page is typed by hand.

    python bench/publish.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _tables import RESULTS
from goalspace._files import write_atomic

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"

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
        columns = table["columns"]
        lines += ["", f"### {table['title']}", ""]
        lines += [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
        for row in table["rows"]:
            name = str(row["row"])
            ours = f"**{_escape(name)}**" if name.startswith(("goalspace", "task")) else _escape(name)
            lines.append(f"| {ours} | {' | '.join(_cell(row.get(column)) for column in columns)} |")
        lines += ["", table["caption"]] if table["caption"] else []
        lines += ["", "Below target: " + "; ".join(map(_escape, table["missed"])) + "."] if table["missed"] else []
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['mean']:.3f} ± {value['se']:.3f}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) >= 100 else f"{value:.3f}"
    return "" if value is None else _escape(str(value))


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Write the page from all results but those of quick runs."""
    paths = [path for path in sorted(RESULTS.glob("*.json")) if not path.stem.endswith("-quick")]
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    parts = [render(document) for document in documents if "tables" in document]
    write_atomic(PAGE, "\n".join([_HEAD, *parts]))


if __name__ == "__main__":
    main()
