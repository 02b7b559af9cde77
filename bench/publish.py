"""Write docs/benchmarks.md, and the tables of other pages, from bench/results/*.json: no figure is typed by hand.

    python bench/publish.py        (make publish)

A page requests a table in a comment: the name of the result, the start of the table's title and, optionally, the columns
and rows to include. `caption: none` leaves out the title and caption, for pages that introduce the table in their own
words. Everything between this comment and `<!-- end -->` is replaced.

    <!-- table: paper-bills | Bills | caption: none | columns: topic; subtopic -->
    <!-- table: compression | 20 items, models held out by family | columns: mean MAE | rows: ours; random items, line -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _tables import RESULTS
from goalspace.files import write_atomic

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
OURS = ("goalspace", "task", "ours")
_UNSHOWN = ("seconds", "note", "scores")  # on other pages, unless asked for
_MARK = re.compile(r"(<!-- table: (?P<wish>.*?) -->\n)(?P<old>.*?)(<!-- end -->)", re.DOTALL)

_HEAD = """# Benchmarks

This page is generated from `bench/results/*.json` by `python bench/publish.py`. `bench/_data.py` lists the data sets.
Values are means ± standard errors over seeds, if a row was run with more than one. Rows in bold are goalspace's.
Timings depend on the other load on the machine.
"""
# result → its heading, in the order of the page, and the command that writes it
_SECTIONS = {
    "paper-bills": ("Topics of bills", "make bench-paper"),
    "paper-inspired": ("Movie recommendation: Inspired", "make bench-paper"),
    "paper-alfworld": ("Next action: ALFWorld", "make bench-paper"),
    "paper-goals": ("Three goals, the same texts: syngoalex", "make bench-paper"),
    "paper-groups": ("Groups of texts: banking77 and CFPB", "make bench-paper"),
    "paper-topics": ("Topics without labels, and stability", "make bench-paper"),
    "paper-ablations": ("Ablations", "make bench-paper"),
    "proposers": ("Proposers without an LLM", "make bench"),
    "speed-corex": ("Speed of Linear CorEx", "make bench"),
    "speed-flow": ("Speed of the whole flow", "make bench"),
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
    """One result as Markdown: machine and versions, its tables, and the pictures that lie beside it."""
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
        if i == 0:  # which the picture draws
            lines += _picture(document["name"], table["title"])
    lines += _picture(f"{document['name']}-layers", "Layers")
    return "\n".join(lines) + "\n"


def _picture(name: str, what: str) -> list[str]:
    """A picture with its alternative text, where there is one."""
    path = RESULTS / f"{name}.svg"
    return ["", f"![{_escape(what)}](../bench/results/{path.name})"] if path.exists() else []


def fill(text: str, documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Put the tables that a page asks for into it.

    Raises
    ------
    LookupError
        If there is no such table, column or row.
    """
    return _MARK.sub(lambda found: f"{found[1]}{_wished(found['wish'], documents)}{found[4]}", text)


def _wished(wish: str, documents: Mapping[str, Mapping[str, Any]]) -> str:
    name, title, *rest = (part.strip() for part in wish.split("|"))
    chosen = dict(part.split(": ", 1) for part in rest)
    if name not in documents:
        raise LookupError(f"There is no result {name}.")
    tables = [t for t in documents[name]["tables"] if t["title"].startswith(title)]
    if not tables:
        raise LookupError(f"{name} has no table '{title}…'.")
    table = tables[0]
    columns = [c for c in table["columns"] if c not in _UNSHOWN]
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


def _among(wished: str, names: Sequence[str]) -> list[str]:
    found = wished.split("; ")
    if unknown := [name for name in found if name not in names]:
        raise LookupError(f"There is no {', '.join(unknown)} among {', '.join(names)}.")
    return found


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
    """The page of all results, with a list of its headings."""
    if homeless := documents.keys() - _SECTIONS.keys():
        raise LookupError(f"_SECTIONS has no place for {', '.join(sorted(homeless))}.")
    shown = [name for name in _SECTIONS if name in documents]
    headings = [_SECTIONS[name][0] for name in shown]
    contents = [f"- [{heading}](#{_anchor(heading)})" for heading in headings]
    return "\n".join([_HEAD, *contents, "", *(render(documents[name]) for name in shown)])


def main() -> None:
    """Write the page from all results but those of quick runs, and the tables of the other pages."""
    paths = [path for path in sorted(RESULTS.glob("*.json")) if not path.stem.endswith("-quick")]
    read = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    documents = {document["name"]: document for document in read}
    pages = {
        page: fill(page.read_text(encoding="utf-8"), documents)
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    }
    pages[PAGE] = _page(documents)
    for page, text in pages.items():  # all or none: a table that is missing has raised by now
        write_atomic(page, text)


if __name__ == "__main__":
    main()
