"""All jobs of the owner: how many are active, the newest as a list, and waiting until none is (``pv-contract.md §6``)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from dmioc.engine.commands import Command
from dmioc.engine.polling import Poller
from dmioc.engine.projection import Shown, publish_view
from dmioc.engine.signals import Signal
from dmioc.engine.tables import columns_of
from dmioc.engine.waits import wait_for
from dmioc.errors import DmNotFoundError
from dmioc.model import Service, Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from dmioc.engine.core import Core
    from dmioc.model import JobSummary, Workflow

PAGE = 1000
"""Jobs asked for at once when the whole list is read."""
OLD_JOBS_A_ROUND = 5
OVERLAP = 20
"""Known jobs asked for again at each poll, so that a list that shrank or moved is noticed."""


@dataclass(frozen=True, slots=True)
class JobsView:
    """What ``JOB:`` shows."""

    active: int
    pending: int
    running: int
    idle: str


class JobBoard:
    """Keeps every job that is active and the newest of the others.

    DM's list is oldest first where it was seen, and promises no order (``dm-protocol.md §6.1``). The whole list is read once;
    then only its end, so that the work does not grow with history, and the whole again when the end is not what it was.
    Active jobs far before that end are asked for one by one.
    """

    def __init__(self, core: Core, kept: int, is_active: Callable[[], bool]) -> None:
        self._core = core
        self._kept = kept
        self._is_active = is_active
        self._jobs: dict[str, JobSummary] = {}
        self._position: dict[str, int] = {}
        self._length = 0
        self._longest_page = 1
        self._had_active = False
        self._lock = asyncio.Lock()
        self._rounds_begun = 0
        self._round_answered = 0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.changed = Signal()
        self.workflows: tuple[Workflow, ...] = ()
        link = core.links[Service.PROC]
        self.poller = Poller("jobs", link, core.store, self.poll, self._idle_period_s)
        self._workflow_poller = Poller("workflows", link, core.store, self._poll_workflows, self._idle_period_s)
        self._active_poller = Poller("active jobs", link, core.store, self._poll_active, self._period_s)
        self._pvs = core.catalogue.group("JOB:")
        self._table = core.catalogue["JOB:List"]
        self._workflow_table = core.catalogue["WF:List"]
        core.commands.register(Command("JOB:Wait", self.wait))

    @property
    def pollers(self) -> tuple[Poller, ...]:
        """What has to run."""
        return (self.poller, self._workflow_poller, self._active_poller)

    def _idle_period_s(self) -> float:
        return self._core.store.number("IdlePollPeriod")

    def _period_s(self) -> float:
        return self._core.store.number("PollPeriod" if self.active() or self._is_active() else "IdlePollPeriod")

    def active(self) -> list[JobSummary]:
        """The jobs that are pending or running."""
        return [job for job in self._jobs.values() if job.status.is_active]

    def newest(self) -> list[JobSummary]:
        """The newest jobs, newest first."""
        jobs = sorted(
            self._jobs.values(), key=lambda job: (job.submit_time_s or job.start_time_s, job.id), reverse=True
        )
        return jobs[: self._kept]

    def known(self, job_id: str) -> JobSummary | None:
        """What was last learned of a job of the owner; None for one that is not among those kept."""
        return self._jobs.get(job_id)

    def find_request(self, request_id: str) -> JobSummary | None:
        """The job that carries a request id, among those known."""
        return next((job for job in self._jobs.values() if job.request_id == request_id), None)

    def take(self, job: JobSummary) -> None:
        """Take what a slot learned of a job; one of another owner is none of ours."""
        if job.owner in ("", self._core.dm.owner) and self._jobs.get(job.id) != job:
            self._jobs[job.id] = job
            self._publish()

    async def poll(self) -> bool:
        """Read the end of DM's list, or the whole of it where the end does not fit; raises `DmError`."""
        # One round at a time: several pollers and commands ask, and a round builds on what the last one left.
        async with self._lock:
            self._rounds_begun += 1
            number = self._rounds_begun
            first = self._first_to_ask()
            if not self._length or await self._read_from(first) is None:
                first = 0
                await self._read_all()
            await self._ask_one_by_one(first)
            await self._name_listed()
            self._prune()
            self._round_answered = number
            self._publish()
        return True

    @asynccontextmanager
    async def turn(self, keys: Iterable[str]) -> AsyncGenerator[None]:
        """Hold the turn of each key, so that of two submissions that must not run side by side the second sees the first."""
        async with AsyncExitStack() as held:
            for key in keys:
                await held.enter_async_context(self._turns.setdefault(key, asyncio.Lock()))
            yield

    def _first_to_ask(self) -> int:
        """Where the end of the list begins: a little before the known length, or at an active job not far before it."""
        end = max(self._length - OVERLAP, 0)
        near = (self._position.get(job.id, end) for job in self.active())
        return min((position for position in near if position > end - PAGE), default=end)

    async def _read_all(self) -> None:
        """Read the whole list, and forget the jobs that are no longer in it."""
        known = set(self._jobs)
        self._position, self._length = {}, 0
        # DM may cut its lists shorter than it did: learned anew, or the rest would seem to be gone.
        self._longest_page = 1
        seen = await self._read_from(0) or set[str]()
        # What a slot took meanwhile may be newer than the page it is missing from.
        self._jobs = {job_id: job for job_id, job in self._jobs.items() if job_id in seen or job_id not in known}

    async def _read_from(self, first: int) -> set[str] | None:
        """Read from a position to the end; the ids found there, or None if the list is not what it was."""
        seen: set[str] = set()
        while True:
            page = await self._core.dm.jobs(self._core.dm.owner, first, PAGE, with_workflow=False)
            if not self._fits(page, first):
                return None
            for position, job in enumerate(page, start=first):
                self._merge(job)
                self._position[job.id] = position
                seen.add(job.id)
            first += len(page)
            # DM may give fewer rows than it is asked for: only a page that is shorter than another one is surely the last.
            if len(page) < self._longest_page:
                self._length = first
                return seen
            self._longest_page = len(page)

    def _fits(self, page: Sequence[JobSummary], first: int) -> bool:
        """Whether the known part of the list is where it was: a list that was cut, moved or turned round is not."""
        known = page[: max(self._length - first, 0)]
        if len(known) < min(self._length - first, self._longest_page):
            return False
        return all(self._position.get(job.id) == position for position, job in enumerate(known, start=first))

    def _merge(self, job: JobSummary) -> None:
        known = self._jobs.get(job.id)
        if known is None:
            self._jobs[job.id] = job
        elif known.status.is_active or known.status is Status.LOST or job.status.is_finished:
            # A slot may have learned the end of a job while this older page was on its way.
            merged = replace(job, workflow=job.workflow or known.workflow)
            # One that is as it was stays the same object, whose texts the table holds.
            if merged != known:
                self._jobs[job.id] = merged

    async def _ask_one_by_one(self, first: int) -> None:
        """Ask for active jobs before the end of the list that was read, a few in each round."""
        old = [job for job in self.active() if self._position.get(job.id, -1) < first]
        for job in old[:OLD_JOBS_A_ROUND]:
            try:
                answer = await self._core.dm.job(job.owner or self._core.dm.owner, job.id)
            except DmNotFoundError:
                self._jobs[job.id] = replace(job, status=Status.LOST)
            else:
                del self._jobs[job.id]  # to the end of the dictionary, so that the others have their turn
                self._jobs[job.id] = answer.summary

    async def _name_listed(self) -> None:
        """Ask for the workflows of the listed jobs that are not known by it: they cost a whole document each."""
        unnamed = {job.id for job in (*self.newest(), *self.active()) if not job.workflow}
        positions = sorted(self._position[job_id] for job_id in unnamed if job_id in self._position)
        if not positions:
            return
        first = max(positions[0], positions[-1] - PAGE + 1)
        page = await self._core.dm.jobs(self._core.dm.owner, first, positions[-1] - first + 1, with_workflow=True)
        for job in page:
            if job.id in unnamed:
                self._jobs[job.id] = replace(self._jobs[job.id], workflow=job.workflow)

    def _prune(self) -> None:
        """Forget finished jobs beyond those that are listed, once there are many."""
        if len(self._jobs) <= self._kept + PAGE:
            return
        keep = {job.id for job in (*self.newest(), *self.active())}
        self._jobs = {job_id: job for job_id, job in self._jobs.items() if job_id in keep}
        # The positions of the end of the list stay: the next round compares them.
        end = self._length - OVERLAP - PAGE
        self._position = {
            job_id: position for job_id, position in self._position.items() if position >= end or job_id in keep
        }

    async def _poll_active(self) -> bool:
        """Ask for the end of the list while jobs are active: one request, however many they are."""
        return bool(self.active()) and await self.poll()

    async def _poll_workflows(self) -> bool:
        self.workflows = tuple(await self._core.dm.workflows(self._core.dm.owner))
        self._core.store.set_table(self._workflow_table.name, columns_of(self._workflow_table, self.workflows))
        return True

    def _publish(self) -> None:
        active = self.active()
        pending = sum(job.status is Status.PENDING for job in active)
        running = sum(job.status in (Status.RUNNING, Status.ABORTING) for job in active)
        view = JobsView(len(active), pending, running, "No" if active else "Yes")
        publish_view(self._core.store, self._pvs, view, Shown(from_dm=True, alarms={}))
        if active and not self._had_active:
            # It sleeps for as long as nothing is active.
            self._active_poller.wake()
        self._had_active = bool(active)
        self._core.store.set_table(self._table.name, columns_of(self._table, self.newest()))
        self.changed.fire()

    async def wait(self) -> str:
        """Command Wait: until DM, asked after the command came, says that no job of the owner is active."""
        wanted = self._rounds_begun + 1
        self.poller.wake()
        return await wait_for(
            lambda: None if self._round_answered < wanted or self.active() else "no job is active",
            changed=self.changed,
            link=self._core.links[Service.PROC],
            store=self._core.store,
            clock=self._core.clock,
            timeout_s=self._core.store.number("JOB:WaitTimeout"),
            what="JOB:Wait",
        )
