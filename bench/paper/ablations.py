"""Ablations: goalspace with one part replaced or left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.kit.console import log
from bench.kit.datasets import Dataset, bills, read_objects
from bench.kit.paths import CACHE
from bench.kit.tables import Table
from bench.paper.methods import OURS
from bench.paper.options import Options
from bench.paper.stages import Stages
from goalspace.corpus import Corpus
from goalspace.evaluation.metrics import decision_tree_probe
from goalspace.factors.fitting import choose_n_factors, fit_structure
from goalspace.files import digest, write_atomic
from goalspace.links import Links


def ablate(options: Options) -> list[Table]:
    """Repeat the probe on bills with one part of goalspace replaced at a time."""
    data, axes = options.load(bills), ("topic", "subtopic")
    recorded = data.recorded["topic"]
    table = Table(
        f"Ablations: {len(data)} bills, balanced accuracy of a decision tree",
        ("scores", *axes, "properties", "recall@10", "note"),
        f"setup of the experiment on bills; one fit, mean ± s.e. over {options.seeds} tree seeds; recall@10: of held-out "
        "proposals, by the links",
    )
    rows = data.rows_in(Corpus.read(data.write(), text="text", id="id"))

    def add(name: str, links: Links, scores: np.ndarray, note: str = "") -> None:
        accuracies = {
            axis: decision_tree_probe(scores[rows], data.labels[axis], seeds=options.seeds) for axis in axes
        }
        recall = links.metrics.get("recall_at_10")
        table.add(
            name,
            scores=scores.shape[1],
            **accuracies,
            properties=len(links.property_vectors),
            **{"recall@10": float(recall) if recall is not None else None},
            note=note,
        )

    for name, links, number, note in _variants(data, recorded, options):
        with log.status(name):
            scores = links.text_vectors if number == 0 else _scores(links, number)
            add(name, links, scores, note)
    return [table]


def _variants(data: Dataset, recorded: str, options: Options) -> Iterator[tuple[str, Links, int | None, str]]:
    """Yield name, links, number of factors and note of each row; with 0 factors, the links' text vectors are scored."""
    k = options.n_topics
    whole = Stages(data, "topic", recorded)
    links = whole.link()
    yield f"{OURS}, {k} factors", links, k, links.recipe
    for number in (10, 25, 100, None):
        if number is None or number < len(links.property_vectors) // 3:
            yield f"{number or 'own number of'} factors", links, number, ""
    yield "no factors: vectors of the links", links, 0, ""
    plain = whole.link(tune="none")
    yield "links of the untrained encoder", plain, k, ""
    yield "no factors, untrained: MiniLM", plain, 0, ""
    if not options.quick:
        tuned = whole.link(tune="full")
        yield "encoder fine-tuned (tune=full)", tuned, k, f"chosen: {tuned.recipe}"
    apart = Stages(data, "topic", recorded, merge=1.1)
    yield "near-duplicate properties not merged", apart.link(), k, ""
    offline = Stages(data, "topic", None)
    yield "proposals offline", offline.link(), k, ""
    mixed = Stages(data, "topic", _mixed(recorded, offline))
    yield "proposals mixed: LLM and offline", mixed.link(), k, ""
    half = Stages(data, "topic", _every_other(recorded))
    yield "proposals of the LLM for every other text", half.link(), k, ""


def _scores(links: Links, number: int | None) -> np.ndarray:
    if number is None:
        number, _ = choose_n_factors(links.text_vectors, links.property_vectors)
    return fit_structure(links.text_vectors, links.property_vectors, number).score(links.text_vectors)


def _mixed(recorded: str, offline: Stages) -> str:
    """Write the LLM's properties together with phrases of the texts."""
    phrases: dict[str, list[str]] = {}
    corpus, proposals = offline.corpus, offline.proposals
    for text, prop in zip(proposals.text_index, proposals.property_index, strict=True):
        phrases.setdefault(corpus.ids[text], []).append(proposals.properties[prop])
    return _write(
        [{**r, "properties": [*r["properties"], *phrases.get(str(r["id"]), [])]} for r in _read(recorded)]
    )


def _every_other(recorded: str) -> str:
    return _write(_read(recorded)[::2])


def _read(recorded: str) -> list[dict[str, Any]]:
    return read_objects(Path(recorded.removeprefix("recorded:")))


def _write(records: Sequence[dict[str, Any]]) -> str:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path = CACHE / f"proposals-{digest(text)[:16]}.jsonl"
    write_atomic(path, text)
    return f"recorded:{path}"
