"""The command embed: the texts of a file → a file of vectors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goalspace.cli.console import given_of
from goalspace.cli.options import INSECURE_HTTP_OPTION, PASSAGES_OPTION, limits_of, mark_spec, with_limits
from goalspace.cli.progress_line import show_progress
from goalspace.cli.sending import announcer
from goalspace.errors import InputError

if TYPE_CHECKING:
    import numpy as np


SUFFIXES = (".npy", ".parquet")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--encoder",
    default="task",
    show_default=True,
    metavar="MODEL",
    callback=mark_spec,
    help="task, minilm, goal, smollm2, pie:FOLDER (a language model), a sentence-transformers folder, openai:MODEL, ….",
)
@INSECURE_HTTP_OPTION
@click.option(
    "--goal",
    help="What matters in the texts, for the encoder goal or one that reads a prompt (smollm2, pie:FOLDER).",
)
@click.option(
    "--template",
    metavar="NAME|TEXT",
    help="Its prompt: pie, sentence, goal, none, or a text with {x} and perhaps {goal} [default: goal or pie]",
)
@click.option("--text", metavar="COLUMN", help="The column that holds the texts.")
@PASSAGES_OPTION
@with_limits
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to write: NAME.npy or NAME.parquet.",
)
def embed(
    source: Path,
    encoder: str,
    goal: str | None,
    template: str | None,
    text: str | None,
    out: Path,
    **given: Any,
) -> None:
    """Write a vector for every text in SOURCE.

    SOURCE is a file of texts or of instruction data; the vectors are in its order.
    """
    from goalspace.encoders.cache import embed as embed_texts
    from goalspace.encoders.passages import AUTO, PassageEncoder
    from goalspace.encoders.registry import get_encoder
    from goalspace.proposals.plan import plan_vectors
    from goalspace.reports.stages import describe_passages

    given = given_of(given)
    limits = limits_of(given)
    passages = given.pop("passages", AUTO)
    if out.suffix not in SUFFIXES:
        raise InputError(f"{out}: the name must end in {' or '.join(SUFFIXES)}.")
    cache_dir = out.with_name(f".{out.name}.cache")  # an interrupted command resumes from here
    model = get_encoder(encoder, goal=goal, template=template, limits=limits, cache_dir=cache_dir)
    with show_progress() as progress:
        progress("reading", 0, 1)
        ids, texts, n_empty = read_texts(source, text)
        plan = plan_vectors(texts, encoder=encoder, column=text, limits=limits)
        announcer(progress, given)([plan] if plan else [])
        progress("embedding", 0, len(texts))
        vectors = embed_texts(texts, encoder=model, passages=passages, cache_dir=cache_dir, progress=progress)
    write_vectors(out, ids, vectors)
    shutil.rmtree(cache_dir, ignore_errors=True)
    click.echo(f"{out}: {len(vectors):,} vectors of {vectors.shape[1]} numbers, {model.name}")
    if n_empty:
        click.echo(f"Rows without a text, left out: {n_empty:,}")
    if line := describe_passages(PassageEncoder(model, passages).count(texts)):
        click.echo(f"{line[0].upper()}{line[1:]}.")
    if n_cut := getattr(model, "n_cut", 0):
        click.echo(f"Long texts of which only a part was read: {n_cut:,}")


def read_texts(source: Path, column: str | None) -> tuple[list[str], list[str], int]:
    """Ids and texts of all rows that have a text, in file order, and the number of rows that have none."""
    from goalspace.corpus import Corpus
    from goalspace.instructions.dataset import Instructions

    if source.is_dir():
        corpus = Corpus.read(source, text=column)
        rows = [
            (own, text)
            for id, text in zip(corpus.ids, corpus.texts, strict=True)
            for own in (id, *corpus.duplicates.get(id, ()))
        ]
        return [id for id, _ in rows], [text for _, text in rows], corpus.stats["n_empty"]
    try:
        data = Instructions.read(source, field=column)
    except InputError:
        # not instruction data: guess the column as for any texts
        data = Instructions.read(source, field=Corpus.read(source, text=column).text_column)
    return list(data.ids), list(data.texts), data.n_empty


def write_vectors(out: Path, ids: list[str], vectors: np.ndarray) -> None:
    """Write vectors as .npy, or with their ids as .parquet, whole or not at all."""
    from goalspace.files import atomic_path, save_array

    if out.suffix == ".npy":
        save_array(out, vectors)
        return
    import pyarrow as pa
    from pyarrow import parquet

    flat = pa.array(vectors.ravel())
    table = pa.table({"id": ids, "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])})
    with atomic_path(out) as temporary:
        parquet.write_table(table, temporary)
