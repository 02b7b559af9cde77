"""Options and arguments shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

RUN_ARGUMENT = click.argument("run", type=click.Path(path_type=Path))
LLM_OPTION = click.option(
    "--llm",
    metavar="MODEL",
    help="The LLM that proposes properties and names factors: openai:MODEL, ollama:MODEL, http://HOST:PORT/v1#MODEL, "
    "gguf:PATH, smollm2, or recorded:FILE#FIELD. Without it, phrases of the texts, offline.",
)
ENCODER_OPTION = click.option(
    "--encoder",
    metavar="MODEL",
    help="The sentence encoder: minilm (built in), a sentence-transformers folder, openai:MODEL, ollama:MODEL or "
    "http://HOST:PORT/v1#MODEL.",
)
TUNE_OPTION = click.option(
    "--tune",
    type=click.Choice(["heads", "full", "none"]),
    help="What is learned from the proposals: small heads (default), the whole encoder, or nothing.",
)
FACTORS_OPTION = click.option(
    "--factors", type=click.IntRange(1), metavar="N", help="Number of factors [default: chosen]"
)
SEED_OPTION = click.option("--seed", type=int, help="Seed of all random choices [default: 0]")
SAMPLE_OPTION = click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Let the proposer read only N texts."
)
PROMPTING_OPTION = click.option(
    "--prompting",
    type=click.Choice(["single", "chained"]),
    help="One LLM call per text, or two chained calls as in the paper [default: single]",
)
TEXTS_PER_CALL_OPTION = click.option(
    "--texts-per-call", type=click.IntRange(1), metavar="N", help="Texts that share a call."
)
TEXT_TOKENS_OPTION = click.option(
    "--text-tokens",
    type=click.IntRange(16),
    metavar="N",
    help="Longer texts are cut for the LLM [default: 2000]",
)
TRUNCATE_OPTION = click.option(
    "--truncate-from",
    type=click.Choice(["end", "start"]),
    help="Which end of a long text is cut off [default: end]",
)
MAX_UNPARSED_OPTION = click.option(
    "--max-unparsed",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Share of replies that may remain unparsed [default: 0.2]",
)


def with_old_names(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Accept, without showing them, the names that options had before; `current_arguments` translates them."""
    for option in (
        click.option("--calls", type=click.Choice(["one", "two"]), hidden=True),
        click.option("--keep", type=click.Choice(["start", "end"]), hidden=True),
        click.option("--max-unread", type=click.FloatRange(0, 1), hidden=True),
    ):
        verb = option(verb)
    return verb
