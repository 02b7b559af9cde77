"""Fine-tuning of encoders: train(encoder, pairs)."""

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
    """Fine-tune an encoder so that texts lie close to their properties.

    Minimises InfoNCE (van den Oord et al. 2018, arXiv 1807.03748, eq. 4) of every property of a text against
    the properties of the other texts in its batch; the text's own properties are never negatives. A share of
    the texts is held out: training stops when their loss stops falling, and the best weights are kept, possibly
    the initial ones.

    Parameters
    ----------
    encoder
        ``minilm``, a sentence-transformers folder or ``st:NAME``, or a prompted language model, ``smollm2`` or
        ``pie:FOLDER``, which is trained with its template and pooling. The encoder itself is not modified.
    pairs
        At least two texts and two properties.
    tune
        ``full``: all weights. ``lora``: low-rank adapters of all linear layers (Hu et al. 2021,
        arXiv 2106.09685), merged at the end. ``heads``: a linear map on top of a frozen
        sentence-transformers encoder, whose vectors are computed once.
    hard_negatives
        Compose batches of properties that share their first or last word, such as "write poem", "write essay" and
        "translate poem", with two texts each; frequent properties are down-weighted.
    between_texts
        Add the supervised contrastive loss between texts (Khosla et al. 2020, arXiv 2004.11362): texts that
        share a property are pulled together, others pushed apart.
    split
        What is held out: random texts (``text``), or all texts of some properties (``property``), so that early
        stopping is based on unseen tasks.
    rank
        Rank of the ``lora`` matrices.
    max_tokens
        Texts are truncated to this many tokens in training, not afterwards; ``heads`` does not truncate.
    dropout
        False turns dropout off: less noise in short trainings, and faster on a CPU.
    epochs
        Maximum number of passes over the texts; approximate with `hard_negatives`.
    temperature
        Divisor of the cosines.
    seed
        Seed of the split, the batches, adapters and dropout; the random state of the process is restored.
    batch_size
        Texts per step, each with all its properties.
    learning_rate
        Learning rate of AdamW, with linear warm-up over the first tenth of the steps and linear decay to zero. By
        default 5e-5 for ``full``, 2e-4 for ``lora``, 1e-3 for ``heads``.
    held_out
        Share of the texts to hold out, in [0, 1). With 0, or fewer than 20 texts, none are held out and training does
        not stop early.
    checkpoints
        Folder in which the state is saved every 5 minutes. After an interruption the same call resumes from there
        and ends with the weights of an uninterrupted run; after completion it returns them at once.
    report
        Called with the number of steps done and the total.

    Returns
    -------
    A new encoder. `save(folder)` writes a folder that `get_encoder` opens as FOLDER, or as ``pie:FOLDER`` for a
    prompted language model. `losses` holds the held-out losses by step.

    Raises
    ------
    InputError
        If the encoder cannot be fine-tuned, a parameter is out of range, there are fewer than two texts or
        properties, or `checkpoints` holds another training.
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
