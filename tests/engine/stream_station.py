"""The engine in this process, with a clock that tests move and a DM that does what tests say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from dmioc.catalogue import Slots, station_catalogue
from dmioc.engine import Gateway
from dmioc.engine.ports import DmBackend
from dmioc.engine.puts import CommandState, Origin, Outcome
from dmioc.engine.readings import Reading, StructureReading
from dmioc.errors import DmNotFoundError, DmUnreachableError
from dmioc.model import Job, JobSummary, Status

PREFIX = "T:DM:"
ORIGIN = Origin("pva", "user", "host")
DEADLINE_S = 10.0


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def now_s(self) -> float:
        return 1_700_000_000.0 + self.at_s

    def monotonic_s(self) -> float:
        return self.at_s


class ScriptedDm:
    """A DM of jobs only; it knows what it was asked, and fails as it is told."""

    name, station, owner = "rest", "TEST", "user"
    requests, request_errors = 0, 0

    def __init__(self) -> None:
        self.jobs_by_id: dict[str, Job] = {}
        self.stopped: list[str] = []
        self.away = False
        self.start_error: Exception | None = None
        self.may_start = asyncio.Event()
        self.may_start.set()

    def _check(self) -> None:
        if self.away:
            raise DmUnreachableError("no answer within 10 s")

    async def start_job(self, owner: str, workflow: str, arguments: Mapping[str, object]) -> Job:
        self._check()
        if self.start_error is not None:
            raise self.start_error
        job_id = f"job-{len(self.jobs_by_id) + 1}"
        request_id = str(arguments.get("dmiocRequestId", ""))
        summary = JobSummary(job_id, owner, workflow, Status.RUNNING, "running", request_id=request_id)
        self.jobs_by_id[job_id] = Job(summary, arguments=dict(arguments))
        await self.may_start.wait()
        return self.jobs_by_id[job_id]

    async def stop_job(self, owner: str, job_id: str) -> None:
        self._check()
        self.stopped.append(job_id)
        self.finish(job_id, Status.ABORTED)

    def finish(self, job_id: str, status: Status, error: str = "") -> None:
        job = self.jobs_by_id[job_id]
        summary = replace(job.summary, status=status, status_word=status.value.lower(), error=error)
        self.jobs_by_id[job_id] = replace(job, summary=summary)

    async def job(self, owner: str, job_id: str) -> Job:
        self._check()
        if job_id not in self.jobs_by_id:
            raise DmNotFoundError(f"no job {job_id}", 14)
        return self.jobs_by_id[job_id]

    async def jobs(self, owner: str, skip: int, limit: int, with_workflow: bool) -> list[JobSummary]:
        self._check()
        return [job.summary for job in self.jobs_by_id.values()][skip : skip + limit]

    async def _nothing(self, *_: object) -> list[object]:
        self._check()
        return []

    workflows = transfers = experiments = _nothing

    async def experiment(self, name: str) -> Any:
        raise DmNotFoundError(f"no experiment {name}", 14)


class Sinks:
    """What was published, in order: ``(revision, name, what)``."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str, Any]] = []
        self.on_structure: Callable[[str, StructureReading], None] = lambda name, structure: None

    def publish(self, revision: int, readings: Mapping[str, Reading]) -> None:
        self.seen += [(revision, name, reading.value) for name, reading in readings.items()]

    def publish_tables(self, revision: int, tables: Mapping[str, object]) -> None:
        pass

    def publish_structures(self, revision: int, structures: Mapping[str, StructureReading]) -> None:
        for name, structure in structures.items():
            self.seen.append((revision, name, structure.fields))
            self.on_structure(name, structure)

    def revision_of(self, name: str, value: object) -> int:
        """The revision at which a PV got a value last."""
        return next(revision for revision, seen, what in reversed(self.seen) if (seen, what) == (name, value))


class Station:
    """One gateway, its group ``STR1:`` and the workflow's side of it."""

    def __init__(self, gateway: Gateway, dm: ScriptedDm, clock: MovedClock) -> None:
        self.gateway, self.dm, self.clock = gateway, dm, clock
        self.sinks = Sinks()
        gateway.add_sink(self.sinks)
        gateway.add_structure_sink(self.sinks)
        self.slot = next(slot for slot in gateway._stream_slots if slot.group == "STR1:")

    def reading(self, name: str) -> Reading:
        return self.gateway.snapshot().readings[name if ":" in name else f"STR1:{name}"]

    def get(self, name: str) -> Any:
        pv = self.gateway.catalogue[name if ":" in name else f"STR1:{name}"]
        value = self.reading(name).value
        return pv.labels[cast("int", value)] if pv.states else value

    def structure(self, name: str) -> Mapping[str, Any]:
        return self.gateway.snapshot().structures[f"STR1:{name}"].fields

    def put(self, name: str, value: int | float | str) -> asyncio.Future[Outcome]:
        return self.gateway.put(name if ":" in name else f"STR1:{name}", value, ORIGIN)

    def puts(self, **values: int | float | str) -> None:
        for name, value in values.items():
            assert self.put(name, value).result().is_ok

    def report(self, state: str = "", **fields: object) -> asyncio.Future[Outcome]:
        """Report as the workflow of the session now, with the next number."""
        session = self.slot.session
        named: dict[str, object] = {"session": session.id, "epoch": session.epoch, "seq": session.seq + 1}
        if state:
            named["state"] = state
        return self.gateway.put_structure("STR1:Report", {**named, **fields}, ORIGIN)

    async def reported(self, *states: str) -> None:
        """Reports that must be taken."""
        for state in states:
            outcome = await self.report(state)
            assert outcome.is_ok, outcome

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait until the condition holds; fails the test when it does not."""
        until_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < until_s, f"{what or condition}: {self.slot.session}"
            await asyncio.sleep(0.005)

    async def offered(self) -> asyncio.Future[Outcome]:
        """Begin an Offer, up to the session."""
        epoch = self.get("Epoch")
        offer = self.put("Offer", 1)
        await self.until(lambda: offer.done() or self.get("Epoch") > epoch, "Offer")
        return offer

    async def streaming(self) -> None:
        """A session that is Streaming."""
        offer = await self.offered()
        await self.reported("Accepted", "Ready")
        assert (await offer).is_ok
        assert (await self.put("Begin", 1)).is_ok
        assert self.get("State") == "Streaming"

    async def draining(self) -> asyncio.Future[Outcome]:
        """A session that is Draining; answers End, which waits."""
        await self.streaming()
        end = self.put("End", 1)
        await self.until(lambda: self.get("State") == "Draining")
        return end

    def passes(self, seconds: float) -> None:
        """Let time pass and the slot look at it."""
        self.clock.at_s += seconds
        self.slot.tick()
        self.gateway._core.store.commit()

    def messages(self) -> list[str]:
        return [message.text for message in self.gateway.messages.kept]


def new_station(
    directory: Path, dm: ScriptedDm | None = None, clock: MovedClock | None = None, slots: Slots | None = None
) -> Station:
    """A gateway that does not poll; the clock stands still."""
    dm, clock = dm or ScriptedDm(), clock or MovedClock()
    gateway = Gateway(
        station_catalogue(slots or Slots(workflow=2, stream=2)),
        cast("DmBackend", dm),
        clock,
        directory,
        100,
        prefix=PREFIX,
    )
    station = Station(gateway, dm, clock)
    gateway.restore()
    return station


@asynccontextmanager
async def station_in(
    directory: Path, dm: ScriptedDm | None = None, clock: MovedClock | None = None, polls: bool = False
) -> AsyncIterator[Station]:
    """A gateway for the time of a test, which polls quickly if asked to."""
    station = new_station(directory, dm, clock)
    for name in ("PollPeriod", "IdlePollPeriod"):
        station.gateway.put(name, 0.05, ORIGIN)
    if polls:
        station.gateway.start()
    try:
        yield station
    finally:
        await station.gateway.stop()


def run(directory: Path, use: Callable[[Station], Awaitable[None]], polls: bool = False) -> None:
    """One test with one gateway."""

    async def main() -> None:
        async with station_in(directory, polls=polls) as station:
            await use(station)

    asyncio.run(main())


def ended(outcome: Outcome) -> tuple[CommandState, str]:
    return outcome.state, outcome.message
