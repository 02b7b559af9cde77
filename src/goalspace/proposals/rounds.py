"""Reading in rounds: texts that cover all first, then those whose properties are least certain, until few are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goalspace.checked import check, expect, expect_distinct, readable
from goalspace.encoders.protocol import Encoder, encode_properties
from goalspace.files import read_json, write_json
from goalspace.proposals.answers import Answer
from goalspace.proposals.assembly import Answers, merge_answers
from goalspace.proposals.readers import Reader
from goalspace.proposals.sample import POOL, ROUND, draw_rows
from goalspace.vectors.cosines import cosine_blocks
from goalspace.vectors.coverage import choose_covering

MIN_NEW = 10
STORED = "sample.json"  # the file in a run folder that keeps which texts are read


class Step(NamedTuple):
    """A round: texts read until its end, properties found until then, and those that are new in it (see `count_steps`)."""

    n_read: int
    n_properties: int
    n_new: int


def count_steps(answers: Answers, stands_for: Mapping[str, str], spell: Callable[[str], str]) -> list[Step]:
    """Count the properties after every 100 texts, in the order of reading.

    A property counts as new in a round if at least two texts of it have the property, and none before. What only one text has
    would not do: language models word a few properties of every text in a way of their own, however many they read, and no factor
    can be made of these.
    """
    read = list(answers.values())
    known: set[str] = set()
    steps = []
    for start in range(0, len(read), ROUND):
        part = [answer for answer in read[start : start + ROUND] if answer]
        names = [{stands_for.get(spell(name)) for name, _ in answer.properties} for answer in part]
        found = Counter(name for own in names for name in own if name is not None)
        n_new = sum(n > 1 for name, n in found.items() if name not in known)
        known.update(found)
        steps.append(Step(min(start + ROUND, len(read)), len(known), n_new))
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
    encoder
        Encodes texts and properties.
    spell, merge
        See `merge_answers`.
    min_new
        Fewer new properties than this, as `count_steps` counts them, end the reading.
    seed
        Of more than 4,096 texts, so many are drawn with it, and no others are read.
    stored
        A file that keeps which texts are read. What is read next depends on what was found: if a command is run again and some
        replies differ, as after --retry-unread, the same texts are still read, whose replies are paid.
    mark
        Identifies the texts and what reads them; the file is not used with another one.
    """

    encoder: Encoder
    spell: Callable[[str], str]
    merge: float
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
        weights: np.ndarray | None = None
        while len(answers) < len(pool):
            if len(order) == len(answers):
                given = np.searchsorted(pool, order)
                n_rows = min(ROUND, len(pool) - len(order))
                order += pool[choose_covering(own, n_rows, given=given, weights=weights)].tolist()
                if self.stored is not None:
                    write_json(self.stored, {"digest": self.mark, "rows": order})
            answers.update(reader.read(order[len(answers) : len(answers) + ROUND]))
            stands_for = merge_answers(answers, self.spell, self.encoder, self.merge)
            steps = count_steps(answers, stands_for, self.spell)
            if reader.is_capped or steps[-1].n_new < self.min_new:
                break
            names = sorted(set(stands_for.values()))
            weights = _uncertainty(own, encode_properties(self.encoder, names))
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
