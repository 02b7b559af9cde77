"""What a selection or a retrieval took of instructions, read from the folders of `select` and `retrieve`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from goalspace.corpus import Corpus
from goalspace.curation.demonstrations import Demonstrations
from goalspace.errors import InputError
from goalspace.text import plural, to_line

SELECTION = "selection"  # .parquet and .csv
_DEMONSTRATIONS, _INDEX = "demonstrations.jsonl", "index"


@dataclass(frozen=True)
class Annotation:
    """Which instructions were taken, and what is said of them.

    Attributes
    ----------
    name
        Of what took them, for the page.
    column
        Name of the column that says which were taken.
    yes, no
        Its two values.
    descriptions
        Row → what is said of an instruction that was taken.
    default
        What is said of the others.
    n_texts
        How many instructions there are.
    """

    name: str
    column: str
    yes: str
    no: str
    descriptions: Mapping[int, str]
    default: str
    n_texts: int

    def values(self) -> list[str]:
        """The column."""
        return [self.yes if row in self.descriptions else self.no for row in range(self.n_texts)]

    def describe(self, row: int) -> str:
        """What is said of an instruction."""
        return self.descriptions.get(row, self.default)


def read_selection(folder: Path, corpus: Corpus, optional: bool) -> Annotation | None:
    """Read what `goalspace select` chose.

    Parameters
    ----------
    folder
        Its output folder.
    corpus
        The instructions.
    optional
        Return None where there is no selection, or one of other instructions.

    Raises
    ------
    InputError
        If that is not optional.
    """
    from pyarrow import parquet

    from goalspace.tables.table import reading

    path = folder / f"{SELECTION}.parquet"
    if not path.is_file():
        return _missing(f"{folder} holds no {path.name}. Make one with: goalspace select", optional)
    with reading(str(path)):
        rows = parquet.read_table(path, columns=["id", "stands_for", "instruction"]).to_pylist()
    index_of = {id: row for row, id in enumerate(corpus.ids)}
    descriptions: dict[int, str] = {}
    for rank, item in enumerate(rows, 1):
        row = index_of.get(item["id"], -1)
        if row < 0 or corpus.texts[row] != item["instruction"]:
            return _missing(
                f"{path} was made from other instructions ({to_line(item['id'], 60)} differs).", optional
            )
        descriptions[row] = (
            f"number {rank:,} of {len(rows):,}, stands for {plural(item['stands_for'], 'instruction')}"
        )
    return Annotation("Selection", "selected", "selected", "left out", descriptions, "left out", len(corpus))


def read_demonstrations(folder: Path, corpus: Corpus, optional: bool) -> Annotation | None:
    """Read which instructions `goalspace retrieve` shows for its queries; parameters as of `read_selection`."""
    path = folder / _DEMONSTRATIONS
    if not path.is_file():
        return _missing(f"{folder} holds no {path.name}. Make one with: goalspace retrieve", optional)
    index = Demonstrations.open(folder / _INDEX)
    shown: dict[int, list[tuple[float, str]]] = {}
    n_queries = 0
    try:
        with path.open(encoding="utf-8") as file:
            for text in file:
                asked = json.loads(text)
                n_queries += 1
                for hit in asked["demonstrations"]:
                    shown.setdefault(int(hit["index"]), []).append((float(hit["score"]), str(asked["query"])))
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}, line {n_queries + 1}: these are no demonstrations.") from None
    if len(index) != len(corpus) or any(index.text(row) != corpus.texts[row] for row in shown):
        return _missing(f"{path} was made from another pool than these instructions.", optional)
    descriptions = {row: _shown(hits, n_queries) for row, hits in shown.items()}
    default = f"shown for none of {plural(n_queries, 'query', 'queries')}"
    return Annotation(
        "Demonstration", "demonstration", "shown", "not shown", descriptions, default, len(corpus)
    )


def _shown(hits: list[tuple[float, str]], n_queries: int) -> str:
    score, query = max(hits)
    return (
        f"shown for {len(hits):,} of {plural(n_queries, 'query', 'queries')}, nearest: “{to_line(query, 160)}” "
        f"(cosine {score:.2f})"
    )


def _missing(why: str, optional: bool) -> Annotation | None:
    if not optional:
        raise InputError(why)
    return None
