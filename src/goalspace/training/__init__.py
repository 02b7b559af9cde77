"""pairs → a better encoder: Pairs, and train(encoder, pairs)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goalspace.encoders import Encoder
from goalspace.errors import InputError

if TYPE_CHECKING:
    from goalspace.training.contrastive import TrainedEncoder

__all__ = ["Pairs", "train"]


@dataclass(frozen=True)
class Pairs:
    """Which text has which property.

    Attributes
    ----------
    texts, properties
        The strings that the pairs are made of.
    text_index, property_index
        (n_pairs,) int32: pair i says that texts[text_index[i]] has properties[property_index[i]].

    Raises
    ------
    InputError
        If the two indices differ in length, or point outside of `texts` or `properties`.
    """

    texts: tuple[str, ...]
    properties: tuple[str, ...]
    text_index: np.ndarray
    property_index: np.ndarray

    def __post_init__(self) -> None:
        if self.text_index.ndim != 1 or self.text_index.shape != self.property_index.shape:
            raise InputError(
                "The 'text_index' and 'property_index' parameters of Pairs must be of one length. "
                f"Got shapes {self.text_index.shape} and {self.property_index.shape} instead."
            )
        for name, index, strings in (
            ("text_index", self.text_index, self.texts),
            ("property_index", self.property_index, self.properties),
        ):
            if len(index) and not 0 <= index.min() <= index.max() < len(strings):
                raise InputError(
                    f"The '{name}' parameter of Pairs must be in [0, {len(strings)}). "
                    f"Got {index.min()} to {index.max()} instead."
                )

    def __len__(self) -> int:
        return len(self.text_index)


def train(
    encoder: str | Encoder,
    pairs: Pairs,
    *,
    epochs: int = 1,
    temperature: float = 0.05,
    seed: int = 0,
    batch_size: int = 32,
    learning_rate: float = 5e-5,
    held_out: float = 0.1,
    report: Callable[[int, int], object] | None = None,
) -> TrainedEncoder:
    """Fine-tune all weights of a sentence-transformers encoder, so that a text comes to lie near its properties.

    Minimises InfoNCE (van den Oord et al. 2018, arXiv 1807.03748, eq. 4) of every property of a text against
    the properties of the other texts of its batch; what the text has itself is never a negative. A share of
    the texts is held out: training stops when their loss stops falling, and the best weights are kept, which
    may be those before training.

    Parameters
    ----------
    encoder
        ``minilm``, a sentence-transformers folder or ``st:NAME``; it stays as it is.
    pairs
        At least two texts and two properties.
    epochs
        How often every text is seen, at most.
    temperature
        What cosines are divided by.
    seed
        Of the split, the order of the texts and dropout; the random state of the process is left as it was.
    batch_size
        Texts per step, each with all its properties.
    learning_rate
        Of AdamW, after a warm-up over the first tenth of the steps; it falls to zero linearly.
    held_out
        Share of the texts, in [0, 1). With 0, or fewer than 20 texts, none is held out and none stops early.
    report
        Called with the number of steps done and of all steps.

    Returns
    -------
    A new encoder; its `save(folder)` writes what `get_encoder(folder)` opens.

    Raises
    ------
    InputError
        If the encoder cannot be fine-tuned, or a parameter is out of range, or there is nothing to tell apart.
    MissingDependency
        If the extra 'tune' is not installed.
    """
    from goalspace.training import contrastive

    for name, value, low, high in (
        ("epochs", epochs, 1, 1000),
        ("temperature", temperature, 1e-3, 10),
        ("batch_size", batch_size, 2, 1 << 16),
        ("learning_rate", learning_rate, 1e-9, 1),
        ("held_out", held_out, 0, 0.9),
    ):
        if not low <= value <= high:
            raise InputError(
                f"The '{name}' parameter of train must be in [{low:g}, {high:g}]. Got {value} instead."
            )
    return contrastive.fine_tune(
        encoder,
        pairs,
        epochs=epochs,
        temperature=temperature,
        seed=seed,
        batch_size=batch_size,
        learning_rate=learning_rate,
        held_out=held_out,
        report=report,
    )
