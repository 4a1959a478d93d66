"""Hosts by their addresses: those of this host, and those that names stand for."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

THIS_HOST = "127.0.0.1"
"""What every address of this host is written as, so that it is one host whichever of them a client comes from."""

_ANY_PORT = 9
_LOOKUPS = 16


def canonical(host: str) -> str:
    """An address in its one spelling, `THIS_HOST` for every one of this host; what is no address as it is."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or _is_own(str(address), address.version):
        return THIS_HOST
    return str(address)


def _is_own(address: str, version: int) -> bool:
    """Whether the address is one of this host.

    The kernel says: a packet to an address of this host has that address as its source too. Nothing is sent. (To ask whether
    one can bind to it would be wrong where ``net.ipv4.ip_nonlocal_bind`` is set.)
    """
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((address, _ANY_PORT))
        except OSError:
            return False
        return sock.getsockname()[0] == address


def resolved(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The addresses of each host, by `canonical`; none for a name that cannot be resolved. Blocks for the name server."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    with ThreadPoolExecutor(min(len(wanted), _LOOKUPS), thread_name_prefix="host names") as pool:
        return dict(zip(wanted, pool.map(_addresses, wanted), strict=True))


def _addresses(name: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(canonical(str(sockaddr[0])) for *_, sockaddr in found))
