"""A CA server on an engine that only remembers: run as a process and driven by JSON lines on stdin.

Each request is ``{"do": name, ...}`` and is answered by one JSON line. Setpoints are stored and published, commands stay Busy
until the request ``end``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import time
from typing import Any, cast

from driver_loop import run_driver

from dmioc.catalogue import PV, Catalogue, Kind, Raw, coerce, station_catalogue
from dmioc.engine.ports import Sink
from dmioc.engine.puts import CommandState, Origin, Outcome, Puttable, Snapshot
from dmioc.engine.readings import Alarm, Reading, Value
from dmioc.errors import RefusedError
from dmioc.model import Severity
from dmioc.serve.ca import CaServer, CaSettings, served_already


class RememberingEngine:
    """What a CA server uses of a `Puttable`, without DM."""

    def __init__(self) -> None:
        self.catalogue: Catalogue = station_catalogue()
        self.readings = {pv.name: Reading(pv.default, 1_700_000_000.0) for pv in self.catalogue.scalars()}
        self.puts: list[tuple[str, str, str]] = []
        self.busy: dict[str, asyncio.Future[Outcome]] = {}
        self._sinks: list[Sink] = []
        self._revision = 0

    def snapshot(self) -> Snapshot:
        return Snapshot(self._revision, self.readings)

    def add_sink(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def publish(self, name: str, reading: Reading) -> None:
        self._revision += 1
        self.readings[name] = reading
        for sink in self._sinks:
            sink.publish(self._revision, {name: reading})

    def put(self, name: str, raw: Raw, origin: Origin) -> asyncio.Future[Outcome]:
        self.puts.append((name, repr(raw), str(origin)))
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        pv = self.catalogue[name]
        try:
            value = coerce(pv, raw)
            self._check_command(pv, value)
        except RefusedError as error:
            future.set_result(Outcome(CommandState.REFUSED, str(error)))
            return future
        self.publish(name, Reading(value, time.time()))
        if pv.kind is Kind.COMMAND:
            self.busy[name] = future
        else:
            future.set_result(Outcome(CommandState.OK))
        return future

    def refused(self, name: str, raw: object, origin: Origin, reason: str) -> str:
        return reason

    def _check_command(self, pv: PV, value: Value) -> None:
        if pv.kind is Kind.COMMAND and value != 1:
            raise RefusedError(f"{pv.name} takes 1")
        if pv.name in self.busy:
            raise RefusedError(f"busy: {pv.name} has not ended")

    def end(self, name: str, state: str, message: str) -> None:
        self.publish(name, Reading(0, time.time()))
        future = self.busy.pop(name)
        if not future.done():
            future.set_result(Outcome(CommandState(state), message))


def own_server(settings: CaSettings) -> CaServer:
    """A server in this process under the prefix ``OWN:``."""
    return CaServer(cast(Puttable, RememberingEngine()), "OWN:", settings)


class Driver:
    """What the requests do."""

    def __init__(self, prefix: str, settings: CaSettings) -> None:
        self.engine = RememberingEngine()
        self.locked: set[str] = set()
        self.hidden: set[str] = set()
        self.prefix = prefix
        self.settings = settings
        self.server = self._new_server()

    def _new_server(self) -> CaServer:
        return CaServer(cast(Puttable, self.engine), self.prefix, self.settings, self._rights)

    def _rights(self, pv: PV, user: str, host: str) -> tuple[bool, bool]:
        return pv.name not in self.hidden, pv.writable and pv.name not in self.locked

    async def do(self, request: dict[str, Any]) -> Any:
        return await getattr(self, f"do_{request.pop('do')}")(**request)

    async def do_publish(
        self, name: str, values: list[Any], severity: int = 0, alarm: int = 0, time_s: float = 0
    ) -> None:
        for value in values:
            held = tuple(value) if isinstance(value, list) else value
            self.engine.publish(name, Reading(held, time_s or time.time(), Severity(severity), Alarm(alarm)))

    async def do_flood(self, names: list[str], times: int) -> None:
        """Publish every name many times, with turns of the loop between."""
        for number in range(times):
            for name in names:
                text = self.engine.catalogue[name].kind.is_text
                value = f"{number} ".ljust(self.engine.catalogue[name].length, "x") if text else number
                self.engine.publish(name, Reading(value, time.time()))
            await asyncio.sleep(0)

    async def do_end(self, name: str, state: str = "OK", message: str = "") -> None:
        self.engine.end(name, state, message)

    async def do_puts(self) -> list[tuple[str, str, str]]:
        puts, self.engine.puts = self.engine.puts, []
        return puts

    async def do_lock(self, locked: list[str], hidden: list[str]) -> None:
        self.locked, self.hidden = set(locked), set(hidden)
        self.server.ask_rights_again()

    async def do_figures(self) -> dict[str, float]:
        gc.collect()
        with open("/proc/self/statm", encoding="ascii") as statm:
            pages = int(statm.read().split()[1])
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "clients": self.server.clients,
            "rss_bytes": pages * resource.getpagesize(),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "tasks": len(asyncio.all_tasks()),
        }

    async def do_restart(self, off_s: float = 0.0) -> list[str]:
        await self.server.stop()
        await asyncio.sleep(off_s)
        self.server = self._new_server()
        await self.server.start()
        return list(self.server.addresses)

    async def do_is_served(self, name: str) -> bool:
        return bool(await served_already([name], self.settings))


if __name__ == "__main__":
    run_driver(lambda prefix, port: Driver(prefix, CaSettings(port=port)), logging.INFO)
