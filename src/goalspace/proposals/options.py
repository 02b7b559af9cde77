"""Checks of the options of `propose`."""

from __future__ import annotations

from goalspace.errors import InputError
from goalspace.llm.limits import Limits
from goalspace.proposals.sample import ROUND, UNTIL_KNOWN


def check_options(
    goal: str,
    prompting: str,
    texts_per_call: int,
    tokens: int,
    truncate_from: str,
    max_unparsed: float,
) -> str:
    """Return the goal without surrounding whitespace; raise an `InputError` if it is empty or an option is out of range."""
    if not goal or not goal.strip():
        raise InputError(
            'The goal is empty. State what you want to know, for example --goal "why customers leave".'
        )
    for name, value, minimum in (
        ("texts_per_call", texts_per_call, 1),
        ("text_tokens", tokens, 16),
    ):
        if value < minimum:
            raise InputError(
                f"The '{name}' parameter of propose must be at least {minimum}. Got {value} instead."
            )
    for name, choice, choices in (
        ("prompting", prompting, ("single", "chained")),
        ("truncate_from", truncate_from, ("end", "start")),
    ):
        if choice not in choices:
            raise InputError(
                f"The '{name}' parameter of propose must be one of {', '.join(choices)}. Got {choice!r} instead."
            )
    if not 0 <= max_unparsed <= 1:
        raise InputError(
            f"The 'max_unparsed' parameter of propose must be between 0 and 1. Got {max_unparsed} instead."
        )
    return goal.strip()


def check_sample(sample: object, min_new: int, llm: object, limits: Limits | None) -> None:
    """Raise an `InputError` if a sample cannot be chosen in this way."""
    is_number = isinstance(sample, int) and not isinstance(sample, bool) and sample >= 1
    if sample is not None and not is_number and sample != UNTIL_KNOWN:
        raise InputError(
            f"The 'sample' parameter of propose must be auto or a number of at least 1. Got {sample!r} instead."
        )
    if min_new < 1:
        raise InputError(f"The 'min_new' parameter of propose must be at least 1. Got {min_new} instead.")
    if sample == UNTIL_KNOWN and llm is None:
        raise InputError(
            "The sample 'auto' is for a language model, whose calls it saves: name one with --llm, or leave out --sample."
        )
    if sample == UNTIL_KNOWN and limits is not None and limits.batch:
        raise InputError(
            f"The sample 'auto' reads {ROUND} texts at a time, and each time a batch may take a day: give --sample a number, or "
            "leave out --batch."
        )
