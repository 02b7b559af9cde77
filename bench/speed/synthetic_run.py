"""A finished run of any number of synthetic texts: random vectors around topics, nothing is embedded."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from bench.kit.paths import ROOT
from goalspace import __version__
from goalspace.corpus import Corpus
from goalspace.factors import factor
from goalspace.files import write_json
from goalspace.links import Links, towers
from goalspace.proposals import Proposals

GOAL = "why customers write to us"
DIM = 384  # that of MiniLM
N_TOPICS = 25
N_PROPERTIES = 3000
_WORDS_OF_TOPIC = 150
_SPREAD = 1.2  # length of a topic's centre relative to the noise around it


def write_synthetic_run(folder: Path, n: int) -> Path:
    """Write a run of n texts to `folder`, unless it has one, and return the folder."""
    if (folder / "run.json").exists():
        return folder
    rng = np.random.default_rng(0)
    topic = rng.integers(0, N_TOPICS, n)
    words = _words(rng)
    corpus = _corpus(rng, topic, words)
    corpus.save(folder / "corpus.parquet")
    centres = _normalize(rng.normal(size=(N_TOPICS, DIM)))
    about = rng.integers(0, N_TOPICS, N_PROPERTIES)
    proposals = _proposals(
        rng, n, [f"{words[t][i % 60]} {words[t][60 + i % 61]}" for i, t in enumerate(about)]
    )
    proposals.save(folder / "proposals.jsonl", corpus)
    links = Links(
        _around(rng, centres[topic]),
        _around(rng, centres[about]),
        "untrained",
        {},
        towers.TextTower.untrained(),
    )
    links.save(folder / "links")
    factors = factor(corpus, proposals, links, goal=GOAL, n_factors=N_TOPICS)
    factors.save(folder)
    results: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "corpus": ({"source": "synthetic.csv", "text": "text"}, dict(corpus.stats)),
        "propose": ({"llm": None, "seed": 0}, dict(proposals.stats)),
        "link": ({"tune": "none", "seed": 0}, {"recipe": "untrained", "encoder": "minilm"}),
        "factor": ({"n_factors": N_TOPICS, "seed": 0}, dict(factors.stats)),
    }
    stages, before = {}, None
    for name, (arguments, result) in results.items():
        stages[name] = {
            "arguments": arguments,
            "digest": name,
            "after": before,
            "seconds": 1.0,
            "result": result,
        }
        before = name
    about_run = {"format": 1, "goalspace": __version__, "goal": GOAL, "created": "2026-01-01T00:00:00+00:00"}
    write_json(folder / "run.json", {**about_run, "versions": {}, "stages": stages})
    return folder


def _words(rng: np.random.Generator) -> list[list[str]]:
    """Return the words of every topic: real words from the example, in random order."""
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        text = " ".join(row["message"] for row in csv.DictReader(file))
    known = sorted({word for word in text.lower().split() if word.isalpha()})
    return [list(rng.permutation(known)[:_WORDS_OF_TOPIC]) for _ in range(N_TOPICS)]


def _corpus(rng: np.random.Generator, topic: np.ndarray, words: list[list[str]]) -> Corpus:
    n = len(topic)
    texts = []
    for i, t in enumerate(topic):
        drawn = [words[t][j] for j in rng.integers(0, _WORDS_OF_TOPIC, 50)]
        body = ". ".join(" ".join(drawn[at : at + 10]).capitalize() for at in range(0, 50, 10))
        texts.append(f"Letter {i}. {body}.")
    product = np.where(rng.random(n) < 0.6, topic % 7, rng.integers(0, 7, n))
    return Corpus(
        ids=tuple(f"L{i}" for i in range(n)),
        texts=tuple(texts),
        counts=np.ones(n, dtype=np.int64),
        metadata={
            "product": [f"product {p}" for p in product],
            "month": [f"2025-{1 + m:02d}" for m in rng.integers(0, 12, n)],
            "amount": rng.gamma(2, 50, n).round(2).tolist(),
            "channel": rng.choice(["web", "phone", "mail"], n).tolist(),
        },
        stats={"n_read": n, "n_texts": n, "n_duplicates": 0, "n_empty": 0},
    )


def _proposals(rng: np.random.Generator, n: int, names: list[str]) -> Proposals:
    """Return two random properties per text; only their number matters here."""
    names = [f"{name} {i}" for i, name in enumerate(names)]
    pairs = np.unique(np.repeat(np.arange(n), 2) * len(names) + rng.integers(0, len(names), 2 * n))
    stats = {"proposer": "recorded", "n_properties": len(names), "n_pairs": len(pairs), "coverage": 1.0}
    return Proposals(
        tuple(names),
        (pairs // len(names)).astype(np.int32),
        (pairs % len(names)).astype(np.int32),
        (None,) * len(pairs),
        tuple((name,) for name in names),
        stats=stats,
    )


def _around(rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    """Return a unit vector (n, dim) float32 near each centre, computed in parts to save memory."""
    parts = np.array_split(centres, max(1, len(centres) // 10_000))
    return np.concatenate(
        [_normalize(_SPREAD * part + rng.normal(size=part.shape) / np.sqrt(DIM)) for part in parts]
    )


def _normalize(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)
