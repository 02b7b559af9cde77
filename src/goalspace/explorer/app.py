"""The routes of the explorer and their handlers."""

from __future__ import annotations

import json
import mimetypes
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goalspace.errors import GoalspaceError, InputError
from goalspace.explorer.downloads import FILES, WRITERS, write
from goalspace.explorer.requests import read_integer
from goalspace.explorer.search import find, hits
from goalspace.explorer.security import Guard, error_answer, json_answer
from goalspace.explorer.session import Session
from goalspace.pages.templates import NOT_BUILT
from goalspace.reports import view as answers
from goalspace.reports.agreement import agreement
from goalspace.reports.compare import compare
from goalspace.reports.contract_details import Why
from goalspace.reports.over_time import measure_over_time
from goalspace.reports.why import format_metadata, near, why

if TYPE_CHECKING:
    import numpy as np
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from goalspace.explorer.contract import ExportedFormat, ExportedTable
    from goalspace.explorer.editor import Editor
    from goalspace.reports.view import View
    from goalspace.run.folder import Run


def make_app(session: Session, *, token: str, port: int, ticket: str) -> ASGIApp:
    """Return the ASGI application of one session, which requires the token.

    /open/TICKET redirects to the page with its token, once.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    def route(path: str, answer: Callable[..., Response | Awaitable[Response]], method: str = "GET") -> Any:
        return Route(path, partial(answer, session), methods=[method])

    app: Starlette = Starlette(
        routes=[
            route("/api/summary", _summary),
            route("/api/map", _map),
            route("/api/scores/{k}", _scores),
            route("/api/columns/{position}", _column),
            route("/api/properties", _layer),
            route("/api/factors/{k}", _factor),
            route("/api/texts", _texts, "POST"),
            route("/api/texts/{row}", _text),
            route("/api/compare", _compare),
            route("/api/over-time", _over_time),
            route("/api/runs/{name}", _agreement),
            route("/api/edits", _change, "POST"),
            route("/api/undo", _undo, "POST"),
            route("/api/redo", _redo, "POST"),
            route("/api/export/report.html", _report),
            route("/api/export/{name}", _file),
            route("/api/export/{name}", _found_file, "POST"),
            Route("/open/{ticket}", _door(ticket, token), methods=["GET"]),
            Route("/{path:path}", _page, methods=["GET"]),
        ],
        exception_handlers={GoalspaceError: _wrong, HTTPException: _refused, Exception: _failed},
    )
    return Guard(app, token=token, port=port)


def _door(ticket: str, token: str) -> Callable[[Request], Awaitable[Response]]:
    """Redirect the first request with the ticket to the page."""
    unused = {ticket}

    async def answer(request: Request) -> Response:
        from starlette.responses import RedirectResponse

        if request.path_params["ticket"] not in unused:
            return error_answer(403, "This address works only once: open the one that goalspace printed.")
        unused.clear()
        return RedirectResponse(f"/?token={token}", 303)

    return answer


# ---------------------------------------------------------------- answers


def _bytes(content: bytes) -> Response:
    from starlette.responses import Response

    return Response(content, media_type="application/octet-stream")


async def _wrong(_: Request, error: Exception) -> Response:
    return error_answer(400 if isinstance(error, InputError) else 409, str(error))


async def _refused(_: Request, error: Exception) -> Response:
    status, detail = getattr(error, "status_code", 404), str(getattr(error, "detail", ""))
    return error_answer(status, detail if status == 403 else "There is nothing at this address.")


async def _failed(_: Request, error: Exception) -> Response:
    return error_answer(500, f"goalspace failed here ({type(error).__name__}). Please report it.")


def _summary(session: Session, request: Request) -> Response:
    seen = request.query_params.get("seen")
    return json_answer(session.summary(None if seen is None else _number(seen, "seen", 10**9)))


def _map(session: Session, _: Request) -> Response:
    return _bytes(answers.map_bytes(session.view))


def _scores(session: Session, request: Request) -> Response:
    view = session.view
    return _bytes(answers.score_bytes(view, _position(request, "k", view.factors.dim)))


def _column(session: Session, request: Request) -> Response:
    view = session.view
    return _bytes(answers.column_bytes(view, _position(request, "position", len(view.columns))))


def _layer(session: Session, _: Request) -> Response:
    return json_answer(answers.layer(session.view))


def _factor(session: Session, request: Request) -> Response:
    view = session.view
    return json_answer(answers.factor(view, _position(request, "k", view.factors.dim), all_properties=True))


async def _texts(session: Session, request: Request) -> Response:
    query = await _object(request)
    return await _in_thread(_hits, session, query)


def _hits(session: Session, query: Mapping[str, Any]) -> Response:
    view = session.view
    answer = json_answer(hits(view, find(view, session.table, query, session.meaning.similarity), query))
    session.meaning.begin()
    return answer


def _text(session: Session, request: Request) -> Response:
    view = session.view
    row = _position(request, "row", len(view.run.corpus))
    explained: Why = {**why(view, row, read=session.meaning.sentences), "near": near(view, row)}
    explained["metadata"] = format_metadata(view.run.corpus.metadata_of(row))
    return json_answer(explained)


def _compare(session: Session, request: Request) -> Response:
    view, given = session.view, request.query_params
    position = _number(given.get("column", ""), "column", len(view.columns))
    pair = {name: _number(given[name], name, 1_000) for name in ("a", "b") if name in given}
    return json_answer(compare(view, position, **pair))


def _over_time(session: Session, request: Request) -> Response:
    view = session.view
    position = _number(request.query_params.get("column", ""), "column", len(view.columns))
    return json_answer(measure_over_time(view, position))


def _agreement(session: Session, request: Request) -> Response:
    from starlette.exceptions import HTTPException

    other = session.others.get(request.path_params["name"])  # only runs found at startup
    if other is None:
        raise HTTPException(404)
    return json_answer(agreement(session.view, other))


def _report(session: Session, _: Request) -> Response:
    from starlette.responses import Response

    return Response(
        session.report(), media_type="text/html", headers={"Content-Disposition": _as_file("report.html")}
    )


def _file(session: Session, request: Request) -> Response:
    return _table(session.view, *_wanted(request), None)


async def _found_file(session: Session, request: Request) -> Response:
    table, kind = _wanted(request)
    query = await _object(request)

    def answer() -> Response:
        view = session.view
        return _table(view, table, kind, find(view, session.table, query, session.meaning.similarity).rows)

    return await _in_thread(answer)


def _table(view: View, table: ExportedTable, kind: ExportedFormat, rows: np.ndarray | None) -> Response:
    """Send a table as a temporary file, streamed from disk because it may be larger than the run."""
    from starlette.background import BackgroundTask
    from starlette.responses import FileResponse

    folder = Path(tempfile.mkdtemp(prefix="goalspace-"))
    path = folder / f"{table}.{kind}"
    try:
        write(path, view.run, table, kind, rows)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return FileResponse(
        path,
        media_type=WRITERS[kind][1],
        headers={"Content-Disposition": _as_file(path.name)},
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


def _wanted(request: Request) -> tuple[ExportedTable, ExportedFormat]:
    from starlette.exceptions import HTTPException

    file = FILES.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    return file


def _as_file(name: str) -> str:
    return f'attachment; filename="{name}"'


async def _change(session: Session, request: Request) -> Response:
    return await _edited(session, request, lambda editor, edit: editor.do(edit))


async def _undo(session: Session, request: Request) -> Response:
    return await _edited(session, request, lambda editor, _: editor.undo())


async def _redo(session: Session, request: Request) -> Response:
    return await _edited(session, request, lambda editor, _: editor.redo())


async def _edited(
    session: Session, request: Request, act: Callable[[Editor, dict[str, Any]], Run]
) -> Response:
    if not session.edit:
        from starlette.exceptions import HTTPException

        raise HTTPException(403, "This page is read-only. Start it with --edit to change factors.")
    given = await _object(request)
    seen = given.pop("seen", None)
    return await _in_thread(lambda: json_answer(session.follow(lambda editor: act(editor, given), seen)))


def _page(request: Request) -> Response:
    """Return a file of the built front end; paths outside its folder are rejected."""
    from starlette.responses import PlainTextResponse, Response

    root = resources.files("goalspace").joinpath("data", "web", "explorer")
    parts = request.path_params["path"].split("/") if request.path_params["path"] else ["index.html"]
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        return error_answer(404, "There is nothing at this address.")
    file = root.joinpath(*parts)
    if file.is_file():
        kind = mimetypes.guess_type(parts[-1])[0] or "application/octet-stream"
        return Response(file.read_bytes(), media_type=kind)
    if parts == ["index.html"]:
        return PlainTextResponse(NOT_BUILT, 404)
    return error_answer(404, "There is nothing at this address.")


# ---------------------------------------------------------------- requests


def _position(request: Request, name: str, count: int) -> int:
    from starlette.exceptions import HTTPException

    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < count):
        raise HTTPException(404)
    return read_integer(int(text), name, 0, count)


def _number(text: str, name: str, count: int) -> int:
    digits = text.isascii() and text.isdigit() and len(text) < 10
    return read_integer(int(text) if digits else None, name, 0, count)


async def _object(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise InputError("The request is not JSON.") from None
    if not isinstance(value, dict):
        raise InputError("The request must be a JSON object.")
    return value


async def _in_thread(work: Callable[..., Response], *arguments: Any) -> Response:
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work, *arguments)
