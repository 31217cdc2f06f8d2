"""The listener: a free port, a time limit for each request to arrive, and an end within seconds of a signal."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from star.errors import UserError

REQUEST_S = 20.0  # seconds for a request to arrive, headers and body
END_S = 4.5  # seconds from SIGTERM or Ctrl+C to the end of the process, with answers unfinished or not
GRACE_S = 2  # seconds of these in which unfinished answers may end
CONNECTIONS = 800  # open at the same time; a visitor holds one or two


class PunctualProtocol(H11Protocol):
    """HTTP that closes a connection whose request takes longer than `REQUEST_S` seconds to arrive."""

    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._watched()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._watched()
        elif self.late is None:
            self.late = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _watched(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None


class EndingServer(uvicorn.Server):
    """Ends at most `END_S` seconds after the first signal, even if its event loop or a thread hangs."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            threading.Thread(target=_end, args=(128 + sig,), name="star-end", daemon=True).start()
        super().handle_exit(sig, frame)


def _end(status: int) -> None:
    time.sleep(END_S)
    os._exit(status)


def free_port(host: str, first: int, tries: int = 20) -> int:
    """The first free port from `first` on.

    Raises:
        UserError: all `tries` ports are taken, or the host is not an address of this machine.
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


def listen(app: ASGIApp, host: str, port: int, proxies: Mapping[str, Any]) -> None:
    """Serve until interrupted.

    Args:
        proxies: uvicorn's options for proxies (`address.believed`).

    Raises:
        UserError: the server cannot listen on the port.
    """
    more: dict[str, Any] = {"http": PunctualProtocol, "ws": "none", **proxies}
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=CONNECTIONS,
        server_header=False,
        **more,
    )
    server = EndingServer(config)
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    if not server.started:
        raise UserError(f"port {port} of {host} could not be listened on; name another one with --port")
