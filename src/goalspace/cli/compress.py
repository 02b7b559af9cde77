"""The command compress: a benchmark → a few items that estimate a model's score on all."""

from __future__ import annotations

from pathlib import Path

import click

from goalspace.cli.options import INSECURE_HTTP_OPTION, task_encoder_option
from goalspace.cli.outcome import show_output
from goalspace.cli.progress_line import show_progress


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
    "--field", metavar="FIELD", help="The field of BENCH that holds the question [default: guessed]"
)
@task_encoder_option("items")
@INSECURE_HTTP_OPTION
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random choices.")
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
    """Select N items of BENCH that estimate the score on all of it.

    Writes tiny.* in the format of BENCH, weights.csv, tiny.safetensors and a report.

    With MATRIX the items are chosen by the answers of three quarters of the models, and the error of the estimated
    score is measured on the rest; without MATRIX they are chosen by their texts.
    """
    from goalspace.instructions.compress import compress_file

    with show_progress() as progress:
        output = compress_file(
            bench,
            n_items,
            responses=responses,
            field=field,
            encoder=encoder,
            seed=seed,
            out=out,
            progress=progress,
        )
    show_output(output)
