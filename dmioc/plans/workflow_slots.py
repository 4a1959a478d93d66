"""Workflow slots as plans see them: what is watched of them, and which one is free."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from dmioc.model import Status
from dmioc.plans.job_request import ARGUMENT_FIELDS
from dmioc.plans.stations import Slot, slots_for
from dmioc.plans.watching import IDLE, Watch

if TYPE_CHECKING:
    from dmioc.devices.station import DMStation

FINISHED = frozenset(status.value for status in Status if status.is_finished)
_ACTIVE = frozenset(status.value for status in Status if status.is_active)
_COMMANDS = ("start", "run", "attach")
_WATCHED = ("job_id", "status", "stage_", "stage_index", "stage_count", *_COMMANDS, *ARGUMENT_FIELDS)


def watched(dm: DMStation) -> list[Any]:
    """The signals of the station's workflow slots that plans watch."""
    return [getattr(slot, name) for slot in dm.workflows.slots for name in _WATCHED]


def is_active(watch: Watch, slot: Any) -> bool:
    """Whether a slot holds a job that is still to change."""
    return watch.value(slot.status) in _ACTIVE


def free_slot(watch: Watch, dm: DMStation, wanted: Slot | None, tried: Collection[Any] = ()) -> Any:
    """The slot that is named, else the first one that holds no active job and is not about to; raises `RefusedError`."""

    def is_free(slot: Any) -> bool:
        is_idle = all(watch.value(getattr(slot, name)) == IDLE for name in _COMMANDS)
        return slot not in tried and is_idle and not is_active(watch, slot)

    return slots_for(dm, dm.workflows.slots, wanted, is_free)[0]
