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

from goalspace.errors import InputError, LLMError
from goalspace.llm.address import (
    OPENAI,
    RecordedSpec,
    bound_address,
    check_encrypted,
    check_named,
    is_same,
    is_this_machine,
    locate,
    openai_address,
    origin,
    without_password,
)
from goalspace.llm.transport import guarded_async_client, guarded_client
from goalspace.text import to_line

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI, OpenAIError


TIMEOUT = 300.0  # seconds for one reply
TOO_LONG = re.compile(r"context (length|size|window)|maximum (prompt|input)|too (long|large|many tokens)")

_CONNECT_TIMEOUT = 5.0
_RETRIES = 6  # the SDK waits as Retry-After says, else 0.5 s doubling up to 8 s
MAX_DETAIL = 200  # characters of an endpoint's error message, because some send whole HTML pages
NO_MONEY = re.compile(
    r"insufficient[ _](quota|funds|balance|credit)|exceeded your current quota|billing|payment required|out of credit"
)
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
        API key; "none" if the user set none, and empty if the endpoint needs one (see `check_key`).
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

    OPENAI_API_KEY is sent only to OPENAI_BASE_URL, or to OpenAI if that is not set. GOALSPACE_API_KEY is sent only to
    GOALSPACE_BASE_URL or, if that is not set, to the address that the user names, never to one that a folder names.

    Raises
    ------
    UnnamedEndpoint
        If the spec is a `RecordedSpec` whose address neither the user nor the environment names.
    InputError
        If the spec does not have this form, or the address is plain http to another machine, which the user has not
        accepted.
    """
    place = locate(spec)
    check_named(spec, place)
    check_encrypted(spec, place)
    kind, address, model = place
    if kind == "openai":
        key = _key("OPENAI_API_KEY")
        # another endpoint may serve another model under the same name; the name must not contain a password
        name = str(spec) if address == OPENAI else f"{address.rpartition('@')[2]}#{model}"
        return Endpoint(name, model, address, key, is_openai=True)
    if kind == "ollama":
        return Endpoint(str(spec), model, address, "none")
    key, is_openai = _find_key(address, is_recorded=isinstance(spec, RecordedSpec))
    return Endpoint(f"{address}#{model}", model, address, key, is_openai)


def check_key(endpoint: Endpoint) -> None:
    """Raise an `InputError` if the endpoint needs an API key that is not set."""
    if not endpoint.key:
        raise InputError(
            f"'openai:{endpoint.model}' needs an API key: set the environment variable OPENAI_API_KEY."
        )


def _find_key(address: str, *, is_recorded: bool) -> tuple[str, bool]:
    """Return the key for an address, and whether it is OPENAI_API_KEY."""
    own, bound = _key("GOALSPACE_API_KEY"), bound_address()
    if own and (not is_recorded if bound is None else _belongs(address, bound, is_recorded)):
        return own, False
    openai_key = _key("OPENAI_API_KEY")
    is_openai = bool(openai_key) and _belongs(address, openai_address(), is_recorded)
    return (openai_key if is_openai else "none"), is_openai


def _belongs(address: str, home: str, is_recorded: bool) -> bool:
    """Return whether the key of `home` may be sent to an address: to its origin, but of a recorded one, to it only."""
    return is_same(address, home) if is_recorded else origin(address) == origin(home)


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(
            f"The environment variable {variable} holds a character that API keys cannot contain: set it again."
        )
    return key


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

    Raises
    ------
    InputError
        If the key is missing.
    LLMError
        If the address cannot be reached.
    """
    import openai

    check_key(endpoint)

    limits = openai.Timeout(timeout, connect=_CONNECT_TIMEOUT)
    # a proxy set in the environment cannot reach the loopback address of this machine
    local = is_this_machine(endpoint.address)
    transport = guarded_client(key=endpoint.key, timeout=limits, trust_env=not local)
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
            client.models.list(timeout=_CONNECT_TIMEOUT)
        except openai.APITimeoutError as error:
            # a list that does not come is no sign of a dead endpoint, unlike a connection that cannot be made
            if "connect" in type(error.__cause__).__name__.lower():
                raise
        except openai.APIConnectionError:
            raise
        except Exception:  # not every endpoint lists its models, but any answer shows that it is reachable
            pass
    client.max_retries = _RETRIES  # with_options would make a copy that reads the environment again
    return client


def open_async(client: OpenAI) -> AsyncOpenAI:
    """Open a client for concurrent calls with the address, key and headers of another one.

    It makes no second attempt by itself.
    """
    import openai

    local = is_this_machine(str(client.base_url))
    transport = guarded_async_client(key=client.api_key, timeout=client.timeout, trust_env=not local)
    found = openai.AsyncOpenAI(
        api_key=client.api_key,
        base_url=client.base_url,
        max_retries=0,
        timeout=client.timeout,
        http_client=transport,
    )
    found.organization, found.project = client.organization, client.project
    found._custom_headers = client._custom_headers
    return found


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

    endpoint = without_password(endpoint)
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
    status, text = error.status_code, _words(error)
    if 300 <= status < 400 and (target := error.response.headers.get("location")):
        return (
            f"redirects to {to_line(target, MAX_DETAIL)} (model '{model}'), to which nothing was sent: name that "
            "address yourself if you trust it."
        )
    if status == 401:  # without the detail, because some servers repeat the key in it
        return (
            f"rejects the API key (model '{model}'): set OPENAI_API_KEY (openai:MODEL) or GOALSPACE_API_KEY, which is "
            "sent to GOALSPACE_BASE_URL only if that is set."
        )
    if status == 403:
        return f"does not let this API key use model '{model}': {detail}."
    if status == 404 or (status == 400 and _NO_MODEL.search(text)):
        return _explain_missing(model, detail, client)
    if status in (402, 429) and NO_MONEY.search(text):
        return f"says that the account has no credit or quota left (model '{model}'): {detail}. Add some, then run the same command again."
    if status == 429:
        return f"still answers 'too many requests' (model '{model}'): {detail}. Wait, then run the same command again."
    if is_too_long(error):
        return (
            f"finds a prompt too long for model '{model}': {detail}. Shorten it or raise the model's context."
        )
    return f"answered with status {status} (model '{model}'): {detail}."


def is_too_long(error: Exception) -> bool:
    """Return whether an error says that the prompt does not fit into the context of the model."""
    status = getattr(error, "status_code", None)
    return status in (400, 413, 422) and TOO_LONG.search(_words(error)) is not None


def _words(error: Exception) -> str:
    """Return the code and the message of an error for searches, in lower case and with spaces for underscores."""
    return f"{getattr(error, 'code', '')} {error}".lower().replace("_", " ")


def _explain_missing(model: str, detail: str, client: OpenAI | None) -> str:
    import openai

    names: list[str] = []
    if client is not None:
        with suppress(openai.OpenAIError, ValueError, TypeError, AttributeError):
            client.max_retries = 0  # this endpoint is not called again
            names = sorted(entry.id for entry in client.models.list(timeout=_CONNECT_TIMEOUT).data)
    if model in names or not names:
        return f"has no model '{model}', or its address is wrong (does it end in /v1?): {detail}."
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"has no model '{model}'. It has: {', '.join(names[:10])}{more}."


def describe(error: Exception) -> str:
    """Return the error message of the endpoint as one line without a final full stop."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    return to_line(str(body or error), MAX_DETAIL).rstrip(".")
