"""The streaming outline of DM's guide around any acquisition plan."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bluesky.utils import RequestStop

from dmioc.errors import JobFailedError
from dmioc.plans.acquisition import Acquisition, checked_plan
from dmioc.plans.arguments import RAISE, check_has_workflow, check_on_failure, merged_arguments
from dmioc.plans.carrying import carried_out, cleaned_up
from dmioc.plans.guarding import guarded
from dmioc.plans.job_request import JobRequest
from dmioc.plans.outcomes import RunOutcome
from dmioc.plans.stations import station_of
from dmioc.plans.stream_session import StreamRequest, StreamRun
from dmioc.plans.workflows import told

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation


def streaming(
    plan: MsgGenerator[Any],
    *,
    workflow: str = "",
    args: Mapping[str, Any] | None = None,
    source: str = "",
    file_path: str = "",
    owner: str = "",
    stream_args: Mapping[str, Any] | None = None,
    ready_timeout: float = 300.0,
    drain_timeout: float = 600.0,
    report_period: float = 60.0,
    on_failure: str = RAISE,
    metadata: Mapping[str, Any] | None = None,
    add_run_metadata: bool = True,
    station: DMStation | str | None = None,
    slot: int | str | None = None,
    workflow_slot: int | str | None = None,
    **workflow_args: Any,
) -> MsgGenerator[RunOutcome]:
    """Acquire data while a workflow that was started before takes them, and tell DM of the runs; answers a `RunOutcome`.

    The steps of DM's guide: a session is offered, which starts the workflow with the names of the session's PVs; when the
    workflow is ready it is told that data will flow; the acquisition plan runs, and the session is watched meanwhile; then the
    workflow is told that no more data come, and is waited for until it has processed all and its job has ended; the documents
    of the runs (start, descriptors, stop) are added to DM's catalog, with session, job and result under ``dm``.

    Args:
        plan: any plan, e.g. ``bluesky.plans.count([detector], 100)``. It may make any number of runs.
        workflow: DM workflow to start with the session; empty: somebody else starts the one that takes the data.
        args: its DM arguments; keywords that are not named here are DM arguments too.
        source: PV of the data, e.g. a detector's PVAccess image, which the workflow gets as ``sourcePv``.
        file_path: DM argument ``filePath``; ``/dev/null`` for workflows that need none, since DM wants one.
        owner: owner of the workflow; empty: the gateway's DM user.
        stream_args: what the workflow is told when data begin and end, e.g. ``{"expected": 100}``.
        ready_timeout: s, longest time until the workflow is ready.
        drain_timeout: s, longest time for the workflow to finish when there are no more data, and for its job after that.
        report_period: s, between two lines in the log.
        on_failure: when the workflow fails after the last data: ``raise`` an error, or ``report`` it in outcome and log.
        metadata: more for the start documents.
        add_run_metadata: whether to add the documents of the runs.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.
        slot: streaming slot, e.g. 1 or ``STR1``; None: the first one without an active session.
        workflow_slot: workflow slot for the job; None: the first one that holds no active job.

    When the session ends before the plan does, since its workflow failed, fell silent or was aborted, the reason is raised within
    the plan, at its next message or in the middle of a wait or a sleep. When the plan fails or is aborted (``RE.abort``), the
    session is aborted and its job is stopped. ``RE.stop`` says that no more data come and waits for nothing more: the
    workflow finishes with what it has. A pause leaves the session alone. ``RE.halt`` cleans nothing up: the session stays, until
    somebody aborts it or its workflow ends.

    Raises:
        RefusedError: the gateway refused the session or its workflow.
        JobFailedError: the session, or the job behind it, ended, and not as Done; with its id, its state and the reason.
        GatewayLostError: the gateway has been away for longer than ``LostAfter``; one that is back before is taken up again.
        Further, what `send_metadata` and the plan raise.
    """
    checked_plan(plan)
    check_on_failure(on_failure)
    check_has_workflow(workflow, {**(args or {}), **workflow_args})
    job = JobRequest(workflow, file_path, merged_arguments(args, workflow_args), owner) if workflow else None
    request = StreamRequest(
        source, job, stream_args, slot, workflow_slot, ready_timeout, drain_timeout, report_period_s=report_period
    )
    acquisition = Acquisition(station, workflow, metadata, adds_metadata=add_run_metadata, on_failure=on_failure)
    outline = _Outline(station, request, acquisition, on_failure)
    try:
        return (yield from cleaned_up(outline.steps(plan), outline.leave))
    finally:
        outline.close()


class _Outline:
    """The steps of one stream, and what is to be done when they are left."""

    def __init__(
        self, station: DMStation | str | None, request: StreamRequest, acquisition: Acquisition, on_failure: str
    ) -> None:
        self._station = station
        self._request = request
        self._acquisition = acquisition
        self._on_failure = on_failure
        self._run: StreamRun | None = None

    async def _begin(self) -> StreamRun:
        self._run = StreamRun(await station_of(self._station), self._request)
        await self._run.begin()
        return self._run

    def steps(self, plan: Any) -> MsgGenerator[RunOutcome]:
        """The outline, around the acquisition."""
        yield from self._acquisition.prepare()
        stream = yield from carried_out(self._begin)
        yield from self._acquisition.acquire(guarded(plan, stream))
        yield from _ended(stream, self._acquisition, self._on_failure)
        return (yield from self._acquisition.tell())

    def leave(self, error: Exception) -> MsgGenerator[None]:
        """What is to be done when the steps are left by an error, or by abort or stop."""
        if self._run is not None:
            yield from carried_out(functools.partial(self._run.leave, isinstance(error, RequestStop)))
        yield from self._acquisition.tell_of_error(error)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._run is not None:
            self._run.close()


def _ended(stream: StreamRun, acquisition: Acquisition, on_failure: str) -> MsgGenerator[None]:
    """The end of the data, of the session, and of the job behind it."""
    try:
        yield from carried_out(stream.end)
    except JobFailedError:
        if on_failure == RAISE:
            raise
    acquisition.stream = stream.outcome()
    acquisition.job = yield from carried_out(stream.job)
    if acquisition.job is not None:
        told(acquisition.job, on_failure)
