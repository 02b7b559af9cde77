"""Options and arguments shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from goalspace.llm.limits import Limits

_PLAIN_HTTP = "goalspace.cli.plain_http"


def _accept_plain_http(context: click.Context, _: click.Parameter, given: bool) -> None:
    context.meta[_PLAIN_HTTP] = given


def mark_spec(context: click.Context, _: click.Parameter, value: Any) -> Any:
    """Callback of options that name models: with --insecure-http, mark the specs as accepted in plain http."""
    if value is None or not context.meta.get(_PLAIN_HTTP):
        return value
    from goalspace.llm.address import PlainHttpSpec

    return tuple(map(PlainHttpSpec, value)) if isinstance(value, tuple) else PlainHttpSpec(value)


INSECURE_HTTP_OPTION = click.option(
    "--insecure-http",
    is_flag=True,
    is_eager=True,  # before the options that it is about
    expose_value=False,
    callback=_accept_plain_http,
    help="Accept that an endpoint on another machine is called in plain http, which others can read.",
)
FURTHER_TEXT_OPTION = click.option(
    "--text", metavar="COLUMN", help="The column that holds the texts [default: that of RUN, or guessed]"
)
FURTHER_ID_OPTION = click.option(
    "--id",
    "id_column",
    metavar="COLUMN",
    help="The column that holds their ids [default: that of RUN, or guessed]",
)
RUN_ARGUMENT = click.argument("run", type=click.Path(path_type=Path))
LLM_OPTION = click.option(
    "--llm",
    metavar="MODEL",
    callback=mark_spec,
    help="The LLM that proposes properties and names factors: openai:MODEL, ollama:MODEL, http://HOST:PORT/v1#MODEL, "
    "gguf:PATH, smollm2, or recorded:FILE#FIELD. Without it, properties are chosen offline.",
)
ENCODER_OPTION = click.option(
    "--encoder",
    metavar="MODEL",
    callback=mark_spec,
    help="The sentence encoder: goal (default) and minilm, which are built in, multilingual (default for texts that do not look "
    "English, if installed), a sentence-transformers folder, openai:MODEL, ollama:MODEL or http://HOST:PORT/v1#MODEL.",
)
LINKS_ENCODER_OPTION = click.option(
    "--encoder",
    metavar="MODEL",
    callback=mark_spec,
    help="The encoder that RUN was linked with: name it again if it is an endpoint, to let texts be sent there.",
)


def task_encoder_option(compared: str) -> Callable[..., Any]:
    """Make the option of the encoder that compares things, by their tasks unless another one is named."""
    return click.option(
        "--encoder",
        default="task",
        show_default=True,
        metavar="MODEL",
        callback=mark_spec,
        help=f"The encoder that compares {compared}.",
    )


def _use_engine(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        from goalspace.engine import use_engine

        context.with_resource(use_engine(value))


ENGINE_OPTION = click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    expose_value=False,
    callback=_use_engine,
    help="Where texts are encoded: in this process (local, default), or by the Ray cluster at RAY_ADDRESS, or by one that is "
    "started on this machine for the command (pip install 'goalspace[ray]').",
)
TUNE_OPTION = click.option(
    "--tune",
    type=click.Choice(["heads", "full", "none"]),
    help="What is learned from the proposals: small heads (default), the whole encoder, or nothing.",
)


class _PassagesType(click.ParamType[Any]):
    """auto, off or a number of at least 1."""

    name = "passages"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from goalspace.encoders.passages import is_passages

        found = int(value) if isinstance(value, str) and value.isdecimal() else value
        if not is_passages(found):
            self.fail(f"{value!r} is neither auto, off nor a number of at least 1.", param, ctx)
        return found


PASSAGES_OPTION = click.option(
    "--passages",
    type=_PassagesType(),
    metavar="auto|off|N",
    help="Texts longer than the encoder reads at once are read in passages: all (auto), or at most N per text; off: only the "
    "beginning [default: auto]",
)
FACTORS_OPTION = click.option(
    "--factors", type=click.IntRange(1), metavar="N", help="Number of factors [default: chosen]"
)
SEED_OPTION = click.option("--seed", type=int, help="Seed of all random choices [default: 0]")


class _SampleType(click.ParamType[Any]):
    """auto or a number of at least 1."""

    name = "sample"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "auto":
            return value
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither auto nor a number of at least 1.", param, ctx)
        return int(value)


SAMPLE_OPTION = click.option(
    "--sample",
    type=_SampleType(),
    metavar="auto|N",
    help="Let the proposer read only N texts; auto: 100 at a time, until they bring few new properties.",
)
MIN_NEW_OPTION = click.option(
    "--min-new",
    type=click.IntRange(1),
    metavar="N",
    help="With --sample auto: stop when 100 more texts bring fewer than N properties unlike all before [default: 10]",
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
RETRY_UNREAD_OPTION = click.option(
    "--retry-unread", is_flag=True, default=None, help="Ask again where a stored reply cannot be read."
)


REDACT_OPTION = click.option(
    "--redact",
    is_flag=True,
    default=None,
    help="Mask e-mail addresses, phone numbers, payment cards and IBANs before texts go to an LLM "
    "(pip install 'goalspace[redact]'). A run that was made with it goes on doing so.",
)


def with_limits(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of what calls may cost and how fast they may go; `limits_of` takes them out again."""
    positive = click.FloatRange(0, min_open=True)
    for option in reversed(
        (
            click.option(
                "--budget",
                type=positive,
                metavar="USD",
                help="US dollars that all calls of the run may cost.",
            ),
            click.option(
                "--max-tokens-total",
                type=click.IntRange(1),
                metavar="N",
                help="Tokens that all calls may use.",
            ),
            click.option(
                "--prices",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE",
                help='Prices, before those of genai-prices: {"MODEL": {"input": USD, "output": USD}} per million tokens.',
            ),
            click.option(
                "--concurrency", type=click.IntRange(1), metavar="N", help="Most calls at a time [default: 8]"
            ),
            click.option("--rpm", type=positive, metavar="N", help="Most calls per minute."),
            click.option("--tpm", type=positive, metavar="N", help="Most tokens per minute."),
            click.option(
                "--patience",
                type=positive,
                metavar="SECONDS",
                help="Stop after so long without any reply [default: 600]",
            ),
            click.option(
                "--batch",
                is_flag=True,
                default=None,
                help="Send the calls through the batch API of the endpoint: at half the price at OpenAI, within 24 hours.",
            ),
            click.option(
                "--dry-run", is_flag=True, default=None, help="Say what would be sent, and send nothing."
            ),
            click.option("--yes", is_flag=True, default=None, help="Do not ask before the first paid call."),
        )
    ):
        verb = option(verb)
    return verb


def limits_of(given: dict[str, Any]) -> Limits:
    """Take the options of `with_limits` out of the given ones; --dry-run and --yes stay (see `announcer`)."""
    from goalspace.llm.limits import Limits

    return Limits(**{name: given.pop(name) for name in _LIMITS if name in given})


_LIMITS = (
    "retry_unread",
    "budget",
    "max_tokens_total",
    "prices",
    "concurrency",
    "rpm",
    "tpm",
    "patience",
    "batch",
)
OF_CALLS = (*_LIMITS, "dry_run", "yes", "redact")  # options about the calls of an LLM


def with_old_names(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Accept, without showing them, the names that options had before; `current_arguments` translates them."""
    for option in (
        click.option("--calls", type=click.Choice(["one", "two"]), hidden=True),
        click.option("--keep", type=click.Choice(["start", "end"]), hidden=True),
        click.option("--max-unread", type=click.FloatRange(0, 1), hidden=True),
    ):
        verb = option(verb)
    return verb
