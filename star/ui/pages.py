"""One web application for each data set and checkpoint that somebody opens. Plain ASGI in front of them.

The first pair is at `/`, another at `/at/DATASET/CHECKPOINT/`. `?dataset=` and `?model=` lead there, and `?run=` to the data
set of that answer. A page knows nothing of the others: its path is cut off before it sees the request.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from star.annotation.storage import runs as stored
from star.annotation.storage.database import Database, Unavailable
from star.errors import UserError
from star.ui.offered import Choice, Offered
from star.ui.runs import ID, Runs
from star.ui.security.auth import Auth, SessionMiddleware
from star.ui.security.guard import Unfit, from_here
from star.ui.security.outage import closed
from star.ui.security.policy import Policy
from star.ui.uploads import ROUTE, Uploads

MOST = 6  # pages that are open at once, each with its model in memory
IDLE_S = 600.0  # seconds without a request after which a page may give way to another
_PATH = re.compile(r"/at/([\w.-]{1,100})/([\w.-]{1,100})(/.*)?", re.ASCII | re.DOTALL)


@dataclass
class _Open:
    """A page that is open. `end` ends it; `asked`: when it was last asked for."""

    app: FastAPI
    end: asyncio.Event
    asked: float


class Pages:
    """
    Args:
        home: the page at `/`.
        offered: what there is to open.
        make: makes the page of a choice under a path, as `/at/demo/star`.
        known_host: whether the server answers to a host name.
        auth: to the annotation database; None without one.
        database: of kept answers, in which `?run=` is looked up.
        uploads: takes tables of one's own; None: there is no such route.
    """

    def __init__(
        self,
        home: FastAPI,
        offered: Offered,
        make: Callable[[Choice, str], FastAPI],
        known_host: Callable[[str], bool],
        auth: Auth | None = None,
        database: Database | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        self._home, self._offered, self._make = home, offered, make
        self._known_host, self._database, self._uploads = known_host, database, uploads
        self._sessions = None if auth is None else SessionMiddleware(home, auth)
        self._open: dict[Choice, _Open] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                return await self._home(scope, receive, send)
            finally:
                for page in self._open.values():
                    page.end.set()
        choice, path = self._offered.home, str(scope["path"])
        if found := _PATH.fullmatch(path):
            choice, path = Choice(found[1], found[2]), found[3] or ""
            scope = {**scope, "path": path or "/", "raw_path": (path or "/").encode()}
        app: ASGIApp = self._home
        try:
            if scope["type"] == "http" and await self._admits(HTTPConnection(scope)):
                app = await self._chosen(choice, path, HTTPConnection(scope))
        except Unavailable as error:
            return await closed(error, scope, receive, send)
        await app(scope, receive, send)

    async def _admits(self, request: HTTPConnection) -> bool:
        """Whether a request may open pages. The page at `/` answers all others: it refuses them, or asks to sign in."""
        try:
            from_here(request, self._known_host)
        except Unfit:
            return False
        return self._sessions is None or await self._sessions.admits(request)

    async def _chosen(self, choice: Choice, path: str, request: HTTPConnection) -> ASGIApp:
        """What answers: a page, or an answer that leads to one or says why there is none."""
        if path == ROUTE and self._uploads is not None:
            return self._uploads
        opens = path in ("", "/") and request.scope["method"] in ("GET", "HEAD")
        if not self._offered.has(choice):
            return _nothing(f"there is no data set {choice.dataset} with {choice.model} here", opens)
        if opens:
            wanted, rest = await self._wanted(choice, request)
            if not self._offered.has(wanted):
                return _nothing(f"there is no data set {wanted.dataset} with {wanted.model} here", opens)
            if wanted != choice or path == "" or len(rest) < len(request.query_params.multi_items()):
                return Policy(_leads(self.path(wanted), rest))
        if choice == self._offered.home:
            return self._home
        page = self._open.get(choice)
        if page is None and not opens:
            return _nothing("this page was closed, since nobody used it; open it again", False)
        try:
            page = page or await self._begin(choice)
        except UserError as error:
            return _nothing(str(error), True, 503)
        page.asked = time.monotonic()
        return page.app

    async def _wanted(self, shown: Choice, request: HTTPConnection) -> tuple[Choice, list[tuple[str, str]]]:
        """The choice that an address asks for, and what is left of its query."""
        query = request.query_params
        rest = [(name, value) for name, value in query.multi_items() if name not in shown._fields]
        run = query.get("run", "")
        if "dataset" in query or "model" in query:
            return Choice(query.get("dataset", shown.dataset), query.get("model", shown.model)), rest
        if ID.fullmatch(run) and (of := await anyio.to_thread.run_sync(self._dataset_of, run)) is not None:
            wanted = Choice(of, shown.model)
            return (wanted if of != shown.dataset and self._offered.has(wanted) else shown), rest
        return shown, rest

    def _dataset_of(self, run: str) -> str | None:
        """Name of the data set of a kept answer; None where it is not known."""
        for app in (self._home, *(page.app for page in list(self._open.values()))):
            runs: Runs = app.state.runs
            if (here := runs.held(run)) is not None:
                return here.answer.dataset
        try:
            found = None if self._database is None else stored.find(self._database, run)
        except Unavailable:
            return None  # the page itself says so
        return None if found is None else found.dataset

    def path(self, choice: Choice) -> str:
        return "/" if choice == self._offered.home else f"/at/{choice.dataset}/{choice.model}/"

    async def _begin(self, choice: Choice) -> _Open:
        """Open a page.

        Raises:
            UserError: too many are open.
        """
        async with self._opening:
            if (found := self._open.get(choice)) is not None:
                return found
            self._make_room()
            app = await anyio.to_thread.run_sync(self._make, choice, self.path(choice).rstrip("/"))
            page, begun = _Open(app, asyncio.Event(), time.monotonic()), asyncio.Event()

            async def live() -> None:
                try:
                    async with app.router.lifespan_context(app):
                        begun.set()
                        await page.end.wait()
                finally:
                    begun.set()

            task = asyncio.create_task(live())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await begun.wait()
            if task.done():
                task.result()  # it failed to start
            self._open[choice] = page
            return page

    def _make_room(self) -> None:
        if len(self._open) < MOST:
            return
        oldest = min(self._open, key=lambda each: self._open[each].asked)
        if time.monotonic() - self._open[oldest].asked < IDLE_S:
            raise UserError(f"{MOST} other pages are in use, which is the most at once; try again later")
        self._open.pop(oldest).end.set()


def _leads(path: str, query: list[tuple[str, str]]) -> Response:
    return RedirectResponse(path + (f"?{urlencode(query)}" if query else ""), 303, {"Cache-Control": "no-store"})


def _nothing(words: str, page: bool, status: int = 404) -> ASGIApp:
    """One line that says what is missing, as HTML where a browser opens a page."""
    if not page:
        return Policy(JSONResponse({"error": words}, status))
    said = escape(words[:1].upper() + words[1:])
    return Policy(
        HTMLResponse(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>STAR</title></head>\n'
            f'<body><main><h1>STAR</h1><p>{said}.</p><p><a href="/">Open the first page</a></p></main></body></html>\n',
            status,
        )
    )
