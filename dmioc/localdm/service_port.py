"""The port of one service: served, or closed, or open with nobody behind it."""

from __future__ import annotations

import asyncio
import socket
from enum import Enum

from aiohttp import web

_BACKLOG = 128


class PortState(Enum):
    """What a client finds at the port."""

    OPEN = "open"
    REFUSED = "refused"
    HALF_OPEN = "half-open"


class ServicePort:
    """Serves a runner on a listening socket, and takes it away without giving up the port.

    The socket that listens is kept; the runner gets a copy of it, which it closes when it stops to serve.
    """

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self._listener: socket.socket | None = None
        self._site: web.SockSite | None = None
        self.state = PortState.OPEN

    async def open(self, listener: socket.socket) -> None:
        """Serve on a socket that is bound and listens; it belongs to the port from now on."""
        self._listener = listener
        await self._serve(listener)

    async def turn(self, state: PortState) -> None:
        """Bring the port into a state; raises `OSError` when somebody else took a port that was closed."""
        if state is self.state or self._listener is None:
            return
        await self._leave(self._listener)
        if state is PortState.HALF_OPEN:
            await self._stop_site()
            for transport in self._transports():
                transport.pause_reading()
        elif state is PortState.REFUSED:
            await self._stop_site()
            self._listener = _closed_again(self._listener)
            self.drop_connections()
        self.state = state

    async def _leave(self, listener: socket.socket) -> None:
        """From whatever state back to serving."""
        if self.state is PortState.REFUSED:
            listener.listen(_BACKLOG)
        if self.state is not PortState.OPEN:
            for transport in self._transports():
                transport.resume_reading()
            await self._serve(listener)
        self.state = PortState.OPEN

    async def _serve(self, listener: socket.socket) -> None:
        self._site = web.SockSite(self._runner, listener.dup(), backlog=_BACKLOG)
        await self._site.start()

    async def _stop_site(self) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None

    def _transports(self) -> list[asyncio.Transport]:
        server = self._runner.server
        connections = server.connections if server is not None else []
        return [one.transport for one in connections if isinstance(one.transport, asyncio.Transport)]

    def drop_connections(self) -> None:
        """Close every connection at once, whatever is being answered."""
        for transport in self._transports():
            transport.abort()

    def close(self) -> None:
        """Give up the port."""
        if self._listener is not None:
            self._listener.close()


def _closed_again(listener: socket.socket) -> socket.socket:
    """A socket at the same address that does not listen, so that connections are refused and the port stays ours."""
    address = listener.getsockname()
    bound = socket.socket(listener.family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setblocking(False)
    listener.close()
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
