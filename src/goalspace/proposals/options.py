"""Checks of the options of `propose`."""

from __future__ import annotations

from goalspace.errors import InputError


def check_options(
    goal: str,
    sample: int | None,
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
        ("sample", sample, 1),
        ("texts_per_call", texts_per_call, 1),
        ("text_tokens", tokens, 16),
    ):
        if value is not None and value < minimum:
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
