"""Where is this PV: answers to searches, and a search of our own."""

from __future__ import annotations

import asyncio
import logging
import socket
from struct import Struct
from typing import Any, cast

from dmioc.serve.ca.names import Names
from dmioc.serve.ca.settings import ANY, LOOPBACK, CaSettings
from dmioc.serve.ca.wire import (
    MINOR_VERSION,
    SEARCH_ADDRESS_OF_SENDER,
    SEARCH_REPLY_WANTED,
    Command,
    Message,
    ProtocolError,
    frame,
    padded,
    parse,
)

_log = logging.getLogger(__name__)

_DATAGRAM_BYTES = 2**16
_ANSWER_BYTES = 1400
_SEQUENCE_IS_VALID = 1
_NO_REPLY = 5
_VERSION_PAYLOAD = Struct(">H6x")
_ASK_TIMES = 3
_ASK_SOCKETS = 8


def reply(message: Message, names: Names, tcp_port: int) -> bytes | None:
    """The answer to a search; None where there is none to give."""
    client_id = message.parameter1
    if names.find(message.text) is not None:
        payload = _VERSION_PAYLOAD.pack(MINOR_VERSION)
        return frame(
            Command.SEARCH,
            payload,
            data_type=tcp_port,
            parameter1=SEARCH_ADDRESS_OF_SENDER,
            parameter2=client_id,
        )
    if message.data_type == SEARCH_REPLY_WANTED:
        return frame(
            Command.NOT_FOUND,
            data_type=SEARCH_REPLY_WANTED,
            count=message.elements,
            parameter1=client_id,
            parameter2=client_id,
        )
    return None


class SearchResponder(asyncio.DatagramProtocol):
    """Answers the searches that come to one UDP address; what it cannot read it ignores, as every server does."""

    def __init__(self, names: Names, tcp_port: int) -> None:
        self._names = names
        self._tcp_port = tcp_port
        self._prefix = names.prefix.encode("latin-1")
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # which asyncio's own does not inherit

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Searches came; most are for the PVs of others and are not even parsed."""
        if self._prefix not in data or self._transport is None:
            return
        try:
            version, answers = self._answers(data)
        except ProtocolError as error:
            _log.debug("search from %s:%d: %s", *addr[:2], error)
            return
        while answers:
            size_bytes = len(version)
            taken = 0
            while taken < len(answers) and size_bytes + len(answers[taken]) <= _ANSWER_BYTES:
                size_bytes += len(answers[taken])
                taken += 1
            self._transport.sendto(version + b"".join(answers[:taken]), addr)
            answers = answers[taken:]

    def error_received(self, exc: Exception) -> None:
        """An answer could not be sent; the client will ask again."""
        _log.debug("search answer: %s", exc)

    def _answers(self, data: bytes) -> tuple[bytes, list[bytes]]:
        """The version message that begins an answer, with the client's sequence number, and the answers."""
        version = frame(Command.VERSION, count=MINOR_VERSION)
        answers: list[bytes] = []
        offset = 0
        while parsed := parse(data, offset, _DATAGRAM_BYTES):
            message, offset = parsed
            if message.command == Command.VERSION and message.data_type & _SEQUENCE_IS_VALID:
                version = frame(
                    Command.VERSION,
                    data_type=_SEQUENCE_IS_VALID,
                    count=MINOR_VERSION,
                    parameter1=message.parameter1,
                )
            elif message.command == Command.SEARCH:
                answer = reply(message, self._names, self._tcp_port)
                if answer is not None:
                    answers.append(answer)
        return version, answers


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


class _Asker(asyncio.DatagramProtocol):
    """Hears whether anybody answers a search."""

    def __init__(self, is_answered: asyncio.Event) -> None:
        self._is_answered = is_answered

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        offset = 0
        try:
            while parsed := parse(data, offset, _DATAGRAM_BYTES):
                message, offset = parsed
                if message.command == Command.SEARCH and message.parameter2 == _CLIENT_ID:
                    self._is_answered.set()
        except ProtocolError as error:
            _log.debug("answer to a search from %s:%d: %s", *addr[:2], error)


_CLIENT_ID = 1


async def prefix_is_served(name: str, settings: CaSettings, timeout_s: float = 0.5) -> bool:
    """Whether somebody already serves the PV of this full name, e.g. ``25IDC:DM:Heartbeat``.

    Asks by a search at the addresses that the settings listen on and send beacons to. It asks from several sockets, since the
    kernel gives a datagram to only one of the servers that share a UDP port.
    """
    hosts = {LOOPBACK if host == ANY else host for host in settings.interfaces}
    hosts.update(host for host, _ in settings.beacon_targets())
    port = settings.server_port()
    question = frame(Command.VERSION, count=MINOR_VERSION) + frame(
        Command.SEARCH,
        padded(name.encode("latin-1", "replace") + b"\0"),
        data_type=_NO_REPLY,
        count=MINOR_VERSION,
        parameter1=_CLIENT_ID,
        parameter2=_CLIENT_ID,
    )
    is_answered = asyncio.Event()
    loop = asyncio.get_running_loop()
    transports: list[asyncio.DatagramTransport] = []
    try:
        for _ in range(_ASK_SOCKETS):
            transport, _asker = await loop.create_datagram_endpoint(
                lambda: _Asker(is_answered), sock=udp_socket(ANY, 0)
            )
            transports.append(transport)
        for _ in range(_ASK_TIMES):
            for transport in transports:
                for host in hosts:
                    transport.sendto(question, (host, port))
            try:
                await asyncio.wait_for(is_answered.wait(), timeout_s / _ASK_TIMES)
            except TimeoutError:
                continue
            return True
    finally:
        for transport in transports:
            transport.close()
    return False
