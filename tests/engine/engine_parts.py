"""The shared parts of the engine around a DM that tests script, and a clock that stands still until it is moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from stream_station import MovedClock

from dmioc.catalogue import Slots, station_catalogue
from dmioc.engine.commands import Commands
from dmioc.engine.core import Core
from dmioc.engine.journal import Journal
from dmioc.engine.links import Links
from dmioc.engine.messages import Messages
from dmioc.engine.ports import DmBackend
from dmioc.engine.readings import Reading, Value
from dmioc.engine.store import Store
from dmioc.errors import DmNotFoundError
from dmioc.model import Job, JobSummary

OWNER = "user"


class ListDm:
    """A DM with a list of jobs in an order of its own; counts what it is asked."""

    name, station, owner = "rest", "TEST", OWNER
    requests, request_errors = 0, 0

    def __init__(self, *jobs: JobSummary) -> None:
        self.listed = list(jobs)
        self.pages: list[tuple[int, int, bool]] = []
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def jobs(self, owner: str, skip: int, limit: int, with_workflow: bool) -> Sequence[JobSummary]:
        if self.error is not None:
            raise self.error
        self.pages.append((skip, limit, with_workflow))
        page = self.listed[skip : skip + limit]
        return page if with_workflow else [unnamed(job) for job in page]

    async def job(self, owner: str, job_id: str) -> Job:
        self.asked.append(job_id)
        for job in self.listed:
            if job.id == job_id:
                return Job(job)
        raise DmNotFoundError(f"no job {job_id}", 14)


def unnamed(job: JobSummary) -> JobSummary:
    """The row of a list without workflows."""
    from dataclasses import replace

    return replace(job, workflow="")


@dataclass
class Parts:
    """A core, and what its store published."""

    core: Core
    clock: MovedClock
    published: list[tuple[int, dict[str, Reading]]] = field(default_factory=list[Any])

    def publish(self, revision: int, readings: Mapping[str, Reading]) -> None:
        self.published.append((revision, dict(readings)))

    def reading(self, name: str) -> Reading:
        return self.core.store.snapshot().readings[name]

    def value(self, name: str) -> Value:
        return self.reading(name).value


def engine_parts(directory: Path, dm: object | None = None) -> Parts:
    """New parts; the journal lies in the directory."""
    catalogue = station_catalogue(Slots(daq=1, upload=1, workflow=1))
    clock = MovedClock()
    store = Store(catalogue, clock)
    messages = Messages(catalogue, store, clock)
    journal = Journal(directory / "journal.sqlite")
    commands = Commands(catalogue, store, clock, messages, journal)
    links = Links(store, clock, messages)
    backend = cast("DmBackend", dm or ListDm())
    parts = Parts(Core(catalogue, store, clock, backend, links, messages, commands, journal), clock)
    store.add_sink(parts)
    return parts
