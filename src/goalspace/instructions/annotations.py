"""Which instructions a selection or a retrieval picked, read from the folders of `select` and `retrieve`."""

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
    """The instructions picked by a selection or a retrieval, with a description of each.

    Attributes
    ----------
    name
        Display name of the selection or retrieval.
    column
        Name of the metadata column that marks the picked instructions.
    yes, no
        The two values of the column.
    descriptions
        Row → description of a picked instruction.
    default
        Description of all others.
    n_texts
        The number of instructions.
    """

    name: str
    column: str
    yes: str
    no: str
    descriptions: Mapping[int, str]
    default: str
    n_texts: int

    def values(self) -> list[str]:
        """Return the values of the column."""
        return [self.yes if row in self.descriptions else self.no for row in range(self.n_texts)]

    def describe(self, row: int) -> str:
        """Return the description of an instruction."""
        return self.descriptions.get(row, self.default)


def read_selection(folder: Path, corpus: Corpus, optional: bool) -> Annotation | None:
    """Read the selection of `goalspace select`.

    Parameters
    ----------
    folder
        The output folder of `goalspace select`.
    corpus
        The instructions.
    optional
        Whether to return None if there is no selection, or if it was made from other instructions.

    Raises
    ------
    InputError
        If there is none and it is not optional.
    """
    from pyarrow import parquet

    from goalspace.tables.table import reading

    path = folder / f"{SELECTION}.parquet"
    if not path.is_file():
        return _missing(f"{folder} contains no {path.name}. Create it with: goalspace select", optional)
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
    """Read the demonstrations of `goalspace retrieve`; the parameters are those of `read_selection`."""
    path = folder / _DEMONSTRATIONS
    if not path.is_file():
        return _missing(f"{folder} contains no {path.name}. Create it with: goalspace retrieve", optional)
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
        raise InputError(f"{path}, line {n_queries + 1}: not a valid demonstration.") from None
    if len(index) != len(corpus) or any(index.text(row) != corpus.texts[row] for row in shown):
        return _missing(f"{path} was made from a different pool of instructions.", optional)
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
