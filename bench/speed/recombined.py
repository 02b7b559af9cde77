"""Any number of texts, recombined from real sentences, with MiniLM vectors made from those of the sentences.

A text is three of the 40 questions of one intent of banking77, so that there are 77 × 64,000 different texts with the groups of
real ones; its vector is the mean of the vectors of its questions, of unit length. So a million texts have vectors without a
day of encoding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.kit.datasets import banking77, embed
from goalspace.corpus import Corpus
from goalspace.encoders.cache import CachedEncoder
from goalspace.encoders.minilm import MiniLM
from goalspace.proposals import propose

GOAL = "find out what the customer wants to know or do"
N_PROPOSED = 2000  # texts with properties, as of a sample that a language model read

_N_SENTENCES = 3
_CHUNK = 10_000


class Recombined:
    """n texts and their vectors; the first m of them are the same for any n.

    Parameters
    ----------
    n
        Number of texts.
    """

    def __init__(self, n: int) -> None:
        data = banking77()
        groups = [
            np.flatnonzero(data.labels["intent"] == label) for label in np.unique(data.labels["intent"])
        ]
        self._sentences, self._vectors = data.texts, embed(data.texts)
        rng = np.random.default_rng(0)
        found: dict[tuple[int, ...], None] = {}
        while len(found) < n:
            drawn = rng.integers(0, len(groups), _CHUNK)
            picks = rng.integers(0, 40, (_CHUNK, _N_SENTENCES))
            rows = np.stack([groups[k][own] for k, own in zip(drawn, picks, strict=True)])
            found |= dict.fromkeys(map(tuple, rows.tolist()))
        self._rows = np.array(list(found)[:n], dtype=np.int32)

    def __len__(self) -> int:
        return len(self._rows)

    def texts(self) -> Iterator[str]:
        """Yield the texts."""
        for rows in self._rows:
            yield " ".join(self._sentences[row] for row in rows)

    def vectors(self, start: int, stop: int) -> np.ndarray:
        """Return the vectors of some texts (stop - start, 384) float32."""
        found = self._vectors[self._rows[start:stop]].sum(axis=1)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


class _Given:
    """MiniLM, except that the vectors of the texts are given, in their order."""

    name, dim = MiniLM.name, MiniLM.dim

    def __init__(self, source: Recombined) -> None:
        self._source, self._done = source, 0

    def encode(self, texts: list[str]) -> np.ndarray:
        start, self._done = self._done, self._done + len(texts)
        return self._source.vectors(start, self._done)


def write_input(folder: Path, n: int) -> tuple[Path, Path, Path]:
    """Write texts.jsonl, properties.jsonl of the first 2,000 texts, and `vectors`, a folder as `cache_dir` holds it.

    Returns
    -------
    The three paths.
    """
    source = Recombined(n)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"id": f"T{i}", "text": text}) + "\n" for i, text in enumerate(source.texts())
        )
    corpus = Corpus.read(folder / "texts.jsonl", text="text", id="id")
    CachedEncoder(_Given(source), folder / "vectors", None).encode(corpus.texts)
    first = Corpus.read(list(corpus.texts[: min(n, N_PROPOSED)]))
    proposals = propose(first, goal=GOAL, cache_dir=folder.parent / "proposed")
    found: dict[int, list[str]] = {}
    for row, i in zip(proposals.text_index.tolist(), proposals.property_index.tolist(), strict=True):
        found.setdefault(row, []).append(proposals.properties[i])
    with (folder / "properties.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"id": f"T{row}", "properties": names}) + "\n" for row, names in found.items()
        )
    return folder / "texts.jsonl", folder / "properties.jsonl", folder / "vectors"
