"""A nearest-neighbour graph (HNSW): built, memory-mapped from a file, and searched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_NEIGHBOURS = 16  # M of HNSW, arXiv 1603.09320, section 4.1
_EFFORT = 128  # efConstruction, and the smallest ef of a search


def build_graph(vectors: np.ndarray) -> Any:
    """Build an HNSW graph of unit vectors in half precision; callers compare the neighbours again exactly."""
    from usearch.index import Index

    graph = Index(
        ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=_NEIGHBOURS, expansion_add=_EFFORT
    )
    graph.add(np.arange(len(vectors)), np.ascontiguousarray(vectors))
    return graph


def open_graph(path: Path) -> Any:
    """Memory-map a saved graph."""
    from usearch.index import Index

    return Index.restore(str(path), view=True)


def search_graph(graph: Any, queries: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """Yield about n nearest rows for every query."""
    graph.expansion_search = max(_EFFORT, 2 * n)
    for query in queries:
        yield np.asarray(graph.search(query, n).keys, dtype=np.int64)
