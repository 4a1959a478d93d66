"""The stream of one client, as caproto's circuit wants it."""

from __future__ import annotations

import asyncio
import socket


class Connection:
    """Bytes from and to one client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def getsockname(self) -> tuple[str, int]:
        """Our address."""
        host, port = self._writer.get_extra_info("sockname")[:2]
        return host, port

    def getpeername(self) -> tuple[str, int]:
        """The client's address."""
        host, port = self._writer.get_extra_info("peername")[:2]
        return host, port

    async def recv(self, nbytes: int = 4096) -> bytes:
        """What came, at most so many bytes; nothing when the client is gone. Raises `OSError`."""
        return await self._reader.read(nbytes)

    async def send(self, bytes_to_send: bytes) -> None:
        """Hand over bytes and wait while the client does not read. Raises `OSError`."""
        self._writer.write(bytes_to_send)
        await self._writer.drain()

    def close(self) -> None:
        """End the connection at once, with what was not sent."""
        self._writer.transport.abort()
