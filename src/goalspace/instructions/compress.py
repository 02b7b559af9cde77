"""Compression of a benchmark to a few items: compress_file, its output files and its report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goalspace.curation.compression import (
    CompressionError,
    TinyBenchmark,
    check_count,
    compress,
    evaluate_compression,
    family_of,
    hold_out,
)
from goalspace.encoders.cache import embed
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError
from goalspace.files import data_stem
from goalspace.instructions.dataset import Instructions
from goalspace.instructions.output import Output
from goalspace.instructions.responses import Responses, read_responses
from goalspace.instructions.select import map_figure
from goalspace.pages import Figure, Page, PageTable, write_page
from goalspace.pages.figures import INK, PALETTE, figure
from goalspace.progress import Progress, ignore_progress
from goalspace.tables.writing import write_csv
from goalspace.text import format_percent, to_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LISTED = 100  # items in the table
_MIN_MODELS = 14  # a quarter is held out, so that at least ten remain for training
_FAMILIES = 8  # families from which the split is by family
_DRAWS = 5


def compress_file(
    bench: str | os.PathLike[str],
    n_items: int,
    *,
    responses: str | os.PathLike[str] | None = None,
    field: str | None = None,
    encoder: str | Encoder = "task",
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Output[TinyBenchmark]:
    """Select items of a benchmark that estimate a model's score on all items, and write them and a report.

    Parameters
    ----------
    bench
        The items of the benchmark, as instruction data (see `Instructions.read`).
    n_items
        The number of items to select.
    responses
        A file that says which models answered which items correctly: JSON Lines with ``model``, ``bits`` and
        ``full_score``, or CSV or Parquet with a row per model and a column per item. The items are then selected by
        the responses of three quarters of the models, and the error is measured on the rest; without it, they are
        selected by their texts.
    field
        The field that carries the question; by default it is detected.
    encoder
        Defines which items are similar (see `get_encoder`).
    seed
        The random seed.
    out
        The folder to write to; by default runs/compress- and the name of the file.
    progress
        Called with (description, steps done, steps in total).

    Returns
    -------
    The tiny benchmark, and the files with its items and weights and the file for `TinyBenchmark.open`.

    Raises
    ------
    InputError
        If a file cannot be read, the items of the two do not match, or there are too few items or models.
    """
    bench, progress = Path(bench), progress or ignore_progress
    progress("reading", 0, 1)
    data = Instructions.read(bench, field=field)
    check_count(n_items, len(data))
    vectors, held_out, shares = None, None, None
    if responses is None:
        vectors = embed(data.texts, encoder=encoder, progress=progress)
        progress("choosing items", 0, 1)
        tiny = compress(vectors, n_items, seed=seed)
    else:
        matrix = _read_matrix(Path(responses), data)
        shares = matrix.correct.mean(axis=0)
        tiny, held_out = _learn_and_hold_out(matrix, n_items, seed, progress)
    progress("writing", 0, 1)
    page = compression_page(
        bench.name, data.texts, tiny, shares_right=shares, held_out=held_out, vectors=vectors, seed=seed
    )
    folder = Path(out or Path("runs") / f"compress-{data_stem(bench)}")
    files = _write_tiny_benchmark(folder, bench.name.removeprefix(data_stem(bench)), data, tiny, shares)
    write_page(folder, page)
    return Output(tiny, folder, page, files)


@dataclass(frozen=True)
class HeldOut:
    """The errors of a tiny benchmark on held-out models.

    `full` holds the (n_models,) full scores of these models, `by_hand` the mean absolute error of the weighted sum
    alone, and `random` the errors of equally many random items with the same regression, one per draw.
    """

    full: np.ndarray
    error: CompressionError
    by_hand: float
    random: Sequence[CompressionError]
    n_learned: int
    by: str


def compression_page(
    name: str,
    texts: Sequence[str],
    tiny: TinyBenchmark,
    *,
    shares_right: np.ndarray | None,
    held_out: HeldOut | None,
    vectors: np.ndarray | None,
    seed: int = 0,
) -> Page:
    """Describe a tiny benchmark.

    Parameters
    ----------
    name
        The name of the benchmark.
    texts
        The texts of all items.
    tiny
        The tiny benchmark.
    shares_right
        (n_all,) share of models that answer an item correctly; None without responses of models.
    held_out
        The errors on held-out models; None without responses of models.
    vectors
        (n_all, dim) vectors of the items, for the map; None with responses of models.
    seed
        The random seed of the map.
    """
    title = f"{name}: {len(tiny.items):,} of {len(texts):,} items"
    table = _items(texts, tiny, shares_right)
    if held_out is None:
        return Page(
            title,
            "The items at the centres of clusters of similar items. Each item is weighted by the size of its cluster, so that "
            "the weighted sum estimates the share of correct answers on the whole benchmark. Without responses of models, the "
            "error of this estimate is unknown.",
            facts=[("items", len(texts)), ("chosen", len(tiny.items))],
            figures=[] if vectors is None else [map_figure(vectors, tiny.items, what="item", seed=seed)],
            tables=[table],
        )
    error = held_out.error
    random = float(np.mean([each.mae for each in held_out.random]))
    return Page(
        title,
        f"On {len(held_out.full):,} held-out models{', split by family' if held_out.by == 'family' else ''}, "
        f"the score estimated from {len(tiny.items):,} items differs from the score on the whole benchmark by {_points(error.mae)} "
        f"on average, and the estimates rank the models with a Kendall's τ of {error.kendall:.2f}. With the same regression, "
        f"equally many random items differ by {_points(random)}.",
        facts=[
            ("items", len(texts)),
            ("chosen", len(tiny.items)),
            ("training models", held_out.n_learned),
            ("mean absolute error", _points(error.mae)),
            ("Kendall's τ", f"{error.kendall:.2f}"),
        ],
        figures=[_scatter(held_out)],
        tables=[_errors(held_out), table],
    )


def _points(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def _scatter(held_out: HeldOut) -> Figure:
    full, estimates = held_out.full, held_out.error.estimates

    def draw(axes: Axes) -> None:
        low, high = min(full.min(), estimates.min()), max(full.max(), estimates.max())
        axes.plot([low, high], [low, high], color=INK, linewidth=0.8, alpha=0.6)
        crowded = len(full) > 300
        axes.scatter(
            full,
            estimates,
            s=9 if crowded else 24,
            color=PALETTE[0],
            alpha=0.55 if crowded else 0.8,
            linewidth=0,
            rasterized=len(full) > 1_000,
        )
        axes.set_xlabel("score on the whole benchmark")
        axes.set_ylabel("estimate")
        axes.set_aspect("equal", adjustable="box")
        axes.grid(visible=True)

    return Figure(
        figure(draw, size=(5.2, 5.0)),
        f"Estimated against full score of {len(full):,} held-out models. On the line, both are equal.",
    )


def _errors(held_out: HeldOut) -> PageTable:
    random = held_out.random
    return PageTable(
        f"Error on the {len(held_out.full):,} held-out models",
        ["items", "mean absolute error", "Kendall's τ", "Spearman's ρ"],
        [
            [
                "these",
                _points(held_out.error.mae),
                f"{held_out.error.kendall:.3f}",
                f"{held_out.error.spearman:.3f}",
            ],
            ["these, weighted sum only", _points(held_out.by_hand), "", ""],
            [
                f"random, mean of {len(random)} draws",
                _points(float(np.mean([each.mae for each in random]))),
                f"{np.mean([each.kendall for each in random]):.3f}",
                f"{np.mean([each.spearman for each in random]):.3f}",
            ],
        ],
    )


def _items(texts: Sequence[str], tiny: TinyBenchmark, shares_right: np.ndarray | None) -> PageTable:
    known = shares_right is not None
    shown = len(tiny.items) if len(tiny.items) <= _LISTED else _LISTED
    return PageTable(
        "The items" if shown == len(tiny.items) else f"The first {shown} items",
        ["row", "weight", *(["answered correctly"] if known else []), "text"],
        [
            [
                int(item) + 1,
                float(weight),
                *([format_percent(float(shares_right[item]))] if shares_right is not None else []),
                to_line(texts[item], 160),
            ]
            for item, weight in zip(tiny.items[:shown], tiny.weights, strict=False)
        ],
    )


def _read_matrix(path: Path, data: Instructions) -> Responses:
    """Read which models answered which items correctly."""
    if data.n_empty:
        raise InputError(
            f"{data.n_empty:,} rows of {data.source.name} have no {data.field!r}, so the columns of "
            f"{path.name} cannot be matched to rows: remove them from both files."
        )
    matrix = read_responses(path).of_items(data.ids)
    if len(matrix.models) < _MIN_MODELS:
        raise InputError(
            f"{path.name} has {len(matrix.models)} models; at least {_MIN_MODELS} are needed, because a quarter is held out "
            "to measure the error. Without --responses, items are selected by their texts."
        )
    return matrix


def _learn_and_hold_out(
    matrix: Responses, n_items: int, seed: int, progress: Progress
) -> tuple[TinyBenchmark, HeldOut]:
    """Select items by the responses of three quarters of the models; evaluate them and random items on the rest."""
    families = [family_of(model) for model in matrix.models]
    by_family = len(set(families)) >= _FAMILIES
    train, held = hold_out(matrix.models, by="family" if by_family else "model", seed=seed)
    correct, held_correct = matrix.correct[train], matrix.correct[held]
    scores = matrix.correct.mean(axis=1) if matrix.scores is None else matrix.scores
    groups = [families[i] for i in train] if by_family else None
    progress("choosing items", 0, 1)
    tiny = compress(None, n_items, correctness=correct, full_scores=scores[train], groups=groups, seed=seed)
    random = []
    for draw in range(_DRAWS):
        progress("comparing with random items", draw, _DRAWS)
        items = np.random.default_rng(draw).choice(correct.shape[1], n_items, replace=False)
        learned = TinyBenchmark.learn(items, correct, full_scores=scores[train], groups=groups, seed=seed)
        random.append(evaluate_compression(learned, held_correct, scores[held]))
    by_hand = tiny.by_hand(held_correct[:, tiny.items])
    return tiny, HeldOut(
        full=scores[held],
        error=evaluate_compression(tiny, held_correct, scores[held]),
        by_hand=float(np.abs(by_hand - scores[held]).mean()),
        random=random,
        n_learned=len(train),
        by="family" if by_family else "model",
    )


def _write_tiny_benchmark(
    folder: Path, suffix: str, data: Instructions, tiny: TinyBenchmark, shares: np.ndarray | None
) -> list[Path]:
    """Write the selected rows, their weights, and the file that `TinyBenchmark.open` reads."""
    rows, whole = folder / f"tiny{suffix}", folder / "tiny.safetensors"
    data.write(tiny.items.tolist(), rows)
    items = tiny.items.tolist()
    columns = {
        "row": [None, *(item + 1 for item in items)],
        "id": ["(intercept)", *(data.ids[item] for item in items)],
        "weight": [tiny.intercept, *tiny.weights.tolist()],
    }
    if shares is not None:
        columns["answered_right"] = [None, *shares[tiny.items].tolist()]
    write_csv(folder / "weights.csv", columns)
    tiny.save(whole)
    return [rows, folder / "weights.csv", whole]
