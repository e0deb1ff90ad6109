"""Assembles the web desk and serves it on loopback."""

from __future__ import annotations

import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from amparo.kit.schemes import find_scheme
from amparo.model import Id
from amparo.review import (
    account,
    accounts,
    actions,
    content,
    cut,
    gallery,
    graph,
    judge,
    links,
    messages,
    overview,
    problems,
    record,
    recovered,
    search,
    thread,
    threads,
)
from amparo.review.desk import HERE, Desk, Parts, Piece, no_parts, no_piece, now
from amparo.review.door import Door
from amparo.review.reads import Reads
from amparo.store.backend import StoreRefused
from amparo.store.case import Case

PAGES = (overview, gallery, content, threads, thread, messages, accounts, account, graph, record,
         recovered, problems, search, actions, judge, links, cut)  # fmt: skip
DAY = 86_400_000
SILENT: TelemetryConfig = {
    "auto_configure": False,
    "tracing": False,
    "metrics": False,
    "logs": False,
}
"""The framework could export requests to an address in the environment; here it never does."""


def create_app(
    case: Case,
    token: str,
    picture: Callable[[Id, int], bytes | None],
    performer: str,
    piece: Piece = no_piece,
    parts: Parts = no_parts,
) -> FastAPI:
    """The desk over an open case.

    ``token`` opens it once as ``/?token=...``. ``picture(content, longest side)`` gives WebP bytes,
    or None; it is called only after the consultation was logged. ``performer`` names the analyst in
    every action and mark; ``piece`` gives the bytes a record rests on, ``parts`` lays a picture on all
    others. Raises ValueError when the case names a category scheme that is not known.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=SILENT)
    app.state.desk = Desk(
        case=case,
        picture=picture,
        performer=performer,
        piece=piece,
        parts=parts,
        scheme=find_scheme(case.config.scheme),
        reveals=Reads(case.store).revealed_since(performer, now() // DAY * DAY),
    )
    for page in PAGES:
        app.include_router(page.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_exception_handler(HTTPException, not_done)
    app.add_exception_handler(RequestValidationError, not_understood)
    app.add_exception_handler(StoreRefused, not_written)
    app.add_middleware(Door, token=token)
    return app


def not_done(request: Request, error: Exception) -> Response:
    """An error as a page, or as JSON where JSON is asked for."""
    assert isinstance(error, HTTPException)
    if request.method != "GET":
        return JSONResponse({"error": str(error.detail)}, status_code=error.status_code)
    answer = Desk.of(request).show(
        request,
        "error.html",
        {"title": "Not found" if error.status_code == 404 else "Not done",
         "status": error.status_code, "detail": str(error.detail)},
    )  # fmt: skip
    answer.status_code = error.status_code
    return answer


def not_understood(request: Request, error: Exception) -> Response:
    """A request that does not have the form the desk's own pages send."""
    return JSONResponse({"error": "the request was not understood"}, status_code=422)


def not_written(request: Request, error: Exception) -> Response:
    """The store refused: nothing is shown that could not be logged."""
    return not_done(request, HTTPException(409, f"The case cannot take this now: {error}"))


def announced(address: str) -> None:
    """Says where the desk is, for people."""
    print(f"The desk is open, for one visit, at\n  {address}\nCtrl-C closes it.", flush=True)


def serve(
    case: Case,
    picture: Callable[[Id, int], bytes | None],
    port: int = 0,
    performer: str = "",
    open_browser: bool = True,
    piece: Piece = no_piece,
    parts: Parts = no_parts,
    announce: Callable[[str], None] = announced,
) -> None:
    """Serves the desk on 127.0.0.1 until interrupted; tells the one-time address.

    ``port`` 0 takes a free one. Raises OSError when the port is taken.
    """
    token = secrets.token_urlsafe(32)
    app = create_app(case, token, picture, performer, piece, parts)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}"
        announce(address)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        if open_browser and not webbrowser.open(address):
            print("No browser could be started; open the address yourself.", file=sys.stderr)
        uvicorn.Server(config).run(sockets=[listener])
