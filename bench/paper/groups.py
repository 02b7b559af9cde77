"""Groups of texts by dominant factor, against gold classes."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from bench.kit.datasets import Dataset, banking77, cfpb
from bench.kit.tables import Table
from bench.paper.fits import fit_all, size_of
from bench.paper.methods import OURS, Method
from bench.paper.options import Options
from goalspace.estimate import Estimate
from goalspace.evaluation.metrics import purity


def group_texts(options: Options) -> list[Table]:
    """Group texts by dominant factor, without an LLM, and compare the groups with gold classes."""
    return [
        _partitions(options.load(read), label, options)
        for read, label in ((banking77, "intent"), (cfpb, "product"))
    ]


def _partitions(data: Dataset, label: str, options: Options) -> Table:
    gold = data.labels[label]
    classes = len(set(gold))
    table = Table(
        f"{data.name}: one group per text against {classes} {label}s, {len(data)} texts",
        ("groups", "in none", "ARI", "NMI", "purity", "seconds", "note"),
        f"offline proposer; k = {classes}; mean ± s.e. over {options.fits} fits; last row: k-means with the largest number "
        "of factors that goalspace chose; texts in no group count as one group",
    )
    methods = [m for m in options.methods() if m.groups and not m.informed]

    def add(name: str, method: Method, k: int) -> None:
        fits, seconds = fit_all(table, method, data, label, k, options.fits)
        if not fits:
            return
        groups = [f.dominant for f in fits]
        cells = {
            "groups": size_of(fits) if method.ours else max(len(set(g[g >= 0].tolist())) for g in groups),
            "in none": float(np.mean([(g < 0).mean() for g in groups])),
            "ARI": Estimate.of([adjusted_rand_score(gold, g) for g in groups]),
            "NMI": Estimate.of([normalized_mutual_info_score(gold, g) for g in groups]),
            "purity": Estimate.of([purity(g, labels=gold) for g in groups]),
        }
        table.add(name, **cells, seconds=seconds, note=method.note)

    for method in methods:
        add(method.name, method, classes)
    own = next(
        int(str(r["groups"]).split("–")[-1]) for r in table.rows if str(r["row"]).endswith("own number")
    )
    kmeans = next(m for m in methods if m.name.startswith("k-means"))
    add(f"k-means on MiniLM, {own} groups", kmeans, own)
    if not options.quick:
        for row, peer in (
            (f"{OURS}, offline", kmeans.name),
            (f"{OURS}, offline, own number", f"k-means on MiniLM, {own} groups"),
        ):
            value = next(r["ARI"] for r in table.rows if r["row"] == peer)
            assert isinstance(value, Estimate)
            table.aim(row, ARI=value.mean)
    return table
