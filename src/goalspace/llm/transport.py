"""The HTTP client of an endpoint: it sends nothing to another host, and no answer that it returns holds the key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

from goalspace.llm.address import origin

if TYPE_CHECKING:
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient


_LEAST = 8  # characters of the start or end of a key that are masked, too
_SHORTEST = 4  # shorter keys are words such as "x", not secrets
_MASK = "[key]"
_MAX_REDIRECTS = 5
# of the body as it was sent, which the masked one no longer is
_OF_BODY = ("content-encoding", "content-length", "transfer-encoding")


def guarded_client(*, key: str, **settings: Any) -> DefaultHttpxClient:
    """Make an HTTP client that follows redirects on the same origin only, and masks the key in all answers.

    A redirect elsewhere is returned as an answer with its status, and the origin that it leads to as its location.

    Parameters
    ----------
    key
        The key that the requests carry; "none" is not masked.
    settings
        Arguments of `openai.DefaultHttpxClient`.
    """
    return cast("DefaultHttpxClient", _guarded_class()(key, **settings))


def guarded_async_client(*, key: str, **settings: Any) -> DefaultAsyncHttpxClient:
    """Make the same for concurrent requests."""
    return cast("DefaultAsyncHttpxClient", _guarded_async_class()(key, **settings))


@cache
def _guarded_class() -> type:
    import openai

    class GuardedClient(openai.DefaultHttpxClient):
        """Overrides `send`, through which every request of the SDK goes."""

        def __init__(self, key: str, **settings: Any) -> None:
            super().__init__(**settings)
            self._key = "" if key == "none" else key

        def send(self, request: Any, **options: Any) -> Any:
            options["follow_redirects"] = False
            for _ in range(_MAX_REDIRECTS + 1):
                with _quoting_no_key(request, self._key):
                    response = super().send(request, **options)
                    response.read()
                following = _following(request, response)
                if following is None:
                    break
                request = following
            return _masked_response(response, self._key)

    return GuardedClient


@cache
def _guarded_async_class() -> type:
    import openai

    class GuardedAsyncClient(openai.DefaultAsyncHttpxClient):
        """The same for concurrent requests."""

        def __init__(self, key: str, **settings: Any) -> None:
            super().__init__(**settings)
            self._key = "" if key == "none" else key

        async def send(self, request: Any, **options: Any) -> Any:
            options["follow_redirects"] = False
            for _ in range(_MAX_REDIRECTS + 1):
                with _quoting_no_key(request, self._key):
                    response = await super().send(request, **options)
                    await response.aread()
                following = _following(request, response)
                if following is None:
                    break
                request = following
            return _masked_response(response, self._key)

    return GuardedAsyncClient


def _following(request: Any, response: Any) -> Any:
    """Return the request that a redirect on the same origin asks for, or None."""
    following = response.next_request
    is_same = following is not None and origin(str(following.url)) == origin(str(request.url))
    return following if is_same else None


@contextmanager
def _quoting_no_key(request: Any, key: str) -> Iterator[None]:
    """Mask the key in the error about a malformed answer, which quotes the answer."""
    import openai

    try:
        yield
    except Exception as error:
        shown = mask_key(str(error), key)
        if shown == str(error):
            raise
        raise openai.APIConnectionError(message=shown, request=request) from None


def _masked_response(response: Any, key: str) -> Any:
    """Return the response, or a copy of it without the key."""
    if response.is_success:
        content = _mask_body(response, key) if len(key) >= _LEAST else response.content
        if content == response.content:
            return response
    else:
        content = _mask_body(response, key)
    headers = [(n, mask_key(v, key)) for n, v in response.headers.multi_items() if n.lower() not in _OF_BODY]
    if content != response.content:
        kind = response.headers.get("content-type", "text/plain").partition(";")[0]
        headers = [(n, v) for n, v in headers if n.lower() != "content-type"]
        headers.append(("content-type", f"{mask_key(kind, key)}; charset=utf-8"))
    if response.next_request is not None:
        url = response.next_request.url
        port = f":{url.port}" if url.port else ""
        headers = [(n, v) for n, v in headers if n.lower() != "location"]
        headers.append(("location", mask_key(f"{url.scheme}://{url.host}{port}", key)))
    return type(response)(
        response.status_code,
        headers=headers,
        content=content,
        request=response.request,
        extensions={"http_version": response.extensions.get("http_version", b"HTTP/1.1")},
    )


def _mask_body(response: Any, key: str) -> bytes:
    """Return the body without the key, also where JSON or an encoding other than UTF-8 spells it differently."""
    content: bytes = response.content
    if not (content.isascii() and b"\\" not in content and b"\0" not in content):
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            pass
        else:
            masked = _mask_value(value, key)
            return content if masked == value else json.dumps(masked).encode()
    text: str = response.text
    masked_text = mask_key(text, key)
    return content if masked_text == text else masked_text.encode("utf-8", "replace")


def _mask_value(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return mask_key(value, key)
    if isinstance(value, list):
        return [_mask_value(item, key) for item in value]
    if isinstance(value, dict):
        return {mask_key(name, key): _mask_value(item, key) for name, item in value.items()}
    return value


def mask_key(text: str, key: str) -> str:
    """Return the text with the key, and beginnings and ends of it of 8 or more characters, replaced by ``[key]``.

    Parameters
    ----------
    text
        Anything that an endpoint sent.
    key
        The key; one of fewer than 4 characters is not masked, as it is no secret.
    """
    if len(key) < _SHORTEST:
        return text
    if key[:_LEAST] not in text and key[-_LEAST:] not in text:
        return text
    return _fragments(key).sub(_MASK, text)


@lru_cache(maxsize=8)
def _fragments(key: str) -> re.Pattern[str]:
    lengths = range(len(key), min(_LEAST, len(key)) - 1, -1)
    parts = [part for n in lengths for part in (key[:n], key[len(key) - n :])]
    return re.compile("|".join(map(re.escape, dict.fromkeys(parts))))
