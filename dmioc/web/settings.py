"""What ``dmioc web`` is told on its command line."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from dmioc.catalogue import check_prefix, station_catalogue
from dmioc.errors import ConfigurationError
from dmioc.web import DEFAULT_HOST, DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Which stations are shown, and where.

    Attributes:
        prefixes: of the stations' PVs, each once, in the order of the page.
        host: address or name of this machine that is listened at.
        port: TCP port; 0 for a free one.
        origins: addresses of pages of other servers that may use the socket, e.g. ``https://beamline.example.org``.

    Raises `ConfigurationError` for a prefix, a port or an origin that cannot be.
    """

    prefixes: tuple[str, ...]
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.prefixes:
            raise ConfigurationError("no station to show: give the prefix of one, e.g. 25IDC:DM:")
        catalogue = station_catalogue()
        for prefix in self.prefixes:
            check_prefix(prefix, catalogue)
            if not prefix:
                raise ConfigurationError("an empty prefix names no station; 25IDC:DM: would be right")
            if self.prefixes.count(prefix) > 1:
                raise ConfigurationError(f"prefix {prefix} is given twice; give each station once")
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"port {self.port} is none: 0 to 65535 are, 0 for a free one")
        for origin in self.origins:
            if origin != origin_of(origin):
                raise ConfigurationError(f"origin {origin!r} is none; https://host or http://host:port is right")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL as browsers send them in the header Origin; empty for what has none."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is not None
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if has_port and parts.port != default else "")
