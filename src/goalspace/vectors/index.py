"""A graph of nearest neighbours of many vectors: built, kept in a file, searched from the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_NEIGHBOURS = 16  # M of HNSW, arXiv 1603.09320, section 4.1
_EFFORT = 128  # its efConstruction, and ef of a search at least


def build_graph(vectors: np.ndarray) -> Any:
    """Build an HNSW graph of vectors of length 1, kept in half precision: neighbours are compared again."""
    from usearch.index import Index

    graph = Index(
        ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=_NEIGHBOURS, expansion_add=_EFFORT
    )
    graph.add(np.arange(len(vectors)), np.ascontiguousarray(vectors))
    return graph


def open_graph(path: Path) -> Any:
    """Map a saved graph."""
    from usearch.index import Index

    return Index.restore(str(path), view=True)


def search_graph(graph: Any, queries: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """Yield about n rows near to every query."""
    graph.expansion_search = max(_EFFORT, 2 * n)
    for query in queries:
        yield np.asarray(graph.search(query, n).keys, dtype=np.int64)
