"""Write docs/benchmarks.md and the tables of other pages from bench/results/*.json, so that no figure is typed by hand.

    python -m bench.kit.result_pages        (make publish)

A page requests a table in a comment: the name of the result, the start of the table's title and, optionally, the columns
and rows to include. `caption: none` leaves out the title and caption, for pages that introduce the table in their own
words. Everything between this comment and `<!-- end -->` is replaced.

    <!-- table: paper-bills | Bills | caption: none | columns: topic; subtopic -->
    <!-- table: compression | 20 items, models held out by family | columns: mean MAE | rows: ours; random items, line -->
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.kit.paths import RESULTS, ROOT
from goalspace.files import write_atomic

PAGE = ROOT / "docs" / "benchmarks.md"
OURS = ("goal", "task", "ours")  # how the names of our rows start; goalspace is among them
_OMITTED = ("seconds", "note", "scores")  # on other pages, unless requested
_MARKER = re.compile(r"(<!-- table: (?P<request>.*?) -->\n)(?P<old>.*?)(<!-- end -->)", re.DOTALL)

_HEAD = """# Benchmarks

This page is generated from `bench/results/*.json` by `python -m bench.kit.result_pages`. `bench/kit/datasets.py` lists
the data sets. Values are means ± standard errors over seeds, if a row was run with more than one. Rows in bold are
goalspace's. Timings depend on the other load on the machine.
"""
# result → its heading and the command that writes it, in page order
_SECTIONS = {
    "paper-bills": ("Topics of bills", "make bench-paper"),
    "paper-inspired": ("Movie recommendation: Inspired", "make bench-paper"),
    "paper-alfworld": ("Next action: ALFWorld", "make bench-paper"),
    "paper-goals": ("Three goals, the same texts: syngoalex", "make bench-paper"),
    "paper-groups": ("Groups of texts: banking77 and CFPB", "make bench-paper"),
    "paper-topics": ("Topics without labels, and stability", "make bench-paper"),
    "paper-ablations": ("Ablations", "make bench-paper"),
    "proposers": ("Proposers without an LLM", "make bench"),
    "goal-encoder": ("The encoder goal", "make bench-goal-encoder"),
    "goal-corpus-size": ("The encoder goal: size of the corpus", "make bench-goal-corpus-size"),
    "calls-cap": ("Paid calls: random schedules against a cap", "make bench-calls"),
    "calls-kills": ("Paid calls: killed and interrupted processes", "make bench-calls"),
    "calls-kills-batch": ("Paid calls: killed and interrupted processes, batch API", "make bench-calls"),
    "calls-throughput": ("Paid calls: throughput", "make bench-calls"),
    "calls-parsing": ("Paid calls: replies built to take long", "make bench-calls"),
    "redaction": ("Masking private data", "python -m bench.uses.redaction"),
    "goal-runs": ("Whole runs under many goals", "make bench-goals"),
    "speed-corex": ("Speed of Linear CorEx", "make bench"),
    "speed-flow": ("Speed of the whole flow", "make bench"),
    "speed-scale": ("From a thousand to a million texts", "make bench-scale"),
    "speed-update": ("Taking further texts in", "make bench-update"),
    "sample-goal": ("Which texts a language model reads", "make bench-sample"),
    "sample-minilm": ("Which texts a language model reads, encoder MiniLM", "make bench-sample"),
    "explorer": ("The explorer with 100,000 texts", "make bench-explorer"),
    "ieb": ("Instruction embeddings", "make bench-ieb"),
    "paper-ieb": ("Instruction embeddings: the fast rows", "make bench-paper"),
    "curation-selection": ("Instruction data: selection", "make bench-uses"),
    "curation-retrieval": ("Instruction data: retrieval of demonstrations", "make bench-uses"),
    "compression": ("Instruction data: tiny benchmarks", "make bench-uses"),
    "curation-correlation": ("Instruction data: how data sets relate", "make bench-uses"),
    "curation-contamination": ("Instruction data: contamination", "make bench-uses"),
}


def render(document: Mapping[str, Any]) -> str:
    """Return a result as Markdown: machine, versions, tables and figures."""
    machine, versions = document["machine"], document["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    heading, command = _SECTIONS[document["name"]]
    settings = ", ".join(f"{name} {value}" for name, value in document["settings"].items())
    lines = [
        f"## {heading}",
        "",
        f"`{command}`, {document['created'][:10]}, {machine['processor']}, {machine['cores']} cores; {packages}; "
        f"settings: {_escape(settings)}.",
    ]
    for i, table in enumerate(document["tables"]):
        lines += ["", f"### {table['title']}", "", *_rows(table["rows"], table["columns"])]
        lines += ["", table["caption"]] if table["caption"] else []
        lines += (
            ["", "Below target: " + "; ".join(map(_escape, table["missed"])) + "."] if table["missed"] else []
        )
        if i == 0:  # the one that the figure draws
            lines += _figure(document["name"], table["title"])
    lines += _figure(f"{document['name']}-layers", "Layers")
    return "\n".join(lines) + "\n"


def _figure(name: str, alt: str) -> list[str]:
    """Return the figure of a result with its alternative text, if there is one."""
    path = RESULTS / f"{name}.svg"
    return ["", f"![{_escape(alt)}](../bench/results/{path.name})"] if path.exists() else []


def fill(text: str, documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Insert the tables that a page requests.

    Raises
    ------
    LookupError
        If a requested table, column or row does not exist.
    """
    return _MARKER.sub(lambda match: f"{match[1]}{_requested(match['request'], documents)}{match[4]}", text)


def _requested(request: str, documents: Mapping[str, Mapping[str, Any]]) -> str:
    name, title, *rest = (part.strip() for part in request.split("|"))
    chosen = dict(part.split(": ", 1) for part in rest)
    if name not in documents:
        raise LookupError(f"There is no result named {name}.")
    tables = [t for t in documents[name]["tables"] if t["title"].startswith(title)]
    if not tables:
        raise LookupError(f"{name} has no table whose title starts with '{title}'.")
    table = tables[0]
    columns = [c for c in table["columns"] if c not in _OMITTED]
    if "columns" in chosen:
        columns = _among(chosen["columns"], table["columns"])
    rows = table["rows"]
    if "rows" in chosen:
        by_name = {row["row"]: row for row in rows}
        rows = [by_name[row] for row in _among(chosen["rows"], list(by_name))]
    lines = [*_rows(rows, columns), ""]
    if chosen.get("caption") != "none":
        caption = f" ({table['caption']})" if table["caption"] else ""
        lines = [f"{table['title']}{caption}:", "", *lines]
    return "\n".join(lines)


def _among(request: str, names: Sequence[str]) -> list[str]:
    requested = request.split("; ")
    if unknown := [name for name in requested if name not in names]:
        raise LookupError(f"Unknown: {', '.join(unknown)}. Choose from {', '.join(names)}.")
    return requested


def _rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in rows:
        name = str(row["row"])
        ours = f"**{_escape(name)}**" if name.startswith(OURS) else _escape(name)
        lines.append(f"| {ours} | {' | '.join(_cell(row.get(column)) for column in columns)} |")
    return lines


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['mean']:.3f} ± {value['se']:.3f}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"
    return "" if value is None else _escape(str(value))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _page(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page of all results, with a table of contents."""
    if missing := documents.keys() - _SECTIONS.keys():
        raise LookupError(f"_SECTIONS has no entry for {', '.join(sorted(missing))}.")
    shown = [name for name in _SECTIONS if name in documents]
    headings = [_SECTIONS[name][0] for name in shown]
    contents = [f"- [{heading}](#{_anchor(heading)})" for heading in headings]
    return "\n".join([_HEAD, *contents, "", *(render(documents[name]) for name in shown)])


def render_pages() -> dict[Path, str]:
    """Return the text of every page with tables, from all results except those of quick runs."""
    paths = [path for path in sorted(RESULTS.glob("*.json")) if not path.stem.endswith("-quick")]
    read = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    documents = {document["name"]: document for document in read}
    pages = {
        page: fill(page.read_text(encoding="utf-8"), documents)
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    }
    return {**pages, PAGE: _page(documents)}


def publish() -> None:
    """Write the pages: all of them, or none if a table is missing."""
    for page, text in render_pages().items():
        write_atomic(page, text)


def main() -> None:
    """Write the pages."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None).parse_args()
    publish()


if __name__ == "__main__":
    main()
