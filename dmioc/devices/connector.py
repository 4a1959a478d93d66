"""``DM_WorkflowConnector`` under its name in apstools, over EPICS alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Generator, Mapping
from typing import TYPE_CHECKING, Any

from dmioc.devices.apstools_words import (
    NOT_AVAILABLE,
    NOT_RUN,
    REPORTING_OVER,
    STATUS_WORDS,
    status_word,
)
from dmioc.devices.dm_records import DmJob, DmRecord, all_records, one_record
from dmioc.devices.job_follower import JobFollower, JobNews, JobOrder
from dmioc.devices.job_reports import job_rows
from dmioc.devices.job_signals import JobSignals
from dmioc.devices.plan_waits import until
from dmioc.devices.polled import LOST_AFTER_S
from dmioc.devices.prefix import default_prefix
from dmioc.devices.rpc import StationRpc
from dmioc.errors import DmiocError, JobFailedError, WaitTimeoutError
from dmioc.model import Status
from dmioc.model.record import RecordKind

if TYPE_CHECKING:
    from bluesky.utils import Msg

logger = logging.getLogger(__name__)

TIMEOUT_DEFAULT = 180
_DONE = STATUS_WORDS[Status.DONE]


class DM_WorkflowConnector(JobSignals):  # noqa: N801  # apstools' name
    """Starts a job of a DM workflow and shows how it goes: apstools' device of that name, with EPICS in place of DM's package.

    ::

        from dmioc.devices import DM_WorkflowConnector

        dm_workflow = DM_WorkflowConnector(name="dm_workflow", prefix="25IDC:DM:")
        RE(dm_workflow.run_as_plan(workflow="example-01", filePath="/etc/hostname"))

    The job is started by the gateway's query ``startWorkflow`` and followed by its id with ``jobStatus`` (``$(P)RPC``), not in
    a workflow slot: there may be as many connectors as one likes and none disturbs another or a screen; arguments travel
    with the start and stand in no setpoint that somebody else changes in between; and a request id makes the start
    safe to repeat, so that a restart of the gateway in the middle neither loses the job nor starts it twice. The
    gateway answers ``jobStatus`` from what it knows: DM is not asked for each connector. Everybody sees the job in
    ``JOB:List``; with ``slot`` it stands on the PVs of that workflow slot too, for screens and their Abort button.

    What differs from apstools:

    * No ``api``: nothing of DM's package is needed. ``prefix``, ``slot`` and ``labels`` are arguments of the device; all
      others are arguments of the workflow, kept for each instance (apstools shares them between all).
    * ``start_workflow`` returns when DM has accepted: ``job_id`` is known then. A refused start raises `RefusedError`, also
      from ``run_as_plan(wait=False)``. ``start_workflow`` blocks for that time: in plans use ``run_as_plan``.
    * A wait ends at every outcome, and ``idle`` is true then. ``run_as_plan`` goes on after a job that failed or was
      aborted, and when the time for reports is over (the job is unaffected: whether that is an error is for the plan to
      decide); ``status`` says which. With ``on_failure = "raise"`` these raise `JobFailedError` and `WaitTimeoutError`. It always
      raises where the end is not known: `CommandFailedError` when DM has been away for longer than the gateway's
      ``LostAfter``, `GatewayLostError` when the gateway has.
    * ``status`` has DM's own words and ``lost`` (DM no longer knows the job), ``unknown`` (its end is not known, see above);
      ``timeout`` also for the end of reporting. After a refused start it is ``failed`` and ``job_id`` stays ``not_run``.
    * ``error`` is one signal more: what went wrong, in DM's or the gateway's words.
    * ``owner`` is empty until the first start, and then the DM user that the job belongs to. Put another one before to run
      a workflow of that user.
    * A second start while a job runs: the connector follows the new job, the other one goes on.
    * ``getJob`` and ``workflows`` give DM's records as dictionaries, ``processing_jobs`` the newest that the gateway keeps,
      oldest first. ``report_processing_stages`` logs a plain table.
    * After RE.abort the job goes on and is followed as after ``wait=False``. The thread that follows it ends with the job,
      with the time for reports, after ``LostAfter`` without news, or by `destroy`.

    Attributes:
        on_failure: what `run_as_plan` does at the end of a job that is not done: ``report`` (go on) or ``raise``.
        lost_after_s: a start is given up when the gateway is away for so long; from then on its own ``LostAfter`` counts.
    """

    def __init__(
        self,
        name: str | None = None,
        workflow: str | None = None,
        *,
        prefix: str | None = None,
        slot: int = 0,
        labels: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """A connector; nothing is connected yet.

        Args:
            name: of the device.
            workflow: to run unless a start names another one.
            prefix: of the station's PVs; that of `default_prefix` when None.
            slot: workflow slot that shows the jobs too, 0 for none; a start is refused while it shows another active one.
            labels: of the device, as ophyd has them.
            kwargs: arguments of every job of this connector.

        Raises `KeyError` without a name.
        """
        if name is None:
            raise KeyError("Must provide value for 'name'.")
        super().__init__(
            default_prefix() if prefix is None else prefix,
            name=name,
            workflow_args=dict(kwargs),
            labels=set(labels) if labels else None,
        )
        self._rpc = StationRpc(self.prefix)
        self._slot = slot
        self.lost_after_s = LOST_AFTER_S
        self._lock = threading.Lock()
        self._follower: JobFollower | None = None
        self.on_failure = "report"
        if workflow is not None:
            self.workflow.put(workflow)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to wait for: no job was started, or it has ended, or its end cannot be known any more."""
        return self._follower is None or self._follower.ended.done()

    def start_workflow(self, workflow: str = "", timeout: float = TIMEOUT_DEFAULT, **kwargs: Any) -> None:
        """Start a job and return when DM has accepted it; it is followed in the background.

        Args:
            workflow: its name; that of the signal ``workflow`` if empty.
            timeout: it is followed and reported on for so long, s; the job itself is unaffected.
            kwargs: arguments of the job, besides those of the connector.

        Raises:
            AttributeError: no workflow is named.
            RefusedError: the gateway or DM refused; no job was started.
            CommandFailedError: DM did not answer; a job may have been started.
            GatewayLostError: the gateway was not reached.
        """
        follower = self._launch(workflow, timeout, kwargs)
        _raise(follower.started.result())

    def run_as_plan(
        self, workflow: str = "", wait: bool = True, timeout: float = TIMEOUT_DEFAULT, **kwargs: Any
    ) -> Generator[Msg, Any, None]:
        """A bluesky plan: start a job and, if ``wait``, wait for its end; see the class for what it raises.

        Args:
            workflow: as `start_workflow`, and so ``timeout`` and ``kwargs``.
            wait: whether to wait for the end, or until ``timeout`` has passed, whichever is first.
        """
        follower = self._launch(workflow, timeout, kwargs)
        try:
            yield from until(follower.started)
        finally:
            if not follower.started.done():
                follower.stop()
        _raise(follower.started.result())
        logger.info("plan: workflow started")
        if wait:
            yield from until(follower.ended)
            end = follower.ended.result()
            _raise(end.error)
            self._judge(end.status, timeout)

    def _judge(self, status: str, timeout_s: float) -> None:
        if status == _DONE or self.on_failure != "raise":
            return
        job_id = str(self.job_id.get())
        if status == REPORTING_OVER and not self._ended_in_dm():
            raise WaitTimeoutError(f"job {job_id} is not finished after {timeout_s:g} s; it goes on")
        raise JobFailedError(f"job {job_id} is {status}: {self.error.get()}".rstrip(": "), job_id, status)

    def _ended_in_dm(self) -> bool:
        """Whether DM's own record says that the job has ended: its time-out has the same word as that of the reports."""
        return self.job is not None and bool(self.job.get("endTime"))

    def _launch(self, workflow: str, timeout_s: float, kwargs: Mapping[str, Any]) -> JobFollower:
        name = workflow or str(self.workflow.get())
        if not name:
            raise AttributeError("Must define a workflow name.")
        order = JobOrder(name, str(self.owner.get()), {**self.workflow_args, **kwargs}, self._slot, float(timeout_s))
        with self._lock:
            if self._follower is not None:
                self._follower.stop()
            follower = JobFollower(
                self._rpc,
                order,
                period_s=lambda: float(self.polling_period.get()),
                lost_after_s=self.lost_after_s,
                on_start=self._take_start,
                on_news=self._take_news,
            )
            self._follower = follower
            self._show_start(name)
        logger.info("run DM workflow: %s with reporting time limit=%s s", name, timeout_s)
        follower.begin(f"{self.name} follows {name}")
        return follower

    def _take_start(self, follower: JobFollower, job_id: str, owner: str) -> None:
        """In the follower's thread: the job is accepted."""
        with self._lock:
            if follower is not self._follower:
                return
            self.put_if_different(self.owner, owner)
            self.job_id.put(job_id)
        logger.info("DM workflow started: %s", repr(self))

    def _take_news(self, follower: JobFollower, news: JobNews) -> None:
        """In the follower's thread: how the job stands."""
        with self._lock:
            if follower is not self._follower:
                return
            is_report_due = self._show_news(news)
        if news.is_finished or (is_report_due and not self.concise_reporting.get()):
            self._look_up_job()
        if is_report_due:
            self.report_status(t_offset=self.start_time)
        if news.is_finished:
            logger.info("Final workflow status: %s %s", news.status, news.error)

    def _look_up_job(self) -> None:
        """Keep DM's record of the job for reports; what cannot be had is reported without."""
        if self.job_id.get() == NOT_RUN:
            return
        try:
            self.job = self.getJob()
        except DmiocError as error:
            logger.warning("the record of job %s: %s", self.job_id.get(), error)

    def getJob(self) -> DmJob:  # noqa: N802  # apstools' name
        """DM's record of the job: a dictionary with DM's keys, see `DmJob`; raises `DmiocError` when it cannot be had."""
        return one_record(self._rpc, RecordKind.JOB, str(self.job_id.get()), owner=str(self.owner.get()))

    def _update_processing_data(self) -> None:
        """Ask DM for the job once and show what it says, also after the end of reporting."""
        if self.job_id.get() == NOT_RUN:
            return
        self.job = self.getJob()
        self.put_if_different(self.run_time, float(self.job.get("runTime") or 0.0))
        self.put_if_different(self.stage_id, self.job.get("stage", NOT_AVAILABLE))
        word = str(self.job.get("status", ""))
        self.put_if_different(self.status, status_word(Status.from_word(word).value, word))

    @property
    def processing_jobs(self) -> list[DmJob]:
        """The newest jobs of the gateway's DM user, oldest first, with some of DM's keys."""
        return job_rows(self._rpc.call("jobs"))

    @property
    def workflows(self) -> list[DmRecord]:
        """DM's records of the owner's workflows."""
        return all_records(self._rpc, RecordKind.WORKFLOW, owner=str(self.owner.get()))

    def destroy(self) -> None:
        """Follow the job no longer (it goes on) and end the device."""
        if self._follower is not None:
            self._follower.stop()
        super().destroy()


def _raise(error: DmiocError | None) -> None:
    if error is not None:
        raise error
