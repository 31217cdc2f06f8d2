"""Sessions in a cookie, a role check on every call, and refusal of calls that another site made.

Without accounts, people on this machine enter by name; `guard` refuses requests that use another host name.
With accounts, only the login page and the assets are served without a session.
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
HEADER = "x-star"  # forms cannot send it, and scripts of other sites lack the CORS permission
OPEN = (f"/{PREFIX}/", "/star-door/")
REMEMBERED_S = 5.0  # seconds for which a checked session counts as valid


class Auth:
    """Signs people in and finds who sends a request. Safe to share between threads."""

    def __init__(self, database: Database, accounts: bool) -> None:
        self.database, self.accounts = database, accounts
        self.mode: Mode = "auth" if accounts else "open"

    def person(self, connection: HTTPConnection) -> Person | None:
        """The person who is signed in, or None. Raises Unavailable while the database cannot be reached."""
        return sessions.of_token(self.database, connection.cookies.get(COOKIE), self.mode)

    def needs(self, role: Role) -> Callable[[Request], Person]:
        """A FastAPI dependency: the caller, if our page made the call and the role is sufficient; else it raises Refused."""

        def who(request: Request) -> Person:
            self.require_header(request)
            person = self.person(request)
            if person is None:
                raise NotSignedIn(f"nobody is signed in; sign in as {role} first")
            return require(person, role)

        return who

    def require_header(self, request: Request) -> None:
        """Raises Refused for a call that may change something and lacks the header of our page."""
        if request.method not in ("GET", "HEAD") and HEADER not in request.headers:
            raise Refused(f"this call lacks the header {HEADER}, which our own page sends")

    def start_session(self, response: Response, request: Request, person: Person) -> None:
        """Sign the person in and give the browser the session's cookie."""
        response.set_cookie(
            COOKIE,
            sessions.sign_in(self.database, person, self.mode),
            max_age=sessions.SESSION_S,
            path="/",
            httponly=True,
            samesite="strict",
            # A proxy may hide that the browser uses HTTPS. The browser's Origin shows it, and can only tighten the cookie.
            secure="https" in (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme),
        )


class NotSignedIn(Refused):
    """No session, or one that has ended."""


def refused(_: Request, error: Exception) -> JSONResponse:
    """A UserError as one line of JSON.

    Status 401: sign in; 403: not allowed; 409: changed elsewhere since; 429, 503: try again after `Retry-After` seconds;
    400: anything else.
    """
    status, headers = 400, {}
    match error:
        case Unavailable():
            return outage(error)
        case NotSignedIn():
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
    """The first problem of a body that does not fit; the body itself is not repeated."""
    first = error.errors()[0] if hasattr(error, "errors") else {"loc": (), "msg": "not readable"}
    place = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return JSONResponse({"error": f"{place[:80]} does not fit: {str(first['msg'])[:200]}"}, 422)


class SessionMiddleware:
    """ASGI: with accounts, only requests with a session pass, and those for routes in `OPEN`."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self.app, self.auth = app, auth
        # Token → time until which it counts as valid, since one page fetches a hundred files.
        self._known: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        connection, path = HTTPConnection(scope), str(scope["path"])
        try:
            stranger = (
                not path.startswith(OPEN) and not await self.admits(connection)
            )
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

    async def admits(self, connection: HTTPConnection) -> bool:
        """Whether a request comes from somebody with a session, or none is needed. Raises Unavailable."""
        if not self.auth.accounts:
            return True
        token, now = connection.cookies.get(COOKIE, ""), time.monotonic()
        if self._known.get(token, 0.0) > now:
            return True
        if await anyio.to_thread.run_sync(self.auth.person, connection) is None:
            return False
        self._known = {known: until for known, until in self._known.items() if until > now}
        self._known[token] = now + REMEMBERED_S
        return True


def error_handlers() -> dict[type[Exception], Callable[[Request, Exception], JSONResponse]]:
    """The application's answers to our errors and to malformed bodies."""
    from fastapi.exceptions import RequestValidationError

    return {UserError: refused, RequestValidationError: malformed}
