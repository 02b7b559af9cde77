"""Quality of topics and factors without labels, and their stability."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.kit.console import log
from bench.kit.datasets import Dataset, bills, inspired
from bench.kit.paths import CACHE
from bench.kit.tables import Table
from bench.paper.fits import fit_all, size_of
from bench.paper.options import Options
from bench.paper.stages import Stages
from goalspace.encoders.cache import cached
from goalspace.errors import InputError
from goalspace.estimate import Estimate
from goalspace.evaluation.quality import SHARE, measure, refit
from goalspace.evaluation.topics import coherence, diversity, intrusion, stability, top_words
from goalspace.factors.fitting import fit_structure
from goalspace.run import discover

_REFITS = 5


def rate_topics(options: Options) -> list[Table]:
    """Measure coherence, diversity, intruders and stability of all methods' topics, on the bills and Inspired."""
    tables = []
    for data, goal in _data_sets(options):
        table = Table(
            f"Topics without labels: {data.name}, {len(data)} texts",
            ("scores", "NPMI", "diversity", "intruders", "stability", "in none", "note"),
            "on the words that mark each method's groups of texts (class-based TF-IDF): NPMI of the top 10, share of "
            "distinct words among the top 25, intruders detected among the top 5 by MiniLM; stability: adjusted Rand index "
            f"of the groups of texts over {options.fits} seeds (1 for a deterministic method); k = {options.n_topics}",
        )
        for method in options.methods():
            if not method.groups:
                continue
            fits, _ = fit_all(table, method, data, goal, options.n_topics, options.fits)
            if not fits:
                continue
            groups = [fitted.dominant for fitted in fits]
            words = [own for own in top_words(data.texts, groups[0]) if own]
            table.add(
                method.name,
                scores=size_of(fits),
                NPMI=coherence(words, data.texts),
                diversity=diversity(words),
                intruders=_intruders(words, options),
                stability=stability(groups) if len(groups) > 1 else None,
                in_none=float((groups[0] < 0).mean()),
                note=method.note,
            )
        tables.append(table)
    return [*tables, _stability(options), _quality(options)]


def _intruders(words: Sequence[Sequence[str]], options: Options) -> Estimate | None:
    """Return how often the intruder is detected; None if there are too few topics or all have the same words."""
    try:
        return intrusion(words, cached("minilm", CACHE), seeds=options.seeds).accuracy
    except InputError:
        return None


def _data_sets(options: Options) -> list[tuple[Dataset, str]]:
    """Return the data sets with recorded proposals, each with the name of its goal."""
    return [(options.load(bills), "topic"), (inspired(300 if options.quick else None)[0], "movie")]


def _stability(options: Options) -> Table:
    """Measure the agreement of property groups between seeds and between samples of the texts."""
    table = Table(
        "Stability of the property groups",
        ("factors", "seeds", "samples", "unassigned", "note"),
        f"adjusted Rand index over {_REFITS} fits; seeds: different seeds for all random draws, including the splits of "
        f"the links; samples: factors fitted to {SHARE:.0%} of the texts",
    )
    for data, goal in _data_sets(options):
        for source, recorded in (("offline", None), ("LLM", data.recorded[goal])):
            with log.status(f"stability: {data.name}, {source}"):
                stages = Stages(data, goal, recorded)
                linked = [stages.link(seed=seed) for seed in range(_REFITS)]
                k = min(options.n_topics, len(stages.proposals.properties) // 3)
                seeds = [
                    fit_structure(own.text_vectors, own.property_vectors, k).assignment for own in linked
                ]
            table.add(
                f"{data.name}, {source}",
                factors=k,
                seeds=stability(seeds),
                samples=refit(linked[0], k, _REFITS),
                unassigned=float((seeds[0] < 0).mean()),
            )
            if not options.quick:
                table.aim(f"{data.name}, {source}", seeds=0.8)
    return table


def _quality(options: Options) -> Table:
    """Measure what `goalspace evaluate --run` prints about a run."""
    data, k = options.load(bills), options.n_topics
    table = Table(
        f"Measures of a run: {data.name}, recorded proposals, {k} factors",
        ("value", "chance"),
        "as printed by evaluate --run; ± s.e. over factors, for stability over fits",
    )
    with log.status("measures of a run"), tempfile.TemporaryDirectory() as folder:
        encoder = cached("minilm", CACHE)
        run = discover(
            data.write(),
            goal=data.goals["topic"],
            text="text",
            id="id",
            llm=data.recorded["topic"],
            encoder=encoder,
            n_factors=k,
            out=Path(folder) / "run",
        )
        for result in measure(run, seeds=_REFITS, encoder=encoder).measures:
            table.add(result.name, value=result.value, chance=result.chance)
    return table
