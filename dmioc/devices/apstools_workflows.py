"""Workflows under the names of ``apstools.utils``; see `dmioc.devices.apstools_daq` for errors."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dmioc.devices.apstools_daq import DEFAULT_PERIOD
from dmioc.devices.apstools_words import NOT_KNOWN
from dmioc.devices.dm_records import DmRecord, one_record
from dmioc.devices.plan_waits import in_background
from dmioc.devices.rpc import StationRpc
from dmioc.devices.text_table import text_table
from dmioc.model.record import RecordKind

if TYPE_CHECKING:
    from bluesky.utils import Msg

    from dmioc.devices.connector import DM_WorkflowConnector

_log = logging.getLogger(__name__)

DEFAULT_WAIT = True
_LOOK_AGAIN_S = 0.1


def dm_get_workflow(workflow_name: str) -> DmRecord:
    """DM's document of a workflow of the gateway's DM user (``dm-protocol.md §6.3``), e.g. its ``stages``."""
    return one_record(StationRpc(), RecordKind.WORKFLOW, workflow_name)


def get_workflow_last_stage(workflow_name: str) -> str:
    """Name of the stage that a workflow runs last: stages run in the order of their names (``dm-protocol.md §6.3``)."""
    return max(dm_get_workflow(workflow_name)["stages"])


class DM_WorkflowCache:  # noqa: N801  # apstools' name
    """Several connectors by a key each, to wait for all and to report on all.

    What differs from apstools: each object has connectors of its own; reports go to the log, and are answered as text;
    a wait ends at every outcome of a job.
    """

    def __init__(self) -> None:
        self.cache: dict[str, DM_WorkflowConnector] = {}

    def define_workflow(self, key: str, connector: DM_WorkflowConnector) -> None:
        """Add a connector; raises `KeyError` for a key that is in use."""
        if key in self.cache:
            raise KeyError(f"Key already exists: {key!r}")
        self.cache[key] = connector

    def print_cache_summary(self, title: str = "Summary") -> str:
        """Log and answer a table of the jobs."""
        rows = [
            (
                number,
                key,
                one.status.get(),
                one.run_time.get(),
                datetime.fromtimestamp(one.start_time).isoformat(sep=" ") if one.start_time else "",
                str(one.job_id.get())[:7],
            )
            for number, (key, one) in enumerate(self.cache.items(), start=1)
        ]
        text = f"{title}\n{text_table(('#', 'process', 'status', 'runTime', 'started', 'id'), rows)}"
        _log.info("%s", text)
        return text

    def report_dm_workflow_output(self, final_stage_id: str) -> str:
        """Log and answer what the processes of one stage of every job wrote.

        Args:
            final_stage_id: name of the stage, e.g. ``06-DONE``.
        """
        parts: list[str] = []
        for connector in self.cache.values():
            stage = connector.getJob().getWorkflowStage(final_stage_id)
            processes: dict[str, dict[str, Any]] = stage.get("childProcesses") or {}
            for process in processes.values():
                parts += [
                    f"{final_stage_id}  {key}:\n{value}"
                    for key in ("stdOut", "stdErr")
                    if (value := str(process.get(key, "")).strip())
                ]
        text = f"\n{'~' * 50}\n".join(parts)
        _log.info("%s", text)
        return text

    def wait_workflows(self, period: float = DEFAULT_PERIOD, wait: bool = DEFAULT_WAIT) -> Generator[Msg, Any, None]:
        """A bluesky plan: wait until no connector follows a job any more; each does for a limited time only.

        Args:
            period: time between two reports, s.
            wait: whether to wait at all.
        """
        if not wait:
            return
        _log.info("waiting for %d workflows", len(self.cache))
        yield from in_background(lambda left: self._wait(left, period), "wait for workflows")
        unknown = [key for key, connector in self.cache.items() if connector.status.get() == NOT_KNOWN]
        if unknown:
            _log.warning("how these ended is not known: %s", ", ".join(unknown))

    def _wait(self, left: threading.Event, period_s: float) -> None:
        report_s = time.monotonic() + period_s
        while not left.wait(_LOOK_AGAIN_S):
            active = [connector for connector in self.cache.values() if not connector.idle]
            if not active:
                return
            if time.monotonic() >= report_s:
                report_s = time.monotonic() + period_s
                _log.info("waiting for %s", ", ".join(map(repr, active)))

    def _update_processing_data(self) -> None:
        """Ask DM for every job."""
        for connector in self.cache.values():
            connector._update_processing_data()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as apstools
