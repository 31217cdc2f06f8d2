"""Checks of each request's host, origin, method, route and body before the page or Gradio sees it. Plain ASGI.

Gradio offers some sixty routes and the page uses few. The others answer 404: uploads, files, deep links, proxies, editors,
monitoring. A body is read whole (at most `LARGEST` bytes) and parsed. A call to Gradio is compared with the page's events
and rebuilt from its checked parts.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import gradio as gr
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from star.settings import Settings

HERE = ("127.0.0.1", "localhost", "::1")
LARGEST = 1_000_000  # bytes of a request's body
DEEPEST = 32  # levels of nested lists and objects in a body
SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
FILE_DATA = "gradio.FileData"  # Gradio treats an object with this mark as a file on the server
_HALVES = re.compile("[\ud800-\udfff]")  # unpaired surrogates, which neither database nor answer can hold
_FILES = re.compile(r"/(?:assets|static)/(?!.*\.\.)[\w./-]+", re.ASCII)
_OURS = re.compile(r"/star-(?:assets|door|annotate|adjudicate|lead|runs)/[\w./-]+", re.ASCII)
_JOIN, _RUN, _CALL, _DATA = (
    f"/gradio_api/{name}" for name in ("queue/join", "run/predict", "component_server/", "queue/data")
)


class Unfit(Exception):
    """A request that our page never makes. `status`: of the HTTP answer."""

    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class Surface:
    """What the page lets a browser call.

    events: event number → components of its inputs, in order; queued: numbers of events that go through the queue;
    functions: component number → names of its server functions.
    """

    events: Mapping[int, tuple[gr.blocks.Block, ...]] = field(default_factory=dict)
    queued: frozenset[int] = frozenset()
    functions: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, page: gr.Blocks) -> Surface:
        """The surface of a page that is built."""
        named = {
            number: frozenset(fn.__name__ for fn in getattr(block, "server_fns", ()) or ())
            for number, block in page.blocks.items()
        }
        return cls(
            {number: tuple(fn.inputs) for number, fn in page.fns.items()},
            frozenset(number for number, fn in page.fns.items() if fn.queue),
            {number: names for number, names in named.items() if names},
        )


def local(settings: Settings) -> bool:
    """Whether this machine alone reaches the page: it listens on loopback, and no proxy or name leads others to it."""
    return settings.host in HERE and not settings.proxy and not settings.allowed_hosts


def hosts(host: str, auth: bool, allowed: tuple[str, ...] = ()) -> Callable[[str], bool]:
    """Whether the page answers to a host name. Another site's name may resolve to this machine (DNS rebinding).

    Args:
        host: address that the server listens on. On loopback the page answers to `HERE` and `allowed` only.
        auth: people sign in with accounts. Without `allowed` the page answers to every name then, since a foreign name
            brings no session.
        allowed: further names of this server. With accounts, the page answers to these and `HERE` only.
    """
    known = {name.lower().rstrip(".") for name in (*HERE, *allowed)}
    if auth:
        return lambda name: not allowed or name in known
    if host in HERE:
        return lambda name: name in known
    known |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def answered(name: str) -> bool:
        try:
            ipaddress.ip_address(name)  # DNS cannot rebind an address
            return True
        except ValueError:
            return name in known

    return answered


class RequestGuard:
    """Checks Host, Origin, method, route and body of every request.

    Args:
        surface: what a browser may call.
        known_host: whether the page answers to a host name.
        awaits: whether a Gradio session has asked for anything; Gradio fails on sessions that have not.
        forget: called with a Gradio session when nobody waits for it any more.
    """

    def __init__(
        self,
        app: ASGIApp,
        surface: Surface,
        known_host: Callable[[str], bool],
        awaits: Callable[[str], bool],
        forget: Callable[[str], None],
    ):
        self.app, self.surface, self.known_host = app, surface, known_host
        self.awaits, self.forget = awaits, forget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # the page opens no websocket
            return await send({"type": "websocket.close", "code": 1008})
        request = HTTPConnection(scope)
        try:
            from_here(request, self.known_host)
            _routed(request, str(scope["method"]))
            session = request.query_params.get("session_hash", "")
            if scope["method"] == "POST":
                body = await whole(request, receive)
                _harmless(_parsed(body), strict=request.url.path.startswith("/gradio_api/"))
                if request.url.path.startswith("/gradio_api/"):
                    body, session = self._called(request.url.path, body)
                scope, receive = _with_body(scope, receive, body)
            elif request.url.path == _DATA and not self.awaits(session):
                raise Unfit(404, "nothing was asked in this session; ask again")
        except Unfit as error:
            # The rest of a body that is too large is not read, so its connection ends. Others can be used again.
            headers = {"Connection": "close"} if error.status == 413 else None
            answer = JSONResponse({"error": str(error)}, error.status, headers)
            return await answer(scope, receive, send)
        if request.url.path == "/":
            # Policy reads this page to allow its scripts, so it must not be compressed.
            scope = {**scope, "headers": [h for h in scope["headers"] if h[0] != b"accept-encoding"]}
        try:
            await self.app(scope, receive, send)
        finally:
            if request.url.path in (_DATA, _RUN, _CALL):
                self.forget(session)

    def _functions(self, component: int) -> frozenset[str]:
        return self.surface.functions.get(component, frozenset())

    def _called(self, path: str, body: bytes) -> tuple[bytes, str]:
        """The call rebuilt from its checked parts, and its Gradio session."""
        asked = _parsed(body)
        if not isinstance(asked, dict):
            raise Unfit(400, "the request is no object; open the page again")
        session = asked.get("session_hash")
        if not isinstance(session, str) or not SESSION.fullmatch(session):
            raise Unfit(400, "session_hash is missing; open the page again")
        if path == _CALL:
            number, name = asked.get("component_id"), asked.get("fn_name")
            if not _whole(number) or not isinstance(name, str) or name not in self._functions(number):
                raise Unfit(404, "the page has no such function")
            call = {"data": asked.get("data"), "component_id": number, "fn_name": name}
        else:
            number = asked.get("fn_index")
            if not _whole(number) or number not in self.surface.events:
                raise Unfit(404, "the page has no such event")
            if (path == _JOIN) != (number in self.surface.queued):
                raise Unfit(404, "this event is not called this way")
            data = asked.get("data")
            _fits(self.surface.events[number], data)
            trigger = asked.get("trigger_id")
            call = {"data": data, "fn_index": number, "trigger_id": trigger if _whole(trigger) else None}
        return json.dumps(call | {"session_hash": session}).encode(), session


def from_here(request: HTTPConnection, known_host: Callable[[str], bool]) -> None:
    """Raises Unfit for a host that the page does not answer to, and for a call from another site.

    Args:
        known_host: whether the page answers to a host name (`hosts`).
    """
    host = request.headers.get("host", "")
    if len(request.headers.getlist("host")) != 1 or not known_host(_name(host)):
        raise Unfit(
            403,
            f"this page does not answer as {host[:80]!r}; open it at 127.0.0.1, "
            "or name this host with --allowed-hosts",
        )
    origin = request.headers.get("origin")
    if origin is not None and _netloc(origin) != host.lower():
        raise Unfit(403, "this call came from another site")
    fetch, mode = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
    if fetch in ("cross-site", "same-site") and (mode != "navigate" or request.scope["method"] != "GET"):
        raise Unfit(403, "this call came from another site")


def _routed(request: HTTPConnection, method: str) -> None:
    """Raises Unfit for a route or method that the page does not use."""
    path = request.scope["path"]
    posted = path in (_JOIN, _RUN, _CALL) or _OURS.fullmatch(path) is not None
    got = path in ("/", "/theme.css", "/favicon.ico", _DATA) or bool(
        _FILES.fullmatch(path) or _OURS.fullmatch(path)
    )
    if not (posted or got) or (path == "/" and "deep_link" in request.query_params):
        raise Unfit(404, "there is no such page")
    if not (posted if method == "POST" else got and method in ("GET", "HEAD")):
        raise Unfit(405, f"{method[:20]} is not used here")


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


async def whole(
    request: HTTPConnection, receive: Receive, most: int = LARGEST, expected: str = "application/json"
) -> bytes:
    """The whole body. The listener closes connections that send too slowly.

    Args:
        most: bytes; expected: content type.

    Raises:
        Unfit: it is larger, of another type, or breaks off.
    """
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()) or len(length) > 12 or int(length) > most:
        raise Unfit(413, f"the request is larger than {most:,} bytes")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Unfit(400, "the request was not sent to its end")
        body += message.get("body", b"")
        if len(body) > most:
            raise Unfit(413, f"the request is larger than {most:,} bytes")
        if not message.get("more_body", False):
            break
    if body:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != expected:
            raise Unfit(415, f"the request is no {expected.partition('/')[2].upper()}; send {expected}")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    """The JSON document, or None for an empty body."""
    if not body:
        return None

    def refuse(word: str) -> None:
        raise Unfit(400, f"{word} is no number that can be used")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise Unfit(400, "a name stands twice in an object of the request")
        return made

    try:
        return json.loads(body, parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise Unfit(400, "the request is no JSON that can be read") from None


def _harmless(value: Any, strict: bool, depth: int = 0) -> None:
    """Raises Unfit for text that Gradio could take for a file, and for numbers beyond 64 bits.

    Args:
        strict: also refuse unpaired surrogates. Annotators' texts are cleaned of them instead (annotation/workflow/text.py).
    """
    if depth > DEEPEST:
        raise Unfit(400, f"the request is nested deeper than {DEEPEST} levels")
    if isinstance(value, dict):
        for name, inner in value.items():
            _harmless(name, strict, depth + 1)
            _harmless(inner, strict, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _harmless(inner, strict, depth + 1)
    elif isinstance(value, str):
        if FILE_DATA in value or (strict and _HALVES.search(value)):
            raise Unfit(400, "the request holds text that this page never sends")
    elif isinstance(value, int | float) and not abs(value) < 2**63:  # also infinite ones
        raise Unfit(400, f"{str(value)[:20]} is no number that can be used")


def _fits(inputs: tuple[gr.blocks.Block, ...], data: object) -> None:
    """Raises Unfit for values that the event's components do not accept."""
    if not isinstance(data, list) or len(data) != len(inputs):
        raise Unfit(422, f"this event takes {len(inputs)} values")
    for place, (block, value) in enumerate(zip(inputs, data, strict=True)):
        if isinstance(block, gr.Checkbox) and not isinstance(value, bool):
            raise Unfit(422, f"value {place} does not fit")
        try:
            block.preprocess(value)  # type: ignore[attr-defined]
        except Exception:  # any error means that the component does not accept the value
            raise Unfit(422, f"value {place} does not fit") from None


def _with_body(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """The request with this body, available at once. The next message is the browser's disconnect."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    kept = [h for h in scope["headers"] if h[0] not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": [*kept, (b"content-length", str(len(body)).encode())]}, again
