"""DAQ and upload slots as plans see them: which one, what it holds, how far that is."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dmioc.errors import CommandFailedError, GatewayLostError, RefusedError
from dmioc.model import Status
from dmioc.plans.arguments import json_object
from dmioc.plans.outcomes import TransferOutcome
from dmioc.plans.stations import Slot, slot_name, slots_for
from dmioc.plans.watching import Watch, command, read

if TYPE_CHECKING:
    from dmioc.devices.station import DMStation
    from dmioc.plans.waits import Patience

_COUNTS = ("files_total", "files_done", "files_waiting", "files_failed")
_READBACKS = ("status", "experiment_rbv", "data_directory_rbv", "dest_directory_rbv", "error", *_COUNTS)
_WATCHED = ("id", "status", "experiment_rbv", "data_directory_rbv", *_COUNTS)
_ACTIVE = frozenset(status.value for status in Status if status.is_active)
_FINISHED = frozenset(status.value for status in Status if status.is_finished)


def watched(slots: Sequence[Any]) -> list[Any]:
    """The signals of DAQ or upload slots that plans watch."""
    return [getattr(slot, name) for slot in slots for name in _WATCHED]


def is_active(watch: Watch, slot: Any) -> bool:
    """Whether a slot holds a transfer that is still to change."""
    return watch.value(slot.status) in _ACTIVE


def free_slot(watch: Watch, dm: DMStation, slots: Sequence[Any], wanted: Slot | None) -> Any:
    """The slot that is named, else the first one that holds no active transfer; raises `RefusedError`."""
    return slots_for(dm, slots, wanted, lambda slot: not is_active(watch, slot))[0]


def held_daq(watch: Watch, dm: DMStation, daq: TransferOutcome | str, wanted: Slot | None) -> Any:
    """The slot that holds a DAQ; raises `RefusedError` when there is none, or more than one that may be meant."""
    if wanted is not None:
        return slots_for(dm, dm.daqs.slots, wanted, lambda _: True)[0]
    daq_id = daq if isinstance(daq, str) else daq.id
    if daq_id:
        found = [slot for slot in dm.daqs.slots if watch.value(slot.id) == daq_id]
        if not found:
            raise RefusedError(f"no DAQ slot holds DAQ {daq_id}")
        return found[0]
    active = [slot for slot in dm.daqs.slots if is_active(watch, slot)]
    ids = sorted({watch.value(slot.id) for slot in active})
    if len(ids) != 1:
        raise RefusedError(f"which DAQ? {'none is active' if not ids else 'active are ' + ', '.join(ids)}: give its id")
    return active[0]


def holder(watch: Watch, dm: DMStation, directory: str) -> Any:
    """The slot that holds an active DAQ of the experiment in use and the directory; None if none does.

    ``watch`` watches the name of the experiment too.
    """
    for slot in dm.daqs.slots:
        is_same = posixpath.normpath(watch.value(slot.data_directory_rbv) or "/") == posixpath.normpath(directory)
        if is_same and is_active(watch, slot) and watch.value(slot.experiment_rbv) == watch.value(dm.experiment.name_):
            return slot
    return None


def shared_setpoints(
    slot: Any,
    dest_directory: str,
    workflow: str,
    workflow_args: Mapping[str, Any] | None,
    options: Mapping[str, Any] | None,
) -> dict[Any, str]:
    """Signals that DAQ and upload slots have in common, and what to set them to."""
    return {
        slot.dest_directory: dest_directory,
        slot.workflow: workflow,
        slot.workflow_args: json_object(workflow_args),
        slot.options: json_object(options),
    }


def may_be_complete(watch: Watch, slot: Any, expect: int) -> bool:
    """Whether so many files may all be there, or cannot come any more, as far as is known here."""
    is_settled = watch.value(slot.files_waiting) == 0
    is_enough = watch.value(slot.files_done) >= expect or watch.value(slot.files_failed) > 0
    return (is_settled and is_enough) or watch.value(slot.status) in _FINISHED


def progress(watch: Watch, slot: Any) -> str:
    """How far a transfer is, in words."""
    total, done, waiting, failed = (watch.value(getattr(slot, name)) for name in _COUNTS)
    status = watch.value(slot.status)
    return f"{status}, {done:g} of {total:g} files stored, {waiting:g} waiting, {failed:g} failed"


async def outcome_of(dm: DMStation, slot: Any) -> TransferOutcome:
    """What a slot holds now; raises `GatewayLostError` while the gateway is away."""
    is_upload = hasattr(slot, "source_path_rbv")
    names = (*_READBACKS, "source_path_rbv" if is_upload else "attached")
    shown = await read(slot, "id", names)
    name = slot_name(dm, slot)
    if shown is None:
        raise GatewayLostError(f"{name} was not read: the gateway {dm.prefix} is away; what it holds goes on in DM")
    return TransferOutcome(
        id=shown["id"],
        slot=name,
        status=shown["status"],
        experiment=shown["experiment_rbv"],
        directory=shown["source_path_rbv"] if is_upload else shown["data_directory_rbv"],
        dest_directory=shown["dest_directory_rbv"],
        error=shown["error"],
        attached=bool(shown.get("attached", 0)),
        **{count: int(shown[count]) for count in _COUNTS},
    )


async def finished_upload(
    dm: DMStation, watch: Watch, slot: Any, upload: TransferOutcome, patience: Patience
) -> TransferOutcome:
    """The upload when it has ended; raises as `Watch.until`, and `CommandFailedError` when the slot is given another one."""
    while True:
        await watch.until(
            lambda: watch.value(slot.id) != upload.id or watch.value(slot.status) in _FINISHED,
            deadline_s=patience.deadline_s,
            late=lambda: patience.late(progress(watch, slot)),
            what=patience.what,
            look=lambda: patience.report(lambda: progress(watch, slot)),
        )
        try:
            now = await outcome_of(dm, slot)
        except GatewayLostError:
            continue  # it may be back before the wait ends
        if now.id != upload.id:
            raise CommandFailedError(
                f"{patience.what} goes on in DM, but another client took {upload.slot} and nobody follows it"
            )
        if now.status in _FINISHED:
            return now
        await watch.wake()


async def files_known(dm: DMStation, daq: TransferOutcome | str) -> int:
    """Files that a DAQ has seen until now, as DM says when it is asked anew; raises as `held_daq`, and `GatewayLostError`."""
    async with Watch(dm, None, watched(dm.daqs.slots)) as watch:
        slot = held_daq(watch, dm, daq, None)
        await command(dm.refresh, watch=watch)
        return (await outcome_of(dm, slot)).files_total
