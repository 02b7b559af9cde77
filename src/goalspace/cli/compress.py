"""The verb compress: a benchmark → a few items that tell a model's score on all."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.console import show_progress


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

    from goalspace.curation import compression as curation
    from goalspace.encoders.cache import embed
    from goalspace.instructions.compress import (
        compression_page,
        learn_and_hold_out,
        read_matrix,
        write_tiny_benchmark,
    )
    from goalspace.instructions.dataset import Instructions
    from goalspace.pages import render_terminal, write_page

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
            matrix = read_matrix(responses, data)
            shares = matrix.correct.mean(axis=0)
            tiny, held_out = learn_and_hold_out(matrix, n_items, seed, progress)
        progress("writing", 0, 1)
        page = compression_page(
            bench.name, data.texts, tiny, shares_right=shares, held_out=held_out, vectors=vectors, seed=seed
        )
        stem = bench.name.removesuffix(".gz").rpartition(".")[0] or bench.name
        folder = out or Path("runs") / f"compress-{stem}"
        written = write_tiny_benchmark(folder, bench.name.removeprefix(stem), data, tiny, shares)
        report = write_page(folder, page)
    Console().print(render_terminal(page, [*written, report]))
