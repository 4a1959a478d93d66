"""One client's TCP connection: bytes in, bytes out, and what happens when it does not read."""

from __future__ import annotations

import asyncio
import logging
import socket

from dmioc.serve.ca.events import CHUNK_BYTES
from dmioc.serve.ca.session import Served, Session
from dmioc.serve.ca.wire import ProtocolError, parse

_log = logging.getLogger(__name__)

PAYLOAD_LIMIT_BYTES = 2**23
_MESSAGES_PER_TURN = 500
_NOT_READING = "the client does not read"


class Circuit(asyncio.Protocol):
    """The connection of one client.

    While the client does not read its answers, nothing is read from it and its monitors wait in `events.EventQueue`:
    it costs what is in its buffers and holds up nobody. A malformed message ends this circuit and no other.
    """

    def __init__(self, served: Served, circuits: set[Circuit]) -> None:
        self._served = served
        self._circuits = circuits
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._peer = ""
        self._input = bytearray()
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._is_taking = False
        self._is_stalled = False
        self._is_behind = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a circuit needs a stream, not {transport!r}")
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        host, port = transport.get_extra_info("peername")[:2]
        tcp_port = transport.get_extra_info("sockname")[1]
        self._peer = f"{host}:{port}"
        self._transport = transport
        self._session = Session(self._served, host, tcp_port, self._send)
        self._circuits.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._circuits.discard(self)
        self._transport = None
        self._input.clear()
        if self._session is not None:
            self._session.close()

    def pause_writing(self) -> None:
        """The client does not read."""
        self._is_stalled = True
        if self._session is not None:
            self._session.events.hold(_NOT_READING)
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again; we go on in the next turn, since asyncio does not expect a write that fails here."""
        self._is_stalled = False
        asyncio.get_running_loop().call_soon(self._go_on)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._input += data
        self._take()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def ask_rights_again(self) -> None:
        """Tell the client where its rights changed."""
        if self._session is not None:
            self._session.ask_rights_again()

    def _go_on(self) -> None:
        if self._transport is None or self._session is None or self._is_stalled:
            return
        self._session.events.release(_NOT_READING)
        self._take()
        if not self._is_stalled and not self._is_behind:
            self._resume_reading()

    def _resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def _take(self) -> None:
        """Take what is whole, but no more than a turn's worth, and answer it in one piece."""
        self._is_taking = True
        try:
            self._is_behind = self._take_messages()
        except ProtocolError as error:
            _log.warning("client %s: %s; its connection is closed", self._peer, error)
            self.abort()
            return
        except Exception as error:
            # The supervisor of a circuit: whatever goes wrong for one client ends its circuit and nothing else.
            _log.error("client %s: %r; its connection is closed", self._peer, error, exc_info=_log.isEnabledFor(10))
            self.abort()
            return
        finally:
            self._is_taking = False
        self._write()
        if self._is_behind:
            self._pause_for_a_turn()

    def _pause_for_a_turn(self) -> None:
        """Let the others have their turn."""
        if self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _take_messages(self) -> bool:
        """Answers whether messages are left for the next turn."""
        session = self._session
        offset = taken = 0
        while session is not None and self._is_open() and not self._is_stalled and taken < _MESSAGES_PER_TURN:
            parsed = parse(self._input, offset, PAYLOAD_LIMIT_BYTES)
            if parsed is None:
                break
            message, offset = parsed
            session.take(message)
            taken += 1
        del self._input[:offset]
        return taken == _MESSAGES_PER_TURN

    def _is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def _send(self, data: bytes) -> None:
        self._output.append(data)
        self._output_bytes += len(data)
        if not self._is_taking or self._output_bytes > CHUNK_BYTES:
            self._write()

    def _write(self) -> None:
        if not self._output:
            return
        data = b"".join(self._output)
        self._output.clear()
        self._output_bytes = 0
        if self._transport is not None and self._is_open():
            self._transport.write(data)
