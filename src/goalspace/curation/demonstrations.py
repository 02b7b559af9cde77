"""Demonstrations: retrieval of instructions from a pool that ask for the same task as a query."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from goalspace.curation.inputs import unit_vectors
from goalspace.curation.json_rows import JsonRows, read_array
from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.files import atomic_path, digest, read_json, save_array, write_json
from goalspace.llm.address import RecordedSpec
from goalspace.progress import Progress
from goalspace.vectors.cosines import cosine_blocks, largest
from goalspace.vectors.geometry import normalize
from goalspace.vectors.index import build_graph, open_graph, search_graph

# Up to this size all cosines are computed, in 6 ms per query on one core in batches; building a graph takes a
# millisecond per row (docs/decisions/0007-retrieval.md).
EXACT_ROWS = 200_000

_FORMAT = 1
_ABOUT, _VECTORS, _GRAPH = "index.json", "vectors.npy", "graph.usearch"
_FILES = (_VECTORS, "rows.jsonl", "rows.npy")
_SPARE = 16  # additional candidates, for ties, equal texts and errors of the approximate search
_CROWD = 10, 50  # candidates for diversity: 10 k, and at least 50
_SAME_VECTOR = 0.99  # smallest cosine of vectors of the same text and encoder, across machines


@dataclass(frozen=True, slots=True)
class Hit:
    """A demonstration: its index in the pool and its cosine with the query."""

    index: int
    score: float


class Demonstrations:
    """An index of a pool of instructions, made with `build` or `open`."""

    def __init__(self, vectors: np.ndarray, rows: JsonRows, encoder: str | Encoder, graph: Any) -> None:
        self._vectors = vectors  # (n_pool, dim) float32 unit vectors, memory-mapped if opened from a file
        self._rows = rows
        self._encoder = encoder
        self._graph = graph  # of usearch, or None for exact search
        self._added: list[tuple[np.ndarray, str, Mapping[str, Any]]] = []

    def __len__(self) -> int:
        return len(self._vectors) + len(self._added)

    def __repr__(self) -> str:
        name = str(self._encoder) if isinstance(self._encoder, RecordedSpec) else self._name
        return f"Demonstrations({len(self):,} of encoder {name!r})"

    @classmethod
    def build(
        cls,
        texts: Sequence[str],
        *,
        encoder: str | Encoder = "task",
        rows: Sequence[Mapping[str, Any]] | None = None,
        approximate: bool | None = None,
        folder: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Index a pool.

        Parameters
        ----------
        texts
            The instructions.
        encoder
            Turns texts into vectors: a spec of `get_encoder`, or an encoder.
        rows
            The row that `row` and a selector return for each text, with JSON values; by default {"text": text}.
        approximate
            Whether to search a nearest-neighbour graph (HNSW, arXiv 1603.09320, by usearch) and compute exact cosines
            only for its candidates; by default for more than 200,000 texts.
        folder
            Folder of the index. An index of the same texts, rows and encoder is opened, otherwise it is built and
            saved. An interrupted call resumes from the vectors computed so far.
        progress
            Called with (description of the step, number done, total).

        Raises
        ------
        InputError
            If there are no texts, or not exactly one row per text.
        """
        if not len(texts):
            raise InputError("The 'texts' parameter of Demonstrations.build must not be empty.")
        if rows is not None and len(rows) != len(texts):
            raise InputError(
                f"The 'rows' parameter of Demonstrations.build must have {len(texts):,} rows. "
                f"Got {len(rows):,} instead."
            )
        lines = JsonRows.of(texts, [{"text": text} for text in texts] if rows is None else rows)
        approximate = len(texts) > EXACT_ROWS if approximate is None else approximate
        if folder is not None and (Path(folder) / _ABOUT).is_file():
            known = _digest(get_encoder(encoder).name, lines, approximate)
            if _about(Path(folder))["digest"] == known:
                return cls.open(folder, encoder=encoder)
        cache_dir = None if folder is None else Path(folder) / ".cache"
        vectors = unit_vectors(
            texts,
            encoder,
            name="texts",
            function="Demonstrations.build",
            cache_dir=cache_dir,
            progress=progress,
        )
        made = cls(vectors, lines, encoder, build_graph(vectors) if approximate else None)
        if folder is not None and cache_dir is not None:
            made.save(folder)
            shutil.rmtree(cache_dir, ignore_errors=True)
        return made

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the index to a folder; an incomplete index, left by an interruption, cannot be opened."""
        path = Path(folder)
        vectors, rows, graph = self._vectors, self._rows, self._graph
        if self._added:
            vectors = np.concatenate([vectors, [vector for vector, _, _ in self._added]])
            rows = rows.then(
                JsonRows.of([text for _, text, _ in self._added], [row for *_, row in self._added])
            )
            graph = None if graph is None else build_graph(vectors)
        (path / _ABOUT).unlink(missing_ok=True)
        save_array(path / _VECTORS, vectors)
        rows.save(path)
        if graph is not None:
            with atomic_path(path / _GRAPH) as temporary:
                graph.save(str(temporary))
        files = [*_FILES, *([_GRAPH] if graph is not None else [])]
        about = {
            "format": _FORMAT,
            "encoder": self._encoder if isinstance(self._encoder, str) else self._name,
            "rows": len(self),
            "dim": vectors.shape[1],
            "digest": _digest(self._name, rows, graph is not None),
            "files": {name: (path / name).stat().st_size for name in files},
        }
        write_json(path / _ABOUT, about)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, encoder: str | Encoder | None = None) -> Self:
        """Open an index written by `save`; files are memory-mapped, so this is fast at any size.

        Parameters
        ----------
        folder
            Folder of the index.
        encoder
            Replaces the recorded encoder, which may not exist on this machine; it must give the same vectors. Required
            if that is an endpoint.

        Raises
        ------
        InputError
            If the folder does not contain a complete index.
        """
        path = Path(folder)
        about = _about(path)
        for name, size in about["files"].items():
            if not (path / name).is_file() or (path / name).stat().st_size != size:
                raise InputError(f"{path / name} has changed since it was saved; build the index again.")
        graph = open_graph(path / _GRAPH) if _GRAPH in about["files"] else None
        recorded = encoder or RecordedSpec(about["encoder"], source="index")
        return cls(read_array(path / _VECTORS), JsonRows.open(path), recorded, graph)

    def row(self, index: int) -> dict[str, Any]:
        """Return a row of the pool."""
        kept = len(self._vectors)
        return self._rows[index][1] if index < kept else dict(self._added[index - kept][2])

    def text(self, index: int) -> str:
        """Return the text of a row."""
        kept = len(self._vectors)
        return self._rows[index][0] if index < kept else self._added[index - kept][1]

    def add(self, text: str, row: Mapping[str, Any] | None = None) -> int:
        """Add one demonstration and return its index; it is searched exactly, and persisted by `save`."""
        vector = normalize(encode_in_chunks(self.encoder, [text]))[0]
        self._added.append((vector, text, {"text": text} if row is None else row))
        return len(self) - 1

    def retrieve(
        self, queries: Sequence[str], k: int = 4, *, diversity: float = 0.0, skip_same: bool = False
    ) -> list[list[Hit]]:
        """Find the demonstrations for every query, best first.

        Parameters
        ----------
        queries
            The texts to find demonstrations for.
        k
            Demonstrations per query.
        diversity
            Penalty, from 0 (nearest only) to 1, for similarity to demonstrations already chosen: maximal marginal
            relevance with λ = 1 − diversity (Carbonell & Goldstein, SIGIR 1998) among the 10 k, and at least 50,
            nearest.
        skip_same
            Whether to skip demonstrations with the same text as the query, which would reveal the answer.

        Returns
        -------
        For every query, k hits; fewer only if the rest of the pool has the text of the query.

        Raises
        ------
        InputError
            If `k` is not from 1 to the size of the pool, or `diversity` not from 0 to 1.
        """
        if isinstance(queries, str):
            raise InputError(
                "The 'queries' parameter of retrieve must be a list of texts. Got a single text instead."
            )
        check(len(self), k, diversity)
        vectors = normalize(encode_in_chunks(self.encoder, queries))
        wanted = min(max(_CROWD[0] * k, _CROWD[1]), len(self)) if diversity else k
        candidates = self._nearest(vectors, wanted + _SPARE)
        results = []
        for text, vector, rows in zip(queries, vectors, candidates, strict=True):
            hits = self._ranked(vector, rows, text if skip_same else None)
            while len(hits) < wanted and len(rows) < len(self):  # copies of the query were skipped
                rows = next(self._nearest(vector[None], 4 * len(rows)))
                hits = self._ranked(vector, rows, text)
            results.append(self._spread(hits[:wanted], k, diversity) if diversity else hits[:wanted])
        return results

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the index, checked to give the vectors in the index."""
        encoder = get_encoder(self._encoder)
        own, again = self._vectors[:1], normalize(encode_in_chunks(encoder, [self.text(0)]))
        if again.shape != own.shape or (own.any() and float((again * own).sum()) < _SAME_VECTOR):
            raise InputError(
                f"The encoder '{encoder.name}' gives other vectors than those of the index; build the index again, "
                "or use the encoder it was built with."
            )
        return encoder

    @property
    def _name(self) -> str:
        return get_encoder(self._encoder).name

    def _take(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of rows, including added ones."""
        kept = len(self._vectors)
        if not self._added:
            return np.asarray(self._vectors[rows])
        return np.stack([self._vectors[i] if i < kept else self._added[i - kept][0] for i in rows.tolist()])

    def _nearest(self, queries: np.ndarray, n: int) -> Iterator[np.ndarray]:
        """Yield for every query the rows with about the n largest cosines, unordered."""
        added = np.arange(len(self._vectors), len(self))
        if self._graph is not None:
            rows = search_graph(self._graph, queries, min(n, len(self._vectors)))
        else:
            blocks = (largest(cosines, n) for _, cosines in cosine_blocks(queries, self._vectors))
            rows = (row for block in blocks for row in block)
        return (np.concatenate([nearest, added]) for nearest in rows)

    def _ranked(self, vector: np.ndarray, rows: np.ndarray, without: str | None) -> list[Hit]:
        """Score and sort candidates, with scores that do not depend on the batch or the search method."""
        scores = (self._take(rows).astype(np.float64) @ vector.astype(np.float64)).clip(-1, 1)
        hits = (Hit(int(rows[i]), float(scores[i])) for i in np.lexsort((rows, -scores)))
        return [hit for hit in hits if without is None or self.text(hit.index) != without]

    def _spread(self, hits: Sequence[Hit], k: int, diversity: float) -> list[Hit]:
        """Choose k hits by maximal marginal relevance, equation 1 of Carbonell & Goldstein."""
        scores = np.array([hit.score for hit in hits])
        vectors = self._take(np.array([hit.index for hit in hits]))
        taken: list[int] = []
        likeness = np.zeros(len(hits))  # the largest cosine with a hit already chosen
        for _ in range(min(k, len(hits))):
            worth = (1 - diversity) * scores - diversity * likeness
            worth[taken] = -np.inf
            best = int(worth.argmax())
            cosines = vectors @ vectors[best]
            likeness = np.maximum(likeness, cosines) if taken else cosines
            taken.append(best)
        return [hits[i] for i in taken]


class Selector:
    """Selects demonstrations for one query at a time.

    Implements `select_examples` and `add_example` of LangChain's example selectors, so that it can be used in a
    FewShotPromptTemplate; without LangChain, call `selector(query)`.

    Parameters
    ----------
    demonstrations
        The pool.
    k, diversity, skip_same
        See `Demonstrations.retrieve`.
    key
        The prompt variable, and the field of an added example, that holds the instruction; optional if there is
        only one.
    """

    def __init__(
        self,
        demonstrations: Demonstrations,
        *,
        k: int = 4,
        diversity: float = 0.0,
        key: str | None = None,
        skip_same: bool = True,
    ) -> None:
        self.demonstrations = demonstrations
        self.k = k
        self.diversity = diversity
        self.key = key
        self.skip_same = skip_same

    def __call__(self, query: str, k: int | None = None) -> list[dict[str, Any]]:
        """Return the rows of the k best demonstrations."""
        [hits] = self.demonstrations.retrieve(
            [query], self.k if k is None else k, diversity=self.diversity, skip_same=self.skip_same
        )
        return [self.demonstrations.row(hit.index) for hit in hits]

    def select_examples(self, input_variables: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the rows of the best demonstrations for the instruction among the variables."""
        return self(self._instruction(input_variables, "input_variables"))

    def add_example(self, example: Mapping[str, Any]) -> int:
        """Add an example to the pool and return its index."""
        return self.demonstrations.add(self._instruction(example, "example"), example)

    def _instruction(self, fields: Mapping[str, Any], name: str) -> str:
        key = next(iter(fields)) if self.key is None and len(fields) == 1 else self.key
        if key is None or not isinstance(fields.get(key), str):
            wanted = f"a text {self.key!r}" if self.key else "one text, or the selector a key"
            raise InputError(
                f"The '{name}' of an example selector must have {wanted}. Got {', '.join(map(str, fields))} instead."
            )
        return str(fields[key])


def check(n_pool: int, k: int, diversity: float) -> None:
    """Raise an `InputError` unless `k` is from 1 to the size of the pool and `diversity` from 0 to 1."""
    if not 1 <= k <= n_pool:
        raise InputError(
            f"The number of demonstrations, k, must be from 1 to {n_pool:,}, the size of the pool. Got {k} instead."
        )
    if not 0 <= diversity <= 1:
        raise InputError(f"The diversity must be from 0 to 1. Got {diversity:g} instead.")


def _about(folder: Path) -> dict[str, Any]:
    """Read and check the description of an index."""
    try:
        about = read_json(folder / _ABOUT)
    except FileNotFoundError:
        raise InputError(
            f"{folder} contains no index of demonstrations ({_ABOUT}); build one first."
        ) from None
    except (OSError, ValueError):
        about = None
    files = about.get("files") if isinstance(about, dict) and about.get("format") == _FORMAT else None
    if not isinstance(files, dict) or not set(_FILES) <= set(files):
        raise InputError(f"{folder / _ABOUT} is of another kind or version; build the index again.")
    return dict(about)


def _digest(encoder: str, rows: JsonRows, approximate: bool) -> str:
    return digest(_FORMAT, encoder, rows.digest(), approximate)
