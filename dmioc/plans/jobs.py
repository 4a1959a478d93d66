"""A job from its start to its end, followed through workflow slots; what `run_workflow` and `streaming` are made of."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dmioc.catalogue.parts import YEAR_S
from dmioc.errors import (
    CommandFailedError,
    DmiocError,
    GatewayLostError,
    InterruptedCommandError,
    JobFailedError,
    RefusedError,
    WaitTimeoutError,
)
from dmioc.model import REQUEST_ARGUMENT, Service, Status
from dmioc.plans.job_request import WAIT, JobRequest
from dmioc.plans.outcomes import JobOutcome
from dmioc.plans.stations import Slot, slot_name
from dmioc.plans.waits import Patience
from dmioc.plans.watching import Command, Watch, command, put, read
from dmioc.plans.workflow_slots import FINISHED, free_slot, watched

if TYPE_CHECKING:
    from dmioc.devices.station import DMStation

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 5
_ABORT_TIMEOUT_S = 30.0
_ANSWER_S = 10.0
"""What the gateway may need to say that a start was not possible in time."""
_READBACKS = ("status", "workflow_rbv", "stage_", "error", "run_time", "attached")


class JobRun:
    """One job as one plan asked for it; for use in the RunEngine's loop.

    Args:
        station: the gateway.
        request: what job.
        slot: workflow slot to use; None: the first one that is free.
        timeout_s: longest time from now to the end of the job.
        report_period_s: time between two reports in the log.
    """

    def __init__(
        self, station: DMStation, request: JobRequest, slot: Slot | None, timeout_s: float, report_period_s: float
    ) -> None:
        self._station = station
        self._request = request
        self._wanted = slot
        self._patience = Patience(timeout_s, report_period_s, f"the start of {request.workflow}")
        self._slot: Any = None
        self._starting: tuple[Any, Command] | None = None
        self._job_id = ""
        self._shown: Mapping[str, Any] = {}

    @property
    def _is_active(self) -> bool:
        return bool(self._job_id) and self._shown.get("status") not in FINISHED

    def watch(self) -> Watch:
        """What is to be watched of the station while the job is started and followed."""
        return Watch(self._station, Service.PROC, watched(self._station))

    async def start(self, watch: Watch) -> None:
        """Submit the job, or attach to the one that the same request id started.

        A gateway that was started anew in the middle is asked again with the same request id, and so is another slot when another
        client took this one.

        Raises `RefusedError`, `CommandFailedError`, `WaitTimeoutError` and `GatewayLostError` with the reason.
        """
        tried: list[Any] = []
        for _ in range(_ATTEMPTS):
            slot = free_slot(watch, self._station, self._wanted, tried)
            name = slot_name(self._station, slot)
            try:
                if await self._start_in(slot, watch):
                    _LOG.info("%s is followed by %s", self._patience.what, name)
                    return
                _LOG.warning("another client took %s while %s was started in it", name, self._request.workflow)
                tried.append(slot)
            except (InterruptedCommandError, GatewayLostError) as error:
                _LOG.warning("%s; asked again with the same request id", error)
                await self._gateway_back(watch)
            except RefusedError as error:
                if "busy:" not in str(error) or self._wanted is not None:
                    raise
                tried.append(slot)
        raise CommandFailedError(
            f"{self._request.workflow} was not started: other clients took the slots it was put to"
        )

    async def _gateway_back(self, watch: Watch) -> None:
        """Return when the gateway is there; raises `GatewayLostError` when it stays away."""
        what = self._patience.what
        late = f"{what} was not answered in time; the job may have been started"
        await watch.until(lambda: True, deadline_s=self._patience.deadline_s, late=lambda: late, what=what)

    async def _start_in(self, slot: Any, watch: Watch) -> bool:
        """Whether the job was started in the slot and is still held by it."""
        remaining_s = min(max(self._patience.remaining_s, 1.0), YEAR_S)
        setpoints = self._request.setpoints(slot, watch)
        if self._request.if_running == WAIT:
            setpoints[slot.wait_timeout] = remaining_s
        await put(setpoints)
        start = Command(slot.start, remaining_s + _ANSWER_S, watch)
        self._starting = slot, start
        try:
            await start.carried_out()
        except DmiocError as error:
            self._starting = None
            if isinstance(error, CommandFailedError) and self._patience.remaining_s <= 0:
                raise WaitTimeoutError(f"no job was started within the timeout: {error}") from error
            raise
        is_ours = await self._take_started(slot)
        self._starting = None
        return is_ours

    async def _take_started(self, slot: Any) -> bool:
        """Take the job that was just started in the slot for ours, unless it is another one."""
        shown = await read(slot, "job_id", (*_READBACKS, "args_rbv", "cmd_message"))
        if shown is None:
            raise GatewayLostError(f"the gateway went away after the start of {self._request.workflow}")
        if not self._is_ours(shown):
            return False
        self.follow(slot, shown["job_id"], shown)
        return True

    def _is_ours(self, shown: Mapping[str, Any]) -> bool:
        """Whether a job carries our request id; DM echoes a job's arguments, and the gateway cuts very long ones."""
        try:
            arguments = json.loads(shown["args_rbv"] or "{}")
        except ValueError:
            return bool(shown["job_id"]) and shown["job_id"] in shown["cmd_message"]
        return arguments.get(REQUEST_ARGUMENT) == self._request.request_id

    def follow(self, slot: Any, job_id: str, shown: Mapping[str, Any]) -> None:
        """Have the job be this one, held by this slot."""
        self._slot, self._job_id, self._shown = slot, job_id, shown
        self._patience.what = f"job {job_id} of {self._request.workflow}"

    async def finish(self, watch: Watch) -> None:
        """Return when the job has ended, in whatever state.

        A slot that another client gave another job is left, and the job is followed by another slot.

        Raises as `Watch.until`, and `CommandFailedError` when no slot can follow the job any more.
        """
        while True:
            await watch.until(
                lambda: watch.value(self._slot.job_id) != self._job_id or watch.value(self._slot.status) in FINISHED,
                deadline_s=self._patience.deadline_s,
                late=self._late,
                what=self._patience.what,
                look=lambda: self._report(watch),
            )
            shown = await read(self._slot, "job_id", _READBACKS)
            if shown is None:
                continue  # until() knows how long the gateway may be away
            if shown["job_id"] != self._job_id:
                await self._attach(watch)
            elif shown["status"] in FINISHED:
                self._shown = shown
                return
            else:
                await watch.wake()

    def _late(self) -> str:
        return self._patience.late(str(self._shown.get("status", Status.UNKNOWN.value)))

    def _report(self, watch: Watch) -> None:
        if watch.value(self._slot.job_id) == self._job_id:
            self._shown = {**self._shown, "status": watch.value(self._slot.status)}
            self._patience.report(lambda: self._place(watch))

    def _place(self, watch: Watch) -> str:
        status, stage, index, count = (
            watch.value(getattr(self._slot, name)) for name in ("status", "stage_", "stage_index", "stage_count")
        )
        return f"{status}, stage {stage} ({index:g} of {count:g})" if stage else status

    async def _attach(self, watch: Watch) -> None:
        """Have a free slot follow the job, now that the one that did holds another one."""
        before = slot_name(self._station, self._slot)
        reason: DmiocError | str = "other clients took them too"
        for _ in range(_ATTEMPTS):
            try:
                slot = free_slot(watch, self._station, None)
                await put({slot.owner: self._request.owner, slot.attach_id: self._job_id})
                await command(slot.attach, watch=watch)
            except RefusedError as error:
                reason = error
                break
            except InterruptedCommandError as error:
                reason = error
                continue
            shown = await read(slot, "job_id", _READBACKS)
            if shown is not None and shown["job_id"] == self._job_id:
                self._slot = slot
                after = slot_name(self._station, slot)
                _LOG.warning("another client took %s; %s is followed by %s", before, self._patience.what, after)
                return
        raise CommandFailedError(
            f"{self._patience.what} goes on in DM, but another client took {before} and no other slot follows it: {reason}"
        )

    async def leave(self, abort: bool) -> None:
        """Leave the job alone, or abort it; a start that waits for other jobs is given up in any case.

        What cannot be done is logged and not raised: the plan ends for another reason.
        """
        try:
            if self._starting is not None:
                await self._leave_start(*self._starting, abort)
            if abort and self._is_active:
                await self._abort()
        except DmiocError as error:
            _LOG.error("%s was to be aborted, and may go on: %s", self._patience.what, error)

    async def _leave_start(self, slot: Any, start: Command, abort: bool) -> None:
        if not await start.is_busy():
            await self._take_started(slot)
        elif abort or self._request.if_running == WAIT:
            await command(slot.abort, _ABORT_TIMEOUT_S)
            _LOG.info("%s is given up", self._patience.what)

    async def _abort(self) -> None:
        shown = await read(self._slot, "job_id", ("status",))
        if shown is None or shown["job_id"] != self._job_id:
            holder = "the gateway is away" if shown is None else "another client took its slot"
            raise CommandFailedError(holder)
        if shown["status"] not in FINISHED:
            await command(self._slot.abort, _ABORT_TIMEOUT_S)
            _LOG.info("%s is aborted", self._patience.what)

    def outcome(self) -> JobOutcome:
        """How the job stood when it was last looked at."""
        shown = self._shown
        return JobOutcome(
            job_id=self._job_id,
            workflow=self._request.workflow,
            slot=slot_name(self._station, self._slot) if self._slot is not None else "",
            status=str(shown.get("status", Status.IDLE.value)),
            stage=str(shown.get("stage_", "")),
            error=str(shown.get("error", "")),
            run_time_s=float(shown.get("run_time", 0.0)),
            attached=bool(shown.get("attached", 0)),
        )


def failure_of(outcome: JobOutcome) -> JobFailedError | None:
    """The error that a finished job is; None for one that is Done."""
    if outcome.is_done:
        return None
    text = f"job {outcome.job_id} of {outcome.workflow} is {outcome.status}: {outcome.error}".rstrip(": ")
    return JobFailedError(text, outcome.job_id, outcome.status)
