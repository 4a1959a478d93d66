"""The file-based outline of DM's guide around any acquisition plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmioc.plans.acquisition import Acquisition, checked_plan
from dmioc.plans.arguments import DAY_S, HOUR_S, RAISE, check_has_workflow
from dmioc.plans.carrying import carried_out, cleaned_up
from dmioc.plans.outcomes import RunOutcome
from dmioc.plans.stations import station_of
from dmioc.plans.transfer_slots import files_known
from dmioc.plans.transfers import start_daq, wait_daq
from dmioc.plans.workflows import check_job, run_workflow, wait_jobs

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation
    from dmioc.plans.outcomes import TransferOutcome


def file_based(
    plan: MsgGenerator[Any],
    *,
    workflow: str = "",
    data_directory: str = "",
    dest_directory: str = "",
    daq: TransferOutcome | str = "",
    expect: int = 0,
    file: str = "",
    daq_timeout: float = HOUR_S,
    wait_for_jobs: bool = False,
    timeout: float = DAY_S,
    report_period: float = 60.0,
    on_failure: str = RAISE,
    metadata: Mapping[str, Any] | None = None,
    add_run_metadata: bool = True,
    station: DMStation | str | None = None,
    **job: Any,
) -> MsgGenerator[RunOutcome]:
    """Acquire data into files, have DM store and process them, and tell DM of the runs; answers a `RunOutcome`.

    The steps of DM's guide:

    1. metadata: ``metadata``, ``dm_experiment`` and ``dm_workflow`` go into the start document of each run;
    2. - 4. the acquisition plan prepares, starts, and waits for the end; before, a DAQ for ``data_directory`` is started;
    5. wait until the DAQ has stored ``expect`` more files than before, and ``file``, if one of them is given;
    6. wait until no job is active, if ``wait_for_jobs``; ``if_running="Wait"`` waits for jobs of the same workflow only;
    7. - 8. run ``workflow``, if given, with reports in the log;
    9. add the documents of the runs (start, descriptors, stop) to DM's catalog, with DAQ and job under ``dm``.

    Args:
        plan: any plan, e.g. ``bluesky.plans.count([detector])``. It may make any number of runs.
        workflow, timeout, report_period, on_failure: of the workflow, see `run_workflow`; so are all keywords that are not named
            here, e.g. ``file_path``, ``args``, ``wait``, ``if_running``, ``abort_on_exit`` and DM arguments.
        data_directory: directory tree that the data are written to, for a DAQ to watch; empty: a DAQ that is there already is
            waited for, or none.
        dest_directory: subdirectory of the experiment for that DAQ.
        daq: the DAQ that is waited for, if it is not started here: what `start_daq` answered, or its id; empty: the only one.
        expect: so many files of this acquisition.
        file: a file of it, absolute or relative to the watched directory.
        daq_timeout: s, longest time of step 5.
        wait_for_jobs: see step 6.
        metadata: more for the start documents.
        add_run_metadata: whether to do step 9.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.

    The experiment must have been chosen, see `setup_user`. A plan that is left, by an error, abort or stop, starts nothing more;
    what its runs have told until then is added to DM's catalog. DAQs go on, and a job as `run_workflow` says.

    Raises as `wait_daq`, `wait_jobs`, `run_workflow` and `send_metadata`, and what the plan raises.
    """
    checked_plan(plan)
    check_has_workflow(workflow, job)
    check_job(on_failure=on_failure, **job)
    acquisition = Acquisition(station, workflow, metadata, adds_metadata=add_run_metadata, on_failure=on_failure)
    files = _Files(data_directory, dest_directory, daq, expect, file, daq_timeout, report_period, station)
    common: dict[str, Any] = {"timeout": timeout, "report_period": report_period, "station": station}

    def steps() -> MsgGenerator[RunOutcome]:
        yield from acquisition.prepare()
        yield from files.prepare()
        yield from acquisition.acquire(plan)
        acquisition.daq = yield from files.stored()
        if wait_for_jobs:
            yield from wait_jobs(**common)
        if workflow:
            acquisition.job = yield from run_workflow(workflow, on_failure=on_failure, **common, **job)
        return (yield from acquisition.tell())

    return (yield from cleaned_up(steps(), acquisition.tell_of_error))


@dataclass
class _Files:
    """The DAQ that stores the files of an acquisition; arguments as `file_based` takes them."""

    data_directory: str
    dest_directory: str
    daq: TransferOutcome | str
    expect: int
    file: str
    timeout_s: float
    report_period_s: float
    station: DMStation | str | None
    known: int = 0

    def prepare(self) -> MsgGenerator[None]:
        """Start the DAQ, if asked to, and find out how many files it has seen until now."""
        if self.data_directory:
            self.daq = yield from start_daq(self.data_directory, self.dest_directory, station=self.station)
        if self.expect:
            self.known = yield from carried_out(self._files_known)

    async def _files_known(self) -> int:
        return await files_known(await station_of(self.station), self.daq)

    def stored(self) -> MsgGenerator[TransferOutcome | None]:
        """Wait until the files are stored; answers the DAQ, None when there is none to wait for."""
        if not (self.data_directory or self.expect or self.file):
            return None
        return (
            yield from wait_daq(
                self.known + self.expect,
                self.file,
                daq=self.daq,
                timeout=self.timeout_s,
                report_period=self.report_period_s,
                station=self.station,
            )
        )
