"""The server of ``dmioc web`` in a loop of the test: with limits made small, or started again at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

import aiohttp
from web_process import PvwsClient

from dmioc.web.channels import Channels
from dmioc.web.guards import Guard
from dmioc.web.pva import PvaClient
from dmioc.web.server import WebServer
from dmioc.web.stations import Stations


@dataclass(frozen=True)
class Parts:
    """A running server, and its clients."""

    channels: Channels
    port: int
    session: aiohttp.ClientSession
    closing: AsyncExitStack

    async def client(self, **headers: str) -> PvwsClient:
        """A socket; closed at the end of the test."""
        socket = self.session.ws_connect(f"ws://127.0.0.1:{self.port}/pvws/pv", headers=headers)
        return PvwsClient(await self.closing.enter_async_context(socket))


@asynccontextmanager
async def serving(prefix: str, *origins: str, port: int = 0) -> AsyncIterator[Parts]:
    """A server for one station."""
    pva = PvaClient()
    channels = Channels(pva)
    stations = Stations((prefix,), pva, channels)
    web = WebServer(stations, channels, Guard((), origins))
    try:
        port = await web.start("127.0.0.1", port)
        async with aiohttp.ClientSession() as session, AsyncExitStack() as closing:
            yield Parts(channels, port, session, closing)
        await web.stop()
    finally:
        stations.close()
        channels.close()
        pva.close()


@contextmanager
def serving_in_thread(prefix: str, port: int = 0) -> Iterator[int]:
    """The same in a thread of its own, for tests without a loop; answers the port."""
    ports: SimpleQueue[int] = SimpleQueue()
    stop = threading.Event()

    async def serve() -> None:
        async with serving(prefix, port=port) as parts:
            ports.put(parts.port)
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield ports.get(timeout=30)
    finally:
        stop.set()
        thread.join()
