"""HTTP headers of every answer: the browser runs only our scripts and loads nothing from another host."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio compiles its templates in the browser, hence 'unsafe-eval'. Its start-up scripts are part of the page's HTML:
# each is allowed by its hash, so no other script in that HTML runs.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_INLINE = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_MANIFEST = re.compile(rb'<link rel="manifest"[^>]*>')  # Gradio serves one only for a page that can be installed
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def policy(page: bytes = b"") -> str:
    """The content security policy of an answer. `page`: HTML whose inline scripts may run."""
    hashes = (hashlib.sha256(script).digest() for script in _INLINE.findall(page))
    return _POLICY.format(scripts="".join(f" 'sha256-{base64.b64encode(h).decode()}'" for h in hashes))


class Policy:
    """Adds the headers to every answer. Plain ASGI, so streamed answers pass through unbuffered.

    Only the page at `/` is buffered, because its policy depends on its scripts. This HTML holds no text of a visitor or a
    data set; such text arrives later, as data.

    Args:
        head: tags that come first in the head of the page at `/`.
    """

    def __init__(self, app: ASGIApp, head: bytes = b"") -> None:
        self.app, self._head = app, head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        whole = scope["path"] == "/"
        start: Message = {}
        page = bytearray()

        async def with_headers(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if whole:
                    start = message
                    return
                headers.setdefault("Content-Security-Policy", policy())
            elif whole and message["type"] == "http.response.body":
                page.extend(message.get("body", b""))
                if message.get("more_body", False):
                    return
                body, headers = bytes(page), MutableHeaders(scope=start)
                if start["status"] == 200 and body:  # not the page of an outage, nor the answer to HEAD
                    body = _MANIFEST.sub(b"", body).replace(b"<head>", b"<head>" + self._head, 1)
                    headers["Content-Length"] = str(len(body))
                headers["Content-Security-Policy"] = policy(body)
                await send(start)
                message = {**message, "body": body}
            await send(message)

        await self.app(scope, receive, with_headers)
