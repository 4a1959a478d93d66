"""The four sockets localdm listens on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from dmioc.errors import ConfigurationError
from dmioc.localdm.services import ALL_SERVICES, Service

_BACKLOG = 128


def open_listeners(host: str, port_base: int, last_urls: Mapping[str, str]) -> dict[Service, socket.socket]:
    """A listening socket for each service.

    With ``port_base`` 0 each takes the port it had in ``last_urls`` if that is free, so that clients find it again
    after a restart, else any free one. Raises `ConfigurationError` naming the port that is taken.
    """
    listeners: dict[Service, socket.socket] = {}
    try:
        for offset, service in enumerate(ALL_SERVICES):
            if port_base:
                listeners[service] = _listen(host, port_base + offset, service)
            else:
                listeners[service] = _listen_again(host, last_urls.get(service.value, ""), service)
    except ConfigurationError:
        for listener in listeners.values():
            listener.close()
        raise
    return listeners


def url_of(listener: socket.socket) -> str:
    """``http://host:port`` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen_again(host: str, last_url: str, service: Service) -> socket.socket:
    try:
        last_port = urlsplit(last_url).port or 0
        return _listen(host, last_port, service)
    except (ValueError, ConfigurationError):
        return _listen(host, 0, service)


def _listen(host: str, port: int, service: Service) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is taken: choose another port base" if taken else f"cannot be used: {error}"
        raise ConfigurationError(f"port {port} on {host} for the {service.value} service of localdm {reason}") from None
    listener.setblocking(False)
    return listener
