"""OpenAI-compatible endpoints: address, key, client, and one-line error messages."""

from __future__ import annotations

import json
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from goalspace.errors import InputError, LLMError
from goalspace.text import to_line

if TYPE_CHECKING:
    from openai import OpenAI, OpenAIError


TIMEOUT = 300.0  # seconds for one reply
TOO_LONG = re.compile(r"context (length|size|window)|maximum (prompt|input)|too (long|large|many tokens)")

_OPENAI = "https://api.openai.com/v1"
_CONNECT_TIMEOUT = 5.0
_RETRIES = 6  # the SDK waits as Retry-After says, else 0.5 s doubling up to 8 s
MAX_DETAIL = 200  # characters of an endpoint's error message, because some send whole HTML pages
_NO_MODEL = re.compile(r"model.*(not found|not exist|unknown)|(unknown|no such|invalid) model")


@dataclass(frozen=True)
class Endpoint:
    """The address, model name and key of an endpoint.

    Attributes
    ----------
    name
        Identifies the model in the log of calls.
    model
        Its name at the endpoint.
    address
        Base URL, without a trailing slash.
    key
        API key; "none" if the user set none.
    is_openai
        Whether the key is OPENAI_API_KEY, so that the SDK's other environment variables apply, too.
    """

    name: str
    model: str
    address: str
    key: str = field(repr=False)
    is_openai: bool = False


def find_endpoint(spec: str) -> Endpoint:
    """Parse ``openai:MODEL``, ``ollama:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL``; nothing is sent.

    OPENAI_API_KEY is sent only to OPENAI_BASE_URL, or to OpenAI if that is not set.

    Raises
    ------
    InputError
        If the spec does not have this form, or OPENAI_API_KEY is required but not set.
    """
    kind, _, rest = spec.partition(":")
    home = os.environ.get("OPENAI_BASE_URL", "").strip().rstrip("/") or _OPENAI
    openai_key = _key("OPENAI_API_KEY")
    if kind == "openai" and rest:
        if not openai_key:
            raise InputError(f"'{spec}' needs an API key: set the environment variable OPENAI_API_KEY.")
        # another endpoint may serve another model under the same name; the name must not contain a password
        name = spec if home == _OPENAI else f"{home.rpartition('@')[2]}#{rest}"
        return Endpoint(name, rest, home, openai_key, is_openai=True)
    if kind == "ollama" and rest:
        return Endpoint(spec, rest, _ollama_address(), "none")
    address, _, model = spec.partition("#")
    address = address.rstrip("/")
    parts = _split(address)
    if not model or parts is None or parts.scheme not in ("http", "https"):
        raise InputError(
            f"'{spec}' is not an endpoint: use openai:MODEL, ollama:MODEL or http://HOST:PORT/v1#MODEL."
        )
    if "@" in parts.netloc or parts.query:
        raise InputError(
            f"The address of '{model}' must not contain a user name, password or query, because the run records it. "
            "Set the key in the environment variable GOALSPACE_API_KEY."
        )
    is_openai = bool(openai_key) and not _key("GOALSPACE_API_KEY") and _origin(address) == _origin(home)
    key = openai_key if is_openai else _key("GOALSPACE_API_KEY")
    return Endpoint(f"{address}#{model}", model, address, key or "none", is_openai)


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(
            f"The environment variable {variable} holds a character that API keys cannot contain: set it again."
        )
    return key


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:  # a port that is not a number, an unclosed bracket
        return None


def _origin(address: str) -> tuple[str, str | None, int | None] | None:
    parts = _split(address)
    return parts and (
        parts.scheme,
        parts.hostname,
        parts.port or {"http": 80, "https": 443}.get(parts.scheme),
    )


def _ollama_address() -> str:
    """Parse OLLAMA_HOST: a host, host:port or URL; without a scheme the default port is 11434, as in Ollama."""
    host = os.environ.get("OLLAMA_HOST", "").strip().rstrip("/") or "127.0.0.1"
    parts = _split(host if "://" in host else f"http://{host}")
    if parts is None or parts.scheme not in ("http", "https"):
        raise InputError(f"The environment variable OLLAMA_HOST must be HOST:PORT. Got '{host}' instead.")
    # servers listen on 0.0.0.0, but clients cannot connect to it
    name = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname
    name = f"[{name}]" if ":" in str(name) else name
    default = {"https": 443, "http": 80}[parts.scheme] if "://" in host else 11434
    return f"{parts.scheme}://{name}:{parts.port or default}{parts.path}/v1"


def open_client(spec: str) -> tuple[OpenAI, str]:
    """Open a client for the endpoint of a spec, for calls other than chat (embeddings).

    Parameters
    ----------
    spec
        ``openai:MODEL``, ``ollama:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL``.

    Returns
    -------
    The client, and the name of the model at its endpoint. Wrap calls in `translate_errors`.

    Raises
    ------
    InputError
        If the spec is wrong or its key is missing.
    LLMError
        If the address cannot be reached.
    """
    endpoint = find_endpoint(spec)
    return connect(endpoint), endpoint.model


def connect(endpoint: Endpoint, *, timeout: float = TIMEOUT) -> OpenAI:
    """Open a client, and check that the endpoint is reachable before requests with many retries.

    Parameters
    ----------
    endpoint
        The endpoint to connect to.
    timeout
        Seconds to wait for one reply.
    """
    import openai

    limits = openai.Timeout(timeout, connect=_CONNECT_TIMEOUT)
    # a proxy set in the environment cannot reach the loopback address of this machine
    local = urlsplit(endpoint.address).hostname in ("127.0.0.1", "localhost", "::1")
    transport = openai.DefaultHttpxClient(timeout=limits, trust_env=not local)
    client = openai.OpenAI(
        api_key=endpoint.key,
        base_url=endpoint.address,
        max_retries=1,
        timeout=limits,
        http_client=transport,
    )
    weakref.finalize(client, transport.close)
    if not endpoint.is_openai:
        # the SDK reads OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS, which are for OpenAI only
        client.organization = client.project = None
        client._custom_headers = {}
    with translate_errors(endpoint.address, endpoint.model):
        try:
            client.models.list()
        except openai.APIConnectionError:
            raise
        except Exception:  # not every endpoint lists its models, but any answer shows that it is reachable
            pass
    client.max_retries = _RETRIES  # with_options would make a copy that reads the environment again
    return client


@contextmanager
def translate_errors(endpoint: str, model: str, *, client: OpenAI | None = None) -> Iterator[None]:
    """Turn errors of the openai package into one-line messages with the address, the model and a remedy.

    Parameters
    ----------
    endpoint
        Base URL, for the message.
    model
        Name of the model at the endpoint, for the message.
    client
        If given, the message about an unknown model lists the models of the endpoint.

    Raises
    ------
    LLMError
        In place of any error of the openai package, and for a reply that is not JSON.
    """
    import openai

    try:
        yield
    except openai.OpenAIError as error:
        raise LLMError(f"{endpoint} {_explain(error, model, client)}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LLMError(
            f"{endpoint} sent an answer that is not JSON (model '{model}'): {to_line(str(error), MAX_DETAIL)}."
        ) from error


def _explain(error: OpenAIError, model: str, client: OpenAI | None) -> str:
    import openai

    detail = describe(error)
    if isinstance(error, openai.APITimeoutError):
        return f"did not answer in time (model '{model}'): is it overloaded, or is the address wrong?"
    if isinstance(error, openai.APIConnectionError):
        cause = to_line(str(error.__cause__ or error), MAX_DETAIL)
        return f"cannot be reached ({cause}; model '{model}'): start the server or correct the address."
    if not isinstance(error, openai.APIStatusError):
        return f"failed for model '{model}': {detail}"
    status, text = error.status_code, f"{error.code} {detail}".lower().replace("_", " ")
    if status == 401:  # without the detail, because some servers repeat the key in it
        return (
            f"rejects the API key (model '{model}'): set OPENAI_API_KEY (openai:MODEL) or GOALSPACE_API_KEY."
        )
    if status == 403:
        return f"does not let this API key use model '{model}': {detail}."
    if status == 404 or (status == 400 and _NO_MODEL.search(text)):
        return _explain_missing(model, detail, client)
    if status == 429:
        return f"still answers 'too many requests' (model '{model}'): {detail}. Wait, then run the same command again."
    if status in (400, 413, 422) and TOO_LONG.search(text):
        return (
            f"finds a prompt too long for model '{model}': {detail}. Shorten it or raise the model's context."
        )
    return f"answered with status {status} (model '{model}'): {detail}."


def _explain_missing(model: str, detail: str, client: OpenAI | None) -> str:
    import openai

    names: list[str] = []
    if client is not None:
        with suppress(openai.OpenAIError, ValueError, TypeError, AttributeError):
            names = sorted(entry.id for entry in client.models.list().data)
    if model in names or not names:
        return f"has no model '{model}', or its address is wrong (does it end in /v1?): {detail}."
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"has no model '{model}'. It has: {', '.join(names[:10])}{more}."


def describe(error: OpenAIError) -> str:
    """Return the error message of the endpoint as one line without a final full stop."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    return to_line(str(body or error), MAX_DETAIL).rstrip(".")
