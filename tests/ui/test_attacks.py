"""Attacks on the served page, open and with accounts: no file leaks, no foreign call passes, no memory grows, no error."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import annotating
import httpx
import page_client
import pytest
from attacked import Attacked, attacked
from fastapi.routing import APIRoute

from star.ui.security.guard import LARGEST
from star.ui.server import application

FILES = ("passwd", "database", "wal", "endless", "link")
CALLS = ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/component_server/")
GREW = 50_000_000  # bytes of memory that no attack may add
PAGES = ("open", "accounts", "postgres")


@pytest.fixture(
    scope="module", params=["open", "accounts", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """An open page, and one with accounts, on SQLite; one with accounts on PostgreSQL."""
    folder = tmp_path_factory.mktemp("attacked")
    if request.param != "postgres":
        with attacked(folder, request.param == "accounts") as served:
            yield served
        return
    with (
        annotating.empty("postgres", folder) as database,
        attacked(folder, True, annotating.url(database)) as served,
    ):
        yield served


def named(page: Attacked, file: str) -> str:
    """The path that an attacker requests."""
    link = page.folder / "link.txt"
    if not link.is_symlink():
        link.symlink_to("/etc/passwd")
    return {
        "passwd": "/etc/passwd",
        "database": str(page.database),
        "wal": f"{page.database}-wal",
        "endless": "/dev/zero",
        "link": str(link),
    }[file]


def bodies(config: dict[str, Any], path: str) -> list[str]:
    """The attack on every event and input of the page, also in encodings that a search in the raw text would miss."""
    bad = {"path": path, "meta": {"_type": "gradio.FileData"}}
    made: list[str] = []
    for event in config["dependencies"]:
        count = len(event["inputs"])
        whole = {"fn_index": event["id"], "session_hash": "attack"}
        for data in ([bad] * count, [{"deep": [bad]}] * count, [bad]):
            made.append(json.dumps(whole | {"data": data}))
        made.append(json.dumps(whole | {"data": [], "event_data": bad}))
    for part in config["components"]:
        for name in part["props"].get("server_fns") or ():
            call = {"component_id": part["id"], "fn_name": name, "session_hash": "attack", "data": bad}
            made.append(json.dumps(call))
    made = [
        text for text in made if "FileData" in text
    ]  # a call without values is correct for an event without inputs
    made = list(dict.fromkeys(made))  # an event of one input has twice the same data
    return made + [text.replace("FileData", "File\\u0044ata") for text in made]


@pytest.mark.parametrize("file", FILES)
def test_no_request_names_a_file_of_the_server(
    page: Attacked, file: str, request: pytest.FixtureRequest
) -> None:
    place = PAGES.index(request.node.callspec.params["page"])
    with page.client() as client:
        attacks = bodies(page_client.config(client), named(page, file))
        assert len(attacks) >= 20
        with page.posting() as post:
            # On the first page, the first file is tried in every body on every route. Else the routes take turns, other ones
            # on each page: it must not look at the path, and refuses before it looks at who asks.
            for n, body in enumerate(attacks, place):
                for call in CALLS if (file, place) == (FILES[0], 0) else (CALLS[n % len(CALLS)],):
                    status, text = post(call, body)
                    assert status in (400, 404), (call, body, text)
        assert client.get("/").status_code == 200, "the server still answers"
    assert [file for file in page.scratch.rglob("*") if file.is_file()] == []
    if page.auth:
        with page.client(signed_in=False) as client:
            call = {"data": [], "fn_index": 0, "session_hash": "attack"}
            assert client.post(CALLS[0], json=call).status_code in (401, 422)
            assert client.get("/star-assets/star.js").status_code == 200
            assert client.get("/theme.css").status_code == 401


def test_a_file_that_lies_in_gradios_folder_does_not_leave(page: Attacked) -> None:
    [folder] = page.scratch.glob("star-page-*")
    assert folder.stat().st_mode & 0o077 == 0, "others could read it"
    lost = folder / "lost.txt"
    lost.write_text("secret")
    with page.client() as client:
        for path in (
            f"file={lost}",
            f"file/{lost}",
            f"file={quote(str(lost), safe='')}",
            f"proxy=file://{lost}",
        ):
            assert client.get(f"/gradio_api/{path}").status_code == 404, path
        assert client.get("/", params={"deep_link": "lost"}).status_code == 404
    lost.unlink()


def test_every_route_of_gradio_that_the_page_does_not_use_is_closed() -> None:
    """The routes are read from Gradio, so that routes of a newer version are tested too."""
    import toy
    from fastapi.testclient import TestClient

    from star.ui.loader import Loader

    app = application(Loader(lambda: toy.ToyRecommender(delay=0)))
    [gradio] = [
        route.app for route in app.routes if hasattr(route, "app") and hasattr(route.app, "get_blocks")
    ]
    files = {"/theme.css", "/favicon.ico", "/assets/{path:path}", "/static/{path:path}"}
    used = {"/", "/gradio_api/queue/data", *files, *CALLS}
    closed = 0
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        for route in _routes(gradio):
            if route.path not in used:
                path = "".join(
                    part.partition("}")[2] if "}" in part else part for part in route.path.split("{")
                )
                for method in route.methods:
                    answer = client.request(method, path)
                    assert answer.status_code in (404, 405), (method, path, answer.status_code)
                    closed += 1
    assert closed > 50


def _routes(app: Any) -> list[Any]:
    """All routes, also those of routers that are nested at any depth."""
    found: list[Any] = []
    for route in app.routes:
        if hasattr(route, "path") and getattr(route, "methods", None):
            found.append(route)
        for inner in ("original_router", "router", "app"):
            if not isinstance(route, APIRoute) and hasattr(getattr(route, inner, None), "routes"):
                found += _routes(getattr(route, inner))
    return found


def test_uploads_and_large_bodies_are_refused(page: Attacked) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    kind = {"content-type": "application/json"}
    with page.client() as client:
        assert client.post("/gradio_api/upload", files={"files": b"x" * 1000}).status_code == 404
        form = client.post(CALLS[2], files={"files": b"x"}, data={"fn_name": "readers"})
        assert form.status_code == 415
        for path in (CALLS[0], "/star-door/enter", "/star-annotate/save", "/star-lead/rubric"):
            assert client.post(path, content=b" " * (LARGEST + 1), headers=kind).status_code == 413, path
            try:
                assert client.post(path, content=endless(), headers=kind).status_code == 413, path
            except httpx.TransportError:
                pass  # the server closed the connection during the upload
    assert [file for file in page.scratch.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:80"},
        {"host": ""},
        {"host": "["},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:3000"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
    ids=str,
)
def test_other_sites_get_nothing(page: Attacked, headers: dict[str, str]) -> None:
    if page.auth and "host" in headers:
        pytest.skip(
            "with accounts a foreign name brings no session along; --allowed-hosts names those to answer to"
        )
    with page.client() as client:
        for method, path in (
            ("GET", "/"),
            ("GET", "/star-assets/star.js"),
            ("GET", "/gradio_api/queue/data?session_hash=abc"),
            ("POST", "/gradio_api/queue/join"),
            ("GET", "/star-door/me"),
            ("OPTIONS", "/gradio_api/queue/join"),
        ):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 403, (path, answer.text)
            assert "access-control-allow-origin" not in answer.headers


def test_five_hundred_visitors_leave_no_memory(page: Attacked) -> None:
    """250 on each of two pages."""
    if not page.database.exists():
        pytest.skip("a visitor of Explore asks no annotation database: SQLite or PostgreSQL is the same")
    with page.client() as client:
        config = page_client.config(client)
        loads = [d for d in config["dependencies"] if [0, "load"] in [list(t) for t in d["targets"]]]
        load = next(d["id"] for d in loads if d["queue"] is not False and not d["inputs"])
        picker = next(p["id"] for p in config["components"] if p["props"].get("elem_id") == "picker")

        def visit(n: int) -> None:
            client.get("/")
            assert page_client.run(client, load, [])["success"]
            call = {"data": "dune", "component_id": picker, "fn_name": "books", "session_hash": f"v{n}"}
            assert client.post(CALLS[2], json=call).json()["rows"]

        with ThreadPoolExecutor(4) as pool:  # the server waits more than it works
            list(pool.map(visit, range(50)))  # what is made once and kept
            before = page.memory()
            list(pool.map(visit, range(250)))
        assert page.memory() - before < GREW


def _broken(text: str, rng: random.Random) -> bytes:
    """The text with an insertion, and shortened."""
    place = rng.randrange(len(text) + 1)
    put = rng.choice(["", "\x00", '"', "{", "9" * 30, "\ud7ff", "²"])
    return (text[:place] + put + text[place:])[: rng.choice([9, 999])].encode()


class Fuzz:
    """Requests close to those of the page: unchanged, or with parts swapped, left out, enlarged or broken."""

    numbers = (None, True, -1, 0, 3, 2.5, 2**31, 2**63 - 1, 2**70, 1e308)
    texts = ("", "\ud800", "\x00", "²", "x", "dune", "../../etc/passwd", "\u202e", "'; drop table annotator; --", "a" * 5000)
    nested = ([], {}, [[]], {"mode": "shelf", "shelf": [0, 1]}, {"mode": "reader", "reader": 1})
    odd = (*numbers, *texts, *nested)
    keys = (
        "data fn_index trigger_id event_data session_hash component_id fn_name name password role campaign uuid "
        "revision to answer record document id ratings flags comment choice tags spans systems kind records "
        "overlap gold_share threshold scenarios mix seed rubric"
    ).split()

    def __init__(self, config: dict[str, Any], paths: list[tuple[str, str]], seed: int):
        self.rng, self.paths, self.config = random.Random(seed), paths, config

    def call(self) -> dict[str, Any]:
        """A call that is mostly one the page could make."""
        rng = self.rng
        if rng.random() < 0.5:
            event = rng.choice(self.config["dependencies"])
            whole = [{"mode": "shelf", "shelf": [rng.randrange(30)]}, True][: len(event["inputs"])]
            made: dict[str, Any] = {
                "data": whole,
                "fn_index": event["id"],
                "session_hash": f"f{rng.randrange(40)}",
            }
        else:
            part = rng.choice([p for p in self.config["components"] if p["props"].get("server_fns")])
            name = rng.choice(part["props"]["server_fns"])
            made = {
                "component_id": part["id"],
                "fn_name": name,
                "data": rng.choice(self.odd),
                "session_hash": "f",
            }
        for key in list(made):
            if rng.random() < 0.15:
                made[key] = rng.choice(self.odd)
        if rng.random() < 0.1:
            made.pop(rng.choice(list(made)))
        return made

    def body(self) -> bytes:
        rng = self.rng
        if rng.random() < 0.3:
            made = {key: rng.choice(self.odd) for key in rng.sample(self.keys, rng.randrange(6))}
        else:
            made = self.call()
        text = json.dumps(made)
        kind = rng.random()
        if kind < 0.1:
            return _broken(text, rng)
        if kind < 0.12:
            return ("[" * 3000 + "]" * 3000).encode()
        return text.encode()

    def request(self) -> tuple[str, str, bytes | None, dict[str, str]]:
        rng = self.rng
        method, path = rng.choice(self.paths)
        while "{" in path:
            start, _, rest = path.partition("{")
            path = start + quote(str(rng.choice(self.odd))[:200], safe="", errors="replace") + rest.partition("}")[2]
        if rng.random() < 0.1:
            method = rng.choice(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
        if path.endswith("/data"):
            path += f"?session_hash={quote(str(rng.choice(self.odd)), safe='', errors='replace')}"
        headers = {
            "content-type": rng.choice(
                ["application/json"] * 8 + ["text/plain", "multipart/form-data; boundary=x"]
            )
        }
        if rng.random() < 0.05:
            headers[
                rng.choice(["cookie", "range", "if-none-match", "accept-encoding", "x-forwarded-host"])
            ] = rng.choice(["star_session=x", "bytes=0-", "*", "br", "evil.example", "%00" * 50])
        return method, path, self.body() if method not in ("GET", "HEAD") else None, headers


def test_five_thousand_requests_over_every_route_fail_plainly(
    page: Attacked, request: pytest.FixtureRequest
) -> None:
    """A third of them, others each time, on each of the three pages."""
    import toy

    from star.annotation.storage.database import Database
    from star.ui.loader import Loader

    other = application(
        Loader(lambda: toy.ToyRecommender(delay=0)), Database(page.folder / "other.sqlite"), page.auth
    )
    paths = sorted({(method, route.path) for route in _routes(other) for method in route.methods})
    paths.remove(("POST", "/star-door/sign-out"))  # later requests would have no session
    ours = [(method, path) for method, path in paths if path.startswith("/star-")]
    assert len(ours) > 20
    seed = 20261129 + PAGES.index(request.node.callspec.params["page"])
    with page.client() as client:
        fuzz = Fuzz(
            page_client.config(client), paths + 3 * ours + [("POST", call) for call in CALLS] * 8, seed
        )
        before, failed = page.memory(), []
        for n in range(5_000 // len(PAGES)):
            method, path, body, headers = fuzz.request()
            sent = client.build_request(method, path, content=body, headers=headers, timeout=20)
            answer = client.send(sent, stream=True)
            if "event-stream" not in answer.headers.get("content-type", ""):
                answer.read()
            if answer.status_code >= 500 and answer.status_code != 503:
                failed.append((n, method, path, (body or b"")[:300], answer.status_code))
            answer.close()
            if n == 500:
                before = page.memory()  # what is made once and kept
        assert failed == []
        ask = page_client.event(fuzz.config, "recommend", "click")["id"]
        shelf = [{"mode": "shelf", "shelf": [3]}]
        call = {"data": shelf, "fn_index": ask, "session_hash": "last"}
        with page.client() as client:
            for _ in range(120):  # answers to earlier requests come first
                if client.post(CALLS[0], json=call).status_code != 503:
                    break
                time.sleep(1)
            assert page_client.run(client, ask, shelf)["success"]
    assert "Traceback" not in page.log(), page.log()[-3000:]
    assert page.memory() - before < GREW


def test_broken_http_is_answered_or_closed(page: Attacked) -> None:
    place = urlsplit(page.url)
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /star-door/me HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /star-door/me HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /star-door/me HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%fe/\xc3\x28 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ):
        with socket.create_connection((place.hostname, place.port), timeout=10) as raw:
            raw.sendall(sent)
            answer = raw.recv(65536)
            assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 303")), (
                sent[:80],
                answer[:200],
            )
    with page.client() as client:
        assert client.get("/").status_code == 200
    assert "Traceback" not in page.log(), page.log()[-3000:]


def test_the_policy_allows_the_pages_own_scripts_one_by_one(page: Attacked) -> None:
    with page.client() as client:
        policy = client.get("/").headers["content-security-policy"]
        scripts = policy.partition("script-src ")[2].partition(";")[0]
        assert "'unsafe-inline'" not in scripts and scripts.count("'sha256-") >= 3
        assert "frame-ancestors 'none'" in policy
        assert "sha256" not in client.get("/star-assets/star.js").headers["content-security-policy"]


def test_the_files_that_are_asked_for_are_there(page: Attacked) -> None:
    """Without these files, an attack could fail only because they do not exist."""
    for file in FILES:
        assert Path(named(page, file)).exists() or not page.database.exists(), file
