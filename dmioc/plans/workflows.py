"""Plans that run DM workflows and wait for jobs."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dmioc.model import Service
from dmioc.plans.arguments import DAY_S, RAISE, check_choice, check_on_failure, merged_arguments
from dmioc.plans.carrying import carried_out, cleaned_up
from dmioc.plans.job_request import BESIDE, IF_RUNNING, JobRequest
from dmioc.plans.jobs import JobRun, failure_of
from dmioc.plans.queueing import queueable
from dmioc.plans.stations import station_of
from dmioc.plans.waits import Patience, settled
from dmioc.plans.watching import Watch

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation
    from dmioc.plans.outcomes import JobOutcome

_LOG = logging.getLogger(__name__)


@queueable
def run_workflow(
    workflow: str,
    args: Mapping[str, Any] | None = None,
    *,
    wait: bool = True,
    timeout: float = DAY_S,
    report_period: float = 60.0,
    file_path: str = "",
    owner: str = "",
    request_id: str = "",
    if_running: str = BESIDE,
    on_failure: str = "raise",
    abort_on_exit: bool = False,
    station: DMStation | str | None = None,
    slot: int | str | None = None,
    **workflow_args: Any,
) -> MsgGenerator[JobOutcome]:
    """Start a DM workflow and, unless told otherwise, wait for its end; answers a `JobOutcome`.

    Args:
        workflow: name of the DM workflow.
        args: DM arguments, e.g. ``{"sampleName": "Si"}``; keywords that are not named here are DM arguments too.
        wait: False: return as soon as DM has accepted the job.
        timeout: s, longest time for start and job together.
        report_period: s, between two lines on the job in the log.
        file_path: DM argument ``filePath``.
        owner: owner of the workflow; empty: the gateway's DM user.
        request_id: the same id never starts a second job; empty: a new one.
        if_running: while another job of the workflow is active: ``Start`` beside it, ``Wait`` for it, or ``Refuse``.
        on_failure: for a job that ends, and not as Done: ``raise`` an error, or ``report`` it in the outcome and in the log.
        abort_on_exit: whether to abort the job when the plan is left before its end: abort, stop, an error, or its timeout.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.
        slot: workflow slot, e.g. 2 or ``WF2``; None: the first one that holds no active job.

    The RunEngine is never blocked. A pause leaves the job alone, and resume goes on waiting. When the plan is aborted or stopped
    the job goes on, unless ``abort_on_exit``; a start that still waits for other jobs is given up. ``RE.halt`` cleans nothing up:
    the job goes on in any case.

    Raises:
        RefusedError: gateway or DM refused the start, in their words.
        JobFailedError: the job ended, and not as Done; with its id, its status and DM's error.
        WaitTimeoutError: the timeout has passed; the job goes on unless ``abort_on_exit``.
        CommandFailedError: DM has been away for longer than ``LostAfter``.
        GatewayLostError: the gateway has; one that is back before is taken up again.
    """
    check_on_failure(on_failure)
    check_choice("if_running", if_running, IF_RUNNING)
    arguments = merged_arguments(args, workflow_args)
    more = {"request_id": request_id} if request_id else {}
    request = JobRequest(workflow, file_path, arguments, owner, if_running=if_running, **more)
    run: JobRun | None = None

    async def work() -> JobOutcome:
        nonlocal run
        run = JobRun(await station_of(station), request, slot, timeout, report_period)
        async with run.watch() as watch:
            await run.start(watch)
            if wait:
                await run.finish(watch)
        return run.outcome()

    def left(_: Exception) -> MsgGenerator[None]:
        if run is not None:
            yield from carried_out(functools.partial(run.leave, abort_on_exit))

    outcome = yield from cleaned_up(carried_out(work), left)
    if wait:
        told(outcome, on_failure)
    return outcome


def check_job(
    *, on_failure: str, if_running: str = BESIDE, args: Mapping[str, Any] | None = None, **others: Any
) -> None:
    """Raises `ValueError` for arguments that `run_workflow` would not take: better before data are taken than after."""
    check_on_failure(on_failure)
    check_choice("if_running", if_running, IF_RUNNING)
    own = run_workflow.__annotations__
    merged_arguments(args, {name: value for name, value in others.items() if name not in own})


def told(outcome: JobOutcome, on_failure: str) -> None:
    """Raise `JobFailedError` for a job that did not end as Done, or report it, as asked."""
    error = failure_of(outcome)
    if error is None:
        _LOG.info("job %s of %s is Done after %.1f s", outcome.job_id, outcome.workflow, outcome.run_time_s)
    elif on_failure == RAISE:
        raise error
    else:
        _LOG.warning("%s", error)


@queueable
def wait_jobs(
    *,
    timeout: float = DAY_S,
    report_period: float = 60.0,
    station: DMStation | str | None = None,
) -> MsgGenerator[None]:
    """Wait until none of the owner's jobs is active, whoever started them.

    Args:
        timeout: s, longest time.
        report_period: s, between two lines in the log.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.

    Raises `WaitTimeoutError`, `CommandFailedError` when DM, and `GatewayLostError` when the gateway has been away for longer than
    ``LostAfter``.
    """

    async def work() -> None:
        dm = await station_of(station)
        jobs = dm.jobs
        patience = Patience(timeout, report_period, "the jobs of the station")
        async with Watch(dm, Service.PROC, (jobs.active, jobs.wait)) as watch:
            await settled(
                watch,
                jobs,
                patience,
                is_likely=lambda: watch.value(jobs.active) == 0,
                report=lambda: f"{watch.value(jobs.active):g} jobs are active",
            )

    yield from carried_out(work)
