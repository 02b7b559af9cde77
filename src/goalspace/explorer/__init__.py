"""The explorer: serves a run as a page on 127.0.0.1, with live queries and, optionally, edits."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from collections.abc import Callable
from typing import Any

from goalspace.errors import InputError
from goalspace.explorer.app import make_app
from goalspace.explorer.session import Session
from goalspace.run.protocol import RunLike

_HOST = "127.0.0.1"
_GRACE = 2  # seconds for open requests to finish at shutdown


def explore(
    run: RunLike,
    *,
    port: int = 0,
    edit: bool = False,
    browser: bool = True,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Serve a run to this machine's browser until interrupted (ctrl-C).

    The server listens on 127.0.0.1 only and answers only requests with the token of the page's URL. To see the page
    of another machine, forward the same port: ssh -L PORT:127.0.0.1:PORT HOST.

    Parameters
    ----------
    run
        A finished run, or labelled instructions (`instructions.labelled.LabelledRun`).
    port
        The port to listen on; 0 picks a free one.
    edit
        Whether the page can rename, merge, split and hide factors, and move, add and remove properties. Every edit
        is appended to edits.jsonl in the run folder.
    browser
        Whether to open the page in the default browser.
    ready
        Called with the page's URL, including the token, once the server listens.

    Raises
    ------
    InputError
        If the run is not finished, `edit` is set for labelled instructions, or the port cannot be used.
    """
    if edit:
        run.as_editable()
    stale = run.stale()
    if stale:
        raise InputError(
            f"{run.path}: first redo the stage '{stale[0]}'. Run: goalspace {stale[0]} {run.path}"
        )
    token, ticket = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    with _listen(port) as listener:  # before the session, which starts background threads
        session = Session(run, edit=edit)
        bound = int(listener.getsockname()[1])
        server = _server(make_app(session, token=token, port=bound, ticket=ticket))
        if ready is not None:
            ready(f"http://{_HOST}:{bound}/?token={token}")
        if browser:
            # command lines are visible to all users of the machine and must not contain the token
            webbrowser.open(f"http://{_HOST}:{bound}/open/{ticket}")
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn shuts down cleanly, then raises the signal again
            return


def _listen(port: int) -> socket.socket:
    if not 0 <= port < 65536:
        raise InputError(f"The 'port' parameter of explore must be between 0 and 65535. Got {port} instead.")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"Port {port} cannot be used ({error.strerror}): choose another with --port, or leave it out."
        ) from None
    listener.listen(128)
    return listener


def _server(app: Any) -> Any:
    import uvicorn

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)
