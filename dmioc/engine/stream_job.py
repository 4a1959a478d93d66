"""The job behind a streaming session: started through a workflow slot, followed, and stopped if the session is given up."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmioc.engine.job_view import error_text
from dmioc.engine.objects import NotFoundCount
from dmioc.errors import DmError, DmiocError, DmNotFoundError, RefusedError
from dmioc.model import Severity, Status
from dmioc.model.stream_events import JobFinished, JobStarted
from dmioc.model.stream_session import Instant

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from dmioc.engine.core import Core
    from dmioc.engine.jobs import JobBoard
    from dmioc.engine.submission import Submission
    from dmioc.engine.workflow_slot import WorkflowSlot
    from dmioc.model import Job
    from dmioc.model.stream_events import Event
    from dmioc.model.stream_session import Session

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started for which session."""

    session_id: str
    slot: WorkflowSlot
    submission: Submission


class StreamJob:
    """Starts and follows the job of the session that a streaming slot holds.

    The session's uuid is the request id of its submission, so that the job is found again after a restart in the middle.

    Args:
        core: the shared parts.
        group: of the streaming slot.
        board: the owner's jobs.
        workflow_slots: the workflow slots, from 1.
        session: answers the session now.
        apply: lets an event happen to it.
    """

    def __init__(
        self,
        core: Core,
        group: str,
        board: JobBoard,
        workflow_slots: Sequence[WorkflowSlot],
        *,
        session: Callable[[], Session],
        apply: Callable[[Event], None],
    ) -> None:
        self._core = core
        self._group = group
        self._board = board
        self._slots = dict(enumerate(workflow_slots, start=1))
        self._session = session
        self._apply = apply
        self._not_found = NotFoundCount()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sought = ""
        for slot in workflow_slots:
            slot.listeners.append(self._take)

    def plan(self, session: Session, names: Mapping[str, object]) -> Start:
        """What starting the workflow of the session's slot asks for.

        Args:
            session: the session offered.
            names: arguments with PV names.

        Raises `RefusedError` when the slot cannot start it, or one of its setpoints gives an argument of the same name.
        """
        slot = self._slots.get(session.wf_slot)
        if slot is None:
            raise RefusedError(f"{self._group}WFSlot is {session.wf_slot}: there are {len(self._slots)} workflow slots")
        arguments = {**names, "session": session.id, "epoch": session.epoch}
        return Start(session.id, slot, slot.submission_for(f"{self._group}Offer", arguments, session.id))

    def start(self, start: Start) -> None:
        """Start the workflow, in the background: the session ends by its own deadline if DM is silent."""
        self._not_found = NotFoundCount()
        self._spawn(self._start(start))

    def restored(self, session: Session) -> None:
        """A session goes on after a restart: if its job is not known, it is to be looked for."""
        self._sought = session.id

    def _is_current(self, session_id: str) -> bool:
        session = self._session()
        return session.id == session_id and session.state.is_active

    def _now(self) -> Instant:
        return Instant(self._core.clock.monotonic_s(), self._core.clock.now_s())

    async def _start(self, start: Start) -> None:
        try:
            job = await start.slot.start_for(start.submission, lambda: not self._is_current(start.session_id))
        except DmiocError as error:
            if self._is_current(start.session_id):
                self._apply(JobFinished(self._now(), Status.FAILED, f"the workflow was not started: {error}"))
            return
        if self._is_current(start.session_id):
            self._apply(JobStarted(job.summary.id, job.summary.owner or start.submission.owner))
            self._take(job)
        else:
            await self._stop_job(job.summary.owner or start.submission.owner, job.summary.id)

    def give_up(self, session: Session) -> None:
        """Ask DM to stop the job of a session, in the background."""
        if session.job_id:
            self._spawn(self._stop_job(session.job_owner, session.job_id))

    async def _stop_job(self, owner: str, job_id: str) -> None:
        try:
            await self._core.dm.stop_job(owner, job_id)
        except DmError as error:
            text = f"job {job_id} was to stop with its session and may go on: {error}"
            self._core.messages.add(self._group, text, Severity.MINOR)
            self._core.store.commit()

    def _take(self, job: Job) -> None:
        """Learn what DM says of a job; one of another session is none of ours."""
        session, status = self._session(), job.summary.status
        if session.state.is_active and session.job_id == job.summary.id and status.is_finished:
            self._end(job.summary.id, status, error_text(job))

    def _end(self, job_id: str, status: Status, error: str) -> None:
        text = f"job {job_id} is {status.value} before the workflow said Done"
        self._apply(JobFinished(self._now(), status, f"{text}: {error}".rstrip(": ")))

    async def poll(self) -> bool:
        """Ask for the job if its workflow slot does not; False if there was nothing to ask; raises `DmError`."""
        session = self._session()
        if not session.state.is_active or not session.wf_slot:
            return False
        if not session.job_id:
            return session.id == self._sought and await self._find(session)
        slot = self._slots.get(session.wf_slot)
        if slot is not None and slot.job is not None and slot.job.summary.id == session.job_id:
            return False
        try:
            job = await self._core.dm.job(session.job_owner, session.job_id)
        except DmNotFoundError:
            if self._not_found.is_lost() and self._is_current(session.id):
                self._end(session.job_id, Status.LOST, f"DM no longer knows job {session.job_id}")
        else:
            self._not_found.found()
            self._take(job)
        return True

    async def _find(self, session: Session) -> bool:
        """Look for the job of a session that the gateway was starting when it ended."""
        request = await asyncio.to_thread(self._core.journal.request, session.id)
        if request is None:
            if self._is_current(session.id):
                text = "the gateway ended before it had started the workflow"
                self._apply(JobFinished(self._now(), Status.FAILED, text))
            return False
        job_id = request.job_id
        if not job_id:
            await self._board.poll()
            found = self._board.find_request(session.id)
            job_id = found.id if found else ""
        if job_id and self._is_current(session.id):
            self._apply(JobStarted(job_id, request.owner))
        return True

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name=f"{self._group}job")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _LOG.error("bug in %sjob", self._group, exc_info=error)

    async def stop(self) -> None:
        """End what runs in the background."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
