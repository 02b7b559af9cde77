"""Tiny benchmarks: how well 20 and 50 items estimate the full scores of held-out models in metabench.

    python -m bench.uses.compression [--quick]        (make bench-uses)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data). Writes bench/results/compression.json.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from scipy.stats import kendalltau
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from bench.kit.console import open_console
from bench.kit.paths import CACHE, DATA
from bench.kit.tables import Table, save
from goalspace.curation.compression import (
    MIN_MODELS,
    TinyBenchmark,
    compress,
    evaluate_compression,
    family_of,
    hold_out,
)
from goalspace.encoders.cache import embed
from goalspace.estimate import Estimate
from goalspace.instructions.responses import read_responses

BENCHMARKS = ("arc_A", "gsm8k_A", "mmlu_A")
SIZES = (20, 50)
DRAWS = 100  # random subsets that metabench's method tries

Predict = Callable[[np.ndarray], np.ndarray]


class Split:
    """The training and held-out models of one benchmark and one seed."""

    def __init__(self, name: str, by: str, seed: int, vectors: np.ndarray) -> None:
        responses = read_responses(DATA / "metabench" / f"responses_{name}.jsonl")
        train, held = hold_out(responses.models, by=by, seed=seed)
        assert responses.scores is not None
        self.vectors, self.seed = vectors, seed
        self.x, self.y = responses.correct[train], responses.scores[train]
        self.x_held, self.y_held = responses.correct[held], responses.scores[held]
        self.groups = [family_of(responses.models[i]) for i in train]
        self.rng = np.random.default_rng(seed)

    def measure(self, predict: Predict) -> tuple[float, float]:
        """Return the mean absolute error and Kendall's tau on the held-out models."""
        estimates = predict(self.x_held)
        return float(np.abs(estimates - self.y_held).mean()), float(
            kendalltau(estimates, self.y_held).statistic
        )


def raw(items: np.ndarray, weights: np.ndarray | None = None) -> Predict:
    """Return the (weighted) share of correct answers, in percent."""
    shares = np.full(len(items), 1 / len(items)) if weights is None else weights
    return lambda x: 100 * x[:, items] @ shares


def line(split: Split, predict: Predict) -> Predict:
    """Fit a straight line from that share to the full score."""
    fitted = LinearRegression().fit(predict(split.x)[:, None], split.y)
    return lambda x: fitted.predict(predict(x)[:, None])


def spline(split: Split, predict: Predict, rows: np.ndarray | None = None) -> Predict:
    """Fit a spline instead, like metabench's generalised additive models."""
    x, y = (split.x, split.y) if rows is None else (split.x[rows], split.y[rows])
    fitted = make_pipeline(
        SplineTransformer(6, 3, knots="quantile", extrapolation="linear"), RidgeCV(np.logspace(-4, 2, 7))
    ).fit(predict(x)[:, None], y)
    return lambda x: fitted.predict(predict(x)[:, None])


def ours_on(split: Split, items: np.ndarray) -> Predict:
    """Fit our regression on items chosen by another method."""
    tiny = TinyBenchmark.learn(items, split.x, full_scores=split.y, groups=split.groups, seed=split.seed)
    return lambda x: tiny.estimate(x[:, items])


def metabench(split: Split, n_items: int) -> Predict:
    """Take the best of 100 random subsets, by its spline on a fifth of the models: the first step of metabench."""
    checked = split.rng.random(len(split.y)) < 0.2
    best: tuple[float, Predict] | None = None
    for _ in range(DRAWS):
        items = split.rng.choice(split.x.shape[1], n_items, replace=False)
        predict = spline(split, raw(items), ~checked)
        error = float(np.abs(predict(split.x[checked]) - split.y[checked]).mean())
        if best is None or error < best[0]:
            best = error, predict
    assert best is not None
    return best[1]


def answer_clusters(split: Split, n_items: int) -> Predict:
    """Take representatives of clusters of answers, weighted by cluster size: tinyBenchmarks' anchor points without IRT."""
    model = KMeans(n_items, n_init=1, random_state=split.seed).fit(split.x.T)
    items = model.transform(split.x.T).argmin(axis=0)
    return line(split, raw(items, np.bincount(model.labels_, minlength=n_items) / split.x.shape[1]))


def rows(split: Split, n_items: int) -> dict[str, Predict]:
    """Return every combination of choosing items and estimating the score."""
    random = split.rng.choice(split.x.shape[1], n_items, replace=False)
    by_text = compress(split.vectors, n_items, seed=split.seed)
    ours = compress(
        None,
        n_items,
        correctness=split.x,
        full_scores=split.y,
        groups=split.groups,
        seed=split.seed,
    )
    return {
        "random items, share right": raw(random),
        "MiniLM k-means, share right": raw(by_text.items, by_text.weights),
        "random items, line": line(split, raw(random)),
        "MiniLM k-means, line": line(split, raw(by_text.items, by_text.weights)),
        "k-means of answers, line (cf. tinyBenchmarks)": answer_clusters(split, n_items),
        "best of 100 draws, spline (cf. metabench)": metabench(split, n_items),
        "random items, our regression": ours_on(split, random),
        "MiniLM k-means, our regression": ours_on(split, by_text.items),
        "ours, weights by hand": lambda x: ours.by_hand(x[:, ours.items]),
        "ours": lambda x: ours.estimate(x[:, ours.items]),
    }


def compare(by: str, seeds: int, vectors: dict[str, np.ndarray], sizes: tuple[int, ...]) -> list[Table]:
    """Return one table per number of items: error and rank correlation per benchmark, and their means."""
    measured: dict[tuple[int, str], dict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for name in BENCHMARKS:
        for seed in range(seeds):
            for n_items in sizes:
                split = Split(name, by, seed, vectors[name])
                for row, predict in rows(split, n_items).items():
                    measured[n_items, row][name].append(split.measure(predict))
    columns = [f"{_short(name)} {metric}" for name in (*BENCHMARKS, "mean") for metric in ("MAE", "τ")]
    tables = []
    for n_items in sizes:
        shown = Table(
            f"{n_items} items, models held out by {by}",
            columns,
            "MAE in points of the full score; Kendall's τ; a quarter of the models held out",
        )
        for size, row in measured:
            if size == n_items:
                by_benchmark = {name: np.array(pairs) for name, pairs in measured[size, row].items()}
                by_benchmark["mean"] = np.mean(list(by_benchmark.values()), axis=0)
                cells = {
                    f"{_short(name)} {metric}": Estimate.of(values[:, column])
                    for name, values in by_benchmark.items()
                    for column, metric in enumerate(("MAE", "τ"))
                }
                shown.add(row, **cells)
        tables.append(shown)
    return tables


def _short(name: str) -> str:
    return name.removesuffix("_A")


def without_models(seeds: int, encoders: tuple[str, ...], sizes: tuple[int, ...]) -> Table:
    """Estimate the share of correct answers to all items from items chosen by their texts alone."""
    columns = [f"{n} items {metric}" for n in sizes for metric in ("MAE", "τ")]
    shown = Table(
        "No models: items chosen by their texts, against the share of correct answers to all items", columns
    )
    loaded = {
        name: read_responses(DATA / "metabench" / f"responses_{name}.jsonl").correct for name in BENCHMARKS
    }
    for encoder in ("random", *encoders):
        cells = {}
        for n_items in sizes:
            values = []
            for seed in range(seeds):
                pairs = []
                for name in BENCHMARKS:
                    if encoder == "random":
                        rng = np.random.default_rng(seed)
                        items = rng.choice(loaded[name].shape[1], n_items, replace=False)
                        estimates, truth = loaded[name][:, items].mean(axis=1), loaded[name].mean(axis=1)
                        pairs.append(
                            (np.abs(estimates - truth).mean(), kendalltau(estimates, truth).statistic)
                        )
                    else:
                        tiny = compress(texts_of(name, encoder), n_items, seed=seed)
                        error = evaluate_compression(tiny, loaded[name])
                        pairs.append((error.mae, error.kendall))
                values.append(np.mean(pairs, axis=0))
            mae, tau = np.array(values).T
            cells |= {f"{n_items} items MAE": Estimate.of(100 * mae), f"{n_items} items τ": Estimate.of(tau)}
        shown.add("random items" if encoder == "random" else f"{encoder} k-means", **cells)
    return shown


def texts_of(name: str, encoder: str) -> np.ndarray:
    """Return the vectors of a benchmark's items."""
    with (DATA / "metabench" / "items.jsonl").open(encoding="utf-8") as file:
        items = [item for item in map(json.loads, file) if item["bench"] == name]
    texts = [item["question"] for item in sorted(items, key=lambda item: item["pos"])]
    return embed(texts, encoder=encoder, cache_dir=CACHE)


def main() -> None:
    """Print the tables and write bench/results/compression.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--encoders", nargs="*", default=["minilm", "task"], help="encoders of the items")
    parser.add_argument("--quick", action="store_true", help="test run: one seed, nothing is written")
    options = parser.parse_args()
    seeds = 1 if options.quick else options.seeds
    vectors = {name: texts_of(name, "minilm") for name in BENCHMARKS}
    tables = [without_models(seeds, tuple(options.encoders), SIZES)]
    for by in ("model", "family"):
        tables += compare(by, seeds, vectors, SIZES)
    console = open_console(180)
    for shown in tables:
        shown.show(console)
    if not options.quick:
        settings = {"seeds": seeds, "draws": DRAWS, "held out": 0.25, "least models": MIN_MODELS}
        print(save("compression", tables, settings=settings, packages=["numpy", "scikit-learn", "scipy"]))


if __name__ == "__main__":
    main()
