"""What the outlines of DM's guide have in common: an acquisition whose runs DM is told of."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dmioc.errors import GatewayLostError
from dmioc.plans.arguments import RAISE
from dmioc.plans.carrying import carried_out
from dmioc.plans.outcomes import JobOutcome, RunOutcome, StreamOutcome, TransferOutcome
from dmioc.plans.run_metadata import RunMetadata
from dmioc.plans.stations import station_of
from dmioc.plans.watching import Watch

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation


_LOG = logging.getLogger(__name__)
_HURRIED_S = 10.0
"""Longest time for telling DM of a run when the plan has been left."""


def checked_plan(plan: object) -> None:
    """Raises `TypeError` for what is no plan: mostly one that was not called."""
    if callable(plan) or not isinstance(plan, Generator | Iterable):
        raise TypeError(f"a plan is needed, e.g. count([detector]), not {plan!r}: was it called?")


class Acquisition:
    """An acquisition plan, and what DM did with its data.

    Args:
        station: as plans take it.
        workflow: DM workflow of the data; may be empty.
        metadata: further metadata for the runs.
        adds_metadata: whether DM's catalog is to hold the documents of the runs.
        on_failure: ``raise`` or ``report``, when they cannot be added.
    """

    def __init__(
        self,
        station: DMStation | str | None,
        workflow: str,
        metadata: Mapping[str, Any] | None,
        *,
        adds_metadata: bool,
        on_failure: str,
    ) -> None:
        self._station = station
        self._workflow = workflow
        self._metadata = metadata
        self._adds_metadata = adds_metadata
        self._raises = on_failure == RAISE
        self._experiment = ""
        self._runs = RunMetadata("", workflow, metadata)
        self._plan_result: Any = None
        self.daq: TransferOutcome | None = None
        self.job: JobOutcome | None = None
        self.stream: StreamOutcome | None = None

    def prepare(self) -> MsgGenerator[None]:
        """A plan that finds out what the runs belong to; raises `GatewayLostError` before anything is begun."""

        async def experiment_in_use() -> str:
            dm = await station_of(self._station)
            async with Watch(dm, None, (dm.experiment.name_,)) as watch:
                return str(watch.value(dm.experiment.name_))

        self._experiment = yield from carried_out(experiment_in_use)
        self._runs = RunMetadata(self._experiment, self._workflow, self._metadata)

    def acquire(self, plan: Any) -> MsgGenerator[None]:
        """The acquisition, with its runs collected."""
        self._plan_result = yield from self._runs.collected(plan)

    def tell(self) -> MsgGenerator[RunOutcome]:
        """A plan that tells DM of the runs, and answers everything."""
        added = (
            (yield from self._runs.sent(self._station, self._dm(), must=self._raises)) if self._adds_metadata else ()
        )
        return RunOutcome(self._plan_result, self._runs.run_uids, self.daq, self.job, self.stream, added)

    def tell_of_error(self, error: Exception) -> MsgGenerator[None]:
        """A plan that tells DM of the runs there were before an error; takes no long time, and raises nothing of its own."""
        if not self._adds_metadata:
            return
        if isinstance(error, GatewayLostError):
            _LOG.error("runs %s: their metadata are not in DM: the gateway is away", ", ".join(self._runs.run_uids))
            return
        more = {**self._dm(), "error": str(error)}
        yield from self._runs.sent(self._station, more, must=False, timeout_s=_HURRIED_S)

    def _dm(self) -> dict[str, Any]:
        """What stands beside the documents in DM's catalog."""
        found: dict[str, Any] = {"experiment": self._experiment, "workflow": self._workflow}
        if self.daq is not None:
            found |= {"daq_id": self.daq.id, "daq_status": self.daq.status, "files_done": self.daq.files_done}
        if self.stream is not None:
            found |= {"session": self.stream.session, "job_id": self.stream.job_id, "result": self.stream.result}
        if self.job is not None:
            found |= {"job_id": self.job.job_id, "job_status": self.job.status, "job_error": self.job.error}
        return found
