"""Validation and summary of text labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from goalspace.errors import InputError
from goalspace.evaluation.formats import Rows
from goalspace.evaluation.metrics import FOLDS


def check_labels(task: str, texts: Sequence[str], labels: Sequence[str]) -> None:
    """Check that a task built in Python has one label per text."""
    if len(texts) != len(labels):
        raise InputError(
            f"The 'labels' parameter of {task} must have one label per text. Got {len(labels)} for "
            f"{_count(len(texts), 'text')} instead."
        )


def read_labels(rows: Rows, column: str, *, task: str, cross_validated: bool) -> tuple[str, ...]:
    """Read a column of labels and check that it can be evaluated.

    Raises
    ------
    InputError
        If there is one label only, or one per row; or, for cross-validation, too few rows of them.
    """
    labels = rows.labels(column)
    sizes = sorted(Counter(labels).values())
    has = f"{rows.path}: the column '{column}' has {_count(len(sizes), 'different label')}"
    if not 2 <= len(sizes) < len(labels):
        raise InputError(
            f"{has} on {_count(len(labels), 'row')}; {task} needs at least two, and fewer than rows. Name another one "
            "as label."
        )
    if cross_validated and (sizes[-1] < FOLDS or sizes[-2] < 2):
        raise InputError(
            f"{has}, the most frequent ones on {sizes[-1]} and {_count(sizes[-2], 'row')}; {task} is cross-validated "
            f"and needs one on at least {FOLDS} rows and another on 2. Give more rows, or name another one as label."
        )
    return labels


def size_of(texts: Sequence[str], labels: Sequence[str], column: str) -> str:
    """Describe the number of texts and labels, and the column of the texts if it was guessed."""
    where = f"; texts of the column '{column}'" if column else ""
    return f"{_count(len(texts), 'text')}, {_count(len(set(labels)), 'label')}{where}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"
