"""``dmioc web`` as a whole: its parts put together, started and stopped."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack

from dmioc.web.channels import Channels
from dmioc.web.guards import Guard
from dmioc.web.pva import PvaClient
from dmioc.web.server import WebServer
from dmioc.web.settings import WebSettings
from dmioc.web.stations import Stations

_LOG = logging.getLogger(__name__)


def serve(settings: WebSettings, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or Ctrl-C; answers the exit code 0. ``announce`` gets the line with the page's address.

    Raises `ConfigurationError`, also `PortInUseError`; nothing is left running then.
    """
    asyncio.run(_serve(settings, announce))
    return 0


async def _serve(settings: WebSettings, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as closing:
        client = PvaClient()
        closing.callback(client.close)
        channels = Channels(client)
        closing.callback(channels.close)
        stations = Stations(settings.prefixes, client, channels)
        closing.callback(stations.close)
        names = await asyncio.to_thread(_own_names, settings.host)
        server = WebServer(stations, channels, Guard(names, settings.origins))
        port = await server.start(settings.host, settings.port)
        closing.push_async_callback(server.stop)
        closing.callback(asyncio.create_task(stations.search()).cancel)
        announce(_line(settings, port))
        if not _is_loopback(settings.host):
            _LOG.warning("everybody who reaches port %d of %s sees the stations; nobody can write", port, settings.host)
        await stop.wait()
        _LOG.info("stopping")


def _line(settings: WebSettings, port: int) -> str:
    # A wildcard address cannot be opened; any address of this machine can.
    host = socket.gethostname() if settings.host in ("0.0.0.0", "::") else settings.host
    host = f"[{host}]" if ":" in host else host
    return f"dmioc web shows {' '.join(settings.prefixes)} at http://{host}:{port}/, read-only. Ctrl-C stops."


def _own_names(host: str) -> tuple[str, ...]:
    """Names by which browsers may call this server; may ask the name service."""
    if _is_loopback(host):
        return (host,)
    name = socket.gethostname()
    return (host, name, name.partition(".")[0], socket.getfqdn())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
