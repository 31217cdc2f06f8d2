"""Answers while the annotation database cannot be reached: status 503 with the time to try again, and no sign-out."""

from __future__ import annotations

import logging
import time

from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from star.annotation.storage.database import Unavailable
from star.annotation.workflow.passwords import Busy

log = logging.getLogger(__name__)
LOGGED_S = 10.0  # seconds with at most one line in the log, since everybody at work keeps trying
_logged = [0.0]

DOWN = "The database of annotations cannot be reached at this moment; nothing was saved, try again in a few seconds."
PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{Unavailable.retry_s}">
<title>STAR · waiting</title></head>
<body><main><h1>STAR</h1><p role="status">{DOWN} Nobody was signed out; this page tries again by itself.</p></main>
</body></html>
"""


def outage(error: Unavailable) -> JSONResponse:
    """One line for visitors. The log says where the database is and what failed."""
    if not isinstance(error, Busy) and time.monotonic() - _logged[0] > LOGGED_S:
        _logged[0] = time.monotonic()
        log.warning("%s", error)
    return JSONResponse({"error": str(error) if isinstance(error, Busy) else DOWN}, 503, _headers(error))


async def closed(error: Unavailable, scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI: the same answer on any route, as HTML where a browser opens a page."""
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1013})
    answer: Response = outage(error)
    if wants_page(HTTPConnection(scope)):
        answer = HTMLResponse(PAGE, answer.status_code, _headers(error))
    await answer(scope, receive, send)


def wants_page(connection: HTTPConnection) -> bool:
    """Whether a browser opens this address, and not a script."""
    return connection.scope["method"] == "GET" and "text/html" in connection.headers.get("accept", "")


def _headers(error: Unavailable) -> dict[str, str]:
    return {"Retry-After": str(error.retry_s), "Cache-Control": "no-store"}
