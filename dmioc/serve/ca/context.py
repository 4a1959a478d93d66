"""caproto's server: the channels by name, its clients, its sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

import caproto as ca
from caproto.asyncio.server import Context
from caproto.server.common import DisconnectedCircuit

from dmioc.catalogue import PV, Kind
from dmioc.engine.puts import Puttable
from dmioc.serve.ca.beacons import Beacons
from dmioc.serve.ca.channels import Channel, Rights
from dmioc.serve.ca.circuit import Circuit
from dmioc.serve.ca.connection import Connection
from dmioc.serve.ca.fields import channel_of, field, long_string
from dmioc.serve.ca.protocol import CircuitProtocol
from dmioc.serve.ca.search import SearchResponder
from dmioc.serve.ca.settings import CaSettings, beacon_period_s
from dmioc.serve.ca.sockets import BACKLOG_CONNECTIONS, bound_udp, broadcast_sockets, listening_sockets

_log = logging.getLogger(__name__)

_LONG_STRING = "$"


class ServerContext(Context):
    """caproto's context with the PVs of an engine's catalogue, without groups of PVs, hooks and shared queues.

    caproto's own takes its addresses from the environment and cannot be stopped and started again in one process.

    Attributes:
        engine: takes the puts.
        prefix: before the catalogue's names.
        backlog: most updates of one PV that wait for one client.
        served_addresses: ``host:port`` of every TCP address; empty when not open.
    """

    circuits: set[Circuit]

    def __init__(self, engine: Puttable, prefix: str, rights: Rights, settings: CaSettings) -> None:
        self._of_pv: dict[str, tuple[Channel, ...]] = {}
        scalars = [served for served in engine.catalogue.served(prefix) if served.pv.kind.is_scalar]
        self._aliases = frozenset(served.name for served in scalars if served.is_alias)
        channels: dict[str, ca.ChannelData] = {one.name: self._channel(one.pv, prefix, rights) for one in scalars}
        super().__init__(channels, list(settings.interfaces))
        self.log = _log
        self.engine = engine
        self.prefix = prefix
        self.backlog = settings.backlog
        self.served_addresses: tuple[str, ...] = ()
        self._settings = settings
        self._is_open = False
        self._servers: list[asyncio.Server] = []
        self._responders: list[asyncio.DatagramTransport] = []
        self._beacon_sockets: list[socket.socket] = []
        self._beacons: asyncio.Task[None] | None = None

    @property
    def tcp_port(self) -> int:
        """The TCP port; 0 when never open."""
        return self.port or 0

    def _channel(self, pv: PV, prefix: str, rights: Rights) -> Channel:
        """The channel of a PV with this type: all names that have it share one."""
        known = self._of_pv.get(pv.name, ())
        for channel in known:
            if channel.pv.kind is pv.kind:
                return channel
        channel = channel_of(prefix, pv, rights)
        self._of_pv[pv.name] = (*known, channel)
        return channel

    def of_pv(self, name: str) -> Sequence[Channel]:
        """The channels of a PV by its name without prefix, one for each type; none of what Channel Access does not serve."""
        return self._of_pv.get(name, ())

    def name_beginnings(self) -> tuple[str, ...]:
        """With one of these every name begins that is served: the prefix, and aliases to their last colon."""
        of_aliases = (name[: name.rfind(":") + 1] or name for name in self._aliases)
        return tuple(dict.fromkeys((self.prefix, *of_aliases)))

    def alias_in(self, name: str) -> str:
        """The alias in a name that a client asked for, maybe with a field; empty if it is a PV's own name."""
        record = name.partition(".")[0].removesuffix(_LONG_STRING)
        return record if record in self._aliases else ""

    def find(self, name: str) -> Channel | None:
        """The channel of ``NAME``, ``NAME.FIELD``, ``NAME.VAL`` and of each with a ``$``; None if there is none.

        Those of fields are made at the first question and kept.
        """
        channel = self.pvdb.get(name)
        if channel is None:
            channel = self._made(name)
            if channel is not None:
                self.pvdb[name] = channel
        return channel if isinstance(channel, Channel) else None

    def __getitem__(self, pvname: str) -> Channel:
        """As `find`; raises `KeyError`."""
        channel = self.find(pvname)
        if channel is None:
            raise ca.CaprotoKeyError(pvname)
        return channel

    def _made(self, name: str) -> Channel | None:
        if name.endswith(_LONG_STRING):
            plain = name[: -len(_LONG_STRING)]
            of = None if plain.endswith(_LONG_STRING) else self.find(plain)
            return None if of is None else long_string(self._whole(of))
        head, dot, field_name = name.partition(".")
        of = self.pvdb.get(head)
        if not dot or head.endswith(_LONG_STRING) or not isinstance(of, Channel):
            return None
        return of if field_name in ("", "VAL") else field(of, field_name)

    def _whole(self, channel: Channel) -> Channel:
        """The text as long as it is, for an alias that shows as much of it as a string holds."""
        channels = self.of_pv(channel.pv.name)
        texts = [one for one in channels if one.pv.kind is Kind.TEXT]
        return texts[0] if texts and channel in channels else channel

    async def open(self) -> None:
        """Serve; raises `ConfigurationError` naming the address that cannot be used."""
        settings = self._settings
        targets = settings.beacon_targets()
        udp_port = settings.server_port()
        sockets = listening_sockets(settings.interfaces, udp_port, is_fixed=settings.port != 0)
        self._is_open = True
        self.port = sockets[0].getsockname()[1]
        for sock in sockets:
            await self.server_accept_loop(sock)
        await self._answer_searches(udp_port, [host for host, _ in targets])
        self._beacon_sockets = [bound_udp(host, 0) for host in settings.interfaces]
        beacons = Beacons(self._beacon_sockets, targets, self.tcp_port, beacon_period_s())
        self._beacons = asyncio.get_running_loop().create_task(beacons.run(), name="CA beacons")
        self.served_addresses = tuple(f"{host}:{self.port}" for host in settings.interfaces)

    async def close(self) -> None:
        """Close every connection and socket. Once more does nothing."""
        self._is_open = False
        self.served_addresses = ()
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
        await self.server_tasks.cancel_all(wait=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    async def server_accept_loop(self, sock: socket.socket) -> None:
        """Take clients at a socket from now on."""

        def new_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = Connection(reader, writer)
            if not self._is_open:
                connection.close()
                return
            self.server_tasks.create(self.tcp_handler(connection, connection.getpeername()))

        self._servers.append(await asyncio.start_server(new_client, sock=sock))
        # asyncio has set its own, and a client that the kernel turns away tries again only after a second.
        sock.listen(BACKLOG_CONNECTIONS)

    async def tcp_handler(self, client: Connection, addr: tuple[str, int]) -> None:
        """Serve one client until it is gone.

        The supervisor of a circuit: whatever goes wrong for one client ends its circuit and nothing else.
        """
        circuit = Circuit(CircuitProtocol(ca.SERVER, addr, None), client, self)
        self.circuits.add(circuit)
        try:
            await circuit.run()
            while True:
                await circuit.recv()
        except (DisconnectedCircuit, OSError) as error:
            _log.debug("client %s:%d is gone: %r", *addr, error)
        except Exception as error:
            _log.warning("client %s:%d: %s: %s; its connection is closed", *addr, type(error).__name__, error)
            _log.debug("client %s:%d", *addr, exc_info=error)
        finally:
            await self.circuit_disconnected(circuit)
            await circuit.close()

    async def _answer_searches(self, udp_port: int, beacon_hosts: list[str]) -> None:
        interfaces = self._settings.interfaces
        sockets = [bound_udp(host, udp_port) for host in interfaces]
        sockets.extend(broadcast_sockets(interfaces, beacon_hosts, udp_port))
        loop = asyncio.get_running_loop()
        for sock in sockets:
            responder, _ = await loop.create_datagram_endpoint(lambda: SearchResponder(self), sock=sock)
            self._responders.append(responder)
