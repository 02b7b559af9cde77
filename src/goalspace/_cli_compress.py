"""The verb compress: a benchmark → a few items that tell a model's score on all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from goalspace._console import Progress, show_progress
from goalspace.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from goalspace._report_compress import HeldOut
    from goalspace._responses import Responses
    from goalspace.curation.compression import TinyBenchmark
    from goalspace.instructions import Instructions

_LEAST_MODELS = 14  # a quarter is held out, ten are learned from
_FAMILIES = 8  # so many families, and the split is by family
_DRAWS = 5


@click.command()
@click.argument("bench", type=click.Path(path_type=Path))
@click.option("--items", "n_items", type=int, required=True, metavar="N", help="The number of items to keep.")
@click.option(
    "--responses",
    type=click.Path(path_type=Path),
    metavar="MATRIX",
    help="Which models answered which items right: JSON Lines with model, bits and full_score, or CSV or Parquet with "
    "a row per model and a column per item.",
)
@click.option(
    "--field", metavar="FIELD", help="The field of BENCH that carries the question [default: found]"
)
@click.option(
    "--encoder", default="task", show_default=True, metavar="MODEL", help="Says which items are alike."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn at random.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to [default: runs/compress-NAME]"
)
def compress(
    bench: Path,
    n_items: int,
    responses: Path | None,
    field: str | None,
    encoder: str,
    seed: int,
    out: Path | None,
) -> None:
    """Keep N items of BENCH that tell the score on all: tiny.*, weights.csv and tiny.safetensors, and a page.

    With MATRIX the items are chosen by the answers of three quarters of the models, and the error of the estimated
    score is measured on the rest; without it by their texts.
    """
    from rich.console import Console

    from goalspace._report_compress import compression_page
    from goalspace._report_uses import render_terminal, write_page
    from goalspace._vectors import embed
    from goalspace.curation import compression as curation
    from goalspace.instructions import Instructions

    with show_progress() as progress:
        progress("reading", 0, 1)
        data = Instructions.read(bench, field=field)
        curation.check_count(n_items, len(data))
        vectors, held_out, shares = None, None, None
        if responses is None:
            vectors = embed(data.texts, encoder=encoder, progress=progress)
            progress("choosing items", 0, 1)
            tiny = curation.compress(vectors, n_items, seed=seed)
        else:
            matrix = _matrix(responses, data)
            shares = matrix.correct.mean(axis=0)
            tiny, held_out = _learned(matrix, n_items, seed, progress)
        progress("writing", 0, 1)
        page = compression_page(
            bench.name, data.texts, tiny, shares_right=shares, held_out=held_out, vectors=vectors, seed=seed
        )
        stem = bench.name.removesuffix(".gz").rpartition(".")[0] or bench.name
        folder = out or Path("runs") / f"compress-{stem}"
        written = _write(folder, bench.name.removeprefix(stem), data, tiny, shares)
        report = write_page(folder, page)
    Console().print(render_terminal(page, [*written, report]))


def _matrix(path: Path, data: Instructions) -> Responses:
    from goalspace._responses import read_responses

    if data.n_empty:
        raise InputError(
            f"{data.n_empty:,} rows of {data.source.name} have no {data.field!r}, so that the columns of "
            f"{path.name} cannot be matched to rows: leave them out of both."
        )
    matrix = read_responses(path).of_items(data.ids)
    if len(matrix.models) < _LEAST_MODELS:
        raise InputError(
            f"{path.name} has {len(matrix.models)} models; {_LEAST_MODELS} or more are needed, as a quarter is held out "
            "to measure the error. Without --responses items are chosen by their texts."
        )
    return matrix


def _learned(matrix: Responses, n_items: int, seed: int, progress: Progress) -> tuple[TinyBenchmark, HeldOut]:
    """Choose items by three quarters of the models and measure them, and random ones, on the rest."""
    import numpy as np

    from goalspace._report_compress import HeldOut
    from goalspace.curation.compression import (
        TinyBenchmark,
        compress,
        evaluate_compression,
        family_of,
        hold_out,
    )

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


def _write(
    folder: Path, suffix: str, data: Instructions, tiny: TinyBenchmark, shares: np.ndarray | None
) -> list[Path]:
    """Write the chosen rows, their weights, and what `TinyBenchmark.open` opens."""
    from goalspace.exports import write_csv

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
