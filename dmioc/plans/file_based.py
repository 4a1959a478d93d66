"""The file-based outline of DM's guide around any acquisition plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dmioc.plans.acquisition import Acquisition, checked_plan
from dmioc.plans.arguments import DAY_S, HOUR_S, RAISE, check_choice, check_on_failure, merged_arguments
from dmioc.plans.carrying import carried_out, cleaned_up
from dmioc.plans.job_request import BESIDE, IF_RUNNING
from dmioc.plans.outcomes import RunOutcome
from dmioc.plans.stations import station_of
from dmioc.plans.transfer_slots import files_known
from dmioc.plans.transfers import start_daq, wait_daq
from dmioc.plans.workflows import run_workflow, wait_jobs

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation
    from dmioc.plans.outcomes import TransferOutcome


def file_based(
    plan: MsgGenerator[Any],
    *,
    workflow: str = "",
    args: Mapping[str, Any] | None = None,
    file_path: str = "",
    data_directory: str = "",
    dest_directory: str = "",
    daq: TransferOutcome | str = "",
    expect: int = 0,
    file: str = "",
    daq_timeout: float = HOUR_S,
    wait_for_jobs: bool = False,
    wait: bool = True,
    timeout: float = DAY_S,
    report_period: float = 60.0,
    owner: str = "",
    if_running: str = BESIDE,
    on_failure: str = RAISE,
    abort_on_exit: bool = False,
    metadata: Mapping[str, Any] | None = None,
    add_run_metadata: bool = True,
    station: DMStation | str | None = None,
    slot: int | str | None = None,
    **workflow_args: Any,
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
        workflow, args, file_path, wait, timeout, report_period, owner, if_running, on_failure, abort_on_exit, slot: of the
            workflow, see `run_workflow`; so are keywords that are not named here.
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
    check_on_failure(on_failure)
    check_choice("if_running", if_running, IF_RUNNING)
    arguments = merged_arguments(args, workflow_args)
    acquisition = Acquisition(station, workflow, metadata, adds_metadata=add_run_metadata, on_failure=on_failure)

    def steps() -> MsgGenerator[RunOutcome]:
        yield from acquisition.prepare()
        watched = daq
        if data_directory:
            watched = yield from start_daq(data_directory, dest_directory, station=station)
        is_daq_awaited = bool(data_directory or expect or file)
        known = (yield from _files_known(watched, station)) if is_daq_awaited and expect else 0
        yield from acquisition.acquire(plan)
        if is_daq_awaited:
            acquisition.daq = yield from wait_daq(
                known + expect, file, daq=watched, timeout=daq_timeout, report_period=report_period, station=station
            )
        if wait_for_jobs:
            yield from wait_jobs(timeout=timeout, report_period=report_period, station=station)
        if workflow:
            acquisition.job = yield from run_workflow(
                workflow,
                arguments,
                wait=wait,
                timeout=timeout,
                report_period=report_period,
                file_path=file_path,
                owner=owner,
                if_running=if_running,
                on_failure=on_failure,
                abort_on_exit=abort_on_exit,
                station=station,
                slot=slot,
            )
        return (yield from acquisition.tell())

    return (yield from cleaned_up(steps(), acquisition.tell_of_error))


def _files_known(daq: TransferOutcome | str, station: DMStation | str | None) -> MsgGenerator[int]:
    """Files that the DAQ has seen until now, as DM says when it is asked anew."""

    async def work() -> int:
        return await files_known(await station_of(station), daq)

    return (yield from carried_out(work))
