"""The web application: the page in FastAPI, with assets, downloads, the annotators' API and the security middleware."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from star.ui.security import scratch
from star.ui.stubs import unwritten

# Before gradio is imported: it reads these once.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ["GRADIO_TEMP_DIR"] = scratch.folder()

with unwritten():
    import gradio as gr
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, Response
from starlette.types import ASGIApp

from star.annotation.storage.database import Database, Unavailable
from star.annotation.storage.migrate import open_database
from star.annotation.workflow.people import everyone
from star.display import echo
from star.errors import UserError
from star.settings import Settings
from star.ui import assets
from star.ui.api import adjudicate_api, annotate_api, auth_api, lead_api
from star.ui.archive import Archive
from star.ui.lighter import lighten, unserved
from star.ui.loader import Loader
from star.ui.offered import Choice, Offered
from star.ui.page import build, head, theme
from star.ui.pages import Pages
from star.ui.runs import Runs
from star.ui.security.address import believed
from star.ui.security.auth import Auth, SessionMiddleware, error_handlers
from star.ui.security.connections import free_port, listen
from star.ui.security.guard import HERE, RequestGuard, Surface, hosts, local
from star.ui.security.policy import Policy
from star.ui.starters import Starters
from star.ui.uploads import Uploads, allowed
from star.ui.views.choices import choices
from star.ui.views.report import document, report

SESSIONS = 16  # Gradio sessions kept, about a megabyte each; none holds a visitor's choices
LISTENERS = 256  # visitors whose updates wait until their browser fetches them
LOOKS = 0.02  # seconds between two looks of Gradio's queue for work; at its own 0.001 an idle page takes 8 % of a core


def application(
    loader: Loader,
    database: Database | None = None,
    auth: bool = False,
    known_host: Callable[[str], bool] = HERE.__contains__,
    archive: Archive | None = None,
    choices: Callable[[], str] | None = None,
    root: str = "",
) -> FastAPI:
    """The web application. Loading begins when the server has started, so the page opens first.

    Args:
        database: of annotations; None leaves out the tabs of annotators and leads with their routes.
        auth: people sign in with accounts, and see nothing before.
        known_host: whether the page answers to a host name (`guard.hosts`).
        archive: where finished answers and votes are kept; None keeps them in memory.
        choices: HTML of the pickers of data set and checkpoint; None: there is nothing to choose.
        root: path that is cut off before requests reach this application, as `/at/demo/star`.
    """
    runs = Runs(archive=archive)
    access = None if database is None else Auth(database, accounts=auth)
    starters = Starters(loader, runs)
    with unserved():
        page = build(loader, runs, starters, access, choices)
    page.has_launched = True  # mounting leaves it False, and Gradio then checks no path
    page.state_session_capacity = SESSIONS
    page._queue.pending_messages_per_session.max_size = LISTENERS
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = LOOKS

    def forget(session: str) -> None:
        # The page keeps no state of a visitor in Gradio (`gr.State`), so an answered session is of no more use.
        page.state_holder.session_data.pop(session, None)
        page.state_holder.time_last_used.pop(session, None)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loader.start()
        starters.start()
        yield
        page._queue.close()  # or its loop would go on after a page that gave way to another

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.runs = runs
    if access is not None:
        _add_annotation(app, access, loader)
    awaits = page._queue.pending_messages_per_session.__contains__
    app.add_middleware(
        RequestGuard, surface=Surface.of(page), known_host=known_host, awaits=awaits, forget=forget
    )
    app.add_middleware(Policy, head=assets.shared())
    _add_files(app, runs)
    return _mounted(app, page, root)


def _add_annotation(app: FastAPI, auth: Auth, loader: Loader) -> None:
    """Add the annotators' and leads' routes, their errors' answers and the session middleware."""
    for routes in (auth_api, annotate_api, adjudicate_api):
        app.include_router(routes.router(auth))
    app.include_router(lead_api.router(auth, loader, loader.model))
    for error, handler in error_handlers().items():
        app.add_exception_handler(error, handler)
    app.add_middleware(SessionMiddleware, auth=auth)


def _add_files(app: FastAPI, runs: Runs) -> None:
    """Add the routes of assets and downloads."""

    @app.get(f"/{assets.PREFIX}/{{name}}")
    def asset(name: str) -> FileResponse:
        if name not in assets.FILES:
            raise HTTPException(404)
        return FileResponse(
            assets.FILES[name], headers={"Cache-Control": "public, max-age=31536000, immutable"}
        )

    @app.get("/star-runs/{run}/{what}")
    def download(run: str, what: str) -> Response:
        try:
            found = runs.get(run)
        except UserError as error:
            raise HTTPException(503 if isinstance(error, Unavailable) else 404, str(error)) from None
        if found is None or what not in ("report.html", "recommendation.json"):
            raise HTTPException(404, "This answer is no longer kept; ask again and download it then.")
        answer, catalog, at, changes = found
        headers = {"Content-Disposition": f'attachment; filename="star-{what}"', "Cache-Control": "no-store"}
        if what == "report.html":
            return Response(report(answer, catalog, at, found.changed), media_type="text/html", headers=headers)
        edited = {"changes": list(changes)} if changes else {}
        body = json.dumps(document(answer, catalog) | edited, ensure_ascii=False, indent=1)
        return Response(body, media_type="application/json", headers=headers)


def _mounted(app: FastAPI, page: gr.Blocks, root: str) -> FastAPI:
    """The application with the page at `/`; `root`: what stands before it in the browser's address."""
    mounted = gr.mount_gradio_app(
        app,
        page,
        path="",
        root_path=root or None,
        theme=theme(),
        head=head(),
        show_error=False,
        run_history=False,
        footer_links=[],
        allowed_paths=[],
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
    )
    page.app = mounted.routes[-1].app
    lighten(page)
    return mounted


def launch(loader: Loader, settings: Settings, offered: Offered | None = None) -> None:
    """Serve until interrupted. Prints the page's address and where annotations are kept.

    Without accounts, the Annotate and Lead tabs are left out when other machines can reach the page.

    Args:
        loader: of the page at `/`.
        offered: what visitors may choose instead; None: nothing.
    """
    uploads = Uploads(offered) if allowed(settings) and offered is not None else None
    host, auth, proxies = settings.host, settings.auth, believed(settings.proxy)
    chosen = free_port(host, settings.port)
    kept = _database(needed=auth)
    database = kept if auth or local(settings) else None
    named = tuple(name.strip() for name in settings.allowed_hosts.split(",") if name.strip())
    known_host = hosts(host, auth, named)
    app: ASGIApp = (
        application(loader, database, auth, known_host, _archive(kept, loader, settings))
        if offered is None
        else several(offered, loader, settings, kept, database, known_host, uploads)
    )
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    echo(f"STAR is at http://{shown}:{chosen}  (Ctrl+C stops it)")
    if kept is not None and settings.runs_kept:
        echo(f"Answers are kept in {kept.place}")
    if kept is None:
        echo("Annotate and Lead are left out, and answers are lost when the server ends")
    elif database is None:
        echo(
            "Annotate and Lead are left out: other machines reach the page and there are no accounts; add --auth, or serve "
            "on 127.0.0.1 without --proxy and --allowed-hosts"
        )
    else:
        echo(f"Annotations are kept in {database.place}")
        if auth and not everyone(database):
            echo("Nobody has an account yet: star annotators add NAME --role lead")
        if auth and settings.proxy is None:
            echo("Sign-ins are counted by address; behind a proxy name it: --proxy ADDRESS")
    gc.freeze()  # what a start makes stays
    gc.enable()
    listen(app, host, chosen, proxies)


def several(
    offered: Offered,
    first: Loader,
    settings: Settings,
    kept: Database | None,
    database: Database | None,
    known_host: Callable[[str], bool],
    uploads: Uploads | None = None,
) -> Pages:
    """The pages of all that is offered; `first` is the loader of the one at `/`.

    Args:
        kept: database of answers; database: of annotations. None: there is none.
        uploads: takes tables; None: nothing is uploaded.
    """

    def make(choice: Choice, root: str) -> FastAPI:
        loader = first if choice == offered.home else offered.loader(choice)
        pickers = partial(choices, offered, choice, uploads is not None)
        if offered.in_memory_alone(choice.dataset):  # nothing of an upload is kept
            return application(loader, None, False, known_host, None, pickers, root)
        archive = _archive(kept, loader, settings)
        return application(loader, database, settings.auth, known_host, archive, pickers, root)

    auth = None if database is None else Auth(database, settings.auth)
    return Pages(make(offered.home, ""), offered, make, known_host, auth, kept, uploads)


def _archive(kept: Database | None, loader: Loader, settings: Settings) -> Archive | None:
    if kept is None or not settings.runs_kept:
        return None
    return Archive(kept, loader.dataset, loader.model, settings.runs_kept)


def _database(needed: bool) -> Database | None:
    """The database with its tables; None where it cannot be used and is not needed.

    Raises:
        UserError: it cannot be used, and people sign in by it.
    """
    try:
        return open_database()
    except UserError as error:
        if needed:
            raise
        echo(f"The database is not used: {error}")
        return None
