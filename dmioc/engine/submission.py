"""Submitting a job once: the same request id never starts a second one, also over a restart and a lost answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmioc.engine.audit import REQUEST_ID
from dmioc.engine.journal import Request
from dmioc.engine.waits import wait_for
from dmioc.errors import CommandFailedError, DmError, DmNotFoundError, RefusedError
from dmioc.model import REQUEST_ARGUMENT, Job, Service

if TYPE_CHECKING:
    from dmioc.engine.core import Core
    from dmioc.engine.jobs import JobBoard


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be submitted, and what to do while another job of the workflow is active (``Start Wait Refuse``).

    ``may_be_known`` says whether a job of the request may be there already, which an id that was just made excludes.
    """

    owner: str
    workflow: str
    arguments: Mapping[str, object]
    request_id: str
    if_running: str
    timeout_s: float
    may_be_known: bool = True

    def identified(self) -> Submission:
        """The same with a request id of its own if it has none."""
        return self if self.request_id else replace(self, request_id=str(uuid.uuid4()), may_be_known=False)

    @property
    def turns(self) -> tuple[str, ...]:
        """What must not be submitted side by side with this one: the same request, and the workflow if others matter."""
        request = (f"request {self.request_id}",) if self.may_be_known else ()
        return request if self.if_running == "Start" else (*request, f"workflow {self.owner} {self.workflow}")


async def submit(
    core: Core, board: JobBoard, submission: Submission, lock: asyncio.Lock, is_given_up: Callable[[], bool]
) -> tuple[Job, bool]:
    """Submit, or find the job of the same request; answers the job and whether it ran before.

    Args:
        core: the shared parts.
        board: the owner's jobs.
        submission: what is asked for.
        lock: held while DM is asked, not while other jobs are waited for; no other task runs between its release and the return.
        is_given_up: whether somebody wants no job any more before DM was asked for it.

    Raises `RefusedError` for what is refused before DM is asked, `CommandFailedError` when the wait for other jobs ends, and
    `DmError`. A submission whose answer was lost is looked for among DM's jobs: it is answered like any other if it is there.
    """
    if REQUEST_ARGUMENT in submission.arguments:
        raise RefusedError(f"{REQUEST_ARGUMENT} is the gateway's own argument: put RequestID instead")
    submission = submission.identified()
    REQUEST_ID.set(submission.request_id)
    deadline_s = core.clock.monotonic_s() + submission.timeout_s
    while True:
        async with board.turn(submission.turns), lock:
            _check_wanted(submission, is_given_up)
            known = await _known_job(core, board, submission) if submission.may_be_known else None
            if known is not None:
                return known, True
            if not await _must_wait(board, submission):
                _check_wanted(submission, is_given_up)
                return await _new_job(core, board, submission), False
        await _wait_for_others(core, board, submission, deadline_s - core.clock.monotonic_s(), is_given_up)


async def _new_job(core: Core, board: JobBoard, submission: Submission) -> Job:
    """Submit, with the request id on record before and the job's id after."""
    request_id = submission.request_id
    request = Request(submission.owner, submission.workflow, "")
    await asyncio.to_thread(core.journal.note_request, request_id, core.clock.now_s(), request)
    arguments = {**submission.arguments, REQUEST_ARGUMENT: request_id}
    job = await _ask(core, board, submission, arguments, request_id)
    request = Request(submission.owner, submission.workflow, job.summary.id)
    await asyncio.to_thread(core.journal.note_request, request_id, core.clock.now_s(), request)
    # Whoever has the next turn counts it at once.
    board.take(job.summary)
    return job


async def _ask(
    core: Core, board: JobBoard, submission: Submission, arguments: Mapping[str, object], request_id: str
) -> Job:
    try:
        return await core.dm.start_job(submission.owner, submission.workflow, arguments)
    except DmNotFoundError as error:
        raise RefusedError(f"DM does not know workflow {submission.workflow} of {submission.owner}: {error}") from error
    except DmError as error:
        if not error.may_be_done:
            raise
        job = await _lost_job(core, board, submission.owner, request_id, error)
        if job is None:
            raise
        return job


async def _lost_job(core: Core, board: JobBoard, owner: str, request_id: str, error: DmError) -> Job | None:
    """The job of a submission whose answer was lost; raises `CommandFailedError` when DM does not tell whether there is one."""
    try:
        return await _find(core, board, owner, request_id)
    except DmError as silence:
        raise CommandFailedError(
            f"{error}; whether a job was started is not known: {silence}; RequestID {request_id} finds it again"
        ) from silence


async def _known_job(core: Core, board: JobBoard, submission: Submission) -> Job | None:
    """The job that this request id started earlier; None if it started none.

    Raises `RefusedError` when the id was used for another workflow.
    """
    request = await asyncio.to_thread(core.journal.request, submission.request_id)
    if request is None:
        # The journal may be a new one: DM's jobs carry the id as well.
        found = await _find(core, board, submission.owner, submission.request_id)
        if found is None:
            return None
        request = Request(found.summary.owner, found.summary.workflow, found.summary.id)
    if (request.owner, request.workflow) != (submission.owner, submission.workflow):
        raise RefusedError(
            f"RequestID {submission.request_id} was used for workflow {request.workflow} of {request.owner}:"
            " put another id for another workflow"
        )
    if request.job_id:
        try:
            return await core.dm.job(request.owner, request.job_id)
        except DmNotFoundError as error:
            raise RefusedError(
                f"RequestID {submission.request_id} started job {request.job_id}, which DM no longer knows:"
                " put another id to start anew"
            ) from error
    return await _find(core, board, request.owner, submission.request_id)


async def _find(core: Core, board: JobBoard, owner: str, request_id: str) -> Job | None:
    """The job that carries a request id, asked of DM anew; raises `DmError`."""
    await board.poll()
    found = board.find_request(request_id)
    return await core.dm.job(owner, found.id) if found else None


def _check_wanted(submission: Submission, is_given_up: Callable[[], bool]) -> None:
    if is_given_up():
        raise CommandFailedError(f"given up before DM was asked for {submission.workflow}: no job was started")


def _others(board: JobBoard, submission: Submission) -> list[str]:
    """Ids of the active jobs of the workflow."""
    return [job.id for job in board.active() if job.workflow == submission.workflow]


async def _must_wait(board: JobBoard, submission: Submission) -> bool:
    """Whether other jobs have to end first; raises `RefusedError` if ``IfRunning`` says so."""
    if submission.if_running == "Start":
        return False
    await board.poll()
    others = _others(board, submission)
    if others and submission.if_running == "Refuse":
        raise RefusedError(f"{submission.workflow} is already running as job {others[0]} and IfRunning is Refuse")
    return bool(others)


async def _wait_for_others(
    core: Core, board: JobBoard, submission: Submission, timeout_s: float, is_given_up: Callable[[], bool]
) -> None:
    def none_active() -> str | None:
        _check_wanted(submission, is_given_up)
        return None if _others(board, submission) else "none"

    await wait_for(
        none_active,
        changed=board.changed,
        link=core.links[Service.PROC],
        store=core.store,
        clock=core.clock,
        timeout_s=timeout_s,
        what=f"waiting for other jobs of {submission.workflow}",
    )
