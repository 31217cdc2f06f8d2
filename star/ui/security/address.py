"""The caller's network address, by which failed sign-ins are counted, and the proxies that may report it."""

from __future__ import annotations

import ipaddress
from typing import Any

from starlette.requests import HTTPConnection

from star.errors import UserError


def address(connection: HTTPConnection) -> str:
    """The caller's address; for IPv6 its network of 64 bits, since one subscriber holds all addresses of a network.

    It is the address of the connection, or the one that a proxy named by `--proxy` reports (uvicorn reads X-Forwarded-For).
    """
    host = connection.client.host if connection.client is not None else ""
    try:
        found = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.ip_network((found, 64), strict=False))
        found = found.ipv4_mapped
    return str(found)


def believed(proxies: str | None) -> dict[str, Any]:
    """Uvicorn's options: X-Forwarded-For and X-Forwarded-Proto are believed from these proxies and from nobody else.

    Args:
        proxies: addresses or networks, separated by commas; None for no proxy.

    Raises:
        UserError: one of them is no address or network, or covers all addresses.
    """
    if proxies is None:
        return {"proxy_headers": False}
    named = [part.strip() for part in proxies.split(",")]
    for part in named:
        try:
            network = ipaddress.ip_network(part)
        except ValueError:
            network = None
        if network is None or network.prefixlen == 0:
            raise UserError(
                f"proxy {part!r} is not an address; expected those of the proxies in front, as 10.0.0.2 or 10.0.0.0/24, "
                "separated by commas"
            )
    return {"proxy_headers": True, "forwarded_allow_ips": named}
