"""Server: the page mounted in FastAPI, with our assets, downloads, the annotators' API, and a policy that forbids other
hosts."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Before gradio is imported: it reads these once.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from star.annotation.database import Database
from star.annotation.migrate import open_database
from star.annotation.people import everyone
from star.errors import UserError
from star.ui import adjudicate_api, annotate_api, assets, door_api, lead_api
from star.ui.address import believed
from star.ui.door import HERE, Door, Gate, error_handlers
from star.ui.download import standalone
from star.ui.loader import Loader
from star.ui.page import build, head, theme
from star.ui.runs import Runs

# gradio's templates are compiled in the browser, hence 'unsafe-eval'; its start-up scripts stand in the page.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)


class Policy:
    """Adds the headers to every answer. Plain ASGI, so that streamed answers pass through unbuffered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def application(loader: Loader, database: Database | None = None, auth: bool = False) -> FastAPI:
    """The web application. Loading begins once the server is up, so that the page comes first.

    Args:
        database: of annotations; None leaves the annotators' and leads' tabs out, and everything they talk to.
        auth: people sign in with accounts, and nothing is shown before.
    """
    runs = Runs()
    door = None if database is None else Door(database, auth)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loader.start()
        yield

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    if door is not None:
        for routes in (door_api, annotate_api, adjudicate_api):
            app.include_router(routes.router(door))
        app.include_router(lead_api.router(door, loader, loader.model))
        for error, said in error_handlers().items():
            app.add_exception_handler(error, said)
        app.add_middleware(Gate, door=door)
    app.add_middleware(Policy)

    @app.get(f"/{assets.PREFIX}/{{name}}")
    def asset(name: str) -> FileResponse:
        if name not in assets.FILES:
            raise HTTPException(404)
        return FileResponse(
            assets.FILES[name], headers={"Cache-Control": "public, max-age=31536000, immutable"}
        )

    @app.get("/star-runs/{run}/{what}")
    def download(run: str, what: str) -> Response:
        found = runs.get(run) if re.fullmatch(r"[0-9a-f]{32}", run) else None
        if found is None or what not in ("graph.html", "recommendation.json"):
            raise HTTPException(404, "This answer is no longer kept; ask again and download it then.")
        answer, catalog = found
        headers = {"Content-Disposition": f'attachment; filename="star-{what}"', "Cache-Control": "no-store"}
        if what == "graph.html":
            return Response(standalone(answer, catalog), media_type="text/html", headers=headers)
        body = json.dumps(answer.to_json(catalog), ensure_ascii=False, indent=1)
        return Response(body, media_type="application/json", headers=headers)

    return gr.mount_gradio_app(
        app,
        build(loader, runs, door),
        path="",
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


def free_port(host: str, first: int, tries: int = 20) -> int:
    """The first port from `first` on that nobody listens on.

    Raises:
        UserError: all of them are taken, or the address is not one of this machine.
    """
    for port in range(first, min(first + tries, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
                return port
            except PermissionError:
                continue
            except socket.gaierror:
                raise UserError(
                    f"host {host!r} is not an address; use 127.0.0.1, or 0.0.0.0 for all networks"
                ) from None
            except OSError:
                continue
    raise UserError(
        f"no free port on {host} from {first} to {first + tries - 1}; name another one with --port"
    )


def launch(loader: Loader, host: str, port: int, auth: bool = False, proxy: str | None = None) -> None:
    """Serve until interrupted; prints the address and where annotations are kept.

    Without accounts there is no annotating from other machines: the tabs are left out where the page can be reached by them.

    Args:
        proxy: as in `address.believed`.
    """
    proxies = believed(proxy)
    chosen = free_port(host, port)
    database = open_database() if auth or host in HERE else None
    app = application(loader, database, auth)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    print(f"STAR is at http://{shown}:{chosen}  (Ctrl+C stops it)", flush=True)
    if database is None:
        print(
            f"Annotate and Lead are left out: {host} can be reached from other machines and there are no accounts; "
            "add --auth, or serve on 127.0.0.1",
            flush=True,
        )
    else:
        print(f"Annotations are kept in {database.place}", flush=True)
        if auth and not everyone(database):
            print("Nobody has an account yet: star annotators add NAME --role lead", flush=True)
        if auth and proxy is None:
            print("Sign-ins are counted by address; behind a proxy name it: --proxy ADDRESS", flush=True)
    uvicorn.run(app, host=host, port=chosen, log_level="warning", timeout_graceful_shutdown=2, **proxies)
