"""When a slot reports on its job, and what it said last (``pv-contract.md §6``: ReportPeriod, ReportTimeout, Concise)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dmioc.engine.job_view import report_text

if TYPE_CHECKING:
    from dmioc.engine.core import Core
    from dmioc.model import Job

_LOG = logging.getLogger(__name__)


class JobReports:
    """The reports on one job, from the moment that the slot follows it.

    Attributes:
        last: the last report; empty before the first.
    """

    def __init__(self, core: Core, group: str) -> None:
        self._core = core
        self._group = group
        self._followed_s = core.clock.monotonic_s()
        self._reported_s = 0.0
        self.last = ""

    def report_if_due(self, job: Job) -> None:
        """Report if a period has passed or the job has ended; no longer once ReportTimeout has passed."""
        store, now_s = self._core.store, self._core.clock.monotonic_s()
        within = now_s - self._followed_s <= store.number(f"{self._group}ReportTimeout")
        due = now_s - self._reported_s >= store.number(f"{self._group}ReportPeriod")
        if not within or not (due or job.summary.status.is_finished):
            return
        concise = store.label(f"{self._group}Concise") == "Yes"
        report = report_text(job, concise, self._core.clock.now_s())
        self._reported_s = now_s
        if report != self.last:
            self.last = report
            _LOG.info("%s %s", self._group, report.splitlines()[0])
