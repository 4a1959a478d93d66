"""Where is this PV: answers to searches, and a search of our own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import caproto as ca

from dmioc.serve.ca.settings import ANY, LOOPBACK, CaSettings
from dmioc.serve.ca.sockets import udp_socket

if TYPE_CHECKING:
    from dmioc.serve.ca.context import ServerContext

_log = logging.getLogger(__name__)

_ANSWER_BYTES = 1400
_SEQUENCE_IS_VALID = 1
_ASK_TIMES = 3
_ASK_SOCKETS = 8
_NAMES_OF_ONE_QUESTION = 16


class SearchResponder(asyncio.DatagramProtocol):
    """Answers the searches that come to one UDP address; what it cannot read it ignores, as every server does.

    caproto's own answers each from every interface, in one datagram of any size, and always with sequence number 1, which makes
    libca search slowly.
    """

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._beginnings = tuple(name.encode("latin-1") for name in context.name_beginnings())
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # which asyncio's own does not inherit

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Searches came; most are for the PVs of others and are not even parsed."""
        if self._transport is None or not any(beginning in data for beginning in self._beginnings):
            return
        broadcaster = self._context.broadcaster
        try:
            version, answers = self._answers(broadcaster.recv(data, addr))
        except ca.CaprotoError as error:
            _log.debug("search from %s:%d: %s", *addr[:2], error)
            return
        while answers:
            size_bytes = len(version) + len(answers[0])
            taken = 1
            while taken < len(answers) and size_bytes + len(answers[taken]) <= _ANSWER_BYTES:
                size_bytes += len(answers[taken])
                taken += 1
            self._transport.sendto(broadcaster.send(version, *answers[:taken]), addr)
            answers = answers[taken:]

    def error_received(self, exc: Exception) -> None:
        """An answer could not be sent; the client will ask again."""
        _log.debug("search answer: %s", exc)

    def _answers(self, commands: list[ca.Message]) -> tuple[ca.Message, list[ca.Message]]:
        """The version message that begins an answer, with the client's sequence number, and the answers."""
        version = ca.VersionResponse(ca.DEFAULT_PROTOCOL_VERSION)
        version.header.data_type = version.header.parameter1 = 0
        answers: list[ca.Message] = []
        for command in commands:
            if isinstance(command, ca.VersionRequest) and command.header.data_type & _SEQUENCE_IS_VALID:
                version.header.data_type = _SEQUENCE_IS_VALID
                version.header.parameter1 = command.header.parameter1
            elif isinstance(command, ca.SearchRequest) and self._context.find(command.name) is not None:
                answers.append(
                    ca.SearchResponse(self._context.tcp_port, None, command.cid, ca.DEFAULT_PROTOCOL_VERSION)
                )
        return version, answers


class _Asker(asyncio.DatagramProtocol):
    """Hears which searches, by the client's numbers of them, anybody answers."""

    def __init__(self, broadcaster: ca.Broadcaster, answered: set[int], is_answered: asyncio.Event) -> None:
        self._broadcaster = broadcaster
        self._answered = answered
        self._is_answered = is_answered

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        try:
            commands = self._broadcaster.recv(data, addr)
        except ca.CaprotoError as error:
            _log.debug("answer to a search from %s:%d: %s", *addr[:2], error)
            return
        self._answered.update(command.cid for command in commands if isinstance(command, ca.SearchResponse))
        if self._answered:
            self._is_answered.set()


async def served_already(names: Sequence[str], settings: CaSettings, timeout_s: float = 0.5) -> str:
    """The first of these full names that somebody already serves, e.g. ``25IDC:DM:Heartbeat``; empty if nobody serves any.

    Asks by a search at the addresses that the settings listen on and send beacons to. It asks from several sockets, since the
    kernel gives a datagram to only one of the servers that share a UDP port.
    """
    hosts = {LOOPBACK if host == ANY else host for host in settings.interfaces}
    hosts.update(host for host, _ in settings.beacon_targets())
    port = settings.server_port()
    broadcaster = ca.Broadcaster(ca.CLIENT)
    questions = _questions(broadcaster, names)
    answered: set[int] = set()
    is_answered = asyncio.Event()
    loop = asyncio.get_running_loop()
    transports: list[asyncio.DatagramTransport] = []
    try:
        for _ in range(_ASK_SOCKETS):
            transport, _asker = await loop.create_datagram_endpoint(
                lambda: _Asker(broadcaster, answered, is_answered), sock=udp_socket(ANY, 0)
            )
            transports.append(transport)
        for _ in range(_ASK_TIMES):
            for transport in transports:
                for host, question in product(hosts, questions):
                    transport.sendto(question, (host, port))
            try:
                await asyncio.wait_for(is_answered.wait(), timeout_s / _ASK_TIMES)
            except TimeoutError:
                continue
            return names[min(answered)]
    finally:
        for transport in transports:
            transport.close()
    return ""


def _questions(broadcaster: ca.Broadcaster, names: Sequence[str]) -> list[bytes]:
    """Searches as datagrams of a size that every server takes; the number of each is its place among the names."""
    version = ca.DEFAULT_PROTOCOL_VERSION
    searches = [ca.SearchRequest(name, number, version) for number, name in enumerate(names)]
    starts = range(0, len(searches), _NAMES_OF_ONE_QUESTION)
    chunks = [searches[start : start + _NAMES_OF_ONE_QUESTION] for start in starts]
    return [broadcaster.send(ca.VersionRequest(0, version), *chunk) for chunk in chunks]
