"""Pairs → a better encoder: train(encoder, pairs)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from goalspace.encoders.protocol import Encoder
from goalspace.training.pairs import Pairs
from goalspace.training.settings import Settings, Split, Tune

if TYPE_CHECKING:
    from goalspace.training.tuning import TrainedEncoder, TrainedPrompted


__all__ = ["Pairs", "train"]


def train(
    encoder: str | Encoder,
    pairs: Pairs,
    *,
    tune: Tune = "full",
    hard_negatives: bool = False,
    between_texts: bool = False,
    split: Split = "text",
    rank: int = 16,
    max_tokens: int | None = None,
    dropout: bool = True,
    epochs: int = 1,
    temperature: float = 0.05,
    seed: int = 0,
    batch_size: int = 32,
    learning_rate: float | None = None,
    held_out: float = 0.1,
    checkpoints: Path | None = None,
    report: Callable[[int, int], object] | None = None,
) -> TrainedEncoder | TrainedPrompted:
    """Fine-tune an encoder, so that a text comes to lie near its properties.

    Minimises InfoNCE (van den Oord et al. 2018, arXiv 1807.03748, eq. 4) of every property of a text against
    the properties of the other texts of its batch; what the text has itself is never a negative. A share of
    the texts is held out: training stops when their loss stops falling, and the best weights are kept, which
    may be those before training.

    Parameters
    ----------
    encoder
        ``minilm``, a sentence-transformers folder or ``st:NAME``, or a prompted language model, ``smollm2`` or
        ``pie:FOLDER``, which is trained under its template and pooling; it stays as it is.
    pairs
        At least two texts and two properties.
    tune
        ``full``: all weights. ``lora``: low-rank matrices beside all linear layers (Hu et al. 2021,
        arXiv 2106.09685), which are merged at the end. ``heads``: a linear map behind a frozen
        sentence-transformers encoder, whose vectors are computed once.
    hard_negatives
        Make batches of properties that share their first or their last word, such as "write poem", "write
        essay" and "translate poem", with two texts of each; properties of many texts are damped.
    between_texts
        Add the supervised contrastive loss between texts (Khosla et al. 2020, arXiv 2004.11362): texts that
        share a property are drawn together, others apart.
    split
        What is held out: any ``text``, or all texts of some ``property``, so that training stops by what it
        does to tasks that it does not see.
    rank
        Of ``lora``.
    max_tokens
        Texts are cut to so many tokens in training, not afterwards; ``heads`` reads them whole.
    dropout
        False trains without: less noise for short trainings, and a processor is faster without.
    epochs
        How often every text is seen, at most; with `hard_negatives` about so often.
    temperature
        What cosines are divided by.
    seed
        Of the split, the batches, adapters and dropout; the random state of the process is left as it was.
    batch_size
        Texts per step, each with all its properties.
    learning_rate
        Of AdamW, after a warm-up over the first tenth of the steps; it falls to zero linearly. By default 5e-5
        for ``full``, 2e-4 for ``lora``, 1e-3 for ``heads``.
    held_out
        Share of the texts, in [0, 1). With 0, or fewer than 20 texts, none is held out and none stops early.
    checkpoints
        A folder in which the state is saved every 5 minutes. The same call goes on from there after a kill,
        and ends with the weights of an uninterrupted one; after the end, it gives them at once.
    report
        Called with the number of steps done and of all steps.

    Returns
    -------
    A new encoder; its `save(folder)` writes what `get_encoder` opens: as FOLDER, or ``pie:FOLDER`` if it is a
    prompted language model. Its `losses` are the held-out losses by step.

    Raises
    ------
    InputError
        If the encoder cannot be fine-tuned, or a parameter is out of range, or there is nothing to tell apart,
        or `checkpoints` holds another training.
    MissingDependency
        If the extra 'tune' is not installed.
    """
    from goalspace.training import contrastive

    settings = Settings(
        tune=tune,
        hard_negatives=hard_negatives,
        between_texts=between_texts,
        split=split,
        rank=rank,
        max_tokens=max_tokens,
        dropout=dropout,
        epochs=epochs,
        temperature=temperature,
        seed=seed,
        batch_size=batch_size,
        learning_rate=learning_rate,
        held_out=held_out,
    )
    return contrastive.fine_tune(encoder, pairs, settings, checkpoints=checkpoints, report=report)
