"""The plan that begins a user's time: the experiment, a DAQ, a file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dmioc.catalogue.experiment import EXPERIMENT_STATES
from dmioc.catalogue.gateway import SERVICE_STATES
from dmioc.errors import CommandFailedError, DmiocError, GatewayLostError, RefusedError
from dmioc.plans.carrying import carried_out
from dmioc.plans.outcomes import SetupOutcome
from dmioc.plans.queueing import queueable
from dmioc.plans.stations import station_of
from dmioc.plans.transfers import start_daq, upload
from dmioc.plans.watching import Watch, command, put, read

if TYPE_CHECKING:
    from bluesky.utils import MsgGenerator

    from dmioc.devices.station import DMStation
    from dmioc.plans.outcomes import TransferOutcome

_LOG = logging.getLogger(__name__)
_LOADED, _NOT_FOUND, _UNVERIFIED = (state.label for state in EXPERIMENT_STATES[1:])
_CONNECTED = SERVICE_STATES[1].label


@queueable
def setup_user(
    experiment: str,
    data_directory: str = "",
    dest_directory: str = "",
    upload_file: str = "",
    *,
    upload_directory: str | None = None,
    must_reach_dm: bool = False,
    station: DMStation | str | None = None,
) -> MsgGenerator[SetupOutcome]:
    """Choose the DM experiment for everything that follows, start a DAQ and upload a file if asked to; answers a `SetupOutcome`.

    Args:
        experiment: name of the DM experiment; the gateway keeps it, for all sessions, also over restarts.
        data_directory: directory tree for a DAQ to watch; empty: no DAQ. One that watches it already is taken as it is.
        dest_directory: subdirectory of the experiment for the DAQ.
        upload_file: a file to upload; empty: none.
        upload_directory: subdirectory of the experiment for it; None: ``dest_directory``.
        must_reach_dm: raise when DM is away. Otherwise the plan goes on, a warning in the log and in the outcome says what was
            not done, and the gateway takes the experiment up by itself when DM is back.
        station: a `DMStation` or the prefix of a gateway; None: see `use_station`.

    It opens no run. DAQ and upload go on whatever becomes of the plan.

    Raises:
        RefusedError: DM does not know the experiment, or does not take the DAQ or the file.
        JobFailedError: the upload ended, and not as Done.
        CommandFailedError: DM is away, and it must be reached.
        GatewayLostError: the gateway does not answer.
    """
    if not experiment.strip():
        raise ValueError("setup_user takes the name of a DM experiment, not an empty text")
    state = yield from _experiment_state(experiment.strip(), station)
    if state == _NOT_FOUND:
        raise RefusedError(f"DM does not know the experiment {experiment}: create it in DM, or correct the name")
    warnings: list[str] = []
    daq = copied = None
    if state == _UNVERIFIED:
        warnings.append(f"the experiment {experiment} is not checked")
    if data_directory:
        plan = start_daq(data_directory, dest_directory, station=station)
        daq = yield from _unless_away(plan, f"no DAQ was started for {data_directory}", state, station, warnings)
    if upload_file:
        plan = upload(upload_file, dest_directory if upload_directory is None else upload_directory, station=station)
        copied = yield from _unless_away(plan, f"{upload_file} was not uploaded", state, station, warnings)
    for line in warnings:
        if must_reach_dm:
            raise CommandFailedError(f"DM does not answer: {line}")
        _LOG.warning("DM does not answer: %s", line)
    return SetupOutcome(experiment, state, daq, copied, tuple(warnings))


def _experiment_state(experiment: str, station: DMStation | str | None) -> MsgGenerator[str]:
    """Choose the experiment; answers what DM says of it (``EXP:State``)."""

    async def work() -> str:
        dm = await station_of(station)
        async with Watch(dm, None, ()):
            await put({dm.experiment.name_: experiment})
            shown = await read(dm.experiment, "name_", ("state",))
        if shown is None:
            raise GatewayLostError(f"the gateway {dm.prefix} went away while {experiment} was chosen")
        return str(shown["state"])

    return (yield from carried_out(work))


def _unless_away(
    plan: MsgGenerator[TransferOutcome],
    otherwise: str,
    state: str,
    station: DMStation | str | None,
    warnings: list[str],
) -> MsgGenerator[TransferOutcome | None]:
    """Carry out a plan; None, with one more warning, when it cannot be since DM is away."""
    if state != _LOADED:
        plan.close()
        warnings.append(otherwise)
        return None
    try:
        return (yield from plan)
    except (RefusedError, CommandFailedError) as error:
        if not (yield from _is_dm_away(station)):
            raise
        warnings.append(f"{otherwise}: {error}")
        return None


def _is_dm_away(station: DMStation | str | None) -> MsgGenerator[bool]:
    """Whether one of the services that DAQs and uploads need does not answer now."""

    async def work() -> bool:
        dm = await station_of(station)
        try:
            await command(dm.refresh)
        except DmiocError as error:
            _LOG.info("refresh: %s", error)
        states = [await read(service, "state", ()) for service in (dm.ds, dm.daq)]
        return any(shown is not None and shown["state"] != _CONNECTED for shown in states)

    return (yield from carried_out(work))
