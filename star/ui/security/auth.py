"""Door: who may come in. Sessions in a cookie, roles asked anew at every call, calls from other sites refused.

Without accounts (`auth` False) people on this machine enter by name (`guard` lets nothing in that came by another name).
With accounts everything but the login page and our assets needs a session.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import anyio.to_thread
from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from star.annotation.storage.database import Database, Unavailable
from star.annotation.storage.models import Mode, Role
from star.annotation.storage.store import Stale
from star.annotation.workflow import sessions
from star.annotation.workflow.people import Locked, Person, Refused, require
from star.errors import UserError
from star.ui.assets import PREFIX
from star.ui.security.outage import closed, outage, wants_page

COOKIE = "star_session"
HEADER = "x-star"  # no form and no other site can send it without asking first
OPEN = (f"/{PREFIX}/", "/star-door/")
REMEMBERED_S = 5.0


class Door:
    """Knows the database of people. Safe to share between threads."""

    def __init__(self, database: Database, auth: bool) -> None:
        self.database, self.auth = database, auth
        self.mode: Mode = "auth" if auth else "open"

    def person(self, connection: HTTPConnection) -> Person | None:
        """Who is signed in; None for nobody. Raises Unavailable where the database cannot say."""
        return sessions.of_token(self.database, connection.cookies.get(COOKIE), self.mode)

    def needs(self, role: Role) -> Callable[[Request], Person]:
        """What a route depends on: a call from our own page, by someone whose role reaches."""

        def who(request: Request) -> Person:
            self.ours(request)
            person = self.person(request)
            if person is None:
                raise NobodyThere(f"nobody is signed in; sign in as {role} first")
            return require(person, role)

        return who

    def ours(self, request: Request) -> None:
        """Raises Refused for a call that no page of ours made."""
        if request.method not in ("GET", "HEAD") and HEADER not in request.headers:
            raise Refused(f"this call lacks the header {HEADER}, which our own page sends")

    def let_in(self, response: Response, request: Request, person: Person) -> None:
        """Give the browser a session."""
        response.set_cookie(
            COOKIE,
            sessions.sign_in(self.database, person, self.mode),
            max_age=sessions.SESSION_S,
            path="/",
            httponly=True,
            samesite="strict",
            # Behind a proxy the browser alone knows; what it says of itself can only be stricter.
            secure="https" in (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme),
        )


class NobodyThere(Refused):
    """Not signed in at all."""


def refused(_: Request, error: Exception) -> JSONResponse:
    """A UserError as the one line it is. 401: sign in; 403: not allowed; 409: overtaken; 429, 503: try again, and when;
    400: the rest."""
    status, headers = 400, {}
    match error:
        case Unavailable():
            return outage(error)
        case NobodyThere():
            status = 401
        case Locked():
            status, headers = 429, {"Retry-After": str(error.seconds)}
        case Refused():
            status = 403
        case Stale():
            status = 409
    said = {"error": str(error)} | ({"revision": error.revision} if isinstance(error, Stale) else {})
    return JSONResponse(said, status, headers)


def malformed(_: Request, error: Exception) -> JSONResponse:
    """A body that does not fit, without saying it all back."""
    first = error.errors()[0] if hasattr(error, "errors") else {"loc": (), "msg": "not readable"}
    place = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return JSONResponse({"error": f"{place[:80]} does not fit: {str(first['msg'])[:200]}"}, 422)


class Gate:
    """ASGI: with accounts, lets nothing through without a session but the login."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app, self.door = app, door
        self._known: dict[
            str, float
        ] = {}  # token → until when it is taken as good: pages fetch a hundred files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        connection, path = HTTPConnection(scope), str(scope["path"])
        try:
            stranger = self.door.auth and not path.startswith(OPEN) and not await self._session(connection)
        except Unavailable as error:
            return await closed(error, scope, receive, send)
        if stranger:
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            answer: Response = (
                RedirectResponse("star-door/login" if path == "/" else "/star-door/login", 303)
                if wants_page(connection)
                else JSONResponse({"error": "nobody is signed in; open /star-door/login"}, 401)
            )
            return await answer(scope, receive, send)
        await self.app(scope, receive, send)

    async def _session(self, connection: HTTPConnection) -> bool:
        token, now = connection.cookies.get(COOKIE, ""), time.monotonic()
        if self._known.get(token, 0.0) > now:
            return True
        if await anyio.to_thread.run_sync(self.door.person, connection) is None:
            return False
        self._known = {known: until for known, until in self._known.items() if until > now}
        self._known[token] = now + REMEMBERED_S
        return True


def error_handlers() -> dict[type[Exception], Callable[[Request, Exception], JSONResponse]]:
    """What the application does with our errors."""
    from fastapi.exceptions import RequestValidationError

    return {UserError: refused, RequestValidationError: malformed}
