"""Which texts a language model should read: coverage of labels and properties by samples, and where rounds end.

    python -m bench.uses.sample [--encoder minilm|goal]        (make bench-sample)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data). Writes bench/results/sample-ENCODER.json. Properties are those
recorded of a large LLM; a sample is what it would have been asked about.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.kit.console import log, open_console
from bench.kit.datasets import Dataset, banking77, bills, inspired, read_proposals, syngoalex
from bench.kit.paths import CACHE
from bench.kit.tables import Table, save
from goalspace.curation.strategies import k_center
from goalspace.encoders.cache import cached
from goalspace.encoders.protocol import encode_properties
from goalspace.encoders.registry import get_encoder
from goalspace.estimate import Estimate
from goalspace.proposals.answers import Answer
from goalspace.proposals.rounds import Rounds, count_steps
from goalspace.proposals.vocabulary import KnownProperties, merge_near_duplicates, normalise
from goalspace.vectors.coverage import choose_covering

SIZES = (100, 200, 400)
SEEDS = 10
N_TEXTS = {"banking77": 1500, "inspired": 700}  # of the others, all

Rows = Sequence[int] | np.ndarray


@dataclass(frozen=True)
class Texts:
    """Texts with their vectors, labels, and the properties of each if they are recorded."""

    name: str
    vectors: np.ndarray
    labels: np.ndarray | None
    properties: list[list[str]] | None
    encoder: KnownProperties

    @property
    def kinds(self) -> dict[str, str]:
        """Every property → the one that stands for it in the vocabulary of all texts."""
        counts = Counter(name for own in self.properties or () for name in set(own))
        return merge_near_duplicates(list(counts), list(counts.values()), self.encoder)


class Recorded:
    """Reads recorded properties, as a language model would be asked about them."""

    name, is_capped = "recorded", False

    def __init__(self, texts: Texts) -> None:
        self.sources: dict[int, object] = {}
        self._properties = texts.properties or []

    def read(self, rows: Sequence[int]) -> dict[int, Answer]:
        """Return the properties of the texts at these rows."""
        return {row: Answer(properties=tuple((name, "") for name in self._properties[row])) for row in rows}


def open_texts(data: Dataset, goal: str, label: str | None, encoder: str) -> Texts:
    """Encode the texts of a data set and their properties."""
    own = cached(get_encoder(encoder, goal=goal if encoder == "goal" else None), CACHE)
    properties = None
    if goal_name := next(iter(data.recorded), None):
        said = read_proposals(data.recorded[goal_name], data.ids)
        properties = [[normalise(name) for name in names] for names in said]
    with log.status(f"{data.name}: encoding"):
        vectors = own.encode(list(data.texts))
    return Texts(data.name, vectors, data.labels[label] if label else None, properties, KnownProperties(own))


# --- samples ---------------------------------------------------------------------------------------


def draw(texts: Texts, n: int, seed: int) -> Rows:
    """Random texts."""
    return np.random.default_rng(seed).choice(len(texts.vectors), n, replace=False)


def seed_clusters(texts: Texts, n: int, seed: int) -> Rows:
    """k-means++: texts drawn by their squared distance to the nearest one drawn before."""
    from sklearn.cluster import kmeans_plusplus

    return np.asarray(kmeans_plusplus(texts.vectors, n, random_state=seed)[1])


def spread(texts: Texts, n: int, seed: int) -> Rows:
    """k-center: always the text farthest from those chosen."""
    return k_center(texts.vectors, n, quality=None, rng=np.random.default_rng(seed))


def cover(texts: Texts, n: int, seed: int) -> Rows:
    """Greedy facility location."""
    return choose_covering(texts.vectors, n)


def read_in_rounds(texts: Texts, n: int, seed: int) -> Rows:
    """Facility location in rounds of 100, with the least certain texts weighted."""
    answers = Rounds(normalise, texts.encoder, 1, seed, None, "").read(Recorded(texts), texts.vectors)
    return list(answers)[:n]


def read_farthest(texts: Texts, n: int, seed: int) -> Rows:
    """100 texts by facility location, then in rounds of 100 those farthest from any property found."""
    rows = choose_covering(texts.vectors, min(n, 100)).tolist()
    while len(rows) < n and texts.properties is not None:
        names = sorted({name for row in rows for name in texts.properties[row]})
        nearest = (texts.vectors @ encode_properties(texts.encoder, names).T).max(axis=1)
        nearest[rows] = np.inf
        rows += np.argsort(nearest, kind="stable")[: min(100, n - len(rows))].tolist()
    return rows


METHODS: dict[str, tuple[Callable[[Texts, int, int], Rows], int]] = {
    "random": (draw, SEEDS),
    "k-means++": (seed_clusters, SEEDS),
    "k-center": (spread, 1),
    "facility location": (cover, 1),
    "… and the farthest from properties": (read_farthest, 1),
    "… weighted by uncertainty (chosen)": (read_in_rounds, 1),
}


# --- measures --------------------------------------------------------------------------------------


def share_of_labels(texts: Texts, rows: Rows) -> float:
    """Share of the labels that some text of the sample has."""
    assert texts.labels is not None
    return len(set(texts.labels[np.asarray(rows)])) / len(set(texts.labels))


def share_known(texts: Texts, kinds: dict[str, str], rows: Rows) -> float:
    """Share of the properties of all other texts that a text of the sample has, too."""
    assert texts.properties is not None
    known = {kinds[name] for row in rows for name in texts.properties[row]}
    others = sorted(set(range(len(texts.vectors))) - set(np.asarray(rows).tolist()))
    return float(np.mean([kinds[name] in known for row in others for name in texts.properties[row]]))


def measure(texts: Texts, what: str, of: Callable[[Rows], float]) -> Table:
    """Measure every method at every size."""
    table = Table(
        f"Samples: {what}, {len(texts.vectors):,} texts of {texts.name}",
        [str(n) for n in SIZES],
        f"mean ± s.e. over {SEEDS} seeds of what is random",
    )
    for name, (choose, n_seeds) in METHODS.items():
        if texts.properties is None and choose in (read_farthest, read_in_rounds):
            continue
        found = {str(n): Estimate.of([of(choose(texts, n, seed)) for seed in range(n_seeds)]) for n in SIZES}
        table.add(name, **found)
    return table


def trace(texts: Texts) -> list[int]:
    """New properties of every 100 texts, if all are read."""
    answers = Rounds(normalise, texts.encoder, 1, 0, None, "").read(Recorded(texts), texts.vectors)
    return [step.n_new for step in count_steps(answers, texts.kinds, normalise, texts.encoder)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--encoder", choices=("minilm", "goal"), default="goal")
    encoder = parser.parse_args().encoder
    console = open_console()
    tables = []
    for data, label in (
        (bills(), "subtopic"),
        (syngoalex(), None),
        (inspired()[0], None),
        (banking77(), "intent"),
    ):
        data = data.sample(N_TEXTS.get(data.name, len(data)))
        texts = open_texts(data, next(iter(data.goals.values())), label, encoder)
        if texts.labels is not None:
            tables.append(measure(texts, f"share of {label}s", partial(share_of_labels, texts)))
            tables[-1].show(console)
        if texts.properties is not None:
            tables.append(
                measure(texts, "share of properties known", partial(share_known, texts, texts.kinds))
            )
            tables[-1].show(console)
            console.print(f"{texts.name}: new properties of every 100 texts: {trace(texts)}")
    print(save(f"sample-{encoder}", tables, settings={"encoder": encoder}, packages=("scikit-learn",)))


if __name__ == "__main__":
    main()
