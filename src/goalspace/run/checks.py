"""Checks of models and encoders before anything is written or sent."""

from __future__ import annotations

from pathlib import Path

from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder, refuse_endpoint
from goalspace.errors import InputError
from goalspace.llm import get_llm
from goalspace.llm.address import is_endpoint
from goalspace.llm.endpoint import check_key, find_endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.private_data import check_installed
from goalspace.llm.protocol import LLM


def masking_arguments(redact: bool, encoder: str | Encoder | None) -> dict[str, bool]:
    """Return the arguments of stages with a language model; fail early if private data could not be masked for all."""
    if not redact:
        return {}
    check_installed()
    if encoder is not None:
        refuse_endpoint(encoder)
    return {"redact": True}


def check_llm(llm: str | LLM | None, limits: Limits | None) -> None:
    """Fail before anything is written if the model is misspelt, may not be called, or has no price."""
    is_recorded = isinstance(llm, str) and llm.startswith("recorded:")
    if limits is not None and limits.batch and (llm is None or is_recorded):
        raise InputError(
            "There are no calls for batches: name a model with --llm openai:MODEL, or leave out --batch."
        )
    if isinstance(llm, str) and is_recorded:
        path = Path(llm.removeprefix("recorded:").partition("#")[0])
        if not path.is_file():
            raise InputError(f"There is no file {path} with recorded properties.")
    elif llm is not None:
        get_llm(llm, cache=Path("llm.sqlite"), limits=limits)  # nothing is opened


def check_keys(*specs: object) -> None:
    """Fail if an endpoint lacks its API key; later than the rest, as what would be sent can be shown without one."""
    for spec in specs:
        if isinstance(spec, str) and is_endpoint(spec):
            check_key(find_endpoint(spec))


def check_links_encoder(encoder: str | Encoder | None, limits: Limits | None) -> None:
    """Fail before anything is written if the encoder is misspelt, may not be called, or has no price."""
    if encoder is not None:
        get_encoder(encoder, limits=limits, cache_dir=Path())  # nothing is opened
