"""Plans for DAQs, which copy what appears in a directory, and for uploads, which copy what is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dmioc.errors import JobFailedError
from dmioc.model import Service
from dmioc.plans.arguments import DAY_S, HOUR_S, RAISE, check_on_failure
from dmioc.plans.carrying import carried_out
from dmioc.plans.queueing import queueable
from dmioc.plans.stations import station_of
from dmioc.plans.transfer_slots import (
    finished_upload,
    free_slot,
    held_daq,
    holder,
    may_be_complete,
    outcome_of,
    progress,
    shared_setpoints,
    watched,
)
from dmioc.plans.waits import Patience, settled
from dmioc.plans.watching import Watch, command, put

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation
    from dmioc.plans.outcomes import TransferOutcome

_LOG = logging.getLogger(__name__)
_STOP_TIMEOUT_S = 120.0


@queueable
def start_daq(
    data_directory: str,
    dest_directory: str = "",
    *,
    workflow: str = "",
    workflow_args: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    station: DMStation | str | None = None,
    slot: int | str | None = None,
) -> MsgGenerator[TransferOutcome]:
    """Start a DAQ of the experiment in use, or attach to the one that watches the directory already; answers it.

    Args:
        data_directory: directory tree to watch, as DM is to see it.
        dest_directory: subdirectory of the experiment.
        workflow: DM workflow to start for each file; empty: none.
        workflow_args: its arguments.
        options: any other DM keys of a DAQ.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.
        slot: DAQ slot, e.g. 1 or ``DAQ1``; None: the one that holds this DAQ, else the first that holds no active one.

    The DAQ goes on whatever becomes of the plan, until `stop_daq`.

    Raises `RefusedError`, `CommandFailedError` and `GatewayLostError` with the gateway's reason.
    """

    async def work() -> TransferOutcome:
        dm = await station_of(station)
        async with Watch(dm, Service.DAQ, (*watched(dm.daqs.slots), dm.experiment.name_)) as watch:
            chosen = holder(watch, dm, data_directory) if slot is None else None
            chosen = chosen or free_slot(watch, dm, dm.daqs.slots, slot)
            shared = shared_setpoints(chosen, dest_directory, workflow, workflow_args, options)
            await put({chosen.data_directory: data_directory, **shared})
            await command(chosen.start, watch=watch)
            outcome = await outcome_of(dm, chosen)
        verb = "attached to" if outcome.attached else "started"
        _LOG.info("%s DAQ %s of %s on %s", verb, outcome.id, outcome.experiment, outcome.directory)
        return outcome

    return (yield from carried_out(work))


@queueable
def stop_daq(
    daq: TransferOutcome | str = "",
    *,
    station: DMStation | str | None = None,
    slot: int | str | None = None,
) -> MsgGenerator[TransferOutcome]:
    """Stop a DAQ and wait until DM has stopped it; answers it.

    Args:
        daq: what `start_daq` answered, or DM's id of it; empty: the only one that is active.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.
        slot: its slot; None: the one that holds it.

    Raises `RefusedError`, `CommandFailedError` and `GatewayLostError` with the gateway's reason.
    """

    async def work() -> TransferOutcome:
        dm = await station_of(station)
        async with Watch(dm, Service.DAQ, watched(dm.daqs.slots)) as watch:
            chosen = held_daq(watch, dm, daq, slot)
            await command(chosen.stop_, _STOP_TIMEOUT_S, watch)
            return await outcome_of(dm, chosen)

    return (yield from carried_out(work))


@queueable
def wait_daq(
    expect: int = 0,
    file: str = "",
    *,
    daq: TransferOutcome | str = "",
    timeout: float = HOUR_S,
    report_period: float = 60.0,
    station: DMStation | str | None = None,
    slot: int | str | None = None,
) -> MsgGenerator[TransferOutcome]:
    """Wait until a DAQ has stored what is expected, without errors, and nothing is waiting; answers it.

    Args:
        expect: at least so many files, counted since the DAQ was started.
        file: a file that must be among them: its path in the watched directory, absolute or relative to it.
        daq: what `start_daq` answered, or DM's id of it; empty: the only one that is active.
        timeout: s, longest time.
        report_period: s, between two lines in the log.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.
        slot: its slot; None: the one that holds it.

    The DAQ goes on, whatever becomes of the plan.

    Raises:
        CommandFailedError: files failed, the DAQ ended without what is expected, or DM has been away (``LostAfter``).
        WaitTimeoutError: the timeout has passed; its text tells how far the DAQ is.
        GatewayLostError: the gateway has been away for longer than ``LostAfter``.
        RefusedError: no slot holds the DAQ.
    """

    async def work() -> TransferOutcome:
        dm = await station_of(station)
        signals = [*watched(dm.daqs.slots), *(one.wait for one in dm.daqs.slots)]
        async with Watch(dm, Service.DAQ, signals) as watch:
            chosen = held_daq(watch, dm, daq, slot)
            patience = Patience(timeout, report_period, f"files of DAQ {watch.value(chosen.id)}")
            await put({chosen.expect: expect, chosen.expect_file: file})
            await settled(
                watch,
                chosen,
                patience,
                is_likely=lambda: may_be_complete(watch, chosen, expect),
                report=lambda: progress(watch, chosen),
            )
            return await outcome_of(dm, chosen)

    return (yield from carried_out(work))


@queueable
def upload(
    path: str,
    dest_directory: str = "",
    *,
    directory_mode: bool = False,
    reprocess: bool = False,
    workflow: str = "",
    workflow_args: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    wait: bool = True,
    timeout: float = DAY_S,
    report_period: float = 60.0,
    on_failure: str = "raise",
    station: DMStation | str | None = None,
    slot: int | str | None = None,
) -> MsgGenerator[TransferOutcome]:
    """Upload a file or a directory into the experiment in use and, unless told otherwise, wait for its end; answers it.

    Args:
        path: the file or directory, as DM is to see it.
        dest_directory: subdirectory of the experiment.
        directory_mode: the whole directory in one transfer, not file by file.
        reprocess: whether unchanged files are uploaded again.
        workflow: DM workflow to start for each file; empty: none.
        workflow_args: its arguments.
        options: any other DM keys of an upload.
        wait: False: return as soon as DM has accepted the upload.
        timeout: s, longest time of the upload.
        report_period: s, between two lines in the log.
        on_failure: for an upload that ends, and not as Done: ``raise`` an error, or ``report`` it in the outcome and in the log.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.
        slot: upload slot, e.g. 1 or ``UPL1``; None: the first one that holds no active upload.

    The upload goes on whatever becomes of the plan.

    Raises as `run_workflow`.
    """
    check_on_failure(on_failure)

    async def work() -> TransferOutcome:
        dm = await station_of(station)
        async with Watch(dm, Service.DAQ, watched(dm.uploads.slots)) as watch:
            chosen = free_slot(watch, dm, dm.uploads.slots, slot)
            await put(
                {
                    chosen.source_path: path,
                    chosen.mode: "Directory" if directory_mode else "Files",
                    chosen.reprocess: "Yes" if reprocess else "No",
                    **shared_setpoints(chosen, dest_directory, workflow, workflow_args, options),
                }
            )
            await command(chosen.start, watch=watch)
            outcome = await outcome_of(dm, chosen)
            if wait:
                patience = Patience(timeout, report_period, f"upload {outcome.id} of {path}")
                outcome = await finished_upload(dm, watch, chosen, outcome, patience)
        return outcome

    outcome = yield from carried_out(work)
    if wait:
        _told(outcome, on_failure)
    return outcome


def _told(outcome: TransferOutcome, on_failure: str) -> None:
    if outcome.is_done:
        _LOG.info("upload %s of %s is Done, %d files", outcome.id, outcome.directory, outcome.files_done)
        return
    text = f"upload {outcome.id} of {outcome.directory} is {outcome.status}: {outcome.error}".rstrip(": ")
    if on_failure == RAISE:
        raise JobFailedError(text, outcome.id, outcome.status)
    _LOG.warning("%s", text)
