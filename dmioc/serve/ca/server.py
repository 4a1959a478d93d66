"""The Channel Access server: sockets, channels, and the engine's readings on their way out."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Mapping

from dmioc.engine.puts import Puttable
from dmioc.engine.readings import Reading
from dmioc.errors import ConfigurationError
from dmioc.serve.ca.attachments import Rights, catalogue_rights
from dmioc.serve.ca.beacons import Beacons
from dmioc.serve.ca.channels import sample_of
from dmioc.serve.ca.circuit import Circuit
from dmioc.serve.ca.names import Names
from dmioc.serve.ca.search import SearchResponder, udp_socket
from dmioc.serve.ca.session import Served
from dmioc.serve.ca.settings import ANY, CaSettings, beacon_period_s

_log = logging.getLogger(__name__)

_BACKLOG_CONNECTIONS = 256
_PORT_TRIES = 20
_LOOPBACK_NET = "127."


class CaServer:
    """Serves every scalar PV of the engine's catalogue under ``prefix``; a `dmioc.engine.ports.Sink` of the engine.

    ``rights`` decides who may read and write a PV; by default everybody may what the catalogue allows.
    """

    def __init__(self, engine: Puttable, prefix: str, settings: CaSettings, rights: Rights = catalogue_rights) -> None:
        self._engine = engine
        self._settings = settings
        self._names = Names(prefix, engine.catalogue)
        self._served = Served(self._names, engine, rights, settings.backlog)
        self._circuits: set[Circuit] = set()
        self._servers: list[asyncio.Server] = []
        self._responders: list[asyncio.DatagramTransport] = []
        self._beacon_sockets: list[socket.socket] = []
        self._beacons: asyncio.Task[None] | None = None
        self._wrong: set[str] = set()
        self._addresses: tuple[str, ...] = ()

    @property
    def clients(self) -> int:
        """Connected clients: open circuits."""
        return len(self._circuits)

    @property
    def addresses(self) -> tuple[str, ...]:
        """``host:port`` of every TCP address that clients are served at; empty when not started."""
        return self._addresses

    async def start(self) -> None:
        """Take the engine's state and serve it; searches are answered when this returns.

        Raises `ConfigurationError` naming the address that cannot be used.
        """
        snapshot = self._engine.snapshot()
        self.publish(snapshot.revision, snapshot.readings)
        self._engine.add_sink(self)
        targets = self._settings.beacon_targets()
        udp_port = self._settings.server_port()
        try:
            tcp_port = await self._listen(udp_port)
            await self._answer_searches(udp_port, tcp_port, [host for host, _ in targets])
            self._beacon_sockets = [_bound_udp(host, 0) for host in self._settings.interfaces]
        except ConfigurationError:
            await self.stop()
            raise
        beacons = Beacons(self._beacon_sockets, targets, tcp_port, beacon_period_s())
        self._beacons = asyncio.get_running_loop().create_task(beacons.run(), name="CA beacons")
        self._addresses = tuple(f"{host}:{tcp_port}" for host in self._settings.interfaces)

    async def stop(self) -> None:
        """Close every connection and socket; clients see a disconnect. Once more does nothing."""
        self._addresses = ()
        if self._beacons is not None:
            self._beacons.cancel()
            await asyncio.gather(self._beacons, return_exceptions=True)
            self._beacons = None
        for responder in self._responders:
            responder.close()
        self._responders.clear()
        for sock in self._beacon_sockets:
            sock.close()
        self._beacon_sockets.clear()
        for server in self._servers:
            server.close()
        for circuit in list(self._circuits):
            circuit.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        while self._circuits:
            await asyncio.sleep(0)

    def publish(self, revision: int, readings: Mapping[str, Reading]) -> None:
        """Let the clients have what changed; a PV that is as it was is not sent again. To be called in the loop's thread.

        A reading that the PV cannot hold is logged once and not shown; the last good one stays.
        """
        for name, reading in readings.items():
            channel = self._names.of_pv(name)
            if channel is None:
                continue
            try:
                sample = sample_of(channel.pv, reading)
            except ValueError as error:
                if name not in self._wrong:
                    self._wrong.add(name)
                    _log.error("not shown over Channel Access at revision %d: %s", revision, error)
                continue
            self._wrong.discard(name)
            channel.publish(sample)

    def ask_rights_again(self) -> None:
        """Ask ``rights`` again for every open channel and tell the clients where they changed."""
        for circuit in list(self._circuits):
            circuit.ask_rights_again()

    async def _listen(self, preferred: int) -> int:
        """Bind TCP at one port of every interface and answer the port."""
        sockets = _listening_sockets(self._settings.interfaces, preferred, is_fixed=self._settings.port != 0)
        loop = asyncio.get_running_loop()
        for sock in sockets:
            server = await loop.create_server(
                lambda: Circuit(self._served, self._circuits), sock=sock, backlog=_BACKLOG_CONNECTIONS
            )
            self._servers.append(server)
        port: int = sockets[0].getsockname()[1]
        return port

    async def _answer_searches(self, udp_port: int, tcp_port: int, beacon_hosts: list[str]) -> None:
        sockets = [_bound_udp(host, udp_port) for host in self._settings.interfaces]
        sockets.extend(_broadcast_sockets(self._settings.interfaces, beacon_hosts, udp_port))
        loop = asyncio.get_running_loop()
        for sock in sockets:
            responder, _ = await loop.create_datagram_endpoint(
                lambda: SearchResponder(self._names, tcp_port), sock=sock
            )
            self._responders.append(responder)


def _bound_udp(host: str, port: int) -> socket.socket:
    try:
        return udp_socket(host, port)
    except OSError as error:
        raise _cannot_bind("UDP", host, port, error) from error


def _broadcast_sockets(interfaces: tuple[str, ...], beacon_hosts: list[str], port: int) -> list[socket.socket]:
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


def _listening_sockets(interfaces: tuple[str, ...], preferred: int, is_fixed: bool) -> list[socket.socket]:
    """A TCP socket at the same port of every interface: the preferred one, or where that is taken any free one."""
    if not interfaces:
        raise ConfigurationError("Channel Access has no interface to listen on; 127.0.0.1 would be one")
    try:
        return _sockets_at(interfaces, preferred)
    except ConfigurationError as error:
        if is_fixed or not _is_taken(error):
            raise
    for _ in range(_PORT_TRIES):
        try:
            return _sockets_at(interfaces, 0)
        except ConfigurationError as error:
            if not _is_taken(error):
                raise
    raise ConfigurationError(f"Channel Access found no port that is free on all of {', '.join(interfaces)}")


def _sockets_at(interfaces: tuple[str, ...], port: int) -> list[socket.socket]:
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
        sock.listen(_BACKLOG_CONNECTIONS)  # here, so that a port that another listens on is found taken
    except OSError:
        sock.close()
        raise
    return sock


def _is_taken(error: ConfigurationError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.EADDRINUSE, errno.EACCES)


def _cannot_bind(protocol: str, host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"Channel Access cannot listen on {host}:{port} ({protocol}): {error.strerror or error}")
