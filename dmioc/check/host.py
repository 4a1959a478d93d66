"""What the gateway needs of its host: versions of libraries, a directory to write to, ports, and whether it is there already."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dmioc import __version__
from dmioc.check.findings import Finding, fail, ok, warning
from dmioc.config import Settings
from dmioc.serve.ca import CaSettings, served_already

LIBRARIES = ("caproto", "p4p", "httpx", "pydantic", "msgspec", "numpy", "aiohttp", "watchfiles")
_LEAST_BYTES = 100 * 2**20
_SEARCH_S = 0.6
_LOCK = "lock"


def versions() -> Finding:
    """What runs."""
    found = {"dmioc": __version__, "Python": platform.python_version()}
    found |= {name: metadata.version(name) for name in LIBRARIES}
    return ok("versions", ", ".join(f"{name} {version}" for name, version in found.items()), **found)


def holder(directory: Path) -> int:
    """Process id of the gateway that uses a state directory; 0 if none does."""
    try:
        pid = int((directory / _LOCK).read_text("utf-8").strip() or "0")
        if pid:
            os.kill(pid, 0)
    except (OSError, ValueError):
        return 0
    return pid


def state_directory(directory: Path) -> Finding:
    """Whether it can be written, or made; nothing is written."""
    what, shown = "state directory", str(directory)
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not there.is_dir():
        return fail(what, f"{there} is no directory", "choose another --state")
    if not os.access(there, os.W_OK | os.X_OK):
        return fail(
            what, f"{there} cannot be written by user {os.getuid()}", "choose another --state, or change its owner"
        )
    free_bytes = shutil.disk_usage(there).free
    values = {"directory": shown, "free_bytes": free_bytes}
    if free_bytes < _LEAST_BYTES:
        return warning(
            what, f"{shown}: {free_bytes // 2**20} MB are free", "make room: setpoints are saved here", **values
        )
    if pid := holder(directory):
        return ok(what, f"{shown} is in use by the gateway with pid {pid}", pid=pid, **values)
    return ok(what, f"{shown} {'can be written' if there == directory else 'can be made'}", **values)


async def prefix(settings: Settings, ca: CaSettings) -> tuple[Finding, bool]:
    """Whether somebody serves the prefix, and whether that is the gateway of this state directory."""
    name = settings.gateway.prefix
    is_served = await served_already([f"{name}Heartbeat"], ca, _SEARCH_S)
    pid = holder(settings.gateway.state_directory)
    if not is_served:
        return ok("prefix", f"{name} is not served by anybody", served=False), False
    if pid:
        return ok("prefix", f"{name} is served by the gateway with pid {pid}", served=True, pid=pid), True
    text = f"{name} is served by another gateway"
    return warning(
        "prefix", text, "dmioc run would end with 3: stop that one or choose another --prefix", served=True
    ), False


async def aliases(settings: Settings, ca: CaSettings) -> list[Finding]:
    """Whether another IOC still serves an alias, for a gateway that does not run; nothing where there are none."""
    names = list(settings.aliases)
    what, found = "aliases", f"{len(names)} names of other PVs"
    if not names:
        return []
    if holder(settings.gateway.state_directory):
        return [ok(what, f"{found}, served by the gateway that runs", count=len(names))]
    served = await served_already(names, ca, _SEARCH_S)
    if not served:
        return [ok(what, f"{found}, none of them served by anybody", count=len(names))]
    advice = "dmioc run would end with 3: take it out of that IOC, or out of [aliases]"
    return [warning(what, f"{served} is served by another IOC", advice, count=len(names), served=served)]


@dataclass(frozen=True)
class Place:
    """Where one protocol is to be served; ``is_fixed`` tells whether the port was set in the settings."""

    protocol: str
    section: str
    interfaces: tuple[str, ...]
    tcp_port: int
    udp_port: int
    is_fixed: bool


def ports(place: Place, is_running: bool) -> Finding:
    """Whether the sockets can be had; ``is_running`` tells whether the gateway that is meant holds them now."""
    what = f"{place.protocol} ports"
    where = f"TCP {place.tcp_port} and UDP {place.udp_port} at {' '.join(place.interfaces)}"
    values = {"tcp_port": place.tcp_port, "udp_port": place.udp_port, "interfaces": list(place.interfaces)}
    if is_running:
        return ok(what, f"{where}: held by the gateway that runs", **values)
    errors = list(_errors(place.interfaces, place.tcp_port, place.udp_port))
    if not errors:
        return ok(what, f"{where} are free", **values)
    host, kind, error = errors[0]
    text = f"{kind} {host}: {error.strerror or error}"
    if error.errno == errno.EADDRNOTAVAIL:
        return fail(what, text, f"interfaces of [{place.section}] names addresses of this host", **values)
    if error.errno == errno.EADDRINUSE and kind == "TCP" and not place.is_fixed:
        remedy = "another TCP port will be taken; searches sent to this host alone reach only one of its servers"
        return warning(what, f"{where}: another server has the TCP port", remedy, **values)
    return fail(what, f"{where}: {text}", f"set another port in [{place.section}]", **values)


def _errors(interfaces: Sequence[str], tcp_port: int, udp_port: int) -> Iterator[tuple[str, str, OSError]]:
    for host in interfaces:
        for name, kind, port in (("TCP", socket.SOCK_STREAM, tcp_port), ("UDP", socket.SOCK_DGRAM, udp_port)):
            with socket.socket(socket.AF_INET, kind) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if kind is socket.SOCK_DGRAM and hasattr(socket, "SO_REUSEPORT"):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                try:
                    sock.bind((host, port))
                    if kind is socket.SOCK_STREAM:
                        sock.listen(1)
                except OSError as error:
                    yield host, name, error
