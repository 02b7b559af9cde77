"""Access control of the explorer: host, origin and token checks, request size limit, security headers."""

from __future__ import annotations

import hmac
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from goalspace.explorer.contract import ErrorMessage

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


LARGEST_BODY = 4_000_000  # bytes
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware that accepts only requests of the page: it checks Host and Origin, then the token.

    Requests that another site makes through the browser (cross-site requests, DNS rebinding) have a foreign Host or
    Origin; other users of the machine do not know the token.

    Parameters
    ----------
    app
        The application to protect.
    token
        Required for every path under /api, in the header X-Goalspace-Token or, for downloads, as ?token=.
    port
        The port of the server.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self.app, self.token = app, token.encode()
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        from starlette.requests import Request

        if scope["type"] != "http":
            return
        request = Request(scope)
        refused = self._refuse(request)
        if refused is not None:
            await error_answer(*refused)(scope, receive, partial(_send_safely, send))
            return
        try:
            body = await _read(request, receive)
        except ValueError:
            await error_answer(413, "The request is too large.")(scope, receive, partial(_send_safely, send))
            return
        await self.app(scope, _once(body, receive), partial(_send_safely, send))

    def _refuse(self, request: Request) -> tuple[int, str] | None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host not in self.hosts:
            return 403, "This server answers to 127.0.0.1 only."
        if origin is not None and origin != f"http://{host}":
            return 403, "Requests from other sites are refused."
        if not request.url.path.startswith("/api"):
            return None
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "Requests from other sites are refused."
        given = request.headers.get("x-goalspace-token") or request.query_params.get("token", "")
        if not hmac.compare_digest(given.encode(), self.token):
            return (
                403,
                "The token is missing or wrong: open the address that goalspace printed.",
            )
        if request.method == "POST" and not _is_json(request.headers.get("content-type", "")):
            return 400, "A request must be JSON."
        return None


def _is_json(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() == "application/json"


async def _read(request: Request, receive: Receive) -> bytes:
    """Return the body of a request; raise ValueError if it is too large."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise ValueError
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > LARGEST_BODY:
            raise ValueError
        if not message.get("more_body"):
            return body


def _once(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` callable that replays a body already read."""
    waiting = [body]

    async def next_message() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return next_message


async def _send_safely(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        given = {name.lower() for name, _ in message["headers"]}
        message["headers"] = [
            *message["headers"],
            *(
                (name.lower().encode(), value.encode())
                for name, value in _HEADERS.items()
                if name.lower().encode() not in given
            ),
        ]
    await send(message)


def json_answer(value: Any, status: int = 200) -> Response:
    """Return a value as a JSON response."""
    from starlette.responses import Response

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")


def error_answer(status: int, line: str) -> Response:
    """Return an error message as a JSON response."""
    message: ErrorMessage = {"error": " ".join(line.split())}
    return json_answer(message, status)
