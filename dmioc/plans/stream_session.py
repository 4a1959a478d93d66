"""A streaming session from its offer to its end, as the side of the plan sees it (``pv-contract.md §8``)."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmioc.errors import CommandFailedError, DmiocError, GatewayLostError, InterruptedCommandError, JobFailedError
from dmioc.model import StreamState
from dmioc.plans import workflow_slots
from dmioc.plans.arguments import json_object
from dmioc.plans.job_request import JobRequest
from dmioc.plans.jobs import JobRun
from dmioc.plans.outcomes import JobOutcome, StreamOutcome
from dmioc.plans.stations import Slot, slot_name, slots_for
from dmioc.plans.waits import Patience
from dmioc.plans.watching import ON_ITS_WAY_S, Command, Watch, command, put, read

if TYPE_CHECKING:
    from dmioc.devices.station import DMStation

_LOG = logging.getLogger(__name__)
_ANSWER_S = 10.0
"""What the gateway may need beyond its own deadline to tell how a session ended."""
_STOP_TIMEOUT_S = 30.0
_ACTIVE = frozenset(state.value for state in StreamState if state.is_active)
_STREAMING, _DONE = StreamState.STREAMING.value, StreamState.DONE.value
_READY = frozenset({StreamState.READY.value, _STREAMING, StreamState.DRAINING.value})
_COUNTS = ("received", "processed", "missed", "errors")
_READBACKS = ("state", "job_id", "error", "message", "result", *_COUNTS)


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What session to offer.

    Attributes:
        source: PV of the data.
        job: the workflow to start with it; None: it is started by somebody else.
        args: what the workflow is told with Begin and End.
        slot, workflow_slot: which ones to use; None: the first that are free.
        ready_timeout_s: longest time until the workflow is ready.
        drain_timeout_s: longest time for it to finish when there are no more data.
        report_period_s: time between two reports in the log.
    """

    source: str
    job: JobRequest | None
    args: Mapping[str, Any] | None
    slot: Slot | None
    workflow_slot: Slot | None
    ready_timeout_s: float
    drain_timeout_s: float
    report_period_s: float


class StreamRun:
    """One session as one plan asked for it; for use in the RunEngine's loop."""

    def __init__(self, station: DMStation, request: StreamRequest) -> None:
        self._station = station
        self._request = request
        self._slot: Any = None
        self._workflow_slot: Any = None
        self._offering: Command | None = None
        self._session = ""
        self._before = ""
        self._shown: Mapping[str, Any] = {}
        watched = [getattr(slot, name) for slot in station.streams.slots for name in ("state", "session", *_COUNTS)]
        self._patience = Patience(math.inf, request.report_period_s, "the stream")
        self._watch = Watch(station, None, [*watched, *(workflow_slots.watched(station) if request.job else ())])

    def close(self) -> None:
        """Watch no longer."""
        self._watch.close()

    @property
    def _what(self) -> str:
        return f"session {self._session}" if self._session else "the stream"

    async def begin(self) -> None:
        """Offer a session, wait until its workflow is ready, and tell it that data will flow.

        Raises `RefusedError`, `GatewayLostError` and `JobFailedError` with the reason when the session ended before.
        """
        await self._watch.open()
        watch, slots = self._watch, self._station.streams.slots
        self._slot = slots_for(
            self._station, slots, self._request.slot, lambda slot: watch.value(slot.state) not in _ACTIVE
        )[0]
        await put({**self._workflow_setpoints(), **self._setpoints()})
        before = await read(self._slot, "session", ())
        self._before = before["session"] if before else ""
        self._offering = Command(self._slot.offer, self._request.ready_timeout_s + _ANSWER_S, watch)
        await self._carried_out(self._offering, _READY, self._request.ready_timeout_s)
        shown = await read(self._slot, "session", _READBACKS)
        if shown is None:
            raise GatewayLostError(f"the gateway went away when {self._what} was ready")
        self._session, self._shown = shown["session"], shown
        self._offering = None
        self._patience.what = self._what
        _LOG.info("%s of %s is ready", self._what, slot_name(self._station, self._slot))
        await self._carried_out(Command(self._slot.begin, watch=watch), _READY - {StreamState.READY.value}, _ANSWER_S)
        await self._shown_by_monitors()

    def _workflow_setpoints(self) -> dict[Any, Any]:
        job = self._request.job
        if job is None:
            return {}
        self._workflow_slot = workflow_slots.free_slot(self._watch, self._station, self._request.workflow_slot)
        # The session is the request: the gateway adds its uuid itself.
        return {**job.setpoints(self._workflow_slot, self._watch), self._workflow_slot.request_id: ""}

    def _setpoints(self) -> dict[Any, Any]:
        slots = self._station.workflows.slots
        return {
            self._slot.wf_slot: slots.index(self._workflow_slot) + 1 if self._workflow_slot is not None else 0,
            self._slot.source: self._request.source,
            self._slot.args: json_object(self._request.args),
            self._slot.ready_timeout: self._request.ready_timeout_s,
            self._slot.drain_timeout: self._request.drain_timeout_s,
        }

    async def _carried_out(self, what: Command, wanted: frozenset[str], timeout_s: float) -> None:
        """Run a command of the session; one that a restart of the gateway interrupted is over when the state says so."""
        try:
            await what.carried_out()
        except InterruptedCommandError as error:
            _LOG.warning("%s; the session goes on", error)
            await self._reached(wanted, timeout_s)
        except CommandFailedError as error:
            raise (await self._failure(str(error))) from error

    async def _reached(self, wanted: frozenset[str], timeout_s: float) -> None:
        """Return when the session is in one of the states; raises `JobFailedError` when it has ended in another."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        state = self._slot.state
        while True:
            await self._watch.until(
                lambda: self._watch.value(state) in wanted or self._watch.value(state) not in _ACTIVE,
                deadline_s=deadline_s,
                late=lambda: f"{self._what} is {self._watch.value(state)} after {timeout_s:g} s",
                what=self._what,
            )
            shown = await read(self._slot, "session", ("state",))
            if shown is not None and shown["state"] in wanted:
                return
            if shown is not None and shown["state"] not in _ACTIVE:
                raise await self._failure("")
            await self._watch.wake()

    async def _shown_by_monitors(self) -> None:
        """Return when what is watched belongs to this session, so that its end is seen."""
        await self._watch.until(
            lambda: self._watch.value(self._slot.session) == self._session,
            deadline_s=asyncio.get_running_loop().time() + _ANSWER_S,
            late=lambda: f"{self._what} is not shown by its monitor after {_ANSWER_S:g} s",
            what=self._what,
        )

    @property
    def may_have_ended(self) -> bool:
        """Whether something that is watched says so; `trouble` makes sure. Reports now and then; raises `GatewayLostError`."""
        self._watch.check(self._what)
        if not self._watch.is_connected:
            return False
        self._patience.report(self._progress)
        is_other = self._watch.value(self._slot.session) != self._session
        return is_other or self._watch.value(self._slot.state) not in _ACTIVE

    def _progress(self) -> str:
        counts = (f"{self._watch.value(getattr(self._slot, name)):g} {name}" for name in _COUNTS)
        return f"{self._watch.value(self._slot.state)}, {', '.join(counts)}"

    async def trouble(self) -> JobFailedError | None:
        """The error that the session is, if it has ended before its data did; None while it goes on."""
        shown = await read(self._slot, "session", _READBACKS)
        if shown is None or (shown["session"] == self._session and shown["state"] in _ACTIVE):
            return None
        return await self._failure("it ended while data were taken")

    async def _failure(self, text: str) -> JobFailedError:
        shown = await read(self._slot, "session", _READBACKS)
        if shown is None or shown["session"] in (self._before, "") or self._session not in ("", shown["session"]):
            return JobFailedError(f"{self._what} is gone: {text}", self._session, StreamState.LOST.value)
        self._session, self._shown = shown["session"], shown
        reason = shown["error"] or text
        return JobFailedError(f"{self._what} is {shown['state']}: {reason}", self._session, shown["state"])

    async def end(self) -> None:
        """Say that no more data come, and return when the workflow has drained; raises as `begin`."""
        end = Command(self._slot.end, self._request.drain_timeout_s + _ANSWER_S, self._watch)
        await self._carried_out(end, frozenset({_DONE}), self._request.drain_timeout_s)
        shown = await read(self._slot, "session", _READBACKS)
        if shown is not None and shown["session"] == self._session:
            self._shown = shown

    async def job(self) -> JobOutcome | None:
        """The job behind the session when it has ended; None when none was started with it. Raises as `JobRun.finish`."""
        job_id = str(self._shown.get("job_id", ""))
        job = self._request.job
        if job is None or not job_id:
            return None
        run = JobRun(self._station, job, None, self._request.drain_timeout_s, self._request.report_period_s)
        run.follow(self._workflow_slot, job_id, {})
        async with run.watch() as watch:
            await run.finish(watch)
        return run.outcome()

    async def leave(self, gracefully: bool) -> None:
        """Give the session up, or say that no more data come and wait for nothing more.

        What cannot be done is logged and not raised: the plan ends for another reason.
        """
        try:
            state = await self._state_left()
            if gracefully and state == _STREAMING:
                end = Command(self._slot.end)
                await end.begin()
                await end.is_busy()
                _LOG.info("%s gets no more data, and is not waited for", self._what)
            elif state in _ACTIVE:
                await command(self._slot.abort)
                _LOG.info("%s is aborted", self._what)
            elif state and self._workflow_slot is not None:
                await self._stop_job()
        except DmiocError as error:
            _LOG.error("%s was to be given up, and may go on: %s", self._what, error)

    async def _stop_job(self) -> None:
        """Have the job of a session stopped that ended without it: its workflow was too late, or fell silent."""
        session = await read(self._slot, "session", ("job_id",))
        job = await read(self._workflow_slot, "job_id", ("status",))
        if session is None or job is None or session["session"] != self._session:
            return
        if job["job_id"] == session["job_id"] and job["status"] not in workflow_slots.FINISHED:
            await command(self._workflow_slot.abort, _STOP_TIMEOUT_S)
            _LOG.info("job %s of %s is aborted", job["job_id"], self._what)

    async def _state_left(self) -> str:
        """The state of our session when the plan is left; empty when there is none. Raises `GatewayLostError`."""
        while self._offering is not None and self._slot is not None:
            is_busy = await self._offering.is_busy()
            shown = await read(self._slot, "session", ("state",))
            if shown is not None and shown["session"] != self._before:
                return str(shown["state"])
            if not is_busy:
                return ""
            # The offer is being written down: the session is about to be.
            await asyncio.sleep(ON_ITS_WAY_S)
        if not self._session:
            return ""
        shown = await read(self._slot, "session", ("state",))
        if shown is None:
            raise GatewayLostError("the gateway is away")
        return str(shown["state"]) if shown["session"] == self._session else ""

    def outcome(self) -> StreamOutcome:
        """How the session stood when it was last looked at."""
        shown = self._shown
        return StreamOutcome(
            session=self._session,
            slot=slot_name(self._station, self._slot),
            state=str(shown.get("state", "")),
            job_id=str(shown.get("job_id", "")),
            message=str(shown.get("message", "")),
            result=_parsed(str(shown.get("result", ""))),
            error=str(shown.get("error", "")),
            **{name: int(shown.get(name, 0)) for name in _COUNTS},
        )


def _parsed(text: str) -> Any:
    """JSON that a workflow gave; the text itself where it is none; None for an empty one."""
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
