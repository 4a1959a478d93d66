"""The signals of a workflow connector, and the reports made of them; apstools' names, values and kinds."""

from __future__ import annotations

import logging
import time
from typing import Any

from ophyd import Component, Device, Signal

from dmioc.devices.apstools_words import NOT_AVAILABLE, NOT_RUN, STARTING
from dmioc.devices.dm_records import DmJob
from dmioc.devices.job_follower import JobNews
from dmioc.devices.job_reports import stages_report

logger = logging.getLogger(__name__)

POLLING_PERIOD_S = 1.0
REPORT_PERIOD_DEFAULT = 10
REPORT_PERIOD_MIN = 1


class JobSignals(Device):
    """Shows a job and reports on it.

    Attributes:
        job: DM's record of the job as last looked up; None before.
        start_time: POSIX seconds of the last start, 0.0 before the first.
        workflow_args: arguments of every job of this device.
    """

    owner = Component(Signal, value="", kind="config")
    workflow = Component(Signal, value="")
    job_id = Component(Signal, value=NOT_RUN)
    run_time = Component(Signal, value=0.0)
    stage_id = Component(Signal, value=NOT_RUN)
    status = Component(Signal, value=NOT_RUN)
    error = Component(Signal, value="", kind="omitted")
    polling_period = Component(Signal, value=POLLING_PERIOD_S, kind="config")
    reporting_period = Component(Signal, value=REPORT_PERIOD_DEFAULT, kind="config")
    concise_reporting = Component(Signal, value=True, kind="config")

    def __init__(self, prefix: str, *, name: str, workflow_args: dict[str, Any], **kwargs: Any) -> None:
        """Nothing is connected by this; ``kwargs`` are those of an ophyd device."""
        self.job: DmJob | None = None
        self.start_time = 0.0
        self.workflow_args = workflow_args
        self._report_due_s = 0.0
        super().__init__(prefix, name=name, **kwargs)

    def __repr__(self) -> str:
        values: dict[str, object] = {"owner": self.owner.get(), "workflow": self.workflow.get()}
        values |= dict(sorted(self.workflow_args.items()))
        if self.job_id.get() != NOT_RUN:
            values |= {
                "id": self.job_id.get(),
                "run_time": round(self.run_time.get(), 2),
                "stage_id": self.stage_id.get(),
            }
        values["status"] = self.status.get()
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in values.items())})"

    def put_if_different(self, signal: Signal, value: object) -> None:
        """Put a value to a signal unless it has it."""
        if signal.get() != value:
            signal.put(value)

    def _show_start(self, workflow: str) -> None:
        self.start_time = time.time()
        self._report_due_s = 0.0
        self.job = None
        self.put_if_different(self.workflow, workflow)
        for signal, value in ((self.stage_id, NOT_RUN), (self.job_id, NOT_RUN), (self.run_time, 0.0), (self.error, "")):
            self.put_if_different(signal, value)
        self.status.put(STARTING)

    def _show_news(self, news: JobNews) -> bool:
        """Show how the job stands, ``status`` last: whoever waits for it finds the rest. Answers whether a report is due."""
        is_new = (news.status, news.stage) != (self.status.get(), self.stage_id.get())
        self.put_if_different(self.error, news.error)
        if news.run_time_s is not None:
            self.put_if_different(self.run_time, news.run_time_s)
        if news.stage is not None:
            self.put_if_different(self.stage_id, news.stage or NOT_AVAILABLE)
        self.put_if_different(self.status, news.status)
        if not is_new and time.monotonic() < self._report_due_s:
            return False
        self._report_due_s = time.monotonic() + max(float(self.reporting_period.get()), REPORT_PERIOD_MIN)
        return True

    def report_status(self, t_offset: float | None = None) -> None:
        """Log how the job stands: in one line, or with its stages (``concise_reporting``).

        Args:
            t_offset: POSIX seconds from which the time is counted.
        """
        if not self.concise_reporting.get():
            self.report_processing_stages()
            return
        elapsed = "" if t_offset is None else f" elapsed: {time.time() - t_offset:.0f}s"
        logger.info(
            "%s %s: %r %r %r %r%s",
            type(self).__name__,
            self.name,
            self.workflow.get(),
            str(self.job_id.get())[:8],
            self.status.get(),
            self.stage_id.get(),
            elapsed,
        )

    def report_processing_stages(self, truncate: int = 40) -> None:
        """Log a table of the job's processes as last seen; nothing before the first job.

        Args:
            truncate: so many characters of each process' output.
        """
        if self.job is not None:
            report = stages_report(self.job, truncate, time.time() - self.start_time)
            logger.info("%s\n%s\n%s", self.name, repr(self), report)
