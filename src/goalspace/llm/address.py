"""Addresses of endpoints: what a spec names, who named it, and whether anything may be sent there."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

from goalspace.errors import InputError, UnnamedEndpoint
from goalspace.text import to_line

OPENAI = "https://api.openai.com/v1"
INSECURE_HTTP = "GOALSPACE_INSECURE_HTTP"
_PORTS = {"http": 80, "https": 443}
_MAX_SHOWN = 200  # characters of a recorded spec in a message
_NEEDS_NO_QUOTES = re.compile(r"[\w:/.#@%+=,-]+")


class RecordedSpec(str):
    """A spec that a folder names and not the user: `find_endpoint` refuses its address unless the user named it, too.

    Parameters
    ----------
    spec
        The spec.
    option
        The argument with which a user names it: "llm" or "encoder".
    source
        What names it: "run" or "index".
    """

    option: str
    source: str

    def __new__(cls, spec: str, option: str = "encoder", source: str = "run") -> Self:
        marked = super().__new__(cls, spec)
        marked.option, marked.source = option, source
        return marked


class PlainHttpSpec(str):
    """A spec whose user accepts that it is sent in plain http to another machine (``--insecure-http``)."""


class Place(NamedTuple):
    """What a spec names: the kind ("openai", "ollama" or "address"), the base URL without final slash, the model."""

    kind: str
    address: str
    model: str


def is_endpoint(spec: object) -> bool:
    """Return whether a spec has the form of an endpoint; `locate` parses it."""
    kind, _, rest = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    return kind in ("openai", "ollama", "http", "https") and bool(rest)


def locate(spec: str) -> Place:
    """Parse ``openai:MODEL``, ``ollama:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL``.

    Raises
    ------
    InputError
        If the spec does not have this form.
    """
    kind, _, rest = spec.partition(":")
    if kind == "openai" and rest:
        return Place(kind, openai_address(), rest)
    if kind == "ollama" and rest:
        return Place(kind, _ollama_address(), rest)
    address, _, model = spec.partition("#")
    address = address.rstrip("/")
    parts = _split(address)
    if not model or parts is None or parts.scheme not in _PORTS:
        raise InputError(
            f"'{to_line(spec, _MAX_SHOWN)}' is not an endpoint: use openai:MODEL, ollama:MODEL or "
            "http://HOST:PORT/v1#MODEL."
        )
    if "@" in parts.netloc or parts.query:
        raise InputError(
            f"The address of '{to_line(model, _MAX_SHOWN)}' must not contain a user name, password or query, because "
            "the run records it. Set the key in the environment variable GOALSPACE_API_KEY."
        )
    return Place("address", address, model)


def openai_address() -> str:
    """Return OPENAI_BASE_URL, or the address of OpenAI if that is not set."""
    return os.environ.get("OPENAI_BASE_URL", "").strip().rstrip("/") or OPENAI


def bound_address() -> str | None:
    """Return GOALSPACE_BASE_URL, the only address for GOALSPACE_API_KEY, or None if it is not set.

    Raises
    ------
    InputError
        If it is not a URL.
    """
    address = os.environ.get("GOALSPACE_BASE_URL", "").strip().rstrip("/")
    if address and origin(address) is None:
        raise InputError(
            "The environment variable GOALSPACE_BASE_URL must be an address such as https://HOST/v1."
        )
    return address or None


def _ollama_address() -> str:
    """Parse OLLAMA_HOST: a host, host:port or URL; without a scheme the default port is 11434, as in Ollama."""
    host = os.environ.get("OLLAMA_HOST", "").strip().rstrip("/") or "127.0.0.1"
    parts = _split(host if "://" in host else f"http://{host}")
    if parts is None or parts.scheme not in _PORTS:
        raise InputError(f"The environment variable OLLAMA_HOST must be HOST:PORT. Got '{host}' instead.")
    # servers listen on 0.0.0.0, but clients cannot connect to it
    name = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname
    name = f"[{name}]" if ":" in str(name) else name
    default = _PORTS[parts.scheme] if "://" in host else 11434
    return f"{parts.scheme}://{name}:{parts.port or default}{parts.path}/v1"


def _split(address: str) -> SplitResult | None:
    # urlsplit drops line breaks and tabs, and browsers and libraries disagree about a backslash
    if not address.isprintable() or " " in address or "\\" in address:
        return None
    try:
        parts = urlsplit(address)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:  # a port that is not a number, an unclosed bracket
        return None


def origin(address: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an http(s) address, or None if it is not one."""
    parts = _split(address)
    if parts is None or parts.scheme not in _PORTS:
        return None
    return parts.scheme, str(parts.hostname), parts.port or _PORTS[parts.scheme]


def is_same(address: str, other: str) -> bool:
    """Return whether two addresses have the same origin and path; the paths of a gateway may lead to other people."""
    return origin(address) == origin(other) is not None and _path(address) == _path(other)


def _path(address: str) -> str:
    parts = _split(address)
    return parts.path.rstrip("/") if parts else ""


def without_password(address: str) -> str:
    """Return the address without a user name and password, for messages."""
    return re.sub(r"//[^/]*@", "//", address)


def is_this_machine(address: str) -> bool:
    """Return whether the host of an address is a loopback address or localhost."""
    parts = _split(address)
    host = (parts.hostname if parts else None) or ""
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return number.is_loopback or number.is_unspecified


# ---------------------------------------------------------------- who named it


def recorded(spec: str, *, option: str = "encoder", named: Iterable[object] = ()) -> str:
    """Return a spec that a run recorded: as the user's own if the user named it or its address, else a `RecordedSpec`.

    Parameters
    ----------
    spec
        The spec as recorded.
    option
        The argument with which a user names it: "llm" or "encoder".
    named
        What the user named in this call; anything but a spec is ignored.
    """
    place = _place(spec)
    for own in named:
        if not isinstance(own, str) or isinstance(own, RecordedSpec):
            continue
        other = _place(own)
        if own == spec or (place and other and is_same(place.address, other.address)):
            return PlainHttpSpec(spec) if isinstance(own, PlainHttpSpec) else str(spec)
    return RecordedSpec(spec, option)


def replaces(spec: str, other: str) -> bool:
    """Return whether a spec is the other one, or names an endpoint with a model of the same name, perhaps elsewhere."""
    place, before = _place(spec), _place(other)
    return spec == other or (place is not None and before is not None and place.model == before.model)


def _place(spec: str) -> Place | None:
    try:
        return locate(spec)
    except InputError:
        return None


def check_named(spec: str, place: Place) -> None:
    """Raise `UnnamedEndpoint` if only a folder names the address, not the user or the environment.

    The environment names OPENAI_BASE_URL, GOALSPACE_BASE_URL and OLLAMA_HOST. ``openai:MODEL`` goes to OpenAI or to
    OPENAI_BASE_URL, which no folder can change.
    """
    if not isinstance(spec, RecordedSpec) or place.kind == "openai":
        return
    own = [os.environ.get("OPENAI_BASE_URL", "").strip(), bound_address() or ""]
    if os.environ.get("OLLAMA_HOST", "").strip():
        own.append(_ollama_address())
    if any(is_same(place.address, address) for address in own):
        return
    shown = to_line(spec, _MAX_SHOWN)
    argument = shown if _NEEDS_NO_QUOTES.fullmatch(shown) else shlex.quote(shown)
    raise UnnamedEndpoint(
        f"The {spec.source} names the endpoint {to_line(place.address, _MAX_SHOWN)}, which you have not named: repeat "
        f"--{spec.option} {argument} to send texts there (in Python, pass {spec.option}=)."
    )


def check_encrypted(spec: str, place: Place) -> None:
    """Raise an `InputError` for plain http to another machine that the user has not accepted."""
    parts = origin(place.address)
    if parts is None or parts[0] != "http" or is_this_machine(place.address):
        return
    if not isinstance(spec, PlainHttpSpec) and os.environ.get(INSECURE_HTTP, "").strip() != "1":
        raise InputError(
            f"{to_line(without_password(place.address), _MAX_SHOWN)} is another machine, and plain http shows your key "
            f"and texts to everyone in between: use https, or accept it with --insecure-http or {INSECURE_HTTP}=1."
        )
