"""Who may use the server: requests for its own names, and sockets of its own pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from dmioc.web.settings import origin_of

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: the page loads nothing from other hosts, runs no script that stands in it, and is in no frame."""


class Guard:
    """Judges requests by their headers ``Host`` and ``Origin``.

    A page of another site must not read the stations through the browser of somebody who may. It could not open the socket
    because of its ``Origin``; and a site whose name leads to this machine is told by its ``Host``.

    Args:
        names: names of this machine that browsers may use; addresses always may.
        origins: pages of other servers that may open the socket, and by whose host names this server may be called.
    """

    def __init__(self, names: Iterable[str], origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)
        hosts = (urlsplit(origin).hostname or "" for origin in self._origins)
        self._names = frozenset({"localhost", *(name.lower() for name in names), *hosts})

    def fault_of_host(self, headers: Mapping[str, str]) -> str:
        """Why the request is not answered; empty when it is."""
        host = headers.get("Host", "")
        name = _host_name(host)
        if name in self._names or _is_address(name):
            return ""
        return f"{host!r} is no name of this server: use its address or host name, or start it with --origin"

    def fault_of_origin(self, headers: Mapping[str, str]) -> str:
        """Why a socket is not opened; empty when it is. A client that is no browser sends no origin."""
        origin = headers.get("Origin")
        if origin is None or origin in self._origins:
            return ""
        # A proxy that speaks https to browsers and http to this server hands on their Host.
        own = {origin_of(f"{scheme}://{headers.get('Host', '')}") for scheme in ("http", "https")} - {""}
        if origin in own:
            return ""
        return f"a page of {origin} may not use this socket; dmioc web --origin {origin} would let it"


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
