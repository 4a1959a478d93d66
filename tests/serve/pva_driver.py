"""A PVA server on an engine that only remembers: as ``ca_driver.py``, with tables, structures and queries."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from ca_driver import Driver, RememberingEngine
from driver_loop import run_driver

from dmioc.catalogue import PV, Access, Catalogue, Column, Kind, station_catalogue
from dmioc.engine.ports import StructureSink
from dmioc.engine.puts import CommandState, Origin, Outcome, RpcAnswer, Snapshot
from dmioc.engine.readings import Alarm, Reading, StructureReading, TableReading
from dmioc.errors import RefusedError
from dmioc.model import Severity
from dmioc.serve.pva import PvaServer, PvaSettings

REPORT = PV(
    "TST1:Report",
    Kind.STRUCTURE,
    "What a workflow writes",
    Access.WRITE,
    columns=(
        Column("session"),
        Column("seq", "long"),
        Column("errors", "int"),
        Column("rate", "double"),
    ),
    type_id="dmioc:Report:1.0",
)
START_S = 1_700_000_000.0


class TablesEngine(RememberingEngine):
    """The remembering engine with the rest of a `Puttable`."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = Catalogue((*station_catalogue().pvs, REPORT))
        self.tables = {
            pv.name: TableReading({column.name: () for column in pv.columns}, START_S)
            for pv in self.catalogue
            if pv.kind is Kind.TABLE
        }
        self.structures: dict[str, StructureReading] = {}
        self._structure_sinks: list[StructureSink] = []
        self.held: list[asyncio.Event] = []

    def snapshot(self) -> Snapshot:
        return Snapshot(self._revision, self.readings, self.tables, self.structures)

    def add_structure_sink(self, sink: StructureSink) -> None:
        self._structure_sinks.append(sink)

    def commit(
        self,
        readings: Mapping[str, Reading],
        tables: Mapping[str, TableReading],
        structures: Mapping[str, StructureReading],
    ) -> int:
        """One revision with all of it, in the order of the engine's store."""
        self._revision += 1
        self.readings |= readings
        self.tables |= tables
        self.structures |= structures
        for sink in self._sinks:
            sink.publish(self._revision, readings)
        for sink in self._structure_sinks:
            if tables:
                sink.publish_tables(self._revision, tables)
            if structures:
                sink.publish_structures(self._revision, structures)
        return self._revision

    def put_structure(self, name: str, fields: Mapping[str, object], origin: Origin) -> asyncio.Future[Outcome]:
        self.puts.append((name, repr(dict(fields)), str(origin)))
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if fields.get("session") == "old":
            future.set_result(Outcome(CommandState.REFUSED, "session old has ended"))
            return future
        now: dict[str, Any] = {"session": "", "seq": 0, "errors": 0, "rate": 0.0}
        if name in self.structures:
            now.update(self.structures[name].fields)
        now.update(fields)
        self.commit({}, {}, {name: StructureReading(now, time.time())})
        future.set_result(Outcome(CommandState.OK))
        return future

    async def call(self, method: str, arguments: Mapping[str, object], origin: Origin) -> RpcAnswer:
        self.puts.append((method, repr(dict(arguments)), str(origin)))
        if method == "refuse":
            raise RefusedError("no such experiment: é \ud800")
        if method == "bug":
            raise KeyError("a bug")
        if method in ("hang", "wait"):
            self.held.append(asyncio.Event())
            await self.held[-1].wait()
        if method == "unsendable":
            return RpcAnswer("dmioc:Bad:1.0", {"what": object()})
        if method == "list":
            columns = {column.name: () for column in self.catalogue["JOB:List"].columns}
            return RpcAnswer("epics:nt/NTTable:1.0", {"jobs": TableReading(columns, START_S)})
        stages = TableReading({"stage": ("one", "two"), "size": (1, 2**40), "part": (0.5, 1)}, START_S)
        fields = {"id": "é\ud800", "size": 2**40, "part": 0.25, "ok": True, "users": ("a", "b"), "none": ()}
        return RpcAnswer("dmioc:Job:1.0", {**fields, "stages": stages})

    def put(self, name: str, raw: Any, origin: Origin) -> asyncio.Future[Outcome]:
        if raw == "a bug":
            raise KeyError("a bug")
        if name == "NoProgressAfter":
            # The loop's next turn comes long after the client's next request.
            asyncio.get_running_loop().call_soon(time.sleep, 0.2)
        return super().put(name, raw, origin)


class PvaDriver(Driver):
    """What the requests do."""

    def __init__(self, prefix: str, settings: PvaSettings) -> None:
        self.engine = TablesEngine()
        self.prefix = prefix
        self.settings = settings
        self.server = self._new_server()

    def _new_server(self) -> Any:
        return PvaServer(self.engine, self.prefix, self.settings)

    async def do_commit(
        self, scalars: dict[str, Any], tables: dict[str, Any] | None = None, structures: dict[str, Any] | None = None
    ) -> int:
        """``scalars``: name to ``[value, time_s, severity, alarm]``; ``tables``: name to its changed columns."""
        readings = {name: _reading(*reading) for name, reading in scalars.items()}
        return self.engine.commit(
            readings,
            {name: self._table(name, columns) for name, columns in (tables or {}).items()},
            {name: StructureReading(fields, START_S) for name, fields in (structures or {}).items()},
        )

    async def do_wrong_table(self, name: str, columns: dict[str, list[Any]]) -> None:
        """Published and not kept by the engine."""
        table = TableReading({column: tuple(cells) for column, cells in columns.items()}, time.time())
        self.server.publish_tables(10**6, {name: table})

    def _table(self, name: str, columns: dict[str, list[Any]]) -> TableReading:
        changed = {column: tuple(cells) for column, cells in columns.items()}
        return TableReading({**self.engine.tables[name].columns, **changed}, time.time())

    async def do_big_table(self, rows: int, times: int, period_s: float) -> dict[str, float]:
        """Jobs of a long list, one of which changes with each post; the processor time that it took."""
        jobs: dict[str, list[Any]] = {
            column.name: [0.5] * rows if column.kind == "double" else [f"{column.name} {row}" for row in range(rows)]
            for column in self.engine.catalogue["JOB:List"].columns
        }
        columns = {name: tuple(cells) for name, cells in jobs.items()}
        self.engine.commit({}, {"JOB:List": TableReading(columns, time.time())}, {})
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        for number in range(times):
            await asyncio.sleep(period_s)
            for name, value in (("status", f"Running {number}"), ("runTime", float(number))):
                jobs[name][number % rows] = value
                columns[name] = tuple(jobs[name])
            self.engine.commit({}, {"JOB:List": TableReading(dict(columns), time.time())}, {})
        return {"cpu_s": time.process_time() - began_cpu_s, "wall_s": time.monotonic() - began_s}

    async def do_release(self) -> None:
        for held in self.engine.held:
            held.set()


def _reading(value: Any, time_s: float, severity: int = 0, alarm: int = 0) -> Reading:
    held = tuple(value) if isinstance(value, list) else value
    return Reading(held, time_s, Severity(severity), Alarm(alarm))


if __name__ == "__main__":
    run_driver(lambda prefix, port: PvaDriver(prefix, PvaSettings(port=port)), logging.DEBUG)
