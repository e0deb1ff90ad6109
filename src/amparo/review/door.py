"""The desk's door: who may send a request at all, before any page sees it.

Loopback is shared with every program and every web page the analyst has open, so each request must
name our own host, carry the session cookie, and not come from another site. A one-time token in the
first URL is exchanged for the cookie.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
}

BODY_LIMIT = 1 << 18


def allowed_hosts(port: int) -> frozenset[str]:
    """The Host values under which the desk on this port may be addressed."""
    names = {f"127.0.0.1:{port}", f"localhost:{port}"}
    return frozenset(names | {"127.0.0.1", "localhost"}) if port == 80 else frozenset(names)


def cookie(headers: Headers, name: str) -> str:
    """The value of one cookie, "" when it was not sent."""
    for part in headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


class Door:
    """ASGI middleware that admits one session and refuses everything else with 403.

    ``token`` opens the door once; a cookie carries the session from then on. Its name holds the port,
    since browsers keep one jar for all ports of a host and two desks may be open.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token
        self._session = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out[name] = value
            await send(message)

        answer = self._answer(scope, headers)
        await (answer or self._app)(scope, receive, guarded)

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """The refusal or the redirect of the first visit; None to let the request in."""
        port = (scope.get("server") or ("", 0))[1] or 0
        hosts = allowed_hosts(port)
        if headers.get("host", "") not in hosts:
            return refusal("this desk answers to its own address only")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return refusal("requests from other sites are refused")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["method"] == "GET" and "token" in query:
            return self._enter(query["token"][0], port)
        if not self._session or not secrets.compare_digest(
            cookie(headers, f"amparo_desk_{port}").encode(), self._session.encode()
        ):
            return refusal("open the desk with the address it printed when it started")
        if scope["method"] not in ("GET", "HEAD"):
            return check_write(headers, hosts)
        return None

    def _enter(self, given: str, port: int) -> Response:
        """Exchanges the token for a session, once."""
        if not self._token or not secrets.compare_digest(given.encode(), self._token.encode()):
            return refusal("this address was used already; start the desk again for a new one")
        self._token = ""
        self._session = secrets.token_urlsafe(32)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(f"amparo_desk_{port}", self._session, httponly=True, samesite="strict")
        return answer


def check_write(headers: Headers, hosts: Iterable[str]) -> Response | None:
    """Refuses a change that does not provably come from a page of this desk."""
    origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
    if origin not in ("", "null") and origin not in {f"http://{host}" for host in hosts}:
        return refusal("changes are accepted from the desk's own pages only")
    if origin in ("", "null") and site != "same-origin":
        return refusal("changes are accepted from the desk's own pages only")
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return refusal("changes are sent as JSON")
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > BODY_LIMIT:
        return refusal("the request is too long or does not say its length")
    return None


def refusal(reason: str) -> Response:
    """403 with one line for the person in front of the screen."""
    return PlainTextResponse(f"Refused: {reason}.\n", status_code=403)
