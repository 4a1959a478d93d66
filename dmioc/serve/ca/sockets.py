"""The sockets of the server, bound to the configured interfaces only."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Sequence

from dmioc.errors import ConfigurationError, PortInUseError
from dmioc.serve.ca.settings import ANY, LOOPBACK

_log = logging.getLogger(__name__)

BACKLOG_CONNECTIONS = 512
"""Clients that may come at the same time."""

_PORT_TRIES = 20
_LOOPBACK_NET = "127."


def udp_socket(host: str, port: int) -> socket.socket:
    """A UDP socket bound beside those of the other IOCs of this host; raises `OSError`."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def bound_udp(host: str, port: int) -> socket.socket:
    """As `udp_socket`; raises `ConfigurationError` naming the address that cannot be used."""
    try:
        return udp_socket(host, port)
    except OSError as error:
        raise _cannot_bind("UDP", host, port, error) from error


def broadcast_sockets(interfaces: Sequence[str], beacon_hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Sockets for searches sent by broadcast, which one bound to an interface's own address does not hear on Linux."""
    if ANY in interfaces:
        return []
    sockets: list[socket.socket] = []
    for host in beacon_hosts:
        if host in interfaces or host.startswith(_LOOPBACK_NET):
            continue
        try:
            sockets.append(udp_socket(host, port))
        except OSError as error:
            _log.debug("%s is not a broadcast address of this host: %s", host, error)
    return sockets


def listening_sockets(interfaces: Sequence[str], preferred: int, is_fixed: bool) -> list[socket.socket]:
    """A TCP socket at the same port of every interface: the preferred one, or where that is taken any free one.

    Raises `ConfigurationError` naming the address that cannot be used.
    """
    if not interfaces:
        raise ConfigurationError(f"Channel Access has no interface to listen on; {LOOPBACK} would be one")
    try:
        return _at_one_port(interfaces, preferred)
    except ConfigurationError as error:
        if is_fixed or not _is_taken(error):
            raise
    for _ in range(_PORT_TRIES):
        try:
            return _at_one_port(interfaces, 0)
        except ConfigurationError as error:
            if not _is_taken(error):
                raise
    raise ConfigurationError(f"Channel Access found no port that is free on all of {', '.join(interfaces)}")


def _at_one_port(interfaces: Sequence[str], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    for host in interfaces:
        try:
            sockets.append(_tcp_socket(host, port))
        except OSError as error:
            for sock in sockets:
                sock.close()
            raise _cannot_bind("TCP", host, port, error) from error
        port = sockets[0].getsockname()[1]
    return sockets


def _tcp_socket(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(BACKLOG_CONNECTIONS)  # here, so that a port that another listens on is found taken
    except OSError:
        sock.close()
        raise
    return sock


def _is_taken(error: ConfigurationError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.EADDRINUSE, errno.EACCES)


def _cannot_bind(protocol: str, host: str, port: int, error: OSError) -> ConfigurationError:
    kind = PortInUseError if error.errno == errno.EADDRINUSE else ConfigurationError
    return kind(f"Channel Access cannot listen on {host}:{port} ({protocol}): {error.strerror or error}")
