"""A workflow slot: submit a job, follow it, report on it, abort it (``pv-contract.md §6``)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from dmioc.engine.commands import Command, Orders
from dmioc.engine.job_reports import JobReports
from dmioc.engine.job_setpoints import submission_of
from dmioc.engine.job_view import JobView, job_view
from dmioc.engine.objects import NotFoundCount
from dmioc.engine.projection import Shown, publish_view
from dmioc.engine.signals import Signal
from dmioc.engine.submission import Submission, submit
from dmioc.engine.tables import columns_of
from dmioc.engine.waits import wait_for
from dmioc.errors import CommandFailedError, DmNotFoundError, InterruptedCommandError, RefusedError
from dmioc.model import Job, JobSummary, Service, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dmioc.engine.commands import Order
    from dmioc.engine.core import Core
    from dmioc.engine.jobs import JobBoard


class WorkflowSlot:
    """One of the groups ``WF1:``, ``WF2:`` …"""

    def __init__(self, core: Core, group: str, board: JobBoard, wake: Callable[[], None]) -> None:
        self._core = core
        self.group = group
        self._board = board
        self._wake = wake
        self._pvs = core.catalogue.group(group)
        self._table = core.catalogue[f"{group}Stages"]
        self._lock = asyncio.Lock()
        self._starting = False
        self._given_up = False
        self._begun = True
        self._asked_for = ""
        self._not_found = NotFoundCount()
        self._attached = False
        self._reports = JobReports(core, group)
        self._progress: tuple[object, ...] = ()
        self._progress_s = 0.0
        self.job: Job | None = None
        self.changed = Signal()
        self.listeners: list[Callable[[Job], None]] = []
        self._register()
        self.publish()

    def _register(self) -> None:
        start, run, attach = (f"{self.group}{name}" for name in ("Start", "Run", "Attach"))
        self._core.commands.register(
            Command(start, Orders(self._order, self.start), excludes=(run, attach)),
            Command(run, Orders(self._order, self.run), excludes=(start, attach)),
            Command(attach, self.attach, excludes=(start, run)),
            Command(f"{self.group}Abort", Orders(self._abort_order, self.abort)),
            Command(f"{self.group}Wait", self.wait),
        )

    @property
    def is_active(self) -> bool:
        """Whether the slot holds a job that is still to change."""
        return self.job is not None and self.job.summary.status.is_active

    def held(self) -> Mapping[str, str]:
        """What to keep over a restart; empty for an empty slot."""
        if self.job is None:
            return {}
        summary = self.job.summary
        attached = str(int(self._attached))
        return {"id": summary.id, "owner": summary.owner, "workflow": summary.workflow, "attached": attached}

    def restore(self, held: Mapping[str, str]) -> None:
        """Hold again what was held before the restart; its state is Unknown until DM answers."""
        if held.get("id"):
            summary = JobSummary(held["id"], owner=held.get("owner", ""), workflow=held.get("workflow", ""))
            self.hold(Job(summary), attached=held.get("attached") == "1")

    def hold(self, job: Job, *, attached: bool) -> None:
        """Follow a job from now on."""
        self._attached = attached
        self._not_found = NotFoundCount()
        self._reports = JobReports(self._core, self.group)
        self._progress = ()
        self.job = job
        self._take(job)
        self._wake()

    def _take(self, job: Job) -> None:
        before = self.job.summary.status if self.job else Status.IDLE
        self.job = job
        now_s = self._core.clock.monotonic_s()
        progress = (
            job.summary.status,
            job.summary.stage,
            len(job.stage_runs),
            *(hash(run.std_out) for run in job.stage_runs),
        )
        if progress != self._progress:
            self._progress, self._progress_s = progress, now_s
        self._reports.report_if_due(job)
        if job.summary.status is not before and job.summary.status.is_finished:
            summary = job.summary
            text = f"job {summary.id} of {summary.workflow}: {summary.status.value}"
            self._core.messages.add(self.group, text, summary.status.severity)
        if job.summary.status is not Status.UNKNOWN or job.summary.status_word:
            self._board.take(job.summary)
        self.publish()
        for listener in self.listeners:
            listener(job)
        self.changed.fire()

    def publish(self) -> None:
        """Stage the readbacks; the caller commits."""
        store = self._core.store
        if self.job is None:
            publish_view(store, self._pvs, JobView(), Shown(from_dm=False, alarms={}))
            store.set_table(self._table.name, columns_of(self._table, ()))
            return
        still_s = self._core.clock.monotonic_s() - self._progress_s
        view = job_view(
            self.job,
            attached=self._attached,
            report=self._reports.last,
            now_s=self._core.clock.now_s(),
            still=still_s > store.number("NoProgressAfter"),
        )
        publish_view(store, self._pvs, view, Shown(from_dm=True, alarms=view.alarms))
        store.set_table(self._table.name, columns_of(self._table, self.job.stage_runs))

    async def poll(self) -> bool:
        """Ask DM for the held job, if it can still change; False if it cannot; raises `DmError`."""
        held = self.job
        if held is None or (held.summary.status.is_finished and held.summary.status is not Status.LOST):
            return False
        owner = held.summary.owner or self._core.dm.owner
        try:
            answer = await self._core.dm.job(owner, held.summary.id)
        except DmNotFoundError:
            answer = held
            if self._not_found.is_lost():
                error = f"DM no longer knows job {held.summary.id}"
                answer = replace(held, summary=replace(held.summary, status=Status.LOST, error=error))
        else:
            self._not_found.found()
        # The slot may have been given another job while DM was asked.
        if self.job is not None and self.job.summary.id == held.summary.id:
            self._take(answer)
        return True

    def submission_for(self, source: str, arguments: Mapping[str, object], request_id: str) -> Submission:
        """What the setpoints ask for, with arguments that another PV adds and a request id in place of ``RequestID``.

        Raises `RefusedError` naming the setpoint that is wrong or gives one of the arguments too, and while another start runs.
        """
        self._check_idle()
        submission = replace(self._submission({source: arguments}), request_id=request_id)
        self._given_up = False
        return submission

    def _check_idle(self) -> None:
        if self._starting:
            raise RefusedError(f"busy: {self.group} is starting a job")

    def _submission(self, added: Mapping[str, Mapping[str, object]] | None = None) -> Submission:
        return submission_of(self._core.store, self.group, self._core.dm.owner, added or {})

    def _order(self) -> Order:
        self._check_idle()
        submission = self._submission().identified()
        self._given_up = self._begun = False
        self._asked_for = submission.request_id
        return msgspec.to_builtins(submission)

    def _abort_order(self) -> Order:
        """The job that is to be aborted, and the request of the start that is to be given up, each empty for none."""
        is_coming = self._starting or self._is_taken
        held = self.job.summary.id if self.job is not None else ""
        return {"job": held, "start": self._asked_for if is_coming else ""}

    @property
    def _is_taken(self) -> bool:
        """Whether a Start or Run is accepted, and is still to begin."""
        runs = self._core.commands.runs
        return not self._begun and (runs(f"{self.group}Start") or runs(f"{self.group}Run"))

    async def start(self, order: Order, is_again: bool) -> str:
        """Command Start: submit the job, or attach to the one that the same request started."""
        self._begun = True
        submission = msgspec.convert(order, Submission)
        if is_again:
            submission = replace(submission, may_be_known=True)
        job = await self.start_for(submission, lambda: False)
        verb = "attached to job" if self._attached else "job"
        return f"{verb} {job.summary.id} of {submission.workflow}"

    async def start_for(self, submission: Submission, is_given_up: Callable[[], bool]) -> Job:
        """Submit and hold the job; raises as `submit`.

        Args:
            submission: what is asked for.
            is_given_up: whether who asked wants no job any more while others are waited for.
        """
        self._check_idle()
        self._starting = True
        self._asked_for = submission.request_id
        try:
            job, attached = await submit(
                self._core, self._board, submission, self._lock, lambda: self._given_up or is_given_up()
            )
        finally:
            self._starting = False
        self.hold(job, attached=attached)
        return job

    async def run(self, order: Order, is_again: bool) -> str:
        """Command Run: submit the job and wait for its end."""
        line = await self.start(order, is_again)
        if is_again:
            raise InterruptedCommandError(
                f"the gateway was started anew: {line}, and nobody waits for its end any more"
            )
        return await self._wait_finished(self._succeeded, "Run")

    async def attach(self) -> str:
        """Command Attach: follow the job named in ``AttachID``."""
        job_id = self._core.store.text(f"{self.group}AttachID")
        if not job_id:
            raise RefusedError(f"{self.group}AttachID is empty: put the id of a job")
        owner = self._core.store.text(f"{self.group}Owner") or self._core.dm.owner
        async with self._lock:
            try:
                job = await self._core.dm.job(owner, job_id)
            except DmNotFoundError as error:
                raise RefusedError(f"DM does not know job {job_id} of {owner}: {error}") from error
            self.hold(job, attached=True)
        return f"attached to job {job_id}"

    async def abort(self, order: Order, is_again: bool) -> str:
        """Command Abort: ask DM to abort the job and wait until it says finished.

        A Start or Run that waits for other jobs (``IfRunning``) is given up too; not one that was accepted after the Abort,
        which may be when the Abort is carried out again after a restart.
        """
        # A submission that DM is being asked for goes on; its job is then the one to abort.
        gives_up = (self._starting or self._is_taken) and order.get("start") == self._asked_for
        if gives_up:
            self._given_up = True
            self._board.changed.fire()
        async with self._lock:
            if is_again:
                await self.poll()
            job = self.job
            if is_again and job is not None and order.get("job") not in ("", job.summary.id):
                raise InterruptedCommandError(f"the gateway was started anew, and {self.group} follows another job now")
            if job is None or not job.summary.status.is_active:
                if gives_up:
                    return "the start is given up: DM was not asked for its job"
                if is_again and job is not None:
                    return f"job {job.summary.id} is {job.summary.status.value}"
                raise RefusedError(f"{self.group} holds no job that is active: nothing to abort")
            await self._core.dm.stop_job(job.summary.owner or self._core.dm.owner, job.summary.id)
        self._wake()
        return await self._wait_finished(lambda: self._aborted(job.summary.id), "Abort")

    async def wait(self) -> str:
        """Command Wait: wait for the end of the job."""
        if self.job is None:
            raise RefusedError(f"{self.group} holds no job: start one first")
        return await self._wait_finished(self._succeeded, "Wait")

    def _aborted(self, job_id: str) -> str | None:
        """A line when the job is finished, or is no longer the one that the slot holds."""
        if self.job is None or self.job.summary.id != job_id:
            return f"DM was asked to abort job {job_id}; the slot follows another one now"
        return self._finished()

    def _finished(self) -> str | None:
        if self.job is None or not self.job.summary.status.is_finished:
            return None
        summary = self.job.summary
        return f"job {summary.id} is {summary.status.value}"

    def _succeeded(self) -> str | None:
        line = self._finished()
        if line is None or self.job is None or self.job.summary.status is Status.DONE:
            return line
        raise CommandFailedError(f"{line}: {self._core.store.text(f'{self.group}Error')}".rstrip(": "))

    async def _wait_finished(self, check: Callable[[], str | None], what: str) -> str:
        return await wait_for(
            check,
            changed=self.changed,
            link=self._core.links[Service.PROC],
            store=self._core.store,
            clock=self._core.clock,
            timeout_s=self._core.store.number(f"{self.group}WaitTimeout"),
            what=f"{self.group}{what}",
        )
