"""The PVAccess server: the engine's PVs and their changes on their way out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from p4p import Type, Value
from p4p.nt import NTScalar
from p4p.server import Server, StaticProvider
from p4p.server.raw import SharedPV

from dmioc.catalogue import PV, Kind
from dmioc.catalogue.structures import structure_fields
from dmioc.engine.puts import Origin, Puttable
from dmioc.engine.readings import Reading, StructureReading, TableReading
from dmioc.errors import ConfigurationError
from dmioc.serve.pva.clients import connections
from dmioc.serve.pva.encoding import time_fields
from dmioc.serve.pva.layouts import scalar_type
from dmioc.serve.pva.operations import PutHandler, Take, read_only_take, scalar_take, structure_take
from dmioc.serve.pva.rpc import RpcHandler
from dmioc.serve.pva.settings import PvaSettings
from dmioc.serve.pva.views import NOT_ENCODABLE, ComposedView, OwnView, ScalarView, TableView

_log = logging.getLogger(__name__)

_STAGES = "Stages"
_PORT = "EPICS_PVAS_SERVER_PORT"


class PvaServer:
    """Serves every PV of the engine's catalogue under ``prefix`` and its aliases; a `Sink` and a `StructureSink` of the engine.

    Everything but the protocol happens in the loop that `start` is called in.
    """

    def __init__(self, engine: Puttable, prefix: str, settings: PvaSettings) -> None:
        self._engine = engine
        self._prefix = prefix
        self._settings = settings
        self._drafts: dict[Type, Value] = {}
        self._scalars: dict[str, list[ScalarView]] = {}
        self._tables: dict[str, TableView] = {}
        self._own: dict[str, OwnView] = {}
        self._composed_of: dict[str, list[ComposedView]] = {}
        self._dirty: dict[ComposedView, None] = {}
        self._dirty_revision = 0
        self._rpc: list[RpcHandler] = []
        self._wrong: set[str] = set()
        self._server: Server | None = None
        self._provider: StaticProvider | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_serving = False
        self._port = 0

    @property
    def clients(self) -> int:
        """Open connections of clients; a client holds one, whatever number of PVs it uses. 0 where the host is no Linux."""
        return connections(self._port) if self._port else 0

    @property
    def addresses(self) -> tuple[str, ...]:
        """``host:port`` of every TCP address that clients are served at; empty when not started."""
        return tuple(f"{host}:{self._port}" for host in self._settings.interfaces) if self._port else ()

    async def start(self) -> None:
        """Take the engine's state and serve it; to be called once.

        Raises `ConfigurationError` naming the address that cannot be used.
        """
        configuration = self._settings.configuration()
        # To be kept: a SharedPV that Python lets go of has no handlers any more.
        self._loop = asyncio.get_running_loop()
        self._provider = self._open_all(self._loop)
        self._is_serving = True
        snapshot = self._engine.snapshot()
        self.publish(snapshot.revision, snapshot.readings)
        self.publish_tables(snapshot.revision, snapshot.tables)
        self.publish_structures(snapshot.revision, snapshot.structures)
        self._flush()
        self._engine.add_sink(self)
        self._engine.add_structure_sink(self)
        # At level DEBUG p4p calls `Server.tostr(5)`, which can stand still for ever (`dmioc.serve.pva.clients`).
        logging.getLogger("p4p").setLevel(logging.WARNING)
        try:
            self._server = await asyncio.to_thread(Server, [self._provider], conf=configuration, useenv=False)
        except RuntimeError as error:
            self._is_serving = False
            where = ", ".join(self._settings.interfaces)
            raise ConfigurationError(f"PVAccess cannot be served on {where}: {error}") from error
        self._port = int(self._server.conf()[_PORT])
        if self._settings.port not in (0, self._port):
            await self.stop()
            raise ConfigurationError(f"PVAccess cannot listen on port {self._settings.port}: it is taken")

    async def stop(self) -> None:
        """Close every connection and socket; clients see a disconnect. Once more does nothing."""
        self._is_serving = False
        self._port = 0
        for handler in self._rpc:
            await handler.stop()
        if self._server is not None:
            server, self._server = self._server, None
            await asyncio.to_thread(server.stop)

    def publish(self, revision: int, readings: Mapping[str, Reading]) -> None:
        """Post the scalar PVs that changed, and the structures that show them once the commit is over.

        A reading that the PV cannot hold is logged once and not shown; the last good one stays.
        """
        if not self._is_serving:
            return
        self._next(revision)
        for name, reading in readings.items():
            views = self._scalars.get(name, ())
            if not all(self._try(name, revision, view.publish, reading) for view in views):
                continue
            for composed in self._composed_of.get(name, ()):
                self._try(name, revision, composed.take, name, reading)
                self._mark(composed)

    def publish_tables(self, revision: int, tables: Mapping[str, TableReading]) -> None:
        """Post the columns that changed; a table that makes no sense is logged once and not shown."""
        if not self._is_serving:
            return
        self._next(revision)
        for name, table in tables.items():
            view = self._tables.get(name)
            if view is None or not self._try(name, revision, view.publish, revision, table):
                continue
            for composed in self._composed_of.get(name, ()):
                self._try(name, revision, composed.take_stages, table)
                self._mark(composed)

    def publish_structures(self, revision: int, structures: Mapping[str, StructureReading]) -> None:
        """Post the fields that changed of structures that have fields of their own; likewise."""
        if not self._is_serving:
            return
        for name, structure in structures.items():
            view = self._own.get(name)
            if view is not None:
                self._try(name, revision, view.publish, structure)

    def _try(self, name: str, revision: int, publish: Callable[..., None], *arguments: object) -> bool:
        try:
            publish(*arguments)
        except NOT_ENCODABLE as error:
            if name not in self._wrong:
                self._wrong.add(name)
                _log.error("%s not shown over PVAccess at revision %d: %s", name, revision, error)
            return False
        self._wrong.discard(name)
        return True

    def _mark(self, composed: ComposedView) -> None:
        """Post it when the engine's commit is over: scalars and tables of one commit come by separate calls."""
        if not self._dirty and self._loop is not None:
            self._loop.call_soon(self._flush)
        self._dirty[composed] = None

    def _next(self, revision: int) -> None:
        if revision != self._dirty_revision:
            self._flush()
            self._dirty_revision = revision

    def _flush(self) -> None:
        """Post the structures that are behind the PVs they show."""
        dirty, self._dirty = self._dirty, {}
        for composed in dirty:
            if self._is_serving:
                self._try(composed.name, self._dirty_revision, composed.flush, self._dirty_revision)

    def _open_all(self, loop: asyncio.AbstractEventLoop) -> StaticProvider:
        provider = StaticProvider("dmioc")
        opened: dict[tuple[str, Kind], SharedPV] = {}
        for served in self._engine.catalogue.served(self._prefix):
            # An alias is its PV unless it is of another type.
            key = served.pv.name, served.pv.kind
            if key not in opened:
                opened[key] = self._opened(served.pv, loop)
            provider.add(served.name, opened[key])
        return provider

    def _opened(self, pv: PV, loop: asyncio.AbstractEventLoop) -> SharedPV:
        full_name = self._prefix + pv.name

        def note_refusal(origin: Origin, reason: str) -> str:
            return self._engine.refused(pv.name, "", origin, reason)

        if pv.kind is Kind.RPC:
            handler = RpcHandler(self._engine, full_name, loop, self._flush, note_refusal)
            self._rpc.append(handler)
            shared = SharedPV(handler=handler)
            help_text = "Queries by name: method=help tells which there are"
            shared.open(Value(NTScalar.buildType("s"), {"value": help_text, **time_fields(time.time())}))
            return shared
        shared = SharedPV(handler=PutHandler(full_name, loop, self._take(pv, full_name), self._flush, note_refusal))
        if pv.kind is Kind.TABLE:
            self._tables[pv.name] = TableView(pv, shared)
        elif pv.kind is not Kind.STRUCTURE:
            layout = scalar_type(pv)
            draft = self._drafts.setdefault(layout, Value(layout))
            self._scalars.setdefault(pv.name, []).append(ScalarView(pv, shared, draft))
        elif pv.columns:
            self._own[pv.name] = OwnView(pv, shared, time.time())
        else:
            self._open_composed(pv, shared)
        return shared

    def _take(self, pv: PV, full_name: str) -> Take:
        if not pv.writable or pv.kind is Kind.TABLE:
            return read_only_take(full_name)
        if pv.kind is Kind.STRUCTURE:
            return structure_take(self._engine, pv, full_name)
        return scalar_take(self._engine, pv, full_name)

    def _open_composed(self, pv: PV, shared: SharedPV) -> None:
        catalogue = self._engine.catalogue
        stages_name = pv.group + _STAGES
        stages = catalogue[stages_name] if stages_name in catalogue else None
        view = ComposedView(pv, structure_fields(catalogue, pv), stages, shared)
        for name in (*view.members, *((stages_name,) if stages else ())):
            self._composed_of.setdefault(name, []).append(view)
