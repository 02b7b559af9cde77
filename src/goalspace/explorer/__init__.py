"""explore: a run as a page on 127.0.0.1, with live queries and, if wanted, edits."""

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
_GRACE = 2  # seconds that running answers get when the server ends


def explore(
    run: RunLike,
    *,
    port: int = 0,
    edit: bool = False,
    browser: bool = True,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Serve a run to this machine's browser until interrupted (ctrl-C).

    Only 127.0.0.1 is listened on, and only requests that carry the token of the page's URL are answered. To see the
    page of another machine, forward the same port: ssh -L PORT:127.0.0.1:PORT HOST.

    Parameters
    ----------
    run
        A finished run, or labelled instructions (`instructions.labelled.LabelledRun`).
    port
        0 takes a free one.
    edit
        Let the page rename, merge, split and hide factors, and move, add and remove properties. Every edit is a
        line in the run folder's edits.jsonl.
    browser
        Open the page in the default browser.
    ready
        Called with the page's URL, token included, when the server listens.

    Raises
    ------
    InputError
        If the run is not finished, tasks are to be edited, or the port is taken.
    """
    if edit:
        run.as_editable()
    stale = run.stale()
    if stale:
        raise InputError(
            f"{run.path}: first redo the stage '{stale[0]}'. Run: goalspace {stale[0]} {run.path}"
        )
    token, ticket = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    with _listen(port) as listener:  # before the session, which starts to read in the background
        session = Session(run, edit=edit)
        bound = int(listener.getsockname()[1])
        server = _server(make_app(session, token=token, port=bound, ticket=ticket))
        if ready is not None:
            ready(f"http://{_HOST}:{bound}/?token={token}")
        if browser:
            # every user of the machine sees the arguments of processes: there the token must not stand
            webbrowser.open(f"http://{_HOST}:{bound}/open/{ticket}")
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn ends cleanly, then hands the signal on
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
