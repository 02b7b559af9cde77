"""Reading in rounds: texts that cover all first, then those whose properties are least certain, until few are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goalspace.checked import check, expect, expect_distinct, readable
from goalspace.encoders.protocol import Encoder, encode_properties
from goalspace.files import read_json, write_json
from goalspace.proposals.answers import Answer
from goalspace.proposals.assembly import Answers
from goalspace.proposals.readers import Reader
from goalspace.proposals.sample import POOL, ROUND, draw_rows
from goalspace.vectors.cosines import cosine_blocks
from goalspace.vectors.coverage import choose_covering
from goalspace.vectors.duplicates import near_duplicates
from goalspace.vectors.geometry import normalize

MIN_NEW = 10
STORED = "sample.json"  # the file in a run folder that keeps which texts are read
_UNLIKE = 0.4  # cosine around the mean below which two properties are unlike


class Step(NamedTuple):
    """Texts read until the end of a round, their properties, and how many of the round are new (see `Novelty`)."""

    n_read: int
    n_properties: int
    n_new: int


class Novelty:
    """Counts properties that are unlike all that came before.

    A language model words some properties of every text in a way of its own, however many texts it reads, so that the vocabulary
    hardly stops growing. A property counts as new if its cosine with every earlier one is below 0.4, and of similar ones among
    the new, one counts. The mean of all is taken out of the vectors, in which encoders differ: all cosines of some are above 0.7.

    Parameters
    ----------
    spell
        Normalises properties.
    encoder
        Encodes them.

    Attributes
    ----------
    names
        The properties so far.
    vectors
        (n_properties, dim), theirs.
    """

    def __init__(self, spell: Callable[[str], str], encoder: Encoder) -> None:
        self._spell, self._encoder = spell, encoder
        self.names: list[str] = []
        self.vectors = np.empty((0, encoder.dim), dtype=np.float32)

    def add(self, answers: Iterable[Answer | None]) -> int:
        """Return how many properties in these answers are new."""
        counts: Counter[str] = Counter()
        for answer in answers:
            counts.update({self._spell(name) for name, _ in (answer.properties if answer else ())})
        found = sorted(filter(None, counts), key=lambda name: (-counts[name], name))
        if not found:
            return 0
        n_known, known = len(self.names), set(self.names)
        added = [name for name in found if name not in known]
        if added:
            self.names += added
            self.vectors = np.concatenate([self.vectors, encode_properties(self._encoder, added)])
        vectors = normalize(self.vectors - self.vectors.mean(axis=0))
        fresh = vectors[n_known:]
        if n_known:
            fresh = fresh[(fresh @ vectors[:n_known].T).max(axis=1) < _UNLIKE]
        return len(np.unique(near_duplicates(fresh, _UNLIKE))) if len(fresh) else 0


def count_steps(
    answers: Answers, stands_for: Mapping[str, str], spell: Callable[[str], str], encoder: Encoder
) -> list[Step]:
    """Count the properties after every 100 texts, in the order of reading."""
    read = list(answers.values())
    novelty = Novelty(spell, encoder)
    steps = []
    for start in range(0, len(read), ROUND):
        n_new = novelty.add(read[start : start + ROUND])
        n_properties = len({stands_for[name] for name in novelty.names})
        steps.append(Step(min(start + ROUND, len(read)), n_properties, n_new))
    return steps


def describe_steps(steps: Sequence[Step]) -> dict[str, dict[str, int]]:
    """Return what a stage records of them: texts read → properties, and → new ones."""
    return {
        "properties_by_read": {str(step.n_read): step.n_properties for step in steps},
        "new_by_read": {str(step.n_read): step.n_new for step in steps},
    }


@dataclass(frozen=True)
class Rounds:
    """Reading of 100 texts at a time, until a round brings few new properties.

    Parameters
    ----------
    spell
        Normalises properties.
    encoder
        Encodes them into the space of the texts.
    min_new
        Fewer new properties than this of a round end the reading (see `Novelty`).
    seed
        Of more than 4,096 texts, so many are drawn with it, and no others are read.
    stored
        A file that keeps which texts are read. What is read next depends on what was found: if a command is run again and some
        replies differ, as after --retry-unread, the same texts are still read, whose replies are paid.
    mark
        Identifies the texts and what reads them; the file is not used with another one.
    """

    spell: Callable[[str], str]
    encoder: Encoder
    min_new: int
    seed: int
    stored: Path | None
    mark: str

    def read(self, reader: Reader, vectors: np.ndarray) -> Answers:
        """Read texts.

        The first texts are those that cover all best (see `choose_covering`). From the second round on, a text counts the more,
        the farther it is from the nearest property that is known: its properties are least certain. So texts are read that
        stand for many others of which little is known, rather than outliers.

        Parameters
        ----------
        reader
            Reads them.
        vectors
            (n_texts, dim) of all texts, of unit length.

        Returns
        -------
        The answers in the order of reading.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        pool = np.array(draw_rows(len(vectors), POOL, self.seed))
        own = vectors[pool]
        order = [] if self.stored is None else _read_order(self.stored, self.mark, pool)
        answers: dict[int, Answer | None] = {}
        novelty = Novelty(self.spell, self.encoder)
        weights: np.ndarray | None = None
        while len(answers) < len(pool):
            if len(order) == len(answers):
                given = np.searchsorted(pool, order)
                n_rows = min(ROUND, len(pool) - len(order))
                order += pool[choose_covering(own, n_rows, given=given, weights=weights)].tolist()
                if self.stored is not None:
                    write_json(self.stored, {"digest": self.mark, "rows": order})
            found = reader.read(order[len(answers) : len(answers) + ROUND])
            answers.update(found)
            if reader.is_capped or novelty.add(found.values()) < self.min_new:
                break
            weights = _uncertainty(own, novelty.vectors)
        return answers


def _read_order(path: Path, mark: str, pool: np.ndarray) -> list[int]:
    """Return the rows that an earlier run read or wanted to read; none if it was about something else."""
    if not path.is_file():
        return []
    with readable(path, again="delete it, and run the same command again"):
        stored = read_json(path)
        check(stored, {"digest": str, "rows": [int]})
        if stored["digest"] != mark:
            return []
        expect_distinct(stored["rows"], "rows")
        expect(set(stored["rows"]) <= set(pool.tolist()), "a row is not that of a text")
        rows: list[int] = stored["rows"]
    return rows


def _uncertainty(vectors: np.ndarray, properties: np.ndarray) -> np.ndarray:
    """Return how far every text is from its nearest property, from 0 for the nearest text to 1 for the farthest (n_texts,)."""
    nearest = np.empty(len(vectors), dtype=np.float32)
    for start, cosines in cosine_blocks(vectors, properties):
        nearest[start : start + len(cosines)] = cosines.max(axis=1)
    farthest = nearest.max() - nearest
    return np.asarray(farthest / max(float(farthest.max()), 1e-9))
