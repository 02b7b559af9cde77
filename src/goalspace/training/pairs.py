"""Pairs of texts and their properties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from goalspace.errors import InputError


@dataclass(frozen=True)
class Pairs:
    """Which text has which property.

    Attributes
    ----------
    texts, properties
        The strings that the indices refer to.
    text_index, property_index
        (n_pairs,) int32: pair i says that texts[text_index[i]] has properties[property_index[i]].

    Raises
    ------
    InputError
        If the two indices differ in length, or are out of range for `texts` or `properties`.
    """

    texts: tuple[str, ...]
    properties: tuple[str, ...]
    text_index: np.ndarray
    property_index: np.ndarray

    def __post_init__(self) -> None:
        if self.text_index.ndim != 1 or self.text_index.shape != self.property_index.shape:
            raise InputError(
                "The 'text_index' and 'property_index' parameters of Pairs must have the same length. "
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

    @classmethod
    def of_labels(cls, texts: Sequence[str], labels: Sequence[str]) -> Self:
        """Make pairs from texts with one task label each; the label "write|poem" becomes the property "write poem".

        Equal strings become one text or one property; a text that occurs with two labels has both.

        Parameters
        ----------
        texts
            The texts.
        labels
            One label per text.

        Raises
        ------
        InputError
            If the numbers of texts and labels differ, or a label is empty.
        """
        if isinstance(texts, str) or isinstance(labels, str) or len(texts) != len(labels):
            raise InputError(
                "The 'texts' and 'labels' parameters of Pairs.of_labels must be lists of the same length. "
                f"Got {len(texts)} and {len(labels)} instead."
            )
        phrases = [" ".join(label.replace("|", " ").split()) for label in labels]
        if "" in phrases:
            raise InputError(
                f"The label of text {phrases.index('') + 1} is empty: leave out texts without a label."
            )
        text_at = {text: at for at, text in enumerate(dict.fromkeys(texts))}
        phrase_at = {phrase: at for at, phrase in enumerate(dict.fromkeys(phrases))}
        pairs = dict.fromkeys(
            (text_at[text], phrase_at[phrase]) for text, phrase in zip(texts, phrases, strict=True)
        )
        index = np.array(list(pairs), dtype=np.int32).reshape(-1, 2)
        return cls(tuple(text_at), tuple(phrase_at), index[:, 0], index[:, 1])
